"""`update`: silent when nothing happens, brief when something does, and never the same stupid thing twice."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import script_at
from tests.support.roots import Site, finish, refuses
from tests.torture import kills
from venvship.api import Root
from venvship.errors import BuildError, HeldError, PausedError, RejectedError, RolledBackError
from venvship.operations.release_result import ReleaseResult
from venvship.system.mutex import Mutex
from venvship.system.signals import Signals


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, minutes: float = 5) -> None:
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def update(site: Site, clock: Clock, *, upgrade: bool = False) -> ReleaseResult:
    return site.open(clock=clock).update(upgrade=upgrade)


def names(path: Path) -> dict[str, int]:
    return {str(found): found.lstat().st_mtime_ns for found in path.rglob("*")}


# -- nothing changed, and something did -------------------------------------------------------------------


@pytest.mark.skipif(bool(kills.reason_to_skip()), reason=kills.reason_to_skip())
def test_nothing_changed_makes_no_call_that_would_write_below_the_root(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    site.run("update")  # the first run of a checkout writes the bytecode of venvship itself
    log = tmp_path / "log"
    done = kills.strace(site, ["update"], "-f", "-y", "-o", str(log))
    assert done.returncode == 0
    # What another thread interrupts stands on two lines, of which the first one has the arguments.
    lines = [line for line in log.read_text(errors="replace").splitlines() if " resumed>" not in line]
    # A pipe is opened again for itself alone, and the call names the working directory.
    # The working directory is told of a name from the root of the file system, too.
    lines = [re.sub(r'AT_FDCWD<[^>]*>, "/', 'AT_FDCWD, "/', line) for line in lines]
    calls = [line for line in lines if str(site.path) in line and "/proc/self/fd/" not in line]
    changing = [line for line in calls if "openat(" not in line or re.search(r"O_(WRONLY|RDWR|CREAT)", line)]
    assert [line for line in changing if ".mutex" not in line] == []
    assert calls, "it must have read something"


def lockfile_is_read(site: Site) -> bool:
    """Whether an update parses the lockfile, which takes `packaging`, or trusts that it is the live one."""
    script = """
