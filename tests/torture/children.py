"""Run something in a forked child: everything is imported already, and whatever happens to it stays there."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.roots import Finished, Site
from venvship.building.tree.virtualenvs import make_virtualenv
from venvship.errors import VenvshipError
from venvship.model.interpreter import Interpreter
from venvship.system import failpoints
from venvship.system.trees import remove_tree

_warm = False

LATE = 999
"""The code of a child that did not end in time."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, minus a signal's number, or `LATE`; and what it said."""

    code: int
    said: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it died of SIGKILL, and not by us."""
        return self.code == -signal.SIGKILL


def warm_up(scratch: Path, interpreter: Interpreter) -> None:
    """Do once, for all children, what each would do again: they take half of their time for it.

    That is to import virtualenv with its plug-ins, and to let virtualenv ask an interpreter what it is, which
    it remembers as long as the process lives. The garbage collector leaves alone what is there by then: its
    marks would make every child copy it.

    Args:
        scratch: A directory for what is made; made, and removed.
        interpreter: The one that the children build with.
    """
    global _warm  # noqa: PLW0603 - what a process has imported is the process's
    if _warm:
        return
    made = scratch / "venv"
    made.mkdir(parents=True)
    make_virtualenv(str(made), interpreter, scratch=str(scratch), environ={})
    remove_tree(scratch)
    gc.collect()
    gc.freeze()
    _warm = True


def call(action: Callable[[], object], *, plan: str = "", timeout: float = 60) -> Ended:
    """Call the API in a child.

    Args:
        action: One call; an error of venvship becomes its exit code, any other one 1 and a traceback.
        plan: Failpoints for the child.
        timeout: Seconds after which the child is killed.
    """

    def run() -> int:
        failpoints.arm(plan)
        try:
            action()
        except VenvshipError as error:
            print(f"{type(error).__name__}: {error.message}")
            return error.exit_code
        return 0

    return fork(run, timeout=timeout)


def command(
    arguments: Sequence[str], *, timeout: float = 60, before: Callable[[], None] | None = None
) -> Ended:
    """Run the command line in a child.

    Args:
        arguments: As typed, without the program's name.
        timeout: Seconds after which the child is killed.
        before: Called in the child first.
    """
    from venvship.cli.main import run as run_command

    def run() -> int:
        if before is not None:
            before()
        return run_command(arguments)

    return fork(run, timeout=timeout)


def run_forked(
    site: Site, arguments: Sequence[str], *, plan: str = "", mutant: Callable[[], None] | None = None
) -> Finished:
    """Run the command line in a child that stands in a root, with the root's environment.

    Args:
        site: The root.
        arguments: As typed, without the program's name.
        plan: Failpoints for the child.
        mutant: Breaks venvship in the child, before the command runs.

    Returns:
        How it ended; both its outputs are in `err`.
    """
    ended = fork(_command_in(site, arguments, plan, mutant))
    return Finished(ended.code, "", ended.said)


def run_stopping(
    site: Site,
    arguments: Sequence[str],
    effects: int,
    look: Callable[[], None],
    *,
    mutant: Callable[[], None] | None = None,
) -> Finished:
    """Run the command line as `run_forked` does; it stops before each effect until `look` has returned.

    Args:
        site: The root.
        arguments: As typed, without the program's name.
        effects: How many effects to stop at; the command may have fewer.
        look: Called each time that the command has stopped.
        mutant: Breaks venvship in the child, before the command runs.
    """
    plan = ",".join(f"pause@{number}" for number in range(1, effects + 1))
    with tempfile.TemporaryFile() as output:
        pid = start(_command_in(site, arguments, plan, mutant), output.fileno())
        _, status = os.waitpid(pid, os.WUNTRACED)
        while os.WIFSTOPPED(status):
            try:
                look()
            finally:
                os.kill(pid, signal.SIGCONT)
            _, status = os.waitpid(pid, os.WUNTRACED)
        output.seek(0)
        said = output.read().decode(errors="replace")
    return Finished(os.waitstatus_to_exitcode(status), "", said)


def _command_in(
    site: Site, arguments: Sequence[str], plan: str, mutant: Callable[[], None] | None
) -> Callable[[], int]:
    """What a child does that runs the command line in a root."""
    from venvship.cli.main import run as run_command

    def run() -> int:
        # pytest and a terminal have handlers of their own, which the command would inherit.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(site.path)
        os.environ.clear()
        os.environ.update(site.environment)
        os.environ["VENVSHIP_FAILPOINTS"] = plan
        if mutant is not None:
            mutant()
        return run_command(arguments)

    return run


def effects(site: Site, arguments: Sequence[str], trace: Path) -> list[str]:
    """The effects of a command, in order: `name path`."""
    trace.unlink(missing_ok=True)
    run_forked(site, arguments, plan=f"trace:{trace}")
    lines = trace.read_text(errors="surrogateescape").splitlines() if trace.exists() else []
    return [line.split(" ", 1)[1] for line in lines]


def fork(run: Callable[[], int], *, timeout: float = 60) -> Ended:
    """Run a function in a child, whose exit code it returns, with its output in a file."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        pid = start(run, output.fileno())
        code = wait(pid, timeout)
        output.seek(0)
        said = output.read().decode(errors="replace")
    return Ended(code, said, time.monotonic() - began)


def start(run: Callable[[], int], output: int) -> int:
    """Start a function in a child, with both its outputs in a file; returns the child's number."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - pytest has put its own there
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        try:
            code = run()
        except BaseException:  # noqa: BLE001 - whatever it is, it must not go on in a second test process
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def wait(pid: int, timeout: float) -> int:
    """Wait for a child; one that is late is killed."""
    descriptor = os.pidfd_open(pid)
    try:
        in_time, _, _ = select.select([descriptor], [], [], timeout)
    finally:
        os.close(descriptor)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return LATE
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


MARK = "VENVSHIP_TORTURE_VICTIM"
"""A variable in the environment of a command, which everything that it starts inherits."""


def marked(mark: str) -> dict[int, str]:
    """Every process whose environment has this mark, by number, and its command line."""
    entry = f"{MARK}={mark}".encode()
    found = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found[pid] = _command_line(pid)
    return found


def descendants(ancestor: int) -> dict[int, str]:
    """Every process that descends from one, by number, and its command line; none that was orphaned."""
    parents = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
            parents[pid] = int(stat.rpartition(")")[2].split()[1])
    found: set[int] = set()
    level = {ancestor}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level}
        found |= level
    return {pid: _command_line(pid) for pid in found}


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""  # it has just ended


def kill_marked(mark: str) -> None:
    """Kill every process whose environment has this mark, until there is none."""
    for _ in range(100):
        found = marked(mark)
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.005)
