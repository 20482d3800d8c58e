"""Read values out of parsed TOML strictly, and collect every problem with its dotted path.

A *reader* is a function that takes a parsed value and returns what it means, or raises `WrongValueError`.
Readers for lists put the index into the path while the error unwinds, so that each of them only knows its
own level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from venvship.printable import is_plain

T = TypeVar("T")
D = TypeVar("D")

Reader = Callable[[object], T]


class WrongValueError(ValueError):
    """A value that is not what it should be.

    Args:
        message: What is wrong, in words that fit after the key and a colon.
        path: Where below the value that the reader was given, such as `"[2]"`.
        further: Further problems of the same value.
    """

    def __init__(self, message: str, path: str = "", further: Sequence[WrongValueError] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.further = tuple(further)


class Table:
    """One table of the file, from which each key is taken once.

    Args:
        values: The table as parsed.
        path: Its dotted path, empty for the top level.
        problems: What was wrong so far, shared by all tables of a file; each `{"key", "message"}`.
        elsewhere: Dotted paths of the keys of other tables, to say where a misplaced key belongs.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        path: str = "",
        problems: list[dict[str, str]] | None = None,
        elsewhere: Collection[str] = (),
    ) -> None:
        self.values = values
        self.path = path
        self.problems = [] if problems is None else problems
        self._elsewhere = elsewhere
        self._known: list[str] = []

    def key(self, name: str) -> str:
        """The dotted path of a key of this table."""
        return f"{self.path}.{name}" if self.path else name

    def report(self, name: str, message: str) -> None:
        """Add a problem with a key; `""` means the table itself."""
        self.problems.append({"key": self.key(name) if name else self.path, "message": message})

    def take(self, name: str, reader: Reader[T], default: D) -> T | D:
        """Read a key, or return the default where it is absent or wrong; wrong is reported."""
        self._known.append(name)
        if name not in self.values:
            return default
        try:
            return reader(self.values[name])
        except WrongValueError as problem:
            for one in (problem, *problem.further):
                self.report(name + one.path, one.message)
            return default

    def table(self, name: str) -> Table:
        """Read a key that holds a table; an empty one where it is absent or wrong."""
        values = self.take(name, _mapping, {})
        return Table(values, self.key(name), self.problems, self._elsewhere)

    def tables(self, name: str) -> list[Table]:
        """Read a key that holds an array of tables."""
        found = self.take(name, _mappings, [])
        return [
            Table(values, f"{self.key(name)}[{index}]", self.problems, self._elsewhere)
            for index, values in enumerate(found)
        ]

    def finish(self) -> None:
        """Report the keys that nobody took, each with the nearest one that exists."""
        for name in self.values:
            if name not in self._known:
                self.report(name, "no such key" + self._suggestion(name))

    def _suggestion(self, name: str) -> str:
        import difflib

        near = difflib.get_close_matches(name.lower(), self._known, n=1, cutoff=0.6)
        if near:
            return f"; did you mean {self.key(near[0])}?"
        last_parts = {dotted.rpartition(".")[2]: dotted for dotted in self._elsewhere}
        near = difflib.get_close_matches(name.lower(), last_parts, n=1, cutoff=0.8)
        if near:
            dotted = last_parts[near[0]]
            # A key that was added to the end of the file is one of its last table.
            return f"; did you mean {dotted}{'' if '.' in dotted else ', above the first [table]'}?"
        return "; the keys here are " + ", ".join(sorted(self._known))


def _kind(value: object) -> str:
    """What TOML calls the type of a parsed value, with its article."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string", list: "an array"}
    return names.get(type(value), "a table" if isinstance(value, Mapping) else "a date or time")


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise WrongValueError(f"must be a table, not {_kind(value)}")
    return value


def _mappings(value: object) -> list[Mapping[str, object]]:
    if isinstance(value, Mapping):
        raise WrongValueError("must be an array of tables: write its header in double brackets")
    return list(each(_mapping, "an array of tables")(value))


def boolean(value: object) -> bool:
    """Read true or false.

    Raises:
        WrongValueError: Anything else.
    """
    if not isinstance(value, bool):
        raise WrongValueError(f"must be true or false, not {_kind(value)}")
    return value


def integer(least: int, most: int) -> Reader[int]:
    """Make a reader of an integer within limits, both allowed."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongValueError(f"must be an integer, not {_kind(value)}")
        if not least <= value <= most:
            raise WrongValueError(f"must be at least {least}" if value < least else f"must be at most {most}")
        return value

    return read


