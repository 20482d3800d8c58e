"""An output stream: its width, its colours, and writing to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

from click import unstyle

from venvship.errors import OutputError

NARROWEST = 40
"""Columns below which nothing is laid out any more; the terminal breaks longer lines."""

WIDEST_STEP = 100
"""Columns up to which the seconds of a step are pushed to the right."""


class Terminal(NamedTuple):
    """The abilities of an output stream.

    Attributes:
        width: Columns; `None` if it is not a terminal; lines are then of any length.
        color: Whether colour and weight are shown.
        moves: Whether the cursor can be moved.
    """

    width: int | None = None
    color: bool = False
    moves: bool = False

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str], *, color: bool = True) -> Terminal:
        """Look at a stream.

        Args:
            stream: The stream.
            environ: For `NO_COLOR` (any value but the empty one), `TERM=dumb` and `COLUMNS`.
            color: Whether the user wants colour.
        """
        if not stream.isatty():
            return cls()
        import shutil

        dumb = (environ.get("TERM") or "dumb") == "dumb"
        return cls(
            width=max(shutil.get_terminal_size().columns, NARROWEST),
            color=color and not dumb and not environ.get("NO_COLOR"),
            moves=not dumb,
        )


def write(stream: TextIO, lines: list[str], terminal: Terminal) -> None:
    """Write lines, without their styles where those are not shown.

    A stream without UTF-8 gets question marks, never a traceback. If its reader has
    gone (`| head`), the lines are lost, and all later ones: the command itself did its work.

    Raises:
        OutputError: They could not be written for another reason.
    """
    encoding = stream.encoding or "ascii"
    try:
        for line in lines:
            text = line if terminal.color else unstyle(line)
            stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as error:
        _discard(stream)
        raise OutputError(f"the output could not be written: {error.strerror}") from error


def _discard(stream: TextIO) -> None:
    """Send the buffered and all later output to /dev/null; else Python would complain at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
