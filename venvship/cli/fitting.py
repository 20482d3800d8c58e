"""Fitting text into columns. Widths are counted of what is shown: without styles, and with escapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from venvship.cli.advice import addressed
from venvship.cli.style import unstyled
from venvship.printable import printable

LABEL = 10
"""Columns of a label at the beginning of a line, such as `Live`."""

HANGING = 2
"""Columns by which a line is indented that goes on with a text from outside."""

LEAST_LAST_COLUMN = 24
"""Columns that a table's last column must have left; with fewer it goes on a line of its own."""

_NARROW: Final = re.compile(r"[\u0000-\u02ff\u2010-\u2027\u2190-\u21ff✓✗]*")
"""Matches letters that take a column each, our own symbols among them. All others are looked up."""

_COMMAND: Final = re.compile(r"`[^`]+`|venvship (?:-C \S+ )?[a-z]+\b")
"""A command to type. Broken into two lines, it would be two commands."""

_JOINT: Final = "\u00a0"
"""Stands for a blank at which a line must not be broken."""


class Page(NamedTuple):
    """The place and time at which a result is read.

    Attributes:
        width: Columns; `None` off a terminal.
        now: The time; aware.
        root: The root that commands have to name; see `Call.address`.
    """

    width: int | None
    now: datetime
    root: str = ""

    def addressed(self, text: str) -> str:
        """A text with the root in its commands."""
        return addressed(text, self.root)

    def fold(self, text: str) -> list[str]:
        """Lines of a text without styles, with the root in its commands; see `fold`."""
        return fold(addressed(text, self.root), self.width)

    def hanging(self, text: str) -> list[str]:
        """As `fold`, with all lines but the first indented; see `hanging`."""
        return hanging(addressed(text, self.root), self.width)

    def labelled(self, label: str, text: str, *, paint: str | None = None) -> list[str]:
        """Lines that begin with a label, with the root in their commands; see `labelled`."""
        return labelled(label, addressed(text, self.root), self.width, paint=paint)


def length(text: str) -> int:
    """Columns that a text takes, with its styles or without."""
    if text.isascii() and text.isprintable():
        return len(text)
    shown = unstyled(text)
    if shown.isascii() or _NARROW.fullmatch(shown):
        return len(shown)
    return sum(map(_columns_of, shown))


def _columns_of(letter: str) -> int:
    """Columns of a letter: two of an East Asian wide one, none of a mark on the letter before it.

    The vowels and final consonants of Hangul that is spelt in parts (as file names of macOS are) stand with
    the consonant before them.
    """
    import unicodedata  # only where there are such letters

    if unicodedata.category(letter) in {"Mn", "Me"} or "\u1160" <= letter <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def pad(text: str, width: int) -> str:
    """A text with blanks behind it, up to a width."""
    return text + " " * (width - length(text))


def shorten(text: str, width: int | None) -> str:
    """A text without styles as it is shown, cut at a width."""
    shown = printable(text)
    if width is None or length(shown) <= width:
        return shown
    room, kept = max(width - 1, 0), 0
    for letter in shown:
        room -= _columns_of(letter)
        if room < 0:
            break
        kept += 1
    return shown[:kept].rstrip() + "…"


def fold(text: str, width: int | None) -> list[str]:
    """Break a text without styles into lines; a command, and a word longer than a line, stay whole."""
    shown = printable(text)
    if width is None or length(shown) <= width:
        return [shown]
    lines = [""]
    whole = _COMMAND.sub(lambda match: match[0].replace(" ", _JOINT), shown)
    for word in re.findall(r" *[^ ]+", whole):
        if lines[-1] and length(lines[-1] + word) > max(width, 8):
            lines.append(word.lstrip())
        else:
            lines[-1] += word
    return [line.replace(_JOINT, " ") for line in lines]


def hanging(text: str, width: int | None) -> list[str]:
    """As `fold`, with all lines but the first indented: they are no lines of their own."""
    first, *rest = fold(text, None if width is None else width - HANGING)
    return [first, *(" " * HANGING + line for line in rest)]


def labelled(label: str, text: str, width: int | None, *, paint: str | None = None) -> list[str]:
    """A line that begins with a label, and those that go on with it.

    Args:
        label: Nine letters fit into `LABEL` columns; a longer one moves the text.
        text: Without styles.
        width: Columns; `None` for a line of any length.
        paint: The label with its styles.
    """
    size = max(LABEL, length(label) + 2)
    first, *rest = fold(text, None if width is None else width - size)
    return [pad(paint or label, size) + first, *(" " * size + line for line in rest)]


def table(rows: Sequence[tuple[str, ...]], width: int | None = None) -> list[str]:
    """Lines with aligned columns.

    Args:
        rows: All of the same length. The last column, which has no styles, is broken to fit; if there is too
            little room for it, it goes below its row, indented.
        width: Columns; `None` for lines of any length.
    """
    if not rows:
        return []
    lengths = [[length(cell) for cell in row[:-1]] for row in rows]
    widths = [max(column) for column in zip(*lengths, strict=True)]
    before = sum(widths) + 2 * len(widths)
    left = None if width is None else width - before
    lines = []
    for row, sizes in zip(rows, lengths, strict=True):
        cells = zip(row, sizes, widths, strict=False)
        head = "".join(f"{cell}{' ' * (room - size)}  " for cell, size, room in cells)
        if left is not None and left < LEAST_LAST_COLUMN and length(row[-1]) > left:
            lines.append(head.rstrip())
            lines += [f"      {part}" for part in fold(row[-1], None if width is None else width - 6)]
            continue
        first, *rest = fold(row[-1], left)
        lines.append((head + first).rstrip())
        lines += [" " * before + part for part in rest]
    return lines


def columns(cells: Sequence[str], width: int | None, *, indent: int = 2) -> list[str]:
    """Short texts in as many columns as fit, read downwards; off a terminal one to a line."""
    if not cells:
        return []
    margin = " " * indent
    if width is None:
        return [margin + cell for cell in cells]
    size = max(map(length, cells)) + 2
    count = max((width - indent) // size, 1)
    height = -(-len(cells) // count)
    return [
        (margin + "".join(pad(cell, size) for cell in cells[row::height])).rstrip() for row in range(height)
    ]


def join(parts: Sequence[str], separator: str, width: int | None, *, indent: int = 2) -> list[str]:
    """Join parts into indented lines, without breaking a part."""
    lines: list[str] = []
    for part in parts:
        if lines and length(lines[-1]) + len(separator) + length(part) <= (width or 78):
            lines[-1] += separator + part
        else:
            lines.append(" " * indent + part)
    return lines


def when(moment: datetime) -> str:
    """A time for people, in UTC like everything that venvship writes."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `"1 package"`, `"1,200 packages"`, `"2 processes"`."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{'' if count == 1 else plural}"


def format_bytes(count: int) -> str:
    """Bytes for people: `"4.1 MB"`."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
