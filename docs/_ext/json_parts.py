"""The generated tables of the JSON output, each held against the recorded examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from json_texts import DATA, ENVELOPE, ERROR_KEYS, OBJECTS, TITLES, Keys
from markdown_tables import table

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "reference" / "examples"

PRIMITIVES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "time": lambda value: isinstance(value, str) and value.endswith("Z"),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "value": lambda _value: True,
    "object": lambda value: isinstance(value, dict),
    "numbers by name": lambda value: all(isinstance(number, int | float) for number in value.values()),
}

MORE_KEYS: Final = {"event", "error"}
"""Objects that may have further keys, which another table lists."""


def envelope() -> str:
    """The keys of the envelope."""
    return _table(ENVELOPE)


def data(command: str) -> str:
    """The keys of `data` of a command, once its examples have been looked at.

    Raises:
        ValueError: An example has other keys, or values of other types.
    """
    for path in sorted(EXAMPLES.glob("*.json")):
        printed = json.loads(path.read_text(encoding="utf-8"))
        if printed["command"] == command and printed["data"]:
            problems = misfits(printed["data"], DATA[command], f"{path.name}: data")
            if problems:
                raise ValueError("docs/_ext/json_texts.py: " + "; ".join(problems))
    return _table(DATA[command])


def objects() -> str:
    """All objects but the release, which has a section of its own."""
    return "\n\n".join(
        f"(json-object-{name})=\n### {TITLES[name]}\n\n{_table(keys)}"
        for name, keys in OBJECTS.items()
        if name != "release"
    )


def release_object() -> str:
    """The keys of a release."""
    return _table(OBJECTS["release"])


def error_keys() -> str:
    """The keys that only some errors have."""
    return table(("key", "means"), [(f"`{key}`", text) for key, text in ERROR_KEYS.items()])


def _table(keys: Keys) -> str:
    rows = [(f"`{key}`", _linked(kind), text) for key, (kind, text) in keys.items()]
    return table(("key", "type", "means"), rows)


def _linked(kind: str) -> str:
    """A type, with links to the objects in it."""
    first = kind.removesuffix(" or null").removeprefix("list of ")
    if first not in OBJECTS:
        return kind
    label = "json-release-object" if first == "release" else f"json-object-{first}"
    return kind.replace(first, f"{{ref}}`{first} <{label}>`", 1)


def misfits(value: Any, keys: Keys, where: str) -> list[str]:  # noqa: ANN401 - whatever JSON holds
    """The differences of an object from a table: keys missing or too many, values of other types."""
    found = [f"{where} has no key {key}" for key in keys.keys() - value.keys()]
    found += [f"{where}.{key} is not described" for key in value.keys() - keys.keys()]
    for key in keys.keys() & value.keys():
        found += _misfit(value[key], keys[key][0], f"{where}.{key}")
    return found


def _misfit(value: Any, kind: str, where: str) -> list[str]:  # noqa: ANN401
    if kind.endswith(" or null"):
        return [] if value is None else _misfit(value, kind.removesuffix(" or null"), where)
    if kind.startswith("list of "):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        item = kind.removeprefix("list of ")
        return [text for one in value for text in _misfit(one, item, f"{where}[]")]
    if kind in PRIMITIVES:
        return [] if PRIMITIVES[kind](value) else [f"{where} is no {kind}, but {value!r}"]
    if not isinstance(value, dict):
        return [f"{where} is no {kind}"]
    if kind in MORE_KEYS:
        value = {key: one for key, one in value.items() if key in OBJECTS[kind]}
    if kind == "release" and isinstance(value["packages"], list):  # in `show`
        return _misfit({**value, "packages": len(value["packages"])}, kind, where)
    return misfits(value, OBJECTS[kind], where)


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "json-envelope": envelope,
    "json-release": release_object,
    "json-objects": objects,
    "json-error-keys": error_keys,
    **{f"json-data-{name}": (lambda name=name: data(name)) for name in DATA},  # type: ignore[misc]
}
"""The parts by the name that pages ask for them with."""
