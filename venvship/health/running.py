"""Run a program for a check or hook, and report its end in one short line for a terminal or a mail."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from typing import Final, NamedTuple

from venvship.errors import HostError, ProgramNotFoundError
from venvship.printable import printable
from venvship.system import process
from venvship.system.signals import Signals

DISK_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a disk, from which no program can be started at the moment."""


class Ended(NamedTuple):
    """The end of a program.

    Attributes:
        problem: The problem in one line; empty after exit status 0.
        kind: The same in a word or two, without what the program printed, so that equal ends can be counted.
        result: The result; `None` if the program could not be started.
        inconclusive: Whether the host had no room to start it, which says nothing about the program.
    """

    problem: str
    kind: str = ""
    result: process.ProcessResult | None = None
    inconclusive: bool = False


def run_to_end(
    program: process.Program,
    *,
    timeout: float,
    signals: Signals,
    limit: str = "",
    poll: Callable[[], None] | None = None,
) -> Ended:
    """Run a program as `process.run` does. One that could not be started counts like an exit status.

    Args:
        program: As for `process.run`.
        timeout: As for `process.run`.
        signals: As for `process.run`.
        limit: The setting that `timeout` comes from, for the message of a program that took too long.
        poll: As for `process.run`.

    Raises:
        InterruptedByError: A signal came.
    """
    try:
        result = process.run(program, timeout=timeout, signals=signals, poll=poll)
    except ProgramNotFoundError as error:
        return Ended(error.message, "not started")
    except HostError as error:
        return Ended(error.message, "not started", inconclusive=True)
    except OSError as error:
        text = f"could not be started: {error}"
        return Ended(text, "not started", inconclusive=error.errno in DISK_ERRNOS)
    if result.timed_out:
        kind = f"no end after {timeout:g} s"
        said = f"{kind} ({limit} in venvship.toml)" if limit else kind
        return Ended(_with_last_line(said, result.output), kind, result)
    if not result.returncode:
        return Ended("", "exit 0", result)
    return Ended(describe_exit(result), _how(result), result)


def describe_exit(result: process.ProcessResult) -> str:
    """How a program ended that did not time out: its exit status or signal, and its last line of output."""
    return _with_last_line(_how(result), result.output)


def _how(result: process.ProcessResult) -> str:
    how = f"exit {result.returncode}"
    if result.returncode is not None and result.returncode < 0:
        try:
            how = f"killed by {signal.Signals(-result.returncode).name}"
        except ValueError:  # a real-time signal has no name
            how = f"killed by signal {-result.returncode}"
    return how


def shorten(text: str, limit: int = 100) -> str:
    """One short line of printable characters."""
    line = printable(text.strip())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _with_last_line(how: str, output: bytes) -> str:
    """Add the last line of an output that is not blank; of a traceback, the exception."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return f"{how}: {shorten(lines[-1])}" if lines else how
