"""Mutexes between real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.processes import eventually, waiting
from venvship.errors import BusyError, NotWritableError, RootError
from venvship.system.mutex import Mutex, shared

REPOSITORY = Path(__file__).parents[2]


def another_process(
    script: str, *arguments: str | os.PathLike[str]
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run Python code that says "ready" and then waits for its standard input to end."""
    return waiting(sys.executable, "-c", script, *arguments, cwd=REPOSITORY)


HOLD = """
import sys
from venvship.system.mutex import Mutex
with Mutex(sys.argv[1], "build").hold():
    print("ready", flush=True)
    sys.stdin.read()
"""

SHARE = """
import sys
from venvship.system.mutex import shared
with shared(sys.argv[1], exclusive=sys.argv[2] == "exclusive"):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "build.mutex"
    path.parent.mkdir()
    path.touch(0o600)
    return path


@pytest.fixture
def mutex(path: Path) -> Mutex:
    return Mutex(str(path), "build")


# -- mutual exclusion ---------------------------------------------------------------------------------------


def test_only_one_process_holds_it(path: Path, mutex: Mutex) -> None:
    with another_process(HOLD, path) as holder:
        assert mutex.is_held()
        with pytest.raises(BusyError) as caught, mutex.hold():
            pass
        holder.communicate()
        with mutex.hold():
            pass

    assert caught.value.exit_code == 30
    assert caught.value.data == {"mutex": "build"}
    assert "another command of venvship is under way" in caught.value.message
    assert caught.value.hint is not None
    assert not mutex.is_held()


def test_a_look_that_keeps_it_free_is_shared_and_excludes_who_would_take_it(path: Path, mutex: Mutex) -> None:
    with another_process(HOLD, path) as holder, mutex.kept_free() as free:
        assert not free
        holder.communicate()
    with mutex.kept_free() as first, Mutex(str(path), "build").kept_free() as second:
        assert first
        assert second
        with pytest.raises(BusyError), mutex.hold():
            pass
    assert not mutex.is_held()
    path.unlink()
    with pytest.raises(RootError), mutex.kept_free():
        pass


def test_whoever_is_refused_learns_who_has_it(path: Path) -> None:
    mutex = Mutex(str(path), "switch", lambda: "release is under way since 09:41, by alice, process 7")

    with (
        another_process(HOLD, path),
        pytest.raises(BusyError, match=r"^busy: release is under way since 09:41, by alice, process 7$"),
        mutex.hold(),
    ):
        pass


def test_it_excludes_within_one_process_too(path: Path, mutex: Mutex) -> None:
    with mutex.hold():
        assert mutex.is_held()
        with pytest.raises(BusyError), Mutex(str(path), "build").hold():
            pass
    assert not mutex.is_held()


def test_it_is_given_back_when_the_work_fails(mutex: Mutex) -> None:
    with pytest.raises(ZeroDivisionError), mutex.hold():
        raise ZeroDivisionError

    with mutex.hold():
        pass


def test_it_is_free_again_when_its_holder_is_killed(path: Path, mutex: Mutex) -> None:
    with another_process(HOLD, path) as holder:
        holder.kill()
        holder.wait()

        with mutex.hold():
            pass


def test_waiting_ends_when_it_is_free(path: Path, mutex: Mutex) -> None:
    with another_process(HOLD, path) as holder:
        asked = 0

        def interrupted() -> None:
            nonlocal asked
            asked += 1
            if asked == 3:
                holder.kill()

        with mutex.hold(wait=30, interrupted=interrupted):
            pass

    assert asked >= 3


def test_waiting_ends_when_the_time_is_up(path: Path, mutex: Mutex) -> None:
    with another_process(HOLD, path):
        began = time.monotonic()
        with pytest.raises(BusyError), mutex.hold(wait=0.3):
            pass
        assert 0.3 <= time.monotonic() - began < 50


def test_waiting_ends_when_it_is_interrupted(path: Path, mutex: Mutex) -> None:
    def interrupted() -> None:
        raise InterruptedError("a signal")

    with (
        another_process(HOLD, path),
        pytest.raises(InterruptedError),
        mutex.hold(wait=30, interrupted=interrupted),
    ):
        pass


def test_without_a_wait_nobody_is_asked_and_nothing_slept(path: Path, mutex: Mutex) -> None:
    def interrupted() -> None:
        raise AssertionError("asked")

    with another_process(HOLD, path), pytest.raises(BusyError), mutex.hold(interrupted=interrupted):
        pass


# -- the file -----------------------------------------------------------------------------------------------


def test_the_file_is_never_deleted_and_keeps_its_mode(path: Path, mutex: Mutex) -> None:
    with mutex.hold():
        held = os.stat(path)
    mutex.is_held()
    with another_process(HOLD, path) as holder:
        holder.kill()

    assert os.stat(path).st_ino == held.st_ino
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_mutex_that_is_not_there_is_not_made(path: Path, mutex: Mutex, gone: str) -> None:
    path.unlink()
    if gone == "folder":
        path.parent.rmdir()
    with pytest.raises(RootError, match="is gone") as caught, mutex.hold(wait=5):
        pass
    assert caught.value.exit_code == 12
    assert not os.path.lexists(path)
    assert path.parent.exists() == (gone == "file")


@pytest.mark.parametrize("kind", ["exclusive", "store"])
def test_whoever_waits_while_the_folder_is_removed_makes_nothing(path: Path, kind: str) -> None:
    """As `destroy` does with the mutex held: it lets go of a file that nobody else can find."""
    asked = 0

    def interrupted() -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            path.unlink()
            path.parent.rmdir()
            holder.kill()

    with another_process(HOLD if kind == "exclusive" else SHARE, path, "exclusive") as holder:
        waiter = (
            Mutex(str(path), "build").hold(wait=30, interrupted=interrupted)
            if kind == "exclusive"
            else shared(str(path), wait=30, interrupted=interrupted)
        )
        with pytest.raises(RootError, match="is gone"), waiter:
            pass
    assert asked >= 2
    assert not path.parent.exists()


LATE = """
import os, sys
from venvship.errors import RootError
from venvship.system.mutex import Mutex
path, again = sys.argv[1:]
def between(event, _arguments):
    # Raised after the file was opened, and before flock(2).
    if event == "fcntl.flock" and not done:
        done.append(event)
        os.unlink(path)
        if again:
            open(path, "w").close()