def number(most: float, *, zero: bool) -> Reader[float]:
    """Make a reader of a float or integer above zero (or zero itself), up to and including `most`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongValueError(f"must be a number, not {_kind(value)}")
        # An integer of 400 digits is finite, and no float.
        if isinstance(value, float) and not math.isfinite(value):
            raise WrongValueError("must be finite")
        if value < 0 or (value == 0 and not zero):
            raise WrongValueError("must not be negative" if zero else "must be greater than 0")
        if value > most:
            raise WrongValueError(f"must be at most {most:g}")
        return float(value)

    return read


def string(value: object) -> str:
    """Read a string that is not empty and could be a path or an argument: it has no NUL.

    Raises:
        WrongValueError: Anything else.
    """
    if not isinstance(value, str):
        raise WrongValueError(f"must be a string, not {_kind(value)}")
    if not value:
        raise WrongValueError("must not be empty")
    if "\0" in value:
        raise WrongValueError("must not contain a NUL character")
    return value


def line(most: int) -> Reader[str]:
    """Make a reader of one line of printable text, without blanks at its ends."""

    def read(value: object) -> str:
        text = string(value)
        if not is_plain(text) or text != text.strip():
            raise WrongValueError("must be one line of printable text, without blanks at its ends")
        if len(text) > most:
            raise WrongValueError(f"must be at most {most} characters long")
        return text

    return read


def one_of(*choices: str) -> Reader[str]:
    """Make a reader of one of these strings."""

    def read(value: object) -> str:
        if value not in choices:
            shown = repr(value) if isinstance(value, str) else _kind(value)
            raise WrongValueError(f"must be one of {', '.join(choices)}, not {shown}")
        return str(value)

    return read


def each(reader: Reader[T], what: str, *, least: int = 0) -> Reader[tuple[T, ...]]:
    """Make a reader of an array.

    Args:
        reader: Reads one element.
        what: What the array is, with its article, such as `"an array of names"`.
        least: How many elements there must be.
    """

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple):
            raise WrongValueError(f"must be {what}, not {_kind(value)}")
        if len(value) < least:
            raise WrongValueError("must not be empty")
        result: list[T] = []
        for index, element in enumerate(value):
            try:
                result.append(reader(element))
            except WrongValueError as problem:
                raise WrongValueError(problem.message, f"[{index}]{problem.path}") from None
        return tuple(result)

    return read


def strings(read_name: Callable[[str], str], read_value: Callable[[str], str]) -> Reader[Mapping[str, str]]:
    """Make a reader of a table of strings, which may be empty ones.

    Args:
        read_name: Reads a key of the table.
        read_value: Reads the value of one.
    """

    def read_element(value: object) -> str:
        if not isinstance(value, str):
            raise WrongValueError(f"must be a string, not {_kind(value)}")
        return read_value(value)

    return table_of(read_element, read_name)


def table_of(
    reader: Reader[T], read_name: Callable[[str], str] = lambda name: name
) -> Reader[Mapping[str, T]]:
    """Make a reader of a table with any keys.

    Args:
        reader: Reads the value of a key.
        read_name: Reads a key.
    """

    def read(value: object) -> Mapping[str, T]:
        found: dict[str, T] = {}
        problems: list[WrongValueError] = []
        for name, element in _mapping(value).items():
            try:
                found[read_name(name)] = reader(element)
            except WrongValueError as problem:
                problems.append(WrongValueError(problem.message, f".{name}{problem.path}"))
        if problems:
            raise WrongValueError(problems[0].message, problems[0].path, problems[1:])
        return found

    return read
