"""Every way in which a fault, or another user, may have changed one value of a JSON file."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

VALUES: tuple[object, ...] = (
    None, True, -1, 1.5, 10**30, 10**400, "", "a\0b", "a\ud800", "\udcff", "../../x", "/", "..", "0" * 5000,
    [], [[]], [None], {}, {"a": {}}, {"a\0b": "x"}, "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+23:59",
)  # fmt: skip

RAW = (b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 5000, b'"\xff"', b"[" * 400 + b"]" * 400,
       b'{"a":1,"a":2}')  # fmt: skip
"""What `json.dumps` does not write."""

_MARK = "@the value@"


def variants(data: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield a JSON object with one value replaced, or gone, or there twice; each with what was done."""
    for place in _places(data):
        label = "/".join(map(str, place))
        for value in VALUES:
            yield f"{label} = {ascii(value)[:40]}", json.dumps(_replaced(data, place, value)).encode()
        marked = json.dumps(_replaced(data, place, _MARK)).encode()
        for raw in RAW:
            yield f"{label} = {raw[:20]!r}", marked.replace(json.dumps(_MARK).encode(), raw)
        yield f"{label} is gone", json.dumps(_without(data, place)).encode()
    text = json.dumps(data)
    yield "a key twice", (text[:-1] + ', "format": 1}').encode()
    yield "an unknown key, nested", (text[:-1] + ', "more": ' + "[" * 500 + "]" * 500 + "}").encode()
    yield "an endless nest", (text[:-1] + ', "more": ' + "[" * 100_000).encode()
    yield "UTF-16", text.encode("utf-16")


def _places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value, of objects and arrays too; of a long array, of its first two."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data[:2]) if isinstance(data, list) else ()
    for key, value in list(pairs):
        yield (*above, key)
        yield from _places(value, (*above, key))


def _replaced(data: Any, place: tuple[Any, ...], value: object) -> Any:
    changed = copy.deepcopy(data)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def _without(data: Any, place: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(data)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return changed
