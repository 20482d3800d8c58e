"""What is on a terminal after a program has written to it: enough of one for scripts/screens."""

from __future__ import annotations

import re
from typing import Final

SEQUENCE: Final = re.compile(r"\x1b\[(?P<private>\??)(?P<numbers>[\d;]*)(?P<final>[A-Za-z])")
ERASED: Final = (" ", "")


class Screen:
    """A grid of characters, each with the styles that were on when it was written.

    Args:
        columns: The width; a line that is longer goes on in the next one.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._cells: list[list[tuple[str, str]]] = [[]]
        self._row = self._column = 0
        self._styles = ""

    def write(self, text: str) -> None:
        """Take what a program writes.

        Raises:
            ValueError: A sequence is not understood.
        """
        position = 0
        while position < len(text):
            if found := SEQUENCE.match(text, position):
                self._control(found)
                position = found.end()
                continue
            self._put(text[position])
            position += 1

    def lines(self) -> list[str]:
        """The lines from the top, with sequences for styles only, without blanks at their ends."""
        found = ["".join(self._styled(row)).rstrip() for row in self._cells]
        while found and not found[-1]:
            found.pop()
        return found

    def _styled(self, row: list[tuple[str, str]]) -> list[str]:
        parts, now = [], ""
        while row and row[-1] == ERASED:
            row = row[:-1]
        for character, styles in row:
            if styles != now:
                parts.append("\x1b[0m" + styles)
                now = styles
            parts.append(character)
        return [*parts, "\x1b[0m"] if now else parts

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._move(1)
        elif character == "\x1b":
            raise ValueError("a control sequence that this terminal does not know")
        else:
            if self._column >= self._columns:
                self._move(1)
                self._column = 0
            row = self._cells[self._row]
            row += [ERASED] * (self._column + 1 - len(row))
            row[self._column] = (character, self._styles)
            self._column += 1

    def _move(self, rows: int) -> None:
        self._row = max(self._row + rows, 0)
        self._cells += [[] for _ in range(self._row + 1 - len(self._cells))]

    def _control(self, found: re.Match[str]) -> None:
        numbers, final = found["numbers"], found["final"]
        if final == "m":
            self._styles = "" if numbers in {"", "0"} else self._styles + found[0]
        elif final == "A":
            self._move(-int(numbers or 1))
        elif final == "K" and numbers == "2":
            self._cells[self._row] = []
        elif not found["private"]:
            raise ValueError(f"a control sequence that this terminal does not know: {found[0]!r}")
