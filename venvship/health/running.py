"""Run a program for a check or hook, and report its end in one short line for a terminal or a mail."""

from __future__ import annotations

import signal
from collections.abc import Callable

from venvship.errors import ProgramNotFoundError
from venvship.system import process
from venvship.system.signals import Signals


def run_to_end(
    program: process.Program, *, timeout: float, signals: Signals, poll: Callable[[], None] | None = None
) -> tuple[str, process.ProcessResult | None]:
    """Run a program as `process.run` does.

    Returns:
        The problem in one line, empty after exit status 0; and the result, or `None` if the program could not
        be started, which counts like an exit status.

    Raises:
        InterruptedByError: A signal came.
    """
    try:
        result = process.run(program, timeout=timeout, signals=signals, poll=poll)
    except ProgramNotFoundError as error:
        return error.message, None
    except OSError as error:  # no more processes, no memory
        return f"could not be started: {error}", None
    if result.timed_out:
        return _with_last_line(f"no end after {timeout:g} s", result.output), result
    return describe_exit(result) if result.returncode else "", result


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
