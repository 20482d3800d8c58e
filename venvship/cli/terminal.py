"""What the other end of an output stream can show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

from click import unstyle

from venvship.errors import OutputError

NARROWEST = 40
"""Columns below which nothing is laid out any more; lines are then broken by the terminal."""

WIDEST_STEP = 100
"""Columns up to which the seconds of a step are pushed to the right."""


class Terminal(NamedTuple):
    """An output stream, as far as it matters to what is written there.

    Attributes:
        width: Columns; `None` where nobody looks on: lines are then as long as they have to be.
        color: Whether colour and weight are shown.
        moves: Whether what was drawn can be drawn over.
    """

    width: int | None = None
    color: bool = False
    moves: bool = False

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str], *, color: bool = True) -> Terminal:
        """Look at a stream.

        Args:
            stream: Where things are going to be written.
            environ: For `NO_COLOR` (any value but the empty one), `TERM=dumb` and `COLUMNS`.
            color: Whether colour is wanted at all.
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

    A stream without UTF-8 gets question marks, never a traceback. If whoever read it has gone (`| head`), the
    lines are lost, and so is whatever is written later: that changes nothing of what the command did.

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
    """Let what the stream still holds, and what comes, go nowhere; Python would complain at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
