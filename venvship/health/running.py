"""Run a program for a check or hook, and report its end in one short line for a terminal or a mail."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from typing import Final, NamedTuple

from venvship.errors import HostError, ProgramNotFoundError
from venvship.model.redaction import OutputRedactor
from venvship.printable import printable
from venvship.system import process
from venvship.system.signals import Signals

DISK_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a disk, from which no program can be started at the moment."""


LONGEST_LINE: Final = 2000
"""Characters of a program's last line that are looked at; far more than are shown."""


class Ended(NamedTuple):
    """The end of a program.

    Attributes:
        problem: The problem in one line of our words; empty after exit status 0.
        kind: The same in a word or two, so that equal ends can be counted.
        said: The last line that the program printed, short and redacted. The journal, the system's log and
            mails do not get it: others can read them, and a program prints what it likes.
        result: The result; `None` if the program could not be started.
        inconclusive: Whether the host had no room to start it, which says nothing about the program.
    """

    problem: str
    kind: str = ""
    said: str = ""
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
        problem = f"{kind} ({limit} in venvship.toml)" if limit else kind
    elif not result.returncode:
        return Ended("", "exit 0", result=result)
    else:
        problem = kind = _how(result)
    return Ended(problem, kind, last_line(result.output, program), result)


def joined(problem: str, said: str) -> str:
    """A problem in our words, and the last words of the program."""
    return f"{problem}: {said}" if said else problem


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


def last_line(output: bytes, program: process.Program) -> str:
    """The last line of an output that is not blank, short and redacted; of a traceback, the exception."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    redact = OutputRedactor(program.env, program.secrets)
    return shorten(redact(lines[-1][:LONGEST_LINE])) if lines else ""
