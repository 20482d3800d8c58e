"""Advisories that concern one version of a package, and how many of them count. `status` imports this.

Nothing here compares versions: that takes `packaging`, which `status` does without. `documents` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from venvship.model import bounds
from venvship.model import json_fields as fields
from venvship.model.advisories.ignored import Ignored
from venvship.model.spelling import format_time, parse_time

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}", re.ASCII)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,199}", re.ASCII)


class Advisory(NamedTuple):
    """A known vulnerability of one version of a package.

    Attributes:
        id: Its identifier, such as `PYSEC-2024-28` or `GHSA-…`.
        aliases: Its other identifiers.
        fixed: The higher versions that fix it, ascending; empty if no fix is known.
        summary: One line about it, in the words of its authors. They are strangers.
    """

    id: str
    aliases: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    summary: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All identifiers of it."""
        return (self.id, *self.aliases)

    def to_json(self) -> dict[str, object]:
        """The JSON form, in the file of answers."""
        return {
            "id": self.id,
            "aliases": list(self.aliases),
            "fixed": list(self.fixed),
            "summary": self.summary,
        }

    @classmethod
    def from_json(cls, value: object) -> Advisory:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            ValueError: A value is of another type or form, or there are too many.
        """
        data = fields.mapping(value)
        return cls(
            id=_matching(_ID, data["id"]),
            aliases=_several(_ID, data["aliases"], bounds.ALIASES),
            fixed=_several(_VERSION, data["fixed"], bounds.FIXED_VERSIONS),
            summary=one_line(fields.text(data["summary"])),
        )


class Answer(NamedTuple):
    """The answer of a source of advisories about one version of a package.

    Attributes:
        at: When it was given; aware, UTC.
        source: The source: the address of a service, or the path of a file.
        advisories: Those that concern this version.
        unknown: Whether the source does not know the package, so that nothing is known about it.
    """

    at: datetime
    source: str
    advisories: tuple[Advisory, ...] = ()
    unknown: bool = False

    def to_json(self) -> dict[str, object]:
        """The JSON form, in the file of answers."""
        return {
            "at": format_time(self.at),
            "source": self.source,
            "unknown": self.unknown,
            "advisories": [one.to_json() for one in self.advisories],
        }

    @classmethod
    def from_json(cls, value: object) -> Answer:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            ValueError: A value is of another type or form, or there are too many.
        """
        data = fields.mapping(value)
        return cls(
            at=parse_time(fields.text(data["at"])),
            source=fields.text(data["source"]),
            unknown=data["unknown"] is True,
            advisories=read_advisories(data["advisories"]),
        )


class Vulnerability(NamedTuple):
    """An advisory about a package of a release.

    Attributes:
        package: The package's normalised name.
        version: Its version in the release.
        advisory: The advisory.
        ignored: The setting that ignores it; `None` if it counts.
    """

    package: str
    version: str
    advisory: Advisory
    ignored: Ignored | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `audit --json`."""
        return {
            "package": self.package,
            "version": self.version,
            "id": self.advisory.id,
            "aliases": list(self.advisory.aliases),
            "fixed": list(self.advisory.fixed),
            "fixable": bool(self.advisory.fixed),
            "summary": self.advisory.summary,
            "ignored": None if self.ignored is None else self.ignored._asdict(),
        }


class Known(NamedTuple):
    """The number of known vulnerabilities of a release, from the answers that were kept.

    Attributes:
        at: The time of the oldest answer.
        vulnerabilities: How many count.
        fixable: For how many of them a fixed version is known.
        ignored: How many are ignored.
        unaudited: The number of packages without an answer, or that no source knows.
    """

    at: datetime
    vulnerabilities: int
    fixable: int
    ignored: int = 0
    unaudited: int = 0

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `status --json` and in the report for the notify hook."""
        return {**self._asdict(), "at": format_time(self.at)}


def read_advisories(value: object) -> tuple[Advisory, ...]:
    """Read an array of advisories.

    Raises:
        KeyError: A key is missing.
        ValueError: A value is of another type or form, or there are too many.
    """
    found = fields.items(value)
    if len(found) > bounds.ADVISORIES:
        raise ValueError("too many advisories")
    return tuple(map(Advisory.from_json, found))


def one_line(text: str) -> str:
    """A text as one line of at most `bounds.SUMMARY` characters."""
    line = " ".join(text[: bounds.SUMMARY * 4].split())
    return line if len(line) <= bounds.SUMMARY else line[: bounds.SUMMARY - 1].rstrip() + "…"


def is_identifier(text: object) -> bool:
    """Whether a value has the form of an advisory's identifier."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def without_doubles(advisories: Iterable[Advisory]) -> list[tuple[Advisory, ...]]:
    """Group advisories that are one: they share an identifier, perhaps through a third one."""
    groups: list[list[Advisory]] = []
    for advisory in advisories:
        names = {*advisory.names}
        same = [group for group in groups if any(names & {*other.names} for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(one for group in same for one in group), advisory])
    return [tuple(group) for group in groups]


def vulnerabilities_of(
    packages: Iterable[tuple[str, str]],
    answers: Mapping[tuple[str, str], Answer],
    ignored: Sequence[Ignored],
    now: datetime,
) -> list[Vulnerability]:
    """The vulnerabilities of packages, by name and identifier; those that are ignored among them.

    Args:
        packages: Names, normalised, with versions.
        answers: The answers, by name and version.
        ignored: What the settings ignore.
        now: Aware, UTC. A setting that has ended ignores nothing.
    """
    in_force = [one for one in ignored if not one.is_over(now)]
    found: list[Vulnerability] = []
    for key in packages:
        answer = answers.get(key)
        for advisory in answer.advisories if answer is not None else ():
            by = next((one for one in in_force if one.covers(key[0], advisory.names)), None)
            found.append(Vulnerability(*key, advisory, by))
    return sorted(found, key=lambda one: (one.package, one.advisory.id))


def known(
    packages: Sequence[tuple[str, str]],
    answers: Mapping[tuple[str, str], Answer],
    ignored: Sequence[Ignored],
    now: datetime,
) -> Known | None:
    """Count the known vulnerabilities of packages; `None` if there is no answer about any of them.

    Args:
        packages: Names, normalised, with versions.
        answers: The answers, by name and version.
        ignored: What the settings ignore.
        now: Aware, UTC.
    """
    there = [answers[key] for key in packages if key in answers]
    if not there:
        return None
    found = vulnerabilities_of(packages, answers, ignored, now)
    counting = [one for one in found if one.ignored is None]
    return Known(
        at=min(answer.at for answer in there),
        vulnerabilities=len(counting),
        fixable=sum(bool(one.advisory.fixed) for one in counting),
        ignored=len(found) - len(counting),
        unaudited=len(packages) - sum(not answer.unknown for answer in there),
    )


def _matching(form: re.Pattern[str], value: Any) -> str:  # noqa: ANN401 - of JSON
    text = fields.text(value)
    if form.fullmatch(text) is None:
        raise ValueError(f"{text[:100]!r} is of another form")
    return text


def _several(form: re.Pattern[str], value: object, most: int) -> tuple[str, ...]:
    found = fields.items(value)
    if len(found) > most:
        raise ValueError(f"more than {most}")
    return tuple(_matching(form, one) for one in found)
