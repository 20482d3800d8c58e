"""What the journal says, folded into what is true now.

A pure state machine: events go in, in order, and a `History` comes out. It never looks at the disk, so
`current` itself is not in here; the caller compares `History.expected` with the link, which is the only
truth about what is live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from venvship.model.release import FORMAT, State, format_time, parse_time

BAD_IN_A_ROW = 3
"""So many bad environments, with no good one between them, hold the whole root."""


class EventName(StrEnum):
    """The journal's events. Part of the contract; `docs/reference` lists them with their keys."""

    SEALED = "sealed"
    BUILD_FAILED = "build-failed"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"
    LOCKFILE_WRITTEN = "lockfile-written"
    ABANDONED = "abandoned"
    OBSERVED = "observed"
    HELD = "held"
    REFUSED = "refused"
    UNHELD = "unheld"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    PRUNED = "pruned"


class Event(NamedTuple):
    """One line of the journal.

    Attributes:
        seq: Its place in the order; the only order there is. The clock may be set back, `seq` may not.
        at: When it was written, by the clock of that moment.
        event: One of `EventName`; a name from a newer venvship is kept and ignored.
        release: The release that it is about: for a switch, the one that it makes current.
        actor: Who asked: a user's name, and whether it was unattended.
        reason: Why, for people; may be empty.
        facts: What else this kind of event records.
    """

    seq: int
    at: datetime
    event: str
    release: str | None
    actor: str
    reason: str = ""
    facts: Mapping[str, Any] = MappingProxyType({})

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, without the checksum, which is the journal's."""
        return {
            **self.facts,
            "format": FORMAT,
            "seq": self.seq,
            "at": format_time(self.at),
            "event": self.event,
            "release": self.release,
            "actor": self.actor,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            TypeError: A value has the wrong type.
            ValueError: The time has the wrong form.
        """
        facts = dict(data)
        take = facts.pop
        release = take("release")
        if release is not None and not isinstance(release, str):
            raise TypeError(f"not a release: {release!r}")
        take("format", None)
        take("sum", None)
        return cls(
            int(take("seq")),
            parse_time(take("at")),
            str(take("event")),
            release,
            str(take("actor")),
            str(take("reason", "")),
            facts,
        )


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
        path = _text(event, "lockfile")
        return cls(path=path, before=_text(event, "lockfile_before")) if path else None


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


def fold(events: Iterable[Event]) -> History:
    """Fold events, in the order of their `seq`, into what is true after the last one.

    Never fails: a fact of another type than this version writes counts as missing.
    """
    history = History()
    for event in events:
        if history.at is not None and event.at < history.at:
            _clock_went_back(history, event.at)
        history.at = event.at
        history.seq = event.seq
        apply = _APPLY.get(event.event)
        if apply is not None:
            apply(history, event)
    return history


def _clock_went_back(history: History, now: datetime) -> None:
    """Forget times that are still to come by a clock that was set back.

    What stopped being live before this event did so no later than now, whatever the clock said then. Else one
    week with a clock that is ten years ahead would have prune keep that week's releases for ten years.
    """
    for record in history.records.values():
        if record.live_until is not None and record.live_until > now:
            record.live_until = now


def _text(event: Event, key: str) -> str | None:
    """A fact, if it is text; `None` if it is missing, or anything else."""
    value = event.facts.get(key)
    return value if isinstance(value, str) else None


def _tries(event: Event) -> int:
    value = event.facts.get("tries")
    return value if isinstance(value, int) else 1


def _record(history: History, release_id: str) -> Record:
    record = history.records.get(release_id)
    if record is None:
        record = history.records[release_id] = Record(id=release_id)
    return record


def _make_current(history: History, event: Event) -> None:
    """Note that `event.release` is current, which `None` may be: nothing is."""
    if event.release != history.expected:
        if history.expected is not None:
            _record(history, history.expected).live_until = event.at
        if event.release is not None:
            record = _record(history, event.release)
            record.live_since = event.at
            record.live_until = None
            record.last_live_seq = event.seq
        history.switches.append(event)
        history.expected = event.release
    history.switch_seq = event.seq
    history.intent = None
    history.lockfile_due = None


def _push(history: History, release_id: str) -> None:
    if not history.lineage or history.lineage[-1] != release_id:
        history.lineage.append(release_id)


def _pop_to(history: History, target: str | None) -> None:
    """Take the lineage down to a release that a person switched to; one that is not in it is pushed."""
    lineage = history.lineage
    if target is None:
        lineage.clear()
    elif target in lineage:
        while lineage[-1] != target:
            lineage.pop()
    else:
        lineage.append(target)


def _hold_root(history: History, hold: Hold) -> None:
    """Hold the root. A standing hold stays; else the new one takes its place, and what that one had left.

    Who rolls back twice has left two releases, and wants neither back.
    """
    earlier = history.root_hold
    if earlier is not None and not hold.standing:
        if earlier.standing:
            return
        if hold.left_environments:
            left = {*earlier.left_environments, *hold.left_environments}
            hold = hold._replace(left_environments=tuple(sorted(left)))
    history.root_hold = hold


def _left(history: History, release_id: str | None) -> tuple[str, ...]:
    """The environment of a release that was left by hand, as far as it is known."""
    digest = _record(history, release_id).environment_digest if release_id is not None else ""
    return (digest,) if digest else ()


def _sealed(history: History, event: Event) -> None:
    if event.release is None:
        return
    record = _record(history, event.release)
    record.seq = event.seq
    record.pruned = False
    record.environment_digest = _text(event, "environment_digest") or ""


def _rejected(history: History, event: Event) -> None:
    if event.release is not None:
        _record(history, event.release).rejected = True


def _promoting(history: History, event: Event) -> None:
    history.switch_seq = event.seq
    history.intent = Intent(
        seq=event.seq,
        kind="promote",
        origin=_text(event, "from"),
        target=event.release,
        tries=_tries(event),
        tried=event.release,
        via=_text(event, "via") or "",
        unattended=bool(event.facts.get("unattended", False)),
        lockfile=LockfileDue.of(event),
    )


def _promoted(history: History, event: Event) -> None:
    if event.release is None:
        return
    history.last_outcome = event
    _make_current(history, event)
    _push(history, event.release)
    record = _record(history, event.release)
    record.state = State.PROVEN
    record.rejected = False
    history.bad_in_a_row.clear()
    history.lockfile_due = LockfileDue.of(event)
    attended = not event.facts.get("unattended", False)
    hold = history.root_hold
    if hold is not None and not hold.standing and (attended or hold.is_overtaken(record.environment_digest)):
        history.root_hold = None
    if attended:
        history.environment_holds.pop(record.environment_digest, None)


def _lockfile_written(history: History, _event: Event) -> None:
    history.lockfile_due = None


def _rolling_back(history: History, event: Event) -> None:
    history.switch_seq = event.seq
    earlier = history.intent
    left = _text(event, "from")
    tried = earlier.tried if earlier else None
    if earlier is not None and earlier.kind == "rollback" and tried is not None and tried != left:
        # A person goes on from a way back that was interrupted after the switch: nobody will judge it now.
        _judge(history, tried, State.INCONCLUSIVE)
    history.intent = Intent(
        seq=event.seq,
        kind="rollback",
        origin=left,
        target=event.release,
        tries=_tries(event),
        tried=tried if tried == left else None,
        manual=bool(event.facts.get("manual", False)),
        cause=_text(event, "cause") or "",
        says_no=bool(event.facts.get("says_no", False)),
        via=earlier.via if earlier else _text(event, "via") or "",
        unattended=earlier.unattended if earlier else False,
    )


def _rolled_back(history: History, event: Event) -> None:
    left = _text(event, "from")
    _settle_rollback(history, event, left)
    if _text(event, "verdict") == State.BAD and left is not None:
        _refuse(history, event, left)


def _settle_rollback(history: History, event: Event, left: str | None) -> None:
    """What `rolled-back` and `rollback-failed` share: where we are now, and what is said of the one left."""
    history.last_outcome = event
    _make_current(history, event)
    if left is not None and left != event.release:
        _record(history, left).live_until = event.at
    if event.facts.get("manual", False):
        _pop_to(history, event.release)
        _hold_root(history, _hold_after_rollback(history, event, left))
    elif event.facts.get("turned_back", False):
        # For a person, who may go on from here, and whose rollback may die before it says so itself.
        _hold_root(history, _hold_after_rollback(history, event, left))
    verdict = _text(event, "verdict")
    if verdict in {State.BAD, State.INCONCLUSIVE} and left is not None:
        _judge(history, left, State(verdict))


def _judge(history: History, release_id: str, verdict: State) -> None:
    """Note a verdict: proven is never taken back, and bad is not softened by a later crash."""
    record = _record(history, release_id)
    if record.state is not State.PROVEN and record.state is not State.BAD:
        record.state = verdict


def _hold_after_rollback(history: History, event: Event, left: str | None) -> Hold:
    """What keeps the next `update` from releasing again what a person has just left."""
    return Hold(
        scope="root",
        by=event.actor,
        reason=event.reason or "rolled back by hand",
        since=event.at,
        release=left,
        left_environments=_left(history, left),
    )


def _refuse(history: History, event: Event, release_id: str) -> None:
    environment = _record(history, release_id).environment_digest
    history.environment_holds[environment] = Hold(
        scope="environment",
        by="venvship",
        reason=event.reason,
        since=event.at,
        release=release_id,
        environment_digest=environment,
        health_digest=_text(event, "health_digest"),
    )
    if environment not in history.bad_in_a_row:
        history.bad_in_a_row.append(environment)
    if len(history.bad_in_a_row) >= BAD_IN_A_ROW and history.root_hold is None:
        history.root_hold = Hold(
            scope="root",
            by="venvship",
            reason=f"{len(history.bad_in_a_row)} bad environments in a row",
            since=event.at,
            release=release_id,
        )


def _rollback_failed(history: History, event: Event) -> None:
    _settle_rollback(history, event, _text(event, "from"))


def _abandoned(history: History, _event: Event) -> None:
    history.intent = None


def _observed(history: History, event: Event) -> None:
    left = history.expected
    tried = history.intent.tried if history.intent else None
    _make_current(history, event)
    if tried is not None and tried != event.release:
        _record(history, tried).live_until = event.at  # it may have been live until somebody moved the link
    if event.release is not None:
        # As after a rollback, which it may have been, on a full disk: what was left must not lie below.
        _pop_to(history, event.release)
    _hold_root(
        history,
        Hold(
            scope="root",
            by="venvship",
            reason="current was switched by somebody else",
            since=event.at,
            release=event.release,
            left_environments=_left(history, left),
        ),
    )


def _held(history: History, event: Event) -> None:
    if event.facts.get("after_rollback", False):
        _hold_root(history, _hold_after_rollback(history, event, event.release))
        return
    hold = Hold(
        scope="root",
        by=event.actor,
        reason=event.reason,
        since=event.at,
        release=event.release,
        standing=True,
    )
    _hold_root(history, hold)


def _unheld(history: History, _event: Event) -> None:
    history.root_hold = None
    history.environment_holds.clear()
    history.bad_in_a_row.clear()


def _pin(history: History, event: Event) -> None:
    if event.release is not None:
        _record(history, event.release).pinned = event.event == EventName.PINNED


def _pruned(history: History, event: Event) -> None:
    if event.release is not None:
        _record(history, event.release).pruned = True


_APPLY: dict[str, Callable[[History, Event], None]] = {
    EventName.SEALED: _sealed,
    EventName.REJECTED: _rejected,
    EventName.PROMOTING: _promoting,
    EventName.PROMOTED: _promoted,
    EventName.LOCKFILE_WRITTEN: _lockfile_written,
    EventName.ROLLING_BACK: _rolling_back,
    EventName.ROLLED_BACK: _rolled_back,
    EventName.ROLLBACK_FAILED: _rollback_failed,
    EventName.ABANDONED: _abandoned,
    EventName.OBSERVED: _observed,
    EventName.HELD: _held,
    EventName.UNHELD: _unheld,
    EventName.PINNED: _pin,
    EventName.UNPINNED: _pin,
    EventName.PRUNED: _pruned,
}
