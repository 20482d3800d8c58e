"""Holds: "do not release unattended", of the whole root or of one environment, and whom each one stops.

A hold of the root has a kind. The kind says which decision it keeps, and what ends it. Holds of different
kinds exist side by side, so that the end of one takes nothing from another.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from venvship.model.spelling import format_time

HELD_UNTIL: Final = "Unattended releases are held until "
"""The beginning of every sentence that says what ends a hold of the root."""

_UNTIL_UNHOLD: Final = f"{HELD_UNTIL}`venvship unhold`"

SWITCH_HOLD: Final = (
    f"{_UNTIL_UNHOLD}, or until a person releases the root's own lockfile, with `--force` if that was rolled "
    "back."
)
"""What ends a switch hold: one sentence, the same in every output, in the help and in the documentation."""


class HoldKind(StrEnum):
    """The kinds of hold; of those of a root, the first one is told first."""

    STANDING = "standing"
    """Set by `hold`. Ended by `unhold`, or by its time."""

    SWITCH = "switch"
    """Set by a person's choice of another release than that of the root's own lockfile: by a rollback, by a
    switch of `current` outside venvship, by `promote`, or by `release --lockfile`. Ended by `unhold`, or by a
    person's promotion of the own lockfile's environment."""

    BAD_IN_A_ROW = "bad-in-a-row"
    """Set by three bad environments in a row. Ended by `unhold`, or by a promotion, but an unattended one."""

    ENVIRONMENT = "environment"
    """Set by a bad release, for its environment alone."""

    ONE_WAY = "one-way"
    """Of an environment that was live before a one-way release; see `one_way`."""

    REGRESSION = "regression"
    """Of an environment that has a vulnerability which a security update has fixed; see `security_fix`."""


class Asker(NamedTuple):
    """Who asks for a release.

    Attributes:
        unattended: Whether it is `update`.
        person: Whether a person is present: standard input is a terminal.
        force: Whether `--force` was given. It counts as a person's word.
        resumes: Whether a new lockfile ends a switch hold: `[update] resume_on_new_lockfile`.
    """

    unattended: bool = False
    person: bool = False
    force: bool = False
    resumes: bool = False

    @property
    def is_script(self) -> bool:
        """Whether neither `update` nor a person asks."""
        return not (self.unattended or self.person or self.force)


class Hold(NamedTuple):
    """A "do not release unattended".

    Attributes:
        kind: The decision that it keeps.
        by: The user, or `venvship`, that set it.
        reason: The reason, for people.
        since: The time of the event that set it.
        release: The release that caused it; `None` if there is none.
        environment_digest: The environment that is held; `None` for the root.
        known_environments: Of a switch hold: the environments that were left since it began, and those of the
            root's lockfile at these moments. Any other one is new.
        rolled_back: Of a switch hold: the environments that a person has rolled back from.
        health_digest: Of the checks and hooks that refused; a refusal lapses when they change.
        until: The time when a standing hold ends; `None`: not before `unhold`.
    """

    kind: HoldKind
    by: str
    reason: str
    since: datetime
    release: str | None = None
    environment_digest: str | None = None
    known_environments: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()
    health_digest: str | None = None
    until: datetime | None = None

    @property
    def scope(self) -> Literal["root", "environment"]:
        """What is held."""
        environments = {HoldKind.ENVIRONMENT, HoldKind.ONE_WAY, HoldKind.REGRESSION}
        return "environment" if self.kind in environments else "root"

    @property
    def end(self) -> str:
        """The sentence that says what ends it."""
        match self.kind:
            case HoldKind.SWITCH:
                return SWITCH_HOLD
            case HoldKind.BAD_IN_A_ROW:
                return f"{_UNTIL_UNHOLD}, or until `venvship release` passes."
            case HoldKind.ENVIRONMENT | HoldKind.ONE_WAY:
                return "Change the lockfile or the code, or override with `venvship release --force`."
            case HoldKind.REGRESSION:
                return "Pin the fix or a later version, or release the lockfile as it is: `venvship release`."
        until = f" or {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"{_UNTIL_UNHOLD}{until}."

    def is_over(self, now: datetime) -> bool:
        """Whether its time has come, by the clock of the command that asks."""
        return self.until is not None and self.until <= now

    def is_new(self, environment_digest: str) -> bool:
        """Whether an environment is neither one that was left under this hold nor a lockfile of that time."""
        return bool(self.known_environments) and environment_digest not in self.known_environments

    def to_json(self) -> dict[str, object]:
        """The JSON form, as in `status --json`."""
        return {
            "scope": self.scope,
            "kind": self.kind.value,
            "environment_digest": self.environment_digest,
            "by": self.by,
            "reason": self.reason,
            "since": format_time(self.since),
            "until": format_time(self.until) if self.until else None,
            "release": self.release,
        }


def stops(hold: Hold, asker: Asker, environment_digest: str | None) -> bool:
    """Whether a hold of the root stops a promotion.

    Args:
        hold: The hold, in force.
        asker: Who asks.
        environment_digest: Of the release to be promoted; `None` if that is not known yet.
    """
    is_switch = hold.kind is HoldKind.SWITCH
    if asker.unattended:
        new = environment_digest is not None and hold.is_new(environment_digest)
        return not (is_switch and asker.resumes and new)
    if not is_switch or asker.force:
        return False
    return not asker.person or environment_digest in hold.rolled_back
