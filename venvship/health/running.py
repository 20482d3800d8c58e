"""Run a program for a check or hook, and report its end in one short line for a terminal or a mail."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from typing import Final, NamedTuple

from venvship.errors import ProgramNotFoundError
from venvship.system import process
from venvship.system.signals import Signals

HOST_ERRNOS: Final = frozenset(
    {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO}
)
"""Errors of a host that cannot start any program at the moment."""


class Ended(NamedTuple):
    """The end of a program.

    Attributes:
        problem: The problem in one line; empty after exit status 0.
        result: The result; `None` if the program could not be started.
        inconclusive: Whether the host had no room to start it, which says nothing about the program.
    """

    problem: str
    result: process.ProcessResult | None = None
    inconclusive: bool = False


def run_to_end(
    program: process.Program, *, timeout: float, signals: Signals, poll: Callable[[], None] | None = None
) -> Ended:
    """Run a program as `process.run` does. One that could not be started counts like an exit status.

    Raises:
        InterruptedByError: A signal came.
    """
    try:
        result = process.run(program, timeout=timeout, signals=signals, poll=poll)
    except ProgramNotFoundError as error:
        return Ended(error.message)
    except OSError as error:
        return Ended(f"could not be started: {error}", inconclusive=error.errno in HOST_ERRNOS)
    if result.timed_out:
        return Ended(_with_last_line(f"no end after {timeout:g} s", result.output), result)
    return Ended(describe_exit(result) if result.returncode else "", result)


def describe_exit(result: process.ProcessResult) -> str:
    """How a program ended that did not time out: its exit status or signal, and its last line of output."""
    how = f"exit {result.returncode}"
    if result.returncode is not None and result.returncode < 0:
        try:
            how = f"killed by {signal.Signals(-result.returncode).name}"
        except ValueError:  # a real-time signal has no name
            how = f"killed by signal {-result.returncode}"
    return _with_last_line(how, result.output)


def shorten(text: str, limit: int = 100) -> str:
    """One short line without control characters."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _with_last_line(how: str, output: bytes) -> str:
    """Add the last line of an output that is not blank; of a traceback, the exception."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return f"{how}: {shorten(lines[-1])}" if lines else how
