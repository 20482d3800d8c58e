r"""Colour and weight, which the text also makes sense without.

Lines carry their styles as marks from the start. A mark has a key in it that this process has drawn, so no
text from outside can hold one. `painted` turns the marks into sequences of the terminal, or takes them away,
and shows all else that is unprintable as an escape. A colour that is not ours is `\x1b[31m`.
"""

from __future__ import annotations

import os
import re
from typing import Final

from venvship.model.release import State
from venvship.printable import printable

_MARK: Final = f"\x1b{os.urandom(8).hex()}:"
_MARKS: Final = re.compile(f"{_MARK}([0-9]+);")

_RESET: Final = 0
_BOLD: Final = 1
_DIM: Final = 2
_RED: Final = 31
_GREEN: Final = 32
_YELLOW: Final = 33


def _styled(text: str, *styles: int) -> str:
    return "".join([*(f"{_MARK}{style};" for style in styles), text, f"{_MARK}{_RESET};"])


def good(text: str) -> str:
    """A success."""
    return _styled(text, _GREEN)


def bad(text: str) -> str:
    """A failure, or a state that needs an operator."""
    return _styled(text, _RED, _BOLD)


def attention(text: str) -> str:
    """An unusual state."""
    return _styled(text, _YELLOW)


def strong(text: str) -> str:
    """The most important text of a line."""
    return _styled(text, _BOLD)


def faint(text: str) -> str:
    """The least important text of a line."""
    return _styled(text, _DIM)


def state(value: State) -> str:
    """A release's state."""
    paint = {
        State.PROVEN: good,
        State.BAD: bad,
        State.INCONCLUSIVE: attention,
        State.REJECTED: attention,
        State.UNCHECKED: attention,
    }.get(value)
    return paint(value.value) if paint else value.value


def painted(line: str, *, color: bool) -> str:
    """A line as it is written: one line, with no control sequences but those of the styles.

    Args:
        line: Whatever is in it; a line break is shown as an escape.
        color: Whether the styles are shown.
    """
    if line.isascii() and line.isprintable():
        return line
    parts = _MARKS.split(line)  # text, style, text, and so on
    parts[::2] = map(printable, parts[::2])
    parts[1::2] = (f"\x1b[{style}m" if color else "" for style in parts[1::2])
    return "".join(parts)


def unstyled(text: str) -> str:
    """A text without styles, as it is shown where there are none."""
    return "".join(map(printable, _MARKS.split(text)[::2]))
