"""A lockfile as a document of TOML or JSON: parsed within bounds, and its values read with their types."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from venvship.model import bounds
from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import decode

_LINE = re.compile(r"\(at line (\d+)")


def lockfile_text(path: str, data: bytes, problems: Problems) -> str:
    """Decode a lockfile that is one document.

    Raises:
        LockfileError: It is too large, or not UTF-8.
    """
    if len(data) > bounds.LOCKFILE:
        problems.refuse(
            path,
            None,
            f"{len(data):,} bytes: a lockfile has at most {bounds.LOCKFILE:,}; this is something else",
        )
    text = decode(path, data, problems)
    if text is None:
        raise problems.refusal()
    return text


def load_toml(path: str, text: str, problems: Problems, kind: str) -> Mapping[str, Any]:
    """Parse a lockfile of TOML.

    Args:
        path: The file, for messages.
        text: Its text.
        problems: Where the problem goes.
        kind: The kind of file, with its article.

    Raises:
        LockfileError: It is no TOML, or none that Python can hold.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _LINE.search(str(error))
        problems.refuse(path, int(match[1]) if match else None, f"not TOML: {error}; write it again")
    except RecursionError:
        problems.refuse(path, None, f"not {kind}: it is nested too deeply")
    except ValueError as error:  # more digits than Python makes an integer of
        problems.refuse(path, None, f"not {kind}: {error}")


def load_json(path: str, text: str, problems: Problems, kind: str) -> Mapping[str, Any]:
    """Parse a lockfile of JSON, which must be an object. A key that stands twice is refused.

    Arguments and errors: `load_toml`.
    """

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"the key {quote(twice)} stands twice in one object")
        return found

    try:
        document = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        problems.refuse(path, error.lineno, f"not JSON: {error.msg}; write it again")
    except RecursionError:
        problems.refuse(path, None, f"not {kind}: it is nested too deeply")
    except ValueError as error:
        problems.refuse(path, None, f"not {kind}: {error}")
    if not isinstance(document, dict):
        problems.refuse(path, None, f"not {kind}: it is no object")
    return document


def header_lines(text: str, key: str) -> list[int]:
    """The lines of the tables `[[key]]`, from 1, as they are commonly written."""
    header = re.compile(rf"""[ \t]*\[\[[ \t]*(?:{key}|"{key}"|'{key}')[ \t]*\]\]""")
    return [number for number, line in enumerate(text.split("\n"), start=1) if header.match(line)]


def table_lines(text: str, key: str, count: int) -> list[int]:
    """The lines of this number of tables `[[key]]`; all 1 where they are written in another way."""
    lines = header_lines(text, key)
    return lines if len(lines) == count else [1] * count


def string(table: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """The string of a key; without a default, the key must be there.

    Raises:
        ValueError: It is missing, or something else. The message goes on after the name of the table.
    """
    value = table.get(key, default)
    if value is None:
        raise ValueError(f"has no `{key}`")
    return value if isinstance(value, str) else _wrong(key, "a string")


def boolean(table: Mapping[str, Any], key: str) -> bool:
    """The boolean of a key, false where it is missing.

    Raises:
        ValueError: It is something else, as in `string`.
    """
    value = table.get(key, False)
    return value if isinstance(value, bool) else _wrong(key, "true or false")


def strings(table: Mapping[str, Any], key: str) -> list[str]:
    """The array of strings of a key, empty where it is missing.

    Raises:
        ValueError: It is something else, as in `string`.
    """
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        _wrong(key, "an array of strings")
    return value


def subtable(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table of a key, empty where it is missing.

    Raises:
        ValueError: It is something else, as in `string`.
    """
    value = table.get(key, {})
    return value if isinstance(value, dict) else _wrong(key, "a table")


def tables(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The array of tables of a key, empty where it is missing.

    Raises:
        ValueError: It is something else, as in `string`.
    """
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        _wrong(key, "an array of tables")
    return value


def _wrong(key: str, wanted: str) -> NoReturn:
    raise ValueError(f"has a `{key}` that is not {wanted}")
