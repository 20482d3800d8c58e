"""Switching while the world gives way: no process, no descriptor, no settings, a signal at a bad moment."""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.patches import interpreters_answer, releases_have_another_interpreter, trials_are
from tests.support.roots import Site, command, finish
from venvship.errors import (
    InterruptedByError,
    NothingToRollBackToError,
    NotWritableError,
    ProgramNotFoundError,
    RejectedError,
    ReleaseError,
    RootError,
)
from venvship.operations.switching.trial import Trial
from venvship.system.mutex import Mutex
from venvship.system.process import ProcessResult, Program
from venvship.system.signals import Signals


class SignalAfter(Signals):
    """A SIGTERM comes when a command has recorded an event and holds no mutex any more, so it cleans up."""

    def __init__(self, site: Site, event: str) -> None:
        super().__init__()
        self._site, self._event, self._known = site, event, len(site.events())

    def raise_if_received(self) -> None:
        free = not Mutex(str(self._site.path / "state" / "switch.mutex"), "switch").is_held()
        if self.received is None and free and self._site.events()[self._known :][-1:] == [self._event]:
            os.kill(os.getpid(), signal.SIGTERM)
        super().raise_if_received()


@pytest.fixture
def two(site: Site) -> tuple[str, str]:
    return site.release("1.0"), site.release("1.1")


