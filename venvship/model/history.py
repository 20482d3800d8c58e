"""The journal, folded: a `History`, the values in it, and the questions that it answers.

It never looks at the disk, so `current` itself is not in here; the caller compares `History.expected` with
the link, which is the only truth about the current release.
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
    """A lockfile that was generated for a release, and is written to disk once the release is proven.

    Attributes:
        path: Absolute, or relative to the root. The contents are in the release.
        before: SHA-256 of the file to be replaced; `None`: there was no file. A file with another hash was
            written by the user in the meantime, and stays.
    """

    path: str
    before: str | None

    def to_facts(self) -> dict[str, str | None]:
        """The facts of `promoting` and `promoted` that record it."""
        return {"lockfile": self.path, "lockfile_before": self.before}

    @classmethod
    def of(cls, event: Event) -> LockfileDue | None:
        """The lockfile that an event records; `None` if its promotion brought none."""
        path = event.text("lockfile")
        return cls(path=path, before=event.text("lockfile_before")) if path else None


class Intent(NamedTuple):
    """A switch that was announced and has no outcome yet.

    Attributes:
        seq: The `seq` of the event that announced it.
        kind: `"promote"`, or `"rollback"` once the way back was taken, automatically or by a person.
        origin: The release that was current when it began; `None` before the first one.
        target: The release that it makes current; `None`: a way back to no release at all.
        tries: The number of times that restart and live checks were begun, this one included.
        tried: The release whose trial has no outcome: the one that a promotion makes current, and that a
            way back from there leaves. While it is current, all of the lineage lies below it.
        manual: Whether a person's rollback announced it.
        cause: The reason of an automatic rollback.
        says_no: Whether an automatic rollback found the release itself at fault.
        via: The command that began it.
        unattended: Whether that command was unattended.
        lockfile: The lockfile to be written after a promotion.
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
        by: The user, or `venvship`, that set it.
        reason: The reason, for people.
        since: The time of the event that set it.
        release: The release that caused it; `None` if there is none.
        environment_digest: The environment that is held; `None` for the root.
        left_environments: Of a hold of the root after a switch by hand: the environments that were left
            since the root was held. Another environment in the lockfile is a new decision, which lifts the
            hold. Without any, a new lockfile does not lift it.
        health_digest: Of the checks and hooks that refused; a refusal lapses when they change.
        standing: Whether `hold` set it: only `unhold` lifts it, and no other hold replaces it.
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
        """Whether an environment differs from all that were left while the root was held."""
        return bool(self.left_environments) and environment_digest not in self.left_environments

    def to_json(self) -> dict[str, object]:
        """The JSON form, as in `status --json`."""
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
    """One release, as the journal has it. Mutable, for the fold alone; see `History`.

    Attributes:
        seq: The `seq` of `sealed`; 0 if the journal has none.
        environment_digest: The environment that it was built for.
        pinned: Whether it is protected from prune.
        pruned: Whether it was removed.
        relocated_to: The release that took its place when it was not usable any more; see `relocate`.
        rejected: Whether a candidate check or the prepare hook refused it last.
        last_live_seq: The `seq` of the last switch that made it current.
        live_since: The time when it last became current.
        live_until: The time when it last stopped being current; `None` while it is, or if it never was. No
            later than any event since: a clock may have been set back.
    """

    id: str
    seq: int = 0
    state: State = State.SEALED
    environment_digest: str = ""
    pinned: bool = False
    pruned: bool = False
    relocated_to: str | None = None
    rejected: bool = False
    last_live_seq: int = 0
    live_since: datetime | None = None
    live_until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class History:
    """The journal, folded.

    Mutable, unlike other values: the fold changes it in place, instead of making a copy for each of thousands
    of lines. Only `history_fold` writes to it.

    Attributes:
        seq: The `seq` of the last event.
        at: The time of the last event.
        switch_seq: The `seq` of the last event about a switch of `current`, by venvship or by hand.
        records: The releases, by id.
        lineage: The releases that a rollback can go down to, the oldest first; the last one should be
            current. Each was promoted, or was switched to by name or by hand.
        expected: The release that should be current, according to the journal.
        switches: The events of settled switches, the oldest first.
        intent: A switch without an outcome.
        last_outcome: The last `promoted`, `rolled-back` or `rollback-failed`.
        root_hold: The hold of the whole root.
        environment_holds: The holds of environments, by digest.
        bad_in_a_row: The bad environments since the last good promotion.
        lockfile_due: The lockfile of the current release, until it is written to disk.
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
        """The state of a release; `sealed` for one that the journal does not know."""
        record = self.records.get(release_id)
        return record.state if record else State.SEALED

    def heir(self, release_id: str) -> str:
        """The release that stands for one that was relocated; any other release stands for itself."""
        while (record := self.records.get(release_id)) is not None and record.relocated_to is not None:
            release_id = record.relocated_to
        return release_id

    def awaits_relocation(self, current: str | None) -> bool:
        """Whether `current` names a release whose heir is journalled as live: the link was not moved yet."""
        return current is not None and current != self.expected and self.heir(current) == self.expected

    def refusal(self, environment_digest: str, health_digest: str) -> Hold | None:
        """The hold of an environment, unless the checks or hooks that refused it have changed since."""
        hold = self.environment_holds.get(environment_digest)
        if hold is None or (hold.health_digest and hold.health_digest != health_digest):
            return None
        return hold

    def rollback_target(self, current: str | None, usable: Callable[[str], bool]) -> str | None:
        """The target of a rollback without a name: the nearest proven, usable entry below `current`.

        Args:
            current: The current release. If it is not the lineage's last entry but stands further down, a
                rollback to it could not be recorded (the disk was full): the entries above it were left, and
                going "back" there would undo that. If it is not in the lineage at all, or is on trial,
                everything in the lineage lies below it.
            usable: Whether `current` may be pointed to a release; see `workspace.usable`.
        """
        entries = list(self.lineage)
        if self.awaits_relocation(current):
            current = self.expected
        if current in entries and not self.is_on_trial(current):
            while entries[-1] != current:
                entries.pop()
        return self._nearest(entries, current, usable)

    def is_on_trial(self, current: str | None) -> bool:
        """Whether the current release was promoted, and neither kept nor left since."""
        return self.intent is not None and self.intent.tried is not None and self.intent.tried == current

    def rollback_target_after(self, promoted: str, usable: Callable[[str], bool]) -> str | None:
        """The release that a rollback without a name will go to once this one has been promoted."""
        return self._nearest(self.lineage, promoted, usable)

    def _nearest(
        self, entries: Sequence[str], current: str | None, usable: Callable[[str], bool]
    ) -> str | None:
        for entry in reversed(entries):
            record = self.records.get(entry)
            # A release that is recorded as pruned may still be there, whole, if that was interrupted: the
            # next command that recovers removes it.
            if record is None or record.pruned or entry == current:
                continue
            if record.state is State.PROVEN and usable(entry):
                return entry
        return None

    def was_current(self, switches_ago: int) -> str | None:
        """The release that `@{N}` names; `None` if there were fewer switches, or none was current then."""
        index = len(self.switches) - 1 - switches_ago
        release_id = self.switches[index].release if index >= 0 else None
        return self.heir(release_id) if release_id is not None else None
