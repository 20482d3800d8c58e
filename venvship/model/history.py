"""The journal, folded: a `History`, the values in it, and the questions that it answers.

It never looks at the disk, so `current` itself is not in here; the caller compares `History.expected` with
the link, which is the only truth about the current release.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from venvship.model.event import Event
from venvship.model.hold import Asker, Hold, HoldKind, stops
from venvship.model.package_hold import PackageHold, PackageHolds
from venvship.model.release import State
from venvship.model.security_fix import Fix, Fixes

LONG_LIVE: Final = timedelta(days=1)
"""An unchecked release that was live for this long, without a break, counts as a good one for a rollback."""

DOUBT: Final = timedelta(days=7)
"""A directory in doubt stays for this time after it was found: an operator may put the journal back."""


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
        own_environment: The environment of the root's own lockfile when it was announced; see `promoted`.
        actor: The user who asked for it, also where another user's command goes on with it.
        reason: That user's message; may be empty.
        one_way: Whether there is no way back from the target: a trial that it does not pass is not undone.
        prepared: Whether the prepare hook has run for it.
        fixes: The packages that it moves, if a security update announced it.
        uploaded: When the packages that it moves were uploaded, by name, as `promoting` has it; else `None`.
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
    own_environment: str | None = None
    actor: str = ""
    reason: str = ""
    one_way: bool = False
    prepared: bool = False
    fixes: tuple[Fix, ...] = ()
    uploaded: Mapping[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class Record:
    """One release, as the journal has it. Mutable, for the fold alone; see `History`.

    Attributes:
        seq: The `seq` of `sealed`; 0 if the journal has none.
        environment_digest: The environment that it was built for.
        manifest_sha256: The hash of its manifest when it was sealed, its *anchor*; `None` if the journal has
            none, since an older venvship wrote the line.
        pinned: Whether it is protected from prune.
        pruned: Whether it was removed.
        relocated_to: The release that took its place when it was not usable any more; see `relocate`.
        found_at: The time when a command first found it in doubt (`workspace.releases.in_doubt`); `None` if
            none has, or if it was sealed again since.
        last_live_seq: The `seq` of the last switch that made it current.
        live_first: The earliest time at which it can have been live; `None` if it never was.
        live_since: The time when it last became current, or was left after a trial that it did not pass.
        live_until: The time when it last stopped being current; `None` while it is, or if it never was. No
            later than any event since: a clock may have been set back.
        lived_long: Whether it was once live for `LONG_LIVE` before `live_since`.
        failed_at: The time when its restart hook or a live check failed after a rollback had gone to it that
            a person asked for; `None` if that never happened, or if it was promoted, or passed a required
            live check, since. A release that is restored automatically, and fails as well, is not the cause.
        one_way: Whether it was promoted one way; see `one_way`.
    """

    id: str
    seq: int = 0
    state: State = State.SEALED
    environment_digest: str = ""
    manifest_sha256: str | None = None
    pinned: bool = False
    pruned: bool = False
    relocated_to: str | None = None
    found_at: datetime | None = None
    last_live_seq: int = 0
    live_first: datetime | None = None
    live_since: datetime | None = None
    live_until: datetime | None = None
    lived_long: bool = False
    failed_at: datetime | None = None
    one_way: bool = False

    def has_lived_long(self, now: datetime) -> bool:
        """Whether it was live for `LONG_LIVE`; the time of one that is live still counts up to now."""
        if self.lived_long or self.live_since is None:
            return self.lived_long
        return (self.live_until or now) - self.live_since >= LONG_LIVE

    def is_good(self, now: datetime) -> bool:
        """Whether a rollback goes there before it goes to any other: it is proven, or has lived long."""
        if self.failed_at is not None:
            return False
        return self.state is State.PROVEN or (self.state is State.UNCHECKED and self.has_lived_long(now))

    def is_second_choice(self) -> bool:
        """Whether a rollback goes there if there is no good release, however short a time it was live."""
        return self.failed_at is None and self.state is State.UNCHECKED


class Barrier(NamedTuple):
    """The event from which on a one-way release is a barrier: its `seq` and its time."""

    seq: int
    at: datetime


class PassedOver(NamedTuple):
    """A release of the lineage that is nearer than the target of a rollback, or than nothing at all.

    Attributes:
        id: Its id.
        reason: Why a rollback does not go there, as a part of a sentence.
    """

    id: str
    reason: str

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {"id": self.id, "reason": self.reason}


class WayBack(NamedTuple):
    """The result of a rollback without a name, before it is made.

    Attributes:
        release_id: The release that it goes to; `None` for none.
        passed_over: The releases that it passes over, the nearest first.
    """

    release_id: str | None
    passed_over: tuple[PassedOver, ...] = ()


ProblemOf = Callable[[str], str | None]
"""Why `current` may not be pointed to a release; `None` if it may."""


def without(lineage: Sequence[str], left: Collection[str | None]) -> list[str]:
    """A lineage without any entry of some releases, and with no entry twice in a row."""
    entries = [name for name in lineage if name not in left]
    return [name for n, name in enumerate(entries) if n == 0 or entries[n - 1] != name]


def gone_down(lineage: Sequence[str], target: str, left: Collection[str | None]) -> list[str]:
    """A lineage after a person's rollback to one of its entries.

    The entries above are gone. So is every entry of a release that was left: it was promoted more than once,
    and a second rollback must not go back to it.

    Args:
        lineage: The oldest entry first.
        target: One of its entries.
        left: The releases that were left.
    """
    entries = list(lineage)
    while entries[-1] != target:
        entries.pop()
    return without(entries, {*left} - {target})


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
        needs_person: The `rollback-failed`, or the `promoted` of a one-way release that did not pass, that
            made the release current which should be; `None` if there is another outcome, or `check` passed,
            since.
        root_holds: The holds of the whole root, by kind. See `holds` for those in force.
        environment_holds: The holds of environments, by digest.
        package_holds: The holds of packages. See `held_packages` for those in force.
        bad_in_a_row: The bad environments since the last good promotion.
        lockfile_due: The lockfile of the current release, until it is written to disk.
        barriers: The one-way releases that a rollback must not go past, by id; see `one_way`.
        fixes: The last fix of each package by a security update; see `security_fix`.
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
    needs_person: Event | None = None
    root_holds: dict[HoldKind, Hold] = field(default_factory=dict)
    environment_holds: dict[str, Hold] = field(default_factory=dict)
    package_holds: PackageHolds = field(default_factory=dict)
    bad_in_a_row: list[str] = field(default_factory=list)
    lockfile_due: LockfileDue | None = None
    barriers: dict[str, Barrier] = field(default_factory=dict)
    fixes: Fixes = field(default_factory=dict)

    def state(self, release_id: str) -> State:
        """The state of a release; `sealed` for one that the journal does not know."""
        record = self.records.get(release_id)
        return record.state if record else State.SEALED

    def anchor(self, release_id: str) -> str | None:
        """The hash that a release's manifest must have; `None` if the journal has none."""
        record = self.records.get(release_id)
        return record.manifest_sha256 if record else None

    def heir(self, release_id: str) -> str:
        """The release that stands for one that was relocated; any other release stands for itself."""
        while (record := self.records.get(release_id)) is not None and record.relocated_to is not None:
            release_id = record.relocated_to
        return release_id

    def has_live_heir(self, current: str | None) -> bool:
        """Whether `current` names a release whose heir is journalled as live; see `awaits_relocation`."""
        return current is not None and current != self.expected and self.heir(current) == self.expected

    @property
    def being_left(self) -> set[str | None]:
        """The releases that a switch without a recorded outcome left, if `current` names another one."""
        left = {self.expected}
        if self.intent is not None and self.intent.manual:
            left.add(self.intent.origin)
        return left

    def found_at(self, release_id: str) -> datetime | None:
        """The time when a directory was found to be in doubt; `None` if no command has recorded that."""
        record = self.records.get(release_id)
        return record.found_at if record else None

    def is_pinned(self, release_id: str) -> bool:
        """Whether a release is protected from prune."""
        record = self.records.get(release_id)
        return record is not None and record.pinned

    def holds(self, now: datetime) -> tuple[Hold, ...]:
        """The holds of the root that are in force, in the order of their kinds; one that ends by itself last.

        The first one is told, and another one would outlive the end that it names.
        """
        in_force = [self.root_holds[kind] for kind in HoldKind if kind in self.root_holds]
        return tuple(sorted((h for h in in_force if not h.is_over(now)), key=lambda h: h.until is not None))

    def stopping(self, asker: Asker, environment_digest: str | None, now: datetime) -> Hold | None:
        """The hold of the root that stops a promotion; see `stops`."""
        for hold in self.holds(now):
            if stops(hold, asker, environment_digest):
                return hold
        return None

    def refusal(self, environment_digest: str, health_digest: str) -> Hold | None:
        """The hold of an environment, unless the checks or hooks that refused it have changed since."""
        hold = self.environment_holds.get(environment_digest)
        if hold is None or (hold.health_digest and hold.health_digest != health_digest):
            return None
        return hold

    def held_packages(self, now: datetime) -> tuple[PackageHold, ...]:
        """The holds of packages that are in force, in the order in which they were set."""
        in_force = (hold for hold in self.package_holds.values() if not hold.is_over(now))
        return tuple(sorted(in_force, key=lambda hold: (hold.seq, hold.package)))

    def is_on_trial(self, current: str | None) -> bool:
        """Whether the current release was promoted, and neither kept nor left since."""
        return self.intent is not None and self.intent.tried is not None and self.intent.tried == current

    def way_back(self, current: str | None, problem_of: ProblemOf, now: datetime) -> WayBack:
        """The way that a rollback without a name takes. Everything that names its target asks this.

        While a release is on trial, the way back leads to the release that its promotion left, if that is
        usable. Otherwise it leads down the lineage: to the nearest usable release that is good, and if there
        is none to the nearest usable one that is unchecked; see `Record`.

        Args:
            current: The current release. If it is not the lineage's last entry but stands further down, a
                rollback to it could not be recorded (the disk was full): the entries above it were left, and
                going "back" there would undo that; see `gone_down`. If it is not in the lineage at all, or is
                on trial, everything in the lineage lies below it.
            problem_of: See `workspace.usable`. Asked as seldom as possible, and once for each release.
            now: The time; aware.
        """
        entries: Sequence[str] = self.lineage
        if self.is_on_trial(current):
            origin = self._origin_of_trial()
            if origin is not None and problem_of(origin) is None:
                return WayBack(origin)
        elif current is not None and current in entries:
            entries = gone_down(entries, current, self.being_left)
        return self._down(entries, current, problem_of, now)

    def way_back_after(self, promoted: str, problem_of: ProblemOf, now: datetime) -> WayBack:
        """The way that a rollback without a name will take once this release has been promoted."""
        return self._down(self.lineage, promoted, problem_of, now)

    def _origin_of_trial(self) -> str | None:
        """The release that the promotion on trial left, on its way back already or not."""
        intent = self.intent
        if intent is None or intent.manual:
            return None
        return intent.origin if intent.kind == "promote" else intent.target

    def _down(
        self, lineage: Sequence[str], current: str | None, problem_of: ProblemOf, now: datetime
    ) -> WayBack:
        entries: list[Record] = []
        for entry in dict.fromkeys(reversed(lineage)):
            record = self.records.get(entry)
            # A release that is recorded as pruned may still be there, whole, if that was interrupted: the
            # next command that recovers removes it.
            if record is not None and not record.pruned and entry != current:
                entries.append(record)
        problems: dict[str, str | None] = {}
        good = [record for record in entries if record.is_good(now)]
        second = [record for record in entries if record.is_second_choice() and record not in good]
        for record in (*good, *second):
            problem = problems[record.id] = problem_of(record.id)
            if problem is None:
                nearer = entries[: entries.index(record)]
                return WayBack(record.id, tuple(_passed_over(each, problems, now) for each in nearer))
        return WayBack(None, tuple(_passed_over(record, problems, now) for record in entries))

    def last_live(self, release_id: str) -> datetime | None:
        """The last time at which a release was known to be live; `None` if it never was.

        While the journal has it as live, that is the time of the last event: nobody knows when it was left.
        """
        record = self.records.get(release_id)
        if record is None or record.live_since is None:
            return None
        return record.live_until or self.at

    def was_current(self, switches_ago: int) -> str | None:
        """The release that `@{N}` names; `None` if there were fewer switches, or none was current then."""
        index = len(self.switches) - 1 - switches_ago
        release_id = self.switches[index].release if index >= 0 else None
        return self.heir(release_id) if release_id is not None else None


def _passed_over(record: Record, problems: Mapping[str, str | None], now: datetime) -> PassedOver:
    """Why a rollback does not go to a release."""
    if problem := problems.get(record.id):
        reason = f"cannot be used: {problem}"
    elif record.failed_at is not None:
        reason = f"failed when a rollback went there, {record.failed_at:%Y-%m-%d %H:%M} UTC"
    elif record.state is State.UNCHECKED:
        reason = f"unchecked, and live for {_span(record, now)}"
    else:
        reason = record.state.value
    return PassedOver(record.id, reason)


def _span(record: Record, now: datetime) -> str:
    """How long a release was live, the last time: `"12 minutes"`."""
    if record.live_since is None:
        return "no time"
    seconds = max(((record.live_until or now) - record.live_since).total_seconds(), 0.0)
    for size, name in ((3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"