import sys
from venvship import Root
Root.open(sys.argv[1]).update()
print("packaging" in sys.modules)
"""
    done = finish(sys.executable, "-c", script, site.path, cwd=site.path, env=site.environment)
    assert done.code == 0, done.err
    return done.out == "True\n"


def test_the_lockfile_is_read_only_if_something_that_counts_is_another(site: Site) -> None:
    first = site.release("1.0")
    assert not lockfile_is_read(site)

    site.lock("1.0", comment="other bytes, the same environment")
    assert lockfile_is_read(site)
    assert site.current == first
    site.lock("1.0")
    assert not lockfile_is_read(site)

    site.settings("[build]\noptimize = [0, 2]\n")
    assert lockfile_is_read(site)
    assert site.current != first


def test_something_new_is_released_and_said_in_two_lines(site: Site) -> None:
    a = site.release("1.0")
    site.lock("1.1")
    done = site.run("update")
    assert (done.code, done.err) == (0, "")
    first, second = done.out.splitlines()
    assert first.startswith(f"shop: released {site.current} in ")
    assert first.endswith(f" s (was {a})")
    assert second == "  app 1.0 → 1.1"


def test_a_first_release_needs_no_release_by_hand(site: Site) -> None:
    done = site.run("update")
    assert done.code == 0, done.err
    assert done.out.startswith(f"shop: released {site.current} in ")


def test_what_was_interrupted_is_recovered_also_when_nothing_changed(site: Site) -> None:
    site.release("1.0")
    (site.path / "releases" / "20200101T000000Z-0000000").mkdir()
    assert site.run("update").code == 0
    assert site.debris() == []


def test_whoever_is_not_the_owner_hears_it_also_when_nothing_changed(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a root away")
    site.release("1.0")
    os.chown(site.path, 65534, 65534)
    assert site.run("update").code == 12


# -- what failed is tried again, and later each time ------------------------------------------------------


def break_index(site: Site) -> None:
    """A lockfile of something that cannot be had."""
    text = (site.path / "requirements.txt").read_text()
    (site.path / "requirements.txt").write_text(text + f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")


def test_a_failed_build_is_tried_again_after_pauses_that_double(site: Site, clock: Clock) -> None:
    site.release("1.0")
    break_index(site)
    tried: list[int] = []
    for minute in range(0, 200, 5):
        try:
            update(site, clock)
        except PausedError:
            pass
        except BuildError:
            tried.append(minute)
        clock.tick()
    assert tried == [0, 5, 15, 35, 75, 155]
    assert site.events().count("build-failed") == len(tried)


def test_failures_of_weeks_ago_make_no_pause_longer(site: Site, clock: Clock) -> None:
    """Between two of them, what worked and changed nothing left no trace, such as locking."""
    site.release("1.0")
    break_index(site)
    for _ in range(4):
        with pytest.raises(BuildError, match=r"^(?!.*attempts failed)"):
            update(site, clock)
        clock.tick(7 * 24 * 60)
    with pytest.raises(BuildError):
        update(site, clock)
    clock.tick(4)
    with pytest.raises(PausedError, match="the last attempt failed"):
        update(site, clock)
    clock.tick(2)
    with pytest.raises(BuildError) as caught:
        update(site, clock)
    assert not isinstance(caught.value, PausedError)


def test_the_same_failure_is_reported_once_a_week_and_another_one_at_once(site: Site, clock: Clock) -> None:
    site.release("1.0")
    break_index(site)
    reported: list[float] = []
    began = clock.now
    while clock.now - began < timedelta(days=8):
        try:
            update(site, clock)
        except BuildError as error:
            if not error.told:
                reported.append((clock.now - began) / timedelta(days=1))
        clock.tick(24 * 60)
    assert len(reported) == 2
    assert reported[0] == 0
    assert 7 <= reported[1] < 7.3

    site.settings("[hooks]\nprepare = ['false']\n")
    site.lock("1.1")
    with pytest.raises(RejectedError) as caught:
        update(site, clock)
    assert not caught.value.told


def lose_interpreter(release: Path) -> None:
    folder = release / "bin"
    folder.chmod(0o755)
    for link in [path for path in folder.iterdir() if path.is_symlink() and os.path.isabs(os.readlink(path))]:
        link.unlink()
        link.symlink_to("/nonexistent/python3")


def lose_file(release: Path) -> None:
    [path] = release.glob("lib/python*/site-packages/app.py")
    path.parent.chmod(0o755)
    path.unlink()


@pytest.mark.parametrize("lose", [lose_interpreter, lose_file])
def test_a_root_settles_where_nothing_can_be_gone_back_to(site: Site, lose: Callable[[Path], None]) -> None:
    """An update that has nothing to do says and does nothing, whatever happened to older releases."""
    for release in (site.release("1.0"), site.release("1.1")):
        lose(site.path / "releases" / release)
    site.release("1.2")
    assert not (site.path / "previous").is_symlink()
    with Mutex(str(site.path / "state" / "switch.mutex"), "switch").hold():
        before = names(site.path)
        assert site.run("update").code == 0
        assert names(site.path) == before


def test_a_person_does_not_wait_for_the_end_of_a_pause(site: Site) -> None:
    site.release("1.0")
    break_index(site)
    assert site.run("update").code == 20
    site.lock("1.0")
    assert site.run("release").code == 0


def test_another_lockfile_has_no_pause(site: Site, clock: Clock) -> None:
    site.release("1.0")
    break_index(site)
    with pytest.raises(BuildError):
        update(site, clock)
    site.lock("1.1")
    assert update(site, clock).outcome == "released"


def test_a_clock_that_was_set_back_ends_a_pause(site: Site, clock: Clock) -> None:
    site.release("1.0")
    break_index(site)
    with pytest.raises(BuildError):
        update(site, clock)
    clock.tick(minutes=-60 * 24 * 365)
    os.utime(site.path / "requirements.txt", (0, 0))
    with pytest.raises(BuildError) as caught:
        update(site, clock)
    assert not isinstance(caught.value, PausedError)


def test_a_refusal_before_the_switch_has_pauses_too(site: Site, clock: Clock) -> None:
    site.release("1.0")
    site.settings("[hooks]\nprepare = ['false']\n")
    site.lock("1.1")
    with pytest.raises(RejectedError):
        update(site, clock)
    with pytest.raises(PausedError):
        update(site, clock)
    clock.tick(6)
    with pytest.raises(RejectedError):
        update(site, clock)
    assert site.events().count("sealed") == 2, "nothing is built twice"


def test_an_inconclusive_release_is_built_again_after_a_pause(site: Site, clock: Clock) -> None:
    site.release("1.0")
    site.settings("[[check]]\nname = 'both'\ncommand = ['false']\ndeadline = 0\n")
    site.lock("1.1")
    assert site.run("update").code == 23
    with pytest.raises(PausedError):
        update(site, Clock())


# -- what was bad is refused, and told once ---------------------------------------------------------------


def test_fifty_ticks_with_a_bad_lockfile_and_prunes_are_one_attempt(site: Site, clock: Clock) -> None:
    site.release("1.0")
    site.settings(refuses("1.2"))
    settings = site.path / "venvship.toml"
    settings.write_text(settings.read_text().replace('name = "shop"', 'name = "shop"\nkeep_failed = 0'))
    site.lock("1.2")
    counts = {"tried": 0, "told": 0, "silent": 0}
    for number in range(50):
        try:
            update(site, clock)
        except RolledBackError:
            counts["tried"] += 1
        except HeldError as error:
            counts["silent" if error.told else "told"] += 1
        if number % 5 == 4:
            site.open(clock=clock).prune()
        clock.tick(60)
    assert counts == {"tried": 1, "told": 0, "silent": 49}, "the failure has told it"
    assert len(site.open().list().releases) == 1


# -- a lockfile that is being written ---------------------------------------------------------------------


def test_a_lockfile_that_is_being_written_is_waited_for(site: Site) -> None:
    site.release("1.0")
    path = site.path / "requirements.txt"
    whole = site.lock("1.1").read_text()
    path.write_text(whole[: len(whole) // 2])

    def finish() -> None:
        time.sleep(2)
        path.write_text(whole)

    writer = threading.Thread(target=finish)
    writer.start()
    began = time.monotonic()
    done = site.run("update")
    writer.join()
    assert done.code == 0, done.err
    assert "1.0 → 1.1" in done.out
    assert time.monotonic() - began >= 6.5


@pytest.mark.parametrize("half", ["a whole line", "in a line"])
def test_an_included_file_that_is_being_written_is_waited_for(site: Site, half: str) -> None:
    site.release("1.0")
    whole = site.lock("1.1").read_text()
    included, path = site.path / "base.txt", site.path / "requirements.txt"
    included.write_text(whole[: whole.index("\napp==") + 1 if half == "a whole line" else len(whole) - 30])
    path.write_text("-r base.txt\n")
    os.utime(path, (0, 0))
    writer = threading.Timer(2, included.write_text, [whole])
    writer.start()
    done = site.run("update")
    writer.join()
    assert done.code == 0, done.err
    assert "1.0 → 1.1" in done.out


def test_a_lockfile_from_the_future_is_waited_for_once(site: Site) -> None:
    path = site.path / "requirements.txt"
    year = time.time() + 365 * 86400
    os.utime(path, (year, year))
    began = time.monotonic()
    assert site.run("update").code == 0
    assert time.monotonic() - began >= 5


def test_jitter_waits_a_part_of_it(site: Site) -> None:
    site.release("1.0")
    slept: list[float] = []

    class Noting(Signals):
        def sleep(self, seconds: float, **_options: Any) -> None:
            slept.append(seconds)

    runtime = site.runtime(signals=Noting())._replace(token=lambda: "8000000")
    Root.open(site.path, runtime=runtime).update(jitter=2)
    assert slept[0] == 1.0


def test_two_updates_at_once_do_not_release_twice(site: Site) -> None:
    site.release("1.0")
    site.lock("1.1")
    both = [site.start("update", "--wait", "30") for _ in range(2)]
    codes = sorted(process.wait(60) for process in both)
    for process in both:
        process.communicate()
    assert codes == [0, 0]
    assert site.events().count("sealed") == 2


# -- the notify hook --------------------------------------------------------------------------------------


def notified(site: Site) -> Callable[[], list[str]]:
    """Set a hook that keeps what it is told; returns how to read the events."""
    script_at(site.path / "tell.sh", f"#!/bin/sh\ncat >> {site.path}/told\n")

    def read() -> list[str]:
        path = site.path / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)["event"] for line in lines]

    return read


def test_every_outcome_is_told_once(site: Site) -> None:
    events = notified(site)
    hook = f"[hooks]\nnotify = ['{site.path}/tell.sh']\n"
    site.settings(hook + refuses("1.2"))
    site.lock("1.0")
    assert site.run("update").code == 0
    assert site.run("update").code == 0
    site.lock("1.2")
    assert [site.run("update").code for _ in range(4)] == [22, 25, 25, 25]
    break_index(site)
    os.utime(site.path / "requirements.txt", (0, 0))
    assert [site.run("update").code for _ in range(2)] == [20, 20]
    assert events() == ["released", "rolled-back", "build-failed"]


def test_a_refusal_is_told_once_where_no_update_has_told_the_failure_behind_it(site: Site) -> None:
    """A person has seen that failure, or a recovery has found it, which an update does not print."""
    site.release("1.0")
    site.settings(refuses("1.1"))
    site.lock("1.1")
    assert site.run("release").code == 22
    assert [bool(site.run("update").err) for _ in range(2)] == [True, False]

    script = (
        "[ $VENVSHIP_EVENT = rollback ] || { test -e again && exit 1; touch again; kill -9 $PPID; sleep 9; }"
    )
    site.settings(f"[hooks]\nrestart = ['sh', '-c', 'cd $VENVSHIP_ROOT; {script}']\n")
    site.lock("1.2")
    assert site.run("update").code == -9
    told, *silent = (site.run("update") for _ in range(2))
    assert site.events()[-2:] == ["rolled-back", "refused"]
    assert [told.code, *(done.code for done in silent)] == [25, 25]
    assert [bool(told.err), *(bool(done.err) for done in silent)] == [True, False]


def test_three_bad_ones_in_a_row_are_told_with_the_third(site: Site) -> None:
    site.release("1.0")
    versions = ("1.1", "1.2", "1.3")
    site.settings("[hooks]\nrestart = ['sh', '-c', '[ $VENVSHIP_EVENT = rollback ]']\n")
    for version in versions:
        site.lock(version)
        failed = site.run("update")
        assert failed.code == 22
        held = "3 bad environments in a row. Unattended releases are held" in failed.err
        assert held == (version == "1.3")
    assert [site.run("update").err for _ in range(2)] == ["", ""]


def test_a_recovery_is_told(site: Site) -> None:
    events = notified(site)
    site.release("1.0")
    site.settings("[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    site.lock("1.1")
    assert site.run("update").code == -9
    site.settings(f"[hooks]\nnotify = ['{site.path}/tell.sh']\n")
    assert site.run("update").code == 0
    assert events() == ["recovered"]
