"""Several files of settings as one: later files win, tables merge, arrays replace, checks merge by name.

A file that `venvship.toml` extends, and that file itself, are *layers*. Only the parsed values are merged
here: `settings_reading` refuses what is wrong with each layer and with the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from venvship.model.settings_check import CHECK, CHECK_KINDS, kinds_with

EXTENDS: Final = "extends"
"""The key that names further layers. It is followed, and not merged."""


class Layer(NamedTuple):
    """One file of settings.

    Attributes:
        path: Its path, for messages.
        values: The parsed TOML.
        text: The text that it was parsed from.
    """

    path: str
    values: Mapping[str, object]
    text: str = ""


class Place(NamedTuple):
    """The place from which an effective key comes.

    Attributes:
        path: The file.
        key: Its dotted path there. The number of a check may be another one than in the whole.
    """

    path: str
    key: str


class Merged(NamedTuple):
    """The layers as one.

    Attributes:
        values: The effective values, in the shape of `venvship.toml`.
        places: By dotted path in `values`, the place of each key, of each table and of each check.
    """

    values: Mapping[str, Any]
    places: Mapping[str, Place]

    def place(self, key: str) -> Place | None:
        """The place of a key, or of the nearest table or check around it; `None` if no file has either."""
        inner = ""
        while key:
            if key in self.places:
                found = self.places[key]
                return found._replace(key=found.key + inner)
            shorter = re.sub(r"(?:\[\d+\]|\.[^.]*|[^.\[\]]+)\Z", "", key)
            if shorter == key:
                return None
            key, inner = shorter, key[len(shorter) :] + inner
        return None


def merge(layers: Sequence[Layer]) -> Merged:
    """Merge layers whose values have the right types.

    Args:
        layers: Each wins over those before it.
    """
    values: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for layer in layers:
        own = {name: value for name, value in layer.values.items() if name not in {EXTENDS, CHECK}}
        _merge_table(values, own, "", Place(layer.path, ""), places)
        checks = cast(Sequence[Mapping[str, Any]], layer.values.get(CHECK, ()))
        for number, check in enumerate(checks):
            place = Place(layer.path, f"{CHECK}[{number}]")
            _merge_check(values.setdefault(CHECK, []), check, place, places)
    return Merged(values, places)


def _merge_table(
    into: dict[str, Any], table: Mapping[str, Any], at: str, place: Place, places: dict[str, Place]
) -> None:
    """Merge a table into another one.

    Args:
        into: The table so far.
        table: The table that wins.
        at: The dotted path of `into`; empty for the top.
        place: The place of `table`; its key is empty for the top.
        places: The places so far.
    """
    for name, value in table.items():
        key = f"{at}.{name}" if at else name
        here = Place(place.path, f"{place.key}.{name}" if place.key else name)
        if isinstance(value, Mapping):
            inner = into.get(name)
            into[name] = dict(inner) if isinstance(inner, Mapping) else {}
            places[key] = here
            _merge_table(into[name], value, key, here, places)
        else:
            into[name] = value
            places[key] = here


def _merge_check(
    checks: list[dict[str, Any]], check: Mapping[str, Any], place: Place, places: dict[str, Place]
) -> None:
    """Merge a check into that of the same name, or add it as the last one.

    A check may get another kind. The target of the kind that it had goes then, and the keys that only checks
    of such a kind have: nobody can take a key away by setting it anew.
    """
    names = [one.get("name") for one in checks]
    if check.get("name") not in names:
        checks.append({})
        names.append(check.get("name"))
    number = names.index(check.get("name"))
    key, into = f"{CHECK}[{number}]", checks[number]
    if not CHECK_KINDS.keys().isdisjoint(check):
        for name in list(_of_other_kinds(into, check)):
            del into[name]
    places[key] = place
    _merge_table(into, check, key, place, places)


def _of_other_kinds(before: Mapping[str, Any], check: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a check as it was that do not fit the kind that it gets."""
    for name in before:
        kinds = (name,) if name in CHECK_KINDS else kinds_with(name)
        if kinds and not any(kind in check for kind in kinds):
            yield name
