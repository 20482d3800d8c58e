"""The lines of the keys of a TOML text, which the parser of the standard library does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MAY_END: Final = re.compile(r"[\]}]|\"\"\"|'''")
"""Matches in every line that ends a value of several lines: an array, a table or a string."""

_WORK: Final = 4 << 20
"""Characters that are parsed. A value of many lines is parsed once for each that may be its last. The keys
after one that takes more have no line."""


def key_lines(text: str) -> dict[str, int]:
    """The line in which each key stands, by its dotted path: `hooks.restart`, `check[1].name`.

    A statement of TOML ends with a line. One that is not complete never parses. So lines are taken together
    until they parse: each time that is one statement.

    Args:
        text: TOML that parses as a whole.

    Returns:
        Line numbers, from 1.
    """
    found: dict[str, int] = {}
    arrays: dict[str, int] = {}
    table, work, first, lines = "", 0, 1, list[str]()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        first = first if lines else number
        lines.append(line)
        if len(lines) > 1 and not _MAY_END.search(line):
            continue
        statement = "\n".join(lines)
        work += len(statement)
        if work > _WORK:
            break
        try:
            values = tomllib.loads(statement)
        except ValueError:
            continue
        lines.clear()
        if statement.lstrip(" \t").startswith("["):
            table = _table(values, arrays)
            found.setdefault(table, first)
        else:
            for key in _keys(values, table):
                found[key] = first
    return found


def _table(values: Any, arrays: dict[str, int]) -> str:  # noqa: ANN401
    """The dotted path of a table from its header, parsed alone.

    Args:
        values: `[a.b]` is `{"a": {"b": {}}}`, and `[[a]]` is `{"a": [{}]}`.
        arrays: The number of tables so far of each array of tables.
    """
    path = ""
    while values:
        [(name, values)] = values.items()
        path = f"{path}.{name}" if path else name
        if isinstance(values, list):
            arrays[path] = arrays.get(path, 0) + 1
            values = {}
        if path in arrays:
            path = f"{path}[{arrays[path] - 1}]"
    return path


def _keys(values: Mapping[str, Any], at: str) -> Iterator[str]:
    """The dotted paths of all keys of a table, those of tables in it too."""
    for name, value in values.items():
        key = f"{at}.{name}" if at else name
        yield key
        if isinstance(value, Mapping):
            yield from _keys(value, key)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                if isinstance(one, Mapping):
                    yield from _keys(one, f"{key}[{number}]")