@pytest.fixture
def another_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the releases is not what runs this process, which would not be asked."""
    releases_have_another_interpreter(monkeypatch)


def cannot_be_started(*_: Any, **__: Any) -> ProcessResult:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def takes_too_long(*_: Any, **__: Any) -> ProcessResult:
    return ProcessResult(returncode=None, timed_out=True, seconds=20.0, output=b"")


def was_killed(*_: Any, **__: Any) -> ProcessResult:
    return ProcessResult(returncode=-9, timed_out=False, seconds=0.1, output=b"")


@pytest.mark.usefixtures("another_interpreter")
@pytest.mark.parametrize("run", [cannot_be_started, takes_too_long, was_killed])
@pytest.mark.parametrize("named", [True, False])
def test_a_rollback_takes_an_interpreter_that_cannot_be_asked_at_the_moment_for_what_it_was(
    site: Site, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch, run: Any, named: bool
) -> None:
    interpreters_answer(monkeypatch, run)
    result = site.open().rollback(two[0] if named else None)
    assert result.release.id == two[0]
    assert [warning.slug for warning in result.warnings] == ["interpreter-not-asked"]


@pytest.mark.usefixtures("another_interpreter")
def test_a_promotion_does_not(site: Site, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    interpreters_answer(monkeypatch, cannot_be_started)
    result = site.run("promote", two[0], env={})
    assert result.code == 0, "another process is not broken"
    with pytest.raises(ReleaseError, match="could not be started"):
        site.open().promote(two[1])


@pytest.mark.usefixtures("another_interpreter")
def test_a_rollback_passes_over_a_release_whose_interpreter_may_not_be_run(
    site: Site, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    third = site.release("1.2")
    assert third
    asked: list[str] = []

    def run(program: Program, **_options: Any) -> ProcessResult:
        asked.append(program.argv[0])
        raise ProgramNotFoundError("is not executable")

    interpreters_answer(monkeypatch, run)
    with pytest.raises(NothingToRollBackToError, match="no earlier proven or unchecked, usable release"):
        site.open().rollback()
    assert asked
    assert site.current == third


def test_what_could_not_be_tried_does_not_stay_live(
    site: Site, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def try_current(_workspace: Any, release_id: str, *_: Any, **__: Any) -> Trial:
        calls.append(release_id)
        if len(calls) == 1:
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))
        return Trial()

    trials_are(monkeypatch, try_current)
    with pytest.raises(RootError, match="Too many open files"):
        site.open().promote(two[0])
    assert calls == [two[0], two[1]]
    assert site.current == two[1]
    assert site.events()[-2:] == ["rolling-back", "rolled-back"]
    assert site.debris() == []


def test_checks_go_on_where_nobody_can_tell_whether_a_rollback_waits(
    site: Site, two: tuple[str, str]
) -> None:
    mutex = site.path / "state" / "turn-back.mutex"
    mutex.unlink(missing_ok=True)
    mutex.mkdir()
    with pytest.raises(NotWritableError):
        Mutex(str(mutex), "turn-back").is_held()
    site.settings('[[check]]\nname = "live"\ncommand = ["sleep", "0.3"]\n')
    assert site.open().promote(two[0]).outcome == "promoted"


def test_a_rollback_waits_for_a_promotion_that_just_looks_whether_there_is_one(
    site: Site, two: tuple[str, str]
) -> None:
    mutex = Mutex(str(site.path / "state" / "turn-back.mutex"), "turn-back")
    held, done = threading.Event(), threading.Event()

    def look() -> None:
        with mutex.hold():
            held.set()
            done.wait(0.5)

    looking = threading.Thread(target=look)
    looking.start()
    held.wait()
    try:
        assert site.run("rollback").code == 0
    finally:
        done.set()
        looking.join()
    assert site.current == two[0]


def hooks(site: Site, tmp_path: Path, check: str = "true") -> Path:
    """A notify hook that keeps what it is told, and a live check."""
    told = tmp_path / "told"
    site.settings(
        f"""
        [hooks]
        notify = ["sh", "-c", 'cat >> "{told}"']
        [[check]]
        name = "live"
        deadline = 0
        command = ["sh", "-c", '{check}']
        """
    )
    return told


@pytest.mark.parametrize(("code", "said"), [(0, "rolled-back"), (23, "rollback-failed")])
def test_a_signal_while_a_rollback_is_checked_changes_neither_its_exit_code_nor_who_hears_of_it(
    site: Site, two: tuple[str, str], tmp_path: Path, code: int, said: str
) -> None:
    told = hooks(site, tmp_path, f"kill -TERM $PPID; sleep 0.2; exit {code}")
    done = site.run("rollback")
    assert done.code == code, done.err
    assert site.current == two[0]
    assert json.loads(told.read_text())["event"] == said


def test_a_signal_in_the_prune_after_a_release_leaves_it_live_and_the_hook_is_told(
    site: Site, two: tuple[str, str], tmp_path: Path
) -> None:
    told = hooks(site, tmp_path)
    signals = SignalAfter(site, "promoted")
    root = site.open(signals=signals)
    with signals.install(), pytest.raises(InterruptedByError) as caught:
        root.promote(two[0])
    assert caught.value.result.outcome == "promoted"  # type: ignore[attr-defined]
    assert site.current == two[0]
    assert json.loads(told.read_text())["event"] == "released"


def test_a_signal_while_old_releases_go_leaves_a_refusal_what_it_is(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    told = tmp_path / "told"
    check = "[[check]]\nname = 'no'\nwhen = 'candidate'\ncommand = ['false']\n"
    site.settings(f"[hooks]\nnotify = ['sh', '-c', 'cat > {told}']\n{check}")
    signals = SignalAfter(site, "rejected")
    site.lock("1.1")
    with signals.install(), pytest.raises(RejectedError):
        site.open(signals=signals).release()
    assert json.loads(told.read_text())["event"] == "rejected"


def test_recovery_at_boot_needs_no_settings(site: Site, two: tuple[str, str], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    site.settings('[[check]]\nname = "live"\ncommand = ["true"]\n')
    assert site.run("promote", "--force", two[0], env={"VENVSHIP_FAILPOINTS": f"trace:{trace}"}).code == 0
    assert site.run("promote", "--force", two[1]).code == 0
    (there,) = (
        int(line.split(" ", 1)[0])
        for line in trace.read_text().splitlines()
        if " rename " in line and line.endswith("/current")
    )
    assert site.run("promote", "--force", two[0], env={"VENVSHIP_FAILPOINTS": f"kill@{there + 1}"}).code == -9
    assert site.current == two[0]

    (site.path / "venvship.toml").write_text("name = [\n")
    (site.path / "state" / "settings.toml").write_bytes(b"\0")
    done = site.run("recover", "--boot")

    assert done.code == 22, done.err
    assert site.current == two[1]


@pytest.mark.parametrize("arguments", ["status 2>/dev/full", "--json status >/dev/full"])
def test_an_exit_code_stays_what_it_is_where_nothing_can_be_said(
    site: Site, tmp_path: Path, arguments: str
) -> None:
    assert site.shell(f"exec {command()} -C {tmp_path} {arguments}").code == 12


@pytest.mark.parametrize("arguments", ["rollback >&-", "rollback 2>&-", "-q rollback >&-"])
def test_a_rollback_whose_output_nobody_takes_is_done_all_the_same(
    site: Site, two: tuple[str, str], arguments: str
) -> None:
    assert site.shell(f"exec {command()} {arguments}").code == 0
    assert site.current == two[0]
    assert site.events()[-1] == "rolled-back"


def test_a_rollback_on_a_terminal_that_cannot_show_an_arrow_is_done_all_the_same(
    site: Site, two: tuple[str, str]
) -> None:
    parent, child = pty.openpty()
    try:
        environment = {**site.environment, "PYTHONIOENCODING": "latin-1", "TERM": "xterm"}
        argv = [command(), "-C", str(site.path), "rollback"]
        code = subprocess.run(argv, env=environment, stdout=child, stderr=child, check=False).returncode
    finally:
        os.close(parent)
        os.close(child)
    assert code == 0
    assert site.current == two[0]
    assert site.events()[-1] == "rolled-back"


def test_a_release_that_is_pruned_while_it_is_verified_is_not_damaged(
    site: Site, two: tuple[str, str]
) -> None:
    base = site.path / "releases" / two[0]
    looked: list[Path] = []

    class Looking(Signals):
        def raise_if_received(self) -> None:  # before each release, and before some of its files
            looked.append(base)

    class Pruning(Looking):
        def raise_if_received(self) -> None:
            super().raise_if_received()
            if len(looked) == at:
                os.rename(base, base.with_name(f".trash-{two[0]}"))

    site.open(signals=Looking()).verify(two[1])
    at = 2 * len(looked) + 1  # before the files of the older one, which is the second
    result = site.open(signals=Pruning()).verify(all=True)
    assert len(looked) >= at
    assert not base.exists()
    assert [one.id for one in result.releases] == [two[1]]


def test_a_rollback_has_what_it_needs_before_it_switches(site: Site, two: tuple[str, str]) -> None:
    """An upgrade of venvship while a rollback waits takes away the modules that it would import."""
    site.settings("[hooks]\nrestart = ['true']\n")
    script = """