done = []
sys.addaudithook(between)
try:
    with Mutex(path, "build").hold():
        assert again, "the lock of a file without a name"
        assert Mutex(path, "build").is_held(), "the lock of the file that lost its name"
except RootError:
    assert not again
print("ready", flush=True)
"""


@pytest.mark.parametrize("again", ["", "again"])
def test_the_lock_of_a_file_that_lost_its_name_meanwhile_does_not_count(path: Path, again: str) -> None:
    """A opens it; B removes it, and C makes another: A and C would each hold it."""
    with another_process(LATE, path, again) as process:
        process.communicate()
    assert process.returncode == 0
    assert path.exists() == bool(again)


def test_a_mutex_that_cannot_be_opened_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "file").touch()

    for name in ("file/x.mutex", "directory", "link"):
        with pytest.raises(NotWritableError, match=name), Mutex(str(tmp_path / name), "x").hold():
            pass
        with pytest.raises(NotWritableError, match=name), shared(str(tmp_path / name)):
            pass
    assert not os.path.lexists(tmp_path / "elsewhere")


def test_no_child_inherits_it(path: Path, mutex: Mutex) -> None:
    """The service that a restart hook starts outlives us; it must not keep the mutex for its life."""
    script = HOLD.replace(
        '    print("ready"',
        '    import subprocess; child = subprocess.Popen(["sleep", "60"], close_fds=False)\n'
        '    open(sys.argv[1] + ".pid", "w").write(str(child.pid))\n'
        '    print("ready"',
    )
    with another_process(script, path) as holder:
        child = int(Path(f"{path}.pid").read_text())
        assert mutex.is_held()
        holder.kill()
        holder.wait()
        try:
            os.kill(child, 0)
            assert not mutex.is_held()
        finally:
            os.kill(child, signal.SIGKILL)


def test_no_copy_of_the_process_keeps_it(path: Path, mutex: Mutex) -> None:
    script = HOLD.replace(
        '    print("ready"',
        "    import os, time; child = os.fork() or time.sleep(60)\n"
        '    open(sys.argv[1] + ".pid", "w").write(str(child))\n'
        '    print("ready"',
    )
    with another_process(script, path) as holder:
        child = int(Path(f"{path}.pid").read_text())
        try:
            assert mutex.is_held()
            holder.kill()
            holder.wait()
            os.kill(child, 0)
            assert eventually(lambda: not mutex.is_held()), "the copy closes it as its first act"
        finally:
            os.kill(child, signal.SIGKILL)


# -- shared -------------------------------------------------------------------------------------------------


def test_many_may_share_it(path: Path) -> None:
    with another_process(SHARE, path, "shared"), shared(str(path)):
        pass


def test_who_has_it_alone_has_it_alone(path: Path) -> None:
    with another_process(SHARE, path, "exclusive"):
        for exclusive in (True, False):
            with (
                pytest.raises(BusyError, match="the store is in use") as caught,
                shared(str(path), exclusive=exclusive),
            ):
                pass
            assert caught.value.data == {"mutex": "store"}


def test_one_can_wait_for_it_and_be_interrupted(path: Path) -> None:
    asked: list[float] = []

    def interrupted() -> None:
        asked.append(time.monotonic())
        if len(asked) == 3:
            raise KeyboardInterrupt

    with another_process(SHARE, path, "exclusive") as other:
        with (
            pytest.raises(KeyboardInterrupt),
            shared(str(path), wait=60, interrupted=interrupted),
        ):
            pass
        began = time.monotonic()
        with pytest.raises(BusyError), shared(str(path), wait=0.3):
            pass
        assert 0.3 <= time.monotonic() - began < 50
        threading.Timer(0.3, other.kill).start()
        with shared(str(path), wait=60):
            pass


def test_nobody_has_it_alone_while_others_share_it(path: Path) -> None:
    with another_process(SHARE, path, "shared") as other:
        with pytest.raises(BusyError), shared(str(path), exclusive=True):
            pass
        other.kill()
        other.wait()
        with shared(str(path), exclusive=True):
            pass

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
