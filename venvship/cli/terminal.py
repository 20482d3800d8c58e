"""An output stream: its width, its colours, and writing to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from venvship.cli.style import painted

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


def write(stream: TextIO, lines: Sequence[str], terminal: Terminal) -> None:
    """Write lines. All that people read goes through here, so nothing unprintable gets past it.

    Each element is one line, with the styles of `cli/style.py` where the terminal shows them; see `painted`.
    """
    stream.write("".join(f"{painted(line, color=terminal.color)}\n" for line in lines))
    stream.flush()
