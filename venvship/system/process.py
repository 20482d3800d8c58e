"""Run other programs: `run`, `exec_replace`, `find_program`. Open this module first.

Every child gets a session and a process group of its own, no descriptor of ours but its three standard ones,
and an end: a time-out, a signal to us, or our death ends its whole group. Threads may run several at once.

* `child.py`: one started program: its pipes, its end, its reaping.
* `guard.py`: the process that kills our children when we are killed.
* `stragglers.py`: finding and killing processes that have left a child's process group.
* `output.py`: keeping output within bounds.
* `signals.py`: signals to us, noted until it is safe to end.

`pool.py` has copies of this process (fork), which run functions and not programs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from venvship.errors import ProgramNotFoundError
from venvship.printable import shell_line
from venvship.system.child import GUARD, Child, Program
from venvship.system.first_line import program_problem
from venvship.system.host import host_faults
from venvship.system.output import CappedLog
from venvship.system.signals import TICK, Signals

__all__ = ["ProcessResult", "Program", "exec_replace", "find_program", "run"]


class ProcessResult(NamedTuple):
    """How a program ended.

    Attributes:
        returncode: Its exit status, or minus the number of the signal that killed it; `None` if we ended it.
        timed_out: It took too long, and its group was killed.
        seconds: How long it ran.
        output: The last bytes that it printed: standard output and error as they came, or standard error
            alone if the two were to be kept apart.
        stdout: Its standard output from the beginning, if that was to be kept apart.
        truncated: Whether there was more standard output than was kept.
    """

    returncode: int | None
    timed_out: bool
    seconds: float
    output: bytes
    stdout: bytes = b""
    truncated: bool = False


def run(
    program: Program,
    *,
    timeout: float,
    signals: Signals,
    poll: Callable[[], None] | None = None,
    listener: Callable[[bytes], None] | None = None,
) -> ProcessResult:
    """Run a program to its end, and clean up behind it.

    Returns when the *program* ends, not when its standard output is closed: a daemon that it started may
    hold that open for ever.

    Args:
        program: The program.
        timeout: Seconds until its group is ended: SIGTERM, two seconds of grace, SIGKILL.
        signals: A signal received there ends it in the same way.
        poll: Called ten times a second; what it raises ends the group and passes through.
        listener: Gets standard output as it comes, where that is kept apart. What it raises ends the group
            and passes through. It hears nothing more of a program that has to be ended.

    Returns:
        How it ended. A failure of the program is a result, not an exception.

    Raises:
        ProgramNotFoundError: There is no such program, or it cannot be started; see `find_program`.
        InterruptedByError: A signal came, before or while it ran. Its group is gone.
        HostError: The host has no descriptors, memory or processes left to start it.
        OSError: It could not be started for another reason: there is no such directory, for example.
    """
    if program.separate_stderr and program.survivors == "leave":
        raise TypeError("what is left running has one place to write to")
    signals.raise_if_received()
    path = find_program(program.argv[0], env=program.env, cwd=program.cwd)

    def start() -> ProcessResult:
        log = CappedLog(program.log, cap=program.output_cap, heading=program.heading)
        try:
            with host_faults(f"start {path}"):
                child = Child(program, path, log, listener)
            began = time.monotonic()
            ended = False
            try:
                ended = _watch(child, until=began + timeout, signals=signals, poll=poll)
            finally:
                # Whatever the reason, a KeyboardInterrupt in a program that imports venvship among them.
                returncode = child.finish(by_itself=ended)
            if ended:
                child.pass_on_the_rest()
            return ProcessResult(
                returncode=returncode if ended else None,
                timed_out=not ended,
                seconds=time.monotonic() - began,
                output=child.output,
                stdout=child.stdout.value,
                truncated=child.stdout.truncated,
            )
        finally:
            log.close()

    result = start()
    if _never_began(result.returncode, signals):
        signals.raise_if_received()
        result = start()
    return result


def _never_began(returncode: int | None, signals: Signals) -> bool:
    """Whether a child died of the very signal that we got.

    A terminal sends Ctrl-C to its whole foreground group, to which a child belongs until it has a session of
    its own. So it was hit before it became the program, and its end is no verdict on the program: a
    rollback, which no signal interrupts, starts it once more.
    """
    return returncode is not None and returncode < 0 and signals.received == -returncode


def find_program(name: str, *, env: Mapping[str, str] | None, cwd: str, search: str | None = None) -> str:
    """Look a program up as the shell would, for a child with this environment and directory.

    Args:
        name: A name or a path.
        env: The environment; `None` if it is not known yet.
        cwd: The directory.
        search: The PATH to look in, where that is not the environment's.

    Returns:
        Its absolute path.

    Raises:
        ProgramNotFoundError: There is none, it is not executable, or its interpreter is missing.
    """
    if search is None:
        search = (env or {}).get("PATH", os.defpath)
    if "/" in name:
        candidates = [os.path.join(cwd, name)]
    else:
        candidates = [os.path.join(cwd, part, name) for part in search.split(":")]
    files = [path for path in candidates if name and os.path.isfile(path)]
    for path in files:
        if os.access(path, os.X_OK):
            if problem := program_problem(path, env=env, cwd=cwd):
                raise ProgramNotFoundError(
                    f"{path} cannot be started: {problem}",
                    hint="fix the program, or name another one in venvship.toml",
                    program=name,
                    path=path,
                )
            return path
    if files:
        raise ProgramNotFoundError(
            f"{files[0]} is not executable",
            hint=f"chmod +x {shell_line([files[0]])}",
            program=name,
            path=files[0],
        )
    where = candidates[0] if "/" in name else f"{name!r} in the PATH {search}"
    raise ProgramNotFoundError(
        f"there is no program {where}",
        hint="install the program, or name another one in venvship.toml",
        program=name,
    )


def exec_replace(path: str, argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Become another program: same pid, no way back.

    Args:
        path: The program, absolute.
        argv: Its arguments, from `argv[0]` on.
        env: Its whole environment.

    Raises:
        OSError: It could not be executed; this process goes on.
    """
    # The new program must not inherit a child that it never started.
    GUARD.close()
    # Python ignores these from its start on, and exec keeps that: `| head` would never end the new
    # program. `subprocess` does the same.
    before = {signum: signal.signal(signum, signal.SIG_DFL) for signum in (signal.SIGPIPE, signal.SIGXFSZ)}
    try:
        os.execve(path, list(argv), dict(env))  # noqa: S606  # no shell is the point
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _watch(child: Child, *, until: float, signals: Signals, poll: Callable[[], None] | None) -> bool:
    """Serve a child's pipes until it ends (true), or until its time is over (false)."""
    while not child.has_ended():
        signals.raise_if_received()
        if poll is not None:
            poll()
        left = until - time.monotonic()
        if left <= 0:
            return False
        child.serve(min(left, TICK))
    return True