import os, sys
from venvship.cli.main import run
from venvship.operations import rollback
switch = rollback._switch_to
def switch_to(*arguments):
    switch(*arguments)
    class Gone:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("venvship.health"):
                raise ImportError(name)
    sys.meta_path.insert(0, Gone())
rollback._switch_to = switch_to
sys.exit(run(["rollback"]))
"""
    done = finish(sys.executable, "-c", script, cwd=site.path, env=site.environment)
    assert (done.code, site.current) == (0, two[0]), done.err
    assert site.events()[-1] == "rolled-back"


@pytest.mark.parametrize(
    ("error", "code", "slug"),
    [
        ("OSError(24, 'Too many open files')", 12, "host-failed"),
        ("OSError(28, 'No space left on device')", 20, "disk-full"),
        ("MemoryError()", 12, "host-failed"),
        ("RecursionError()", 12, "host-failed"),
        ("ImportError('No module named x')", 12, "host-failed"),
        ('RuntimeError("can\'t start new thread")', 12, "host-failed"),
        ("RuntimeError('another')", 1, "bug"),
        ("KeyError('another')", 1, "bug"),
    ],
)
def test_a_fault_of_the_host_that_nothing_has_named_is_no_bug(
    site: Site, error: str, code: int, slug: str
) -> None:
    script = f"""
import sys
from venvship.api import Root
from venvship.cli.main import run
def status(self):
    raise {error}
Root.status = status
sys.exit(run(["--json", "status"]))
"""
    done = finish(sys.executable, "-c", script, cwd=site.path, env=site.environment)
    assert (done.code, done.json["error"]["slug"]) == (code, slug)


def test_venvship_replaced_while_a_release_is_on_trial_is_a_warning(
    site: Site, two: tuple[str, str], tmp_path: Path
) -> None:
    script = """
import os, sys
from venvship.api import runtime
from venvship.cli.main import run
from venvship.operations.switching import promotion
copy = sys.argv[1]
open(copy, "w").close()
runtime.__file__ = copy
def try_current(*_arguments, **_options):
    os.remove(copy)
    return promotion.Trial()
promotion.try_current = try_current
sys.exit(run(["--json", "promote", "@{1}"]))
"""
    done = finish(sys.executable, "-c", script, tmp_path / "copy", cwd=site.path, env=site.environment)
    assert (done.code, site.current) == (0, two[0]), done.err
    assert [warning["slug"] for warning in done.json["warnings"]] == ["venvship-replaced"]
