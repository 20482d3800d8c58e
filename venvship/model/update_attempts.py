"""What was tried in vain, and when it may be tried again: a pure fold of the journal, for `update` alone.

People may try as often as they like. Whoever comes by every few minutes, and cannot look at what went wrong,
waits longer each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from venvship.model.event import Event, EventName
from venvship.model.hold import Hold
from venvship.model.release import State
from venvship.model.spelling import format_time

FIRST_PAUSE: Final = timedelta(minutes=5)
"""After a first failure; twice as long after every further one."""

LONGEST_PAUSE: Final = timedelta(hours=6)

FORGOTTEN: Final = timedelta(days=2)
"""So long after a pause was over, a failure is the first one again: who tries daily was there meanwhile."""

TOLD_AGAIN: Final = timedelta(days=7)
"""After this time a failure, or a refusal by a hold, is reported again: it may have been forgotten."""

LOCKING: Final = ""
"""What stands for the environment that a `lock` would have made, and did not."""

FIXING: Final = "fixing"
"""The same for the one that a security update would have made."""

UNATTENDED: Final = " (unattended)"
"""What the journal's actor ends in, after the user, where the command was unattended."""


@dataclass(frozen=True, slots=True)
class Failures:
    """What was tried with one environment and came to nothing, since it last came to something, or in a row.

    Attributes:
        count: How often.
        last: When last.
        reason: Why last, for people.
        kind: The kind of the last one.
        told: When it was reported last: the same failure is not reported at each attempt.
        check: The name of the check that refused it last; empty if none did.
    """

    count: int
    last: datetime
    reason: str
    kind: str
    told: datetime
    check: str = ""

    @property
    def until(self) -> datetime:
        """When it is tried again."""
        pause = FIRST_PAUSE * float(1 << min(self.count - 1, 16))
        return self.last + min(pause, LONGEST_PAUSE)

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `status --json`."""
        return {
            "attempts": self.count,
            "last": format_time(self.last),
            "reason": self.reason,
            "until": format_time(self.until),
        }

    def is_paused(self, now: datetime) -> bool:
        """Whether it is too early.

        A failure in the future means that the clock was set back since; nobody knows how long ago it was,
        and nothing may wait for a year for it.
        """
        return self.last <= now < self.until


@dataclass(slots=True)
class Attempts:
    """The journal, as far as unattended releases ask it.

    Attributes:
        failures: By environment digest; `LOCKING` for locking itself.
        latest: The last of them.
        problems: When an update reported what kept it from beginning, by the digest of the message; those
            before the last release are left out.
        warnings: The same for what kept it from nothing; those before the last release count.
        told: When a refusal by a hold was told last, by the hold; see `_hold_key`.
        searched: The environments in which a search has looked for what fails, and has ended without a
            result.
    """

    failures: dict[str, Failures] = field(default_factory=dict)
    latest: Failures | None = None
    problems: dict[str, datetime] = field(default_factory=dict)
    warnings: dict[str, datetime] = field(default_factory=dict)
    told: dict[tuple[str, ...], datetime] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)

    def begins_anew(self, environment: str) -> bool:
        """Whether a search in this environment was cut short once: it begins anew without a pause."""
        failures = self.failures.get(environment)
        first = failures is not None and failures.count == 1 and bool(failures.check)
        return first and environment not in self.searched

    def was_told(self, hold: Hold, now: datetime) -> bool:
        """Whether a refusal by this hold was told within `TOLD_AGAIN`, whatever the lockfile was then."""
        told = self.told.get(_hold_key(refusal_facts(hold, hold.environment_digest or "")))
        return told is not None and told <= now < told + TOLD_AGAIN


def refusal_facts(hold: Hold, environment: str) -> dict[str, str]:
    """The facts of `refused`: the hold, and the environment that waits."""
    return {"scope": hold.scope, "since": format_time(hold.since), "environment_digest": environment}


def _hold_key(facts: Mapping[str, object]) -> tuple[str, ...]:
    """What tells one hold from another: of the environment that waits, a hold of the root is independent."""
    scope = str(facts.get("scope"))
    environment = "" if scope == "root" else str(facts.get("environment_digest"))
    return scope, str(facts.get("since")), environment


def fold_attempts(events: Iterable[Event]) -> Attempts:
    """Fold events, in the order of their `seq`. Never fails: a fact of another type counts as missing.

    A person's failure pauses nothing: the person has seen it, and `update` may know better.
    """
    attempts = Attempts()
    environments: dict[str, str] = {}
    tried_unattended = False
    for event in events:
        facts = event.facts
        match event.event:
            case EventName.SEALED:
                if event.release is not None:
                    environments[event.release] = str(facts.get("environment_digest", ""))
            case EventName.PROMOTING:
                tried_unattended = bool(facts.get("unattended"))
            case EventName.BUILD_FAILED if _was_unattended(event):
                _failed(attempts, str(facts.get("environment_digest", "")), event)
            case EventName.REJECTED if _was_unattended(event):
                _failed(attempts, environments.get(str(event.release)), event)
            case EventName.ROLLED_BACK | EventName.ROLLBACK_FAILED:
                environment = environments.get(str(facts.get("from")))
                _went_back(attempts, environment, event, unattended=tried_unattended)
            case EventName.PROMOTED:
                attempts.problems.clear()
                attempts.failures.pop(environments.get(str(event.release), ""), None)
                attempts.failures.pop(LOCKING, None)
                attempts.failures.pop(FIXING, None)
            case EventName.UNHELD if facts.get("kind") is None:
                attempts.failures.clear()
                attempts.searched.clear()
            case EventName.PACKAGE_HELD | EventName.PACKAGE_UNHELD | EventName.SEARCHED:
                _searched(attempts, event)
            case EventName.REFUSED:
                _told(attempts, event)
    return attempts


def _told(attempts: Attempts, event: Event) -> None:
    facts = event.facts
    if facts.get("scope") == "warning":
        attempts.warnings[str(facts["problem"])] = event.at
    elif "problem" in facts:
        attempts.problems[str(facts["problem"])] = event.at
    else:
        attempts.told[_hold_key(facts)] = event.at


def _searched(attempts: Attempts, event: Event) -> None:
    """Note the end of a search, or that a package is not held any more, which allows another one."""
    environment = str(event.facts.get("environment_digest"))
    if event.event == EventName.PACKAGE_UNHELD:
        attempts.searched.clear()
    elif event.event == EventName.SEARCHED:
        attempts.searched.add(environment)
    elif event.facts.get("unattended") is True:
        # The rest is another environment. This one is asked for again when a hold is ended by hand.
        attempts.failures.pop(environment, None)


def _was_unattended(event: Event) -> bool:
    """Whether `update` wrote an event; an older one wrote it into the actor alone."""
    return bool(event.facts.get("unattended", event.actor.endswith(UNATTENDED)))


def _went_back(attempts: Attempts, environment: str | None, event: Event, *, unattended: bool) -> None:
    """Note a promotion that was taken back: a failure, or a verdict whose holds the update has told."""
    facts = event.facts
    verdict = facts.get("verdict")
    if unattended and verdict == State.INCONCLUSIVE and not facts.get("manual"):
        _failed(attempts, environment, event)
    if verdict == State.BAD and facts.get("unattended") is True:
        # Without this fact a recovery recorded it, and no update has told it.
        since = format_time(event.at)
        for key in (("environment", since, environment or ""), ("root", since, "")):
            attempts.told[key] = event.at


def _failed(attempts: Attempts, environment: str | None, event: Event) -> None:
    if environment is None:
        return
    before = attempts.failures.get(environment)
    if before is not None and event.at - before.until > FORGOTTEN:
        # What works and changes nothing, such as locking, leaves no trace that would say so.
        before = None
    kind = f"{event.event} {event.facts.get('slug', '')}"
    same = before is not None and (before.kind, before.reason) == (kind, event.reason)
    told = before.told if before is not None and same else event.at
    attempts.latest = attempts.failures[environment] = Failures(
        count=before.count + 1 if before else 1,
        last=event.at,
        reason=event.reason,
        kind=kind,
        told=told if event.at - told < TOLD_AGAIN else event.at,
        check=event.text("check") or "",
    )
