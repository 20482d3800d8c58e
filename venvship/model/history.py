"""The journal, folded: a `History`, the values in it, and the questions that it answers.

It never looks at the disk, so `current` itself is not in here; the caller compares `History.expected` with
the link, which is the only truth about what is live.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from venvship.model.event import Event
from venvship.model.release import State
from venvship.model.spelling import format_time


class LockfileDue(NamedTuple):
    """A lockfile that was made for a release, and takes its place on disk once that is proven.

    Attributes:
        path: Where; absolute, or relative to the root. Its contents are in the release.
        before: SHA-256 of what is to be replaced; `None`: there was no file. If there is anything else by
            then, somebody has written a lockfile of their own, and theirs stays.
    """

    path: str
    before: str | None

    def to_facts(self) -> dict[str, str | None]:
        """The facts by which `promoting` and `promoted` remember it."""
        return {"lockfile": self.path, "lockfile_before": self.before}

    @classmethod
    def of(cls, event: Event) -> LockfileDue | None:
        """What an event remembers; `None` if its promotion brought no new lockfile."""
        path = event.text("lockfile")
        return cls(path=path, before=event.text("lockfile_before")) if path else None


class Intent(NamedTuple):
    """A switch that was announced and has no outcome yet.

    Attributes:
        seq: Of the event that announced it.
        kind: `"promote"`, or `"rollback"` once the way back was taken, by us or by a person.
        origin: What was current when it began; `None` before the first release.
        target: What it makes current: for a rollback, where it goes back to; `None` for "to nothing".
        tries: How often the restart and the live checks were begun, this time included.
        tried: The release whose trial has no outcome: what a promotion makes current, and what a way back
            from there leaves. While it is current, all of the lineage lies below it.
        manual: Whether a person's rollback announced it.
        cause: For an automatic rollback: why.
        says_no: For an automatic rollback: whether the release itself was found wanting.
        via: The command that began it.
        unattended: Whether nobody was there.
        lockfile: The lockfile that takes its place with a promotion.
    """

    seq: int
    kind: str
    origin: str | None
    target: str | None
    tries: int = 1
    tried: str | None = None
    manual: bool = False
    cause: str = ""
    says_no: bool = False
    via: str = ""
    unattended: bool = False
    lockfile: LockfileDue | None = None


class Hold(NamedTuple):
    """A "do not release unattended".

    Attributes:
        scope: `"root"` or `"environment"`.
        by: Who or what set it.
        reason: Why, for people.
        since: When.
        release: The release that it is about, if there is one.
        environment_digest: For an environment.
        left_environments: Of the root's hold after a switch by hand: the digests of what was left, since
            there was none. Another one in the lockfile means that somebody has decided anew, which lifts the
            hold; without any, nothing does.
        health_digest: Of the checks and hooks that refused; a refusal lapses when they change.
        standing: Set by `hold`: nothing but `unhold` lifts it, and no other hold takes its place.
    """

    scope: Literal["root", "environment"]
    by: str
    reason: str
    since: datetime
    release: str | None = None
    environment_digest: str | None = None
    left_environments: tuple[str, ...] = ()
    health_digest: str | None = None
    standing: bool = False

    def is_overtaken(self, environment_digest: str) -> bool:
        """Whether an environment is another one than all that was left while the root was held."""
        return bool(self.left_environments) and environment_digest not in self.left_environments

    def to_json(self) -> dict[str, object]:
        """The form in which `status --json` shows it."""
        return {
            "scope": self.scope,
            "environment_digest": self.environment_digest,
            "by": self.by,
            "reason": self.reason,
            "since": format_time(self.since),
            "release": self.release,
        }


@dataclass(slots=True, kw_only=True)
class Record:
    """What the journal knows of one release.

    Attributes:
        id: The release.
        seq: When it was sealed, in the journal's order.
        state: See `State`.
        environment_digest: What it was built for.
        pinned: Protected from prune.
        pruned: Gone.
        rejected: The last thing that happened to it was a refusal by a candidate check or the prepare hook.
        last_live_seq: The last switch that made it current, in the journal's order.
        live_since: When it last became current.
        live_until: When it last stopped being current; `None` while it is, or if it never was. No later than
            any event since: a clock may have been set back.
    """

    id: str
    seq: int = 0
    state: State = State.SEALED
    environment_digest: str = ""
    pinned: bool = False
    pruned: bool = False
    rejected: bool = False
    last_live_seq: int = 0
    live_since: datetime | None = None
    live_until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class History:
    """The journal, folded.

    Attributes:
        seq: Of the last event.
        at: When that was written.
        switch_seq: Of the last event that switched `current`, whoever did it.
        records: By release id.
        lineage: Promoted releases, the oldest first; its last one should be current.
        expected: What `current` should be, as far as the journal knows.
        switches: What was current, settled switches only, the oldest first, with the event that made it so.
        intent: A switch without an outcome.
        last_outcome: The last `promoted`, `rolled-back` or `rollback-failed`.
        root_hold: The hold of the whole root.
        environment_holds: By environment digest.
        bad_in_a_row: The bad environments since the last good promotion.
        lockfile_due: The lockfile of what is current, as long as it has not taken its place.
    """

    seq: int = 0
    at: datetime | None = None
    switch_seq: int = 0
    records: dict[str, Record] = field(default_factory=dict)
    lineage: list[str] = field(default_factory=list)
    expected: str | None = None
    switches: list[Event] = field(default_factory=list)
    intent: Intent | None = None
    last_outcome: Event | None = None
    root_hold: Hold | None = None
    environment_holds: dict[str, Hold] = field(default_factory=dict)
    bad_in_a_row: list[str] = field(default_factory=list)
    lockfile_due: LockfileDue | None = None

    def state(self, release_id: str) -> State:
        """The state of a release; of one that the journal does not know, `sealed`."""
        record = self.records.get(release_id)
        return record.state if record else State.SEALED

    def refusal(self, environment_digest: str, health_digest: str) -> Hold | None:
        """The hold of an environment, unless the checks or hooks that refused it have changed since."""
        hold = self.environment_holds.get(environment_digest)
        if hold is None or (hold.health_digest and hold.health_digest != health_digest):
            return None
        return hold

    def rollback_target(self, current: str | None, intact: Callable[[str], bool]) -> str | None:
        """Where a rollback without a name goes: the nearest proven, intact entry below what is current.

        Args:
            current: What is live now. When it is not the lineage's last entry but stands further down, a
                rollback to it could not be recorded (the disk was full): what lies above it was left, and
                going "back" there would undo that. When it is not in the lineage at all, or is on trial,
                everything in the lineage lies below it.
            intact: Whether a release can be used.
        """
        entries = list(self.lineage)
        if current in entries and not self.is_on_trial(current):
            while entries[-1] != current:
                entries.pop()
        return self._nearest(entries, current, intact)

    def is_on_trial(self, current: str | None) -> bool:
        """Whether what is current was promoted, and neither kept nor left since."""
        return self.intent is not None and self.intent.tried is not None and self.intent.tried == current

    def rollback_target_after(self, promoted: str, intact: Callable[[str], bool]) -> str | None:
        """Where a rollback without a name will go once this release has been promoted from here."""
        return self._nearest(self.lineage, promoted, intact)

    def _nearest(
        self, entries: Sequence[str], current: str | None, intact: Callable[[str], bool]
    ) -> str | None:
        for entry in reversed(entries):
            record = self.records.get(entry)
            # What is recorded as pruned may still be there, whole, if that was interrupted: the next command
            # that recovers removes it.
            if record is None or record.pruned or entry == current:
                continue
            if record.state is State.PROVEN and intact(entry):
                return entry
        return None

    def was_current(self, switches_ago: int) -> str | None:
        """What `@{N}` names; `None` when there were not so many switches, or nothing was current then."""
        index = len(self.switches) - 1 - switches_ago
        return self.switches[index].release if index >= 0 else None
