"""Holds of packages: "an upgrade leaves this package as the lockfile has it". And their part of the fold.

The search for the culprit of a failed upgrade holds versions back, and so does a person. A person may also
hold a package at the version that it has, whatever is on offer. The two exist side by side.

The events have names of their own: an older venvship ignores them, as it ignores every event that it does not
know. As a kind of `held` it would have taken them for a hold of the root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from venvship.model.event import Event
from venvship.model.release import PackageChange
from venvship.model.spelling import format_time, parse_time


class PackageHold(NamedTuple):
    """A package that upgrades leave alone.

    Attributes:
        package: Its normalised name.
        version: The version that is held back, with all below it; `None`: every other one than that of the
            lockfile.
        before: The version that the lockfile had when the hold was set; `None` for none.
        by: The user, or `venvship`, that set it.
        reason: The reason, for people.
        since: The time of the event that set it.
        seq: The `seq` of that event: equal for all packages of a set.
        check: The candidate check that the version failed; `None` for none.
        together: The packages that were held with it, itself included, sorted: alone, each of them passes.
        environment_digest: The environment that failed with these versions; `None` if none was judged.
        until: The time when it ends; `None`: not before `unhold`, or a version beyond `version`.
    """

    package: str
    version: str | None
    before: str | None
    by: str
    reason: str
    since: datetime
    seq: int = 0
    check: str | None = None
    together: tuple[str, ...] = ()
    environment_digest: str | None = None
    until: datetime | None = None

    @property
    def is_searched(self) -> bool:
        """Whether an update has set it, since the version failed: the update has reported that."""
        return self.environment_digest is not None

    @property
    def spelled(self) -> str:
        """The argument of `hold` that sets it: `django`, or `django==5.2.1`."""
        return self.package if self.version is None else f"{self.package}=={self.version}"

    def is_over(self, now: datetime) -> bool:
        """Whether its time has come, by the clock of the command that asks."""
        return self.until is not None and self.until <= now

    def to_json(self) -> dict[str, object]:
        """The JSON form, as in `status --json`."""
        return {
            "package": self.package,
            "version": self.version,
            "before": self.before,
            "by": self.by,
            "reason": self.reason,
            "since": format_time(self.since),
            "until": format_time(self.until) if self.until else None,
            "check": self.check,
            "together": list(self.together),
            "environment_digest": self.environment_digest,
        }


class KeptBack(NamedTuple):
    """A package that an upgrade left as it was.

    Attributes:
        hold: The hold that kept it.
        version: The version that it stays at; `None` if the lockfile has no such package, and gets none in
            the version that is held back.
        offered: The version that it would have got; `None` where a hold let nothing else be asked for.
    """

    hold: PackageHold
    version: str | None
    offered: str | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form, as in `lock --json`."""
        return {
            "name": self.hold.package,
            "version": self.version,
            "offered": self.offered,
            "by": self.hold.by,
            "reason": self.hold.reason,
        }


class HeldVersion(NamedTuple):
    """One package of `package-held`: its version in the failed lockfile, and the one that it had before."""

    name: str
    version: str | None
    before: str | None


class HeldBack(NamedTuple):
    """Changes that an unattended upgrade has left out, since they failed: a set that is held from now on.

    Attributes:
        changes: The changes, as the upgrade would have made them; sorted by name.
        reason: Why, for people.
        check: The name of the check that refused them; `None` if none was told.
        certain: Whether each of them is needed for the failure. If not, one or more of them are to blame.
        until: The time when the hold ends; `None`: with a version beyond.
    """

    changes: tuple[PackageChange, ...]
    reason: str
    check: str | None = None
    certain: bool = True
    until: datetime | None = None

    @property
    def held(self) -> tuple[HeldVersion, ...]:
        """The packages to hold. A package that would have gone has no version to hold back."""
        return tuple(
            HeldVersion(change.name, change.after, change.before)
            for change in self.changes
            if change.after is not None
        )

    def to_json(self) -> dict[str, object]:
        """The JSON form, as in `update --json`."""
        return {
            "changes": [change.to_json() for change in self.changes],
            "reason": self.reason,
            "check": self.check,
            "certain": self.certain,
            "until": format_time(self.until) if self.until else None,
        }


PackageHolds = dict[tuple[str, bool], PackageHold]
"""The holds of packages that have been set and not ended, by their keys."""


def hold_facts(
    packages: Sequence[HeldVersion],
    *,
    until: datetime | None = None,
    check: str | None = None,
    environment_digest: str | None = None,
    searched: bool = False,
) -> dict[str, object]:
    """The facts of `package-held`.

    Args:
        packages: The set.
        until: The time when the hold ends; aware. `None` for no time.
        check: The check that the set failed.
        environment_digest: The environment that failed.
        searched: Whether a search found it, and no person asked for it.
    """
    facts: dict[str, object] = {"packages": [each._asdict() for each in packages]}
    if until is not None:
        facts["until"] = format_time(until)
    if searched:
        facts |= {"unattended": True, "check": check, "environment_digest": environment_digest}
    return facts


def end_facts(ended: Sequence[PackageHold]) -> dict[str, object]:
    """The facts of `package-unheld`: the holds that end."""
    return {"packages": [{"name": hold.package, "version": hold.version} for hold in ended]}


def spelled(packages: Sequence[Mapping[str, object]]) -> str:
    """The packages of an event as arguments of `hold`: its `reason` begins with them, for `history`."""
    return ", ".join(
        f"{each['name']}=={each['version']}" if each.get("version") else str(each["name"])
        for each in packages
    )


def ended_reason(ended: Sequence[PackageHold], why: str) -> str:
    """The reason of `package-unheld`, which names the holds."""
    return f"{', '.join(dict.fromkeys(hold.spelled for hold in ended))}: {why}"


def fold_package_held(holds: PackageHolds, event: Event) -> None:
    """Set the holds of `package-held`; what is malformed counts as missing."""
    packages = _packages(event)
    together = tuple(sorted(str(each["name"]) for each in packages))
    named = "".join(f"{part}: " for part in [spelled(packages)] if part)
    for each in packages:
        hold = PackageHold(
            package=str(each["name"]),
            version=_text(each.get("version")),
            before=_text(each.get("before")),
            by="venvship" if event.facts.get("unattended") is True else event.actor,
            reason=event.reason.removeprefix(named),
            since=event.at,
            seq=event.seq,
            check=event.text("check"),
            together=together,
            environment_digest=event.text("environment_digest"),
            until=_time(event.text("until")),
        )
        holds[_key(hold.package, hold.version)] = hold


def fold_package_unheld(holds: PackageHolds, event: Event) -> None:
    """End the holds of `package-unheld`."""
    for each in _packages(event):
        holds.pop(_key(str(each["name"]), _text(each.get("version"))), None)


def _key(package: str, version: str | None) -> tuple[str, bool]:
    """The package, and whether it stays at its version: a second hold of the same key replaces the first."""
    return package, version is None


def _packages(event: Event) -> list[Mapping[str, object]]:
    packages = event.facts.get("packages")
    found = packages if isinstance(packages, list) else []
    return [each for each in found if isinstance(each, dict) and _text(each.get("name"))]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None
