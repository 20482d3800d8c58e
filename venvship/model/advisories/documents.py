"""Read advisories in the forms of PyPI and of OSV, as they concern one version of a package.

PyPI: https://docs.pypi.org/api/json/#known-vulnerabilities. OSV: https://ossf.github.io/osv-schema/, whose
evaluation of versions is followed for a document that nobody has evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from venvship.model import bounds
from venvship.model import json_fields as fields
from venvship.model.advisories.advisory import Advisory, is_identifier, one_line, without_doubles

ECOSYSTEM: Final = "PyPI"


def normalised(name: str) -> str:
    """The name of a package, normalised as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def from_pypi(answer: object, version: str) -> tuple[Advisory, ...]:
    """Read the answer of PyPI about one version of a package.

    Raises:
        ValueError: It is of another form, or has too many advisories.
    """
    found = []
    for one in _bounded(fields.mapping(answer).get("vulnerabilities") or []):
        data = fields.mapping(one)
        if not data.get("withdrawn"):
            found.append(_advisory(data, fields.items(data.get("fixed_in") or []), version))
    return merged(found)


def from_osv(answer: object, name: str, version: str) -> tuple[Advisory, ...]:
    """Read the answer of OSV about one version of a package: the service has compared the versions.

    Raises:
        ValueError: It is of another form, or has too many advisories.
    """
    data = fields.mapping(answer)
    if data.get("next_page_token"):
        raise ValueError("more advisories than one answer has")
    found = []
    for one in _bounded(data.get("vulns") or []):
        document = fields.mapping(one)
        if not document.get("withdrawn"):
            events = [event for part in affected_parts(document, name) for event in _events(part)]
            found.append(_advisory(document, [value for kind, value in events if kind == "fixed"], version))
    return merged(found)


def from_document(document: Mapping[str, Any], name: str, version: str) -> Advisory | None:
    """Read one document in OSV's form; `None` if it was withdrawn, or does not concern this version.

    Raises:
        ValueError: It is of another form.
    """
    if document.get("withdrawn"):
        return None
    parts = affected_parts(document, name)
    if not any(_affects(part, version) for part in parts):
        return None
    fixed = [value for part in parts for kind, value in _events(part) if kind == "fixed"]
    return _advisory(document, fixed, version)


def affected_parts(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The parts of a document in OSV's form that are about a package of PyPI.

    Raises:
        ValueError: It is of another form.
    """
    return [part for part, of in affected_names(document) if of == name]


def affected_names(document: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str]]:
    """The parts of a document in OSV's form that are about packages of PyPI, each with the normalised name.

    Raises:
        ValueError: It is of another form.
    """
    found = []
    for part in map(fields.mapping, fields.items(document.get("affected") or [])):
        package = fields.mapping(part.get("package") or {})
        if str(package.get("ecosystem", "")).partition(":")[0] == ECOSYSTEM:
            found.append((part, normalised(fields.text(package.get("name")))))
    return found


def merged(advisories: Iterable[Advisory]) -> tuple[Advisory, ...]:
    """Make one of the advisories that share an identifier: a vulnerability counts once.

    Its identifier is that of PyPA's database where there is one.
    """
    found = []
    for group in without_doubles(advisories):
        first = min(group, key=lambda one: (not one.id.startswith("PYSEC-"), one.id))
        names = {name for one in group for name in one.names}
        found.append(
            Advisory(
                id=first.id,
                aliases=tuple(sorted(names - {first.id}))[: bounds.ALIASES],
                fixed=_ascending(version for one in group for version in one.fixed),
                summary=next((one.summary for one in (first, *group) if one.summary), ""),
            )
        )
    return tuple(sorted(found))


def _advisory(data: Mapping[str, Any], fixed: Iterable[object], version: str) -> Advisory:
    identifier = data.get("id")
    if not is_identifier(identifier):
        raise ValueError(f"an advisory has the identifier {str(identifier)[:100]!r}")
    aliases = [one for one in fields.items(data.get("aliases") or []) if is_identifier(one)]
    text = data.get("summary") or data.get("details") or ""
    return Advisory(
        id=str(identifier),
        aliases=tuple(dict.fromkeys(aliases))[: bounds.ALIASES],
        fixed=_ascending(one for one in fixed if _is_above(one, version)),
        summary=one_line(text if isinstance(text, str) else ""),
    )


def _bounded(value: object) -> list[Any]:
    found = fields.items(value)
    if len(found) > bounds.ADVISORIES:
        raise ValueError(f"more than {bounds.ADVISORIES:,} advisories")
    return found


def _parsed(value: object) -> Version | None:
    """A version; `None` for one that no release can have."""
    if not isinstance(value, str) or len(value) > bounds.NAME:
        return None
    try:
        return Version(value)
    except InvalidVersion:
        return None


def _is_above(value: object, version: str) -> bool:
    parsed, own = _parsed(value), _parsed(version)
    return parsed is not None and own is not None and parsed > own


def _ascending(versions: Iterable[object]) -> tuple[str, ...]:
    parsed = {version for version in map(_parsed, versions) if version is not None}
    return tuple(map(str, sorted(parsed)[: bounds.FIXED_VERSIONS]))


def _events(part: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The events of the ranges that compare versions as the ecosystem does, each a kind and a version."""
    found = []
    for one in map(fields.mapping, fields.items(part.get("ranges") or [])):
        if one.get("type") == "ECOSYSTEM":
            for event in map(fields.mapping, fields.items(one.get("events") or [])):
                found += [(kind, value) for kind, value in event.items() if isinstance(value, str)]
    return found


def _affects(part: Mapping[str, Any], version: str) -> bool:
    """Whether a part of a document concerns a version: it is listed, or in a range."""
    own = _parsed(version)
    listed = fields.items(part.get("versions") or [])
    if own is None:
        return version in listed
    if any(_parsed(one) == own for one in listed):
        return True
    return any(
        _is_in(one, own)
        for one in map(fields.mapping, fields.items(part.get("ranges") or []))
        if one.get("type") == "ECOSYSTEM"
    )


def _is_in(one: Mapping[str, Any], own: Version) -> bool:
    """Whether a version is in a range, as "Evaluation" in OSV's schema has it."""
    events = []
    for event in map(fields.mapping, fields.items(one.get("events") or [])):
        for kind, value in event.items():
            at = Version("0.dev0") if (kind, value) == ("introduced", "0") else _parsed(value)
            if at is not None:
                events.append((at, kind))
    inside = False
    for at, kind in sorted(events):
        if kind == "introduced" and own >= at:
            inside = True
        elif (kind == "fixed" and own >= at) or (kind == "last_affected" and own > at):
            inside = False
    return inside
