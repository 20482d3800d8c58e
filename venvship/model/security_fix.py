"""Fixes of known vulnerabilities by `update --security`, as the journal keeps them, and what would undo one.

The event `promoted` of such an update has the packages that moved. A lockfile that asks for one of them below
its fix brings the vulnerability back, as long as the live release has the fix, or lacks the package.

`status` imports this, so versions are compared by `packaging` only where a release is planned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from venvship.model.event import Event


class Fix(NamedTuple):
    """A package that a security update moved.

    Attributes:
        package: Its normalised name.
        before: The version that was replaced; `None` for a package that a fix has brought.
        after: The version now.
        advisories: The identifiers of the vulnerabilities that are fixed; empty for a package that a fix
            needs in another version than before.
        despite: What would have held an upgrade back: `hold`, `only`, `group` or `cooldown`.
    """

    package: str
    before: str | None
    after: str
    advisories: tuple[str, ...] = ()
    despite: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `update --json` and in the journal."""
        return {
            "package": self.package,
            "from": self.before,
            "to": self.after,
            "advisories": list(self.advisories),
            "despite": list(self.despite),
        }


class Unfixed(NamedTuple):
    """A package whose vulnerabilities stay.

    Attributes:
        package: Its normalised name.
        version: The version that is live.
        advisories: Their identifiers.
        reason: Why, as a part of a sentence.
    """

    package: str
    version: str
    advisories: tuple[str, ...]
    reason: str

    @property
    def text(self) -> str:
        """The sentence about it."""
        return f"{self.package} {self.version} stays vulnerable, {', '.join(self.advisories)}: {self.reason}"

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `update --json`."""
        return {**self._asdict(), "advisories": list(self.advisories)}


class Applied(NamedTuple):
    """A fix that went live, and stayed: in which release, and when."""

    fix: Fix
    release: str
    at: datetime


Fixes = dict[tuple[str, bool], Applied]
"""The last fix of each package, by its name and whether it fixed a vulnerability of that package itself."""


def fix_facts(fixes: Iterable[Fix]) -> dict[str, object]:
    """The facts of `promoting` and `promoted`; none for an update without fixes."""
    found = [fix.to_json() for fix in fixes]
    return {"fixes": found} if found else {}


def fixes_of(event: Event) -> tuple[Fix, ...]:
    """The fixes that an event records; what is malformed counts as missing."""
    value = event.facts.get("fixes")
    found = []
    for one in value if isinstance(value, list) else []:
        if isinstance(one, dict) and isinstance(one.get("package"), str) and isinstance(one.get("to"), str):
            before = one.get("from")
            found.append(
                Fix(
                    package=one["package"],
                    before=before if isinstance(before, str) else None,
                    after=one["to"],
                    advisories=_texts(one.get("advisories")),
                    despite=_texts(one.get("despite")),
                )
            )
    return tuple(found)


def fold_fixes(fixes: Fixes, event: Event) -> None:
    """Fold `promoted`: the release with the fixes has stayed."""
    for fix in fixes_of(event):
        fixes[fix.package, bool(fix.advisories)] = Applied(fix, event.release or "", event.at)


def brought_back(
    fixes: Fixes, asked: Mapping[str, str | None], live: Mapping[str, str]
) -> tuple[Applied, ...]:
    """The fixes that a lockfile would undo, by package.

    Args:
        fixes: Those that went live.
        asked: The versions that the lockfile asks for, by normalised name; `None` for one that only a build
            tells.
        live: The versions of the live release. One that is below the fix itself is a person's choice, and
            nothing is brought back then.
    """
    found = []
    for (name, is_own), applied in sorted(fixes.items()):
        version = asked.get(name)
        if not is_own or version is None or not _is_below(version, applied.fix.after):
            continue
        if name not in live or not _is_below(live[name], applied.fix.after):
            found.append(applied)
    return tuple(found)


def _is_below(version: str, fixed: str) -> bool:
    from packaging.version import InvalidVersion, Version  # late: see above

    try:
        return Version(version) < Version(fixed)
    except InvalidVersion:
        return False


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
