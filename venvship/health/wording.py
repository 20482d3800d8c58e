"""One short line about a program and how it ended, for a terminal or a mail."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence


def summary(argv: Sequence[str]) -> str:
    """A command line for people: one line, not too long."""
    return shorten(shlex.join(argv))


def shorten(text: str, limit: int = 100) -> str:
    """One short line without control characters, for a terminal and a mail."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def last_line(output: bytes) -> str:
    """The last line of an output that is not blank; of a traceback, the exception."""
    for line in reversed(output.decode(errors="replace").splitlines()):
        if line.strip():
            return shorten(line)
    return ""


def describe_exit(returncode: int | None, output: bytes) -> str:
    """How a program failed, in one line: its exit status or signal, and its last line of output."""
    if returncode is None:
        how = "could not be killed"
    elif returncode >= 0:
        how = f"exit {returncode}"
    else:
        try:
            how = f"killed by {signal.Signals(-returncode).name}"
        except ValueError:  # a real-time signal has no name
            how = f"killed by signal {-returncode}"
    last = last_line(output)
    return f"{how}: {last}" if last else how
