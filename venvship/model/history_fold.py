"""The fold of the journal: a pure state machine. Events go in, in order, and a `History` comes out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime

from venvship.model import hold_fold
from venvship.model.event import HOLDING_FACTS, Event, EventName
from venvship.model.history import History, Intent, LockfileDue, Record, gone_down, without
from venvship.model.hold import Hold, HoldKind
from venvship.model.hold_fold import hand_over_holds, hold_switch, refuse_environment
from venvship.model.one_way import fold_stay, fold_switch, hand_over_barrier
from venvship.model.release import State
from venvship.model.security_fix import fixes_of, fold_fixes
from venvship.model.spelling import parse_time


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
    """Correct times that lie in the future of a clock that was set back.

    A release that stopped being live before this event did so no later than now, whatever the clock read
    then. Otherwise one week with a clock ten years ahead would have prune keep that week's releases for ten
    years.
    """
    for record in history.records.values():
        if record.live_until is not None and record.live_until > now:
            record.live_until = now
        if record.live_first is not None and record.live_first > now:
            record.live_first = now
        if record.found_at is not None and record.found_at > now:
            record.found_at = now


def _tries(event: Event) -> int:
    value = event.facts.get("tries")
    return value if isinstance(value, int) else 1


def _record(history: History, release_id: str) -> Record:
    record = history.records.get(release_id)
    if record is None:
        record = history.records[release_id] = Record(id=release_id)
    return record


def _make_current(history: History, event: Event) -> None:
    """Make `event.release` the current release; `None`: there is none."""
    fold_switch(history, event)
    if event.release != history.expected:
        if history.expected is not None:
            _leave(history, history.expected, event.at)
        if event.release is not None:
            record = _record(history, event.release)
            record.live_first = record.live_first or event.at
            _begin(record, event.at)
            record.live_until = None
            record.last_live_seq = event.seq
            record.relocated_to = None  # it is back where it was built
        history.switches.append(event)
        history.expected = event.release
    history.switch_seq = event.seq
    history.intent = history.lockfile_due = history.needs_person = None


def _begin(record: Record, at: datetime) -> None:
    """Record that a release becomes live, and how long it was live before."""
    record.lived_long = record.has_lived_long(at)
    record.live_since = at


def _leave(history: History, release_id: str, at: datetime) -> None:
    """Record that a release stopped being live."""
    record = _record(history, release_id)
    if record.live_until == at:
        return
    if record.live_since is None or record.live_until is not None:
        _begin(record, at)  # it was on trial: no time that counts
    record.live_until = at


def _push(history: History, release_id: str) -> None:
    if not history.lineage or history.lineage[-1] != release_id:
        history.lineage.append(release_id)


def _pop_to(history: History, target: str | None, left: Collection[str | None]) -> None:
    """Take the lineage down to a release that a person switched to; one that is not in it is pushed."""
    lineage = history.lineage
    if target is None:
        lineage.clear()
    elif target in lineage:
        lineage[:] = gone_down(lineage, target, left)
    else:
        lineage.append(target)


def _sealed(history: History, event: Event) -> None:
    if event.release is None:
        return
    record = _record(history, event.release)
    record.seq = event.seq
    record.pruned = False
    record.found_at = None
    record.environment_digest = event.text("environment_digest") or ""
    record.manifest_sha256 = event.text("manifest_sha256")


def _found(history: History, event: Event) -> None:
    if event.release is not None:
        record = _record(history, event.release)
        record.found_at = record.found_at or event.at


def _rejected(history: History, event: Event) -> None:
    """Record a refusal; what was found out about a release while it was live is not taken back by one."""
    if event.release is not None:
        record = _record(history, event.release)
        if record.state is State.SEALED:
            record.state = State.REJECTED


def _accepted(history: History, event: Event) -> None:
    """Record that a release passed what had refused it before."""
    if event.release is not None:
        record = _record(history, event.release)
        if record.state is State.REJECTED:
            record.state = State.SEALED


def _promoting(history: History, event: Event) -> None:
    history.switch_seq = event.seq
    earlier = history.intent
    actor, reason = event.actor, event.reason
    if earlier is not None and earlier.kind == "promote" and _announced(earlier, event) and _tries(event) > 1:
        actor, reason = earlier.actor, earlier.reason  # recovery tries again what that user has asked for
    if event.release is not None:
        record = _record(history, event.release)
        if record.state is State.REJECTED:  # its candidate checks and the prepare hook have passed by now
            record.state = State.SEALED
        record.live_first = record.live_first or event.at
    history.intent = Intent(
        seq=event.seq,
        kind="promote",
        origin=event.text("from"),
        target=event.release,
        tries=_tries(event),
        tried=event.release,
        via=event.text("via") or "",
        unattended=bool(event.facts.get("unattended", False)),
        lockfile=LockfileDue.of(event),
        own_environment=event.text("lockfile_environment"),
        actor=actor,
        reason=reason,
        one_way=event.facts.get("one_way") is True,
        prepared=event.facts.get("prepared") is True,
        fixes=fixes_of(event),
        uploaded=event.texts("uploaded"),
    )


def _announced(intent: Intent | None, event: Event) -> Intent | None:
    """The announcement of the switch that an event is about; `None` if the intent is of another one."""
    by_hand = bool(event.facts.get("manual", False))
    if intent is None or intent.target != event.release or intent.manual != by_hand:
        return None
    return intent


def _promoted(history: History, event: Event) -> None:
    if event.release is None:
        return
    history.last_outcome = event
    intent = history.intent
    record = _record(history, event.release)
    record.one_way = record.one_way or event.facts.get("one_way") is True
    _make_current(history, event)
    _push(history, event.release)
    if event.facts.get("failed") is True:
        fold_stay(history, event, event.release)
        _hold_another(history, event, intent)
        return
    # A journal of before there was this fact: whatever was promoted counts as proven.
    _passed(record, proved=event.facts.get("proved") is not False)
    record.failed_at = None
    fold_fixes(history.fixes, event)
    history.bad_in_a_row.clear()
    history.lockfile_due = LockfileDue.of(event)
    if event.facts.get("unattended", False):
        hold = history.root_holds.get(HoldKind.SWITCH)
        if hold is not None and hold.is_new(record.environment_digest):
            del history.root_holds[HoldKind.SWITCH]
        return
    history.environment_holds.pop(record.environment_digest, None)
    history.root_holds.pop(HoldKind.BAD_IN_A_ROW, None)
    if not _hold_another(history, event, intent):
        history.root_holds.pop(HoldKind.SWITCH, None)


def _hold_another(history: History, event: Event, intent: Intent | None) -> bool:
    """Hold the root after a person's promotion of another environment than that of the root's own lockfile.

    Returns whether it was one.
    """
    own = event.text("lockfile_environment")
    # Without the fact an older venvship wrote it, for which any promotion by a person was the last word.
    if own is None or (own and own == _record(history, str(event.release)).environment_digest):
        return False
    other = "released from another lockfile than the root's" if event.text("via") == "release" else ""
    reason = other or "promoted by hand"
    hold_switch(history, event, left=event.text("from"), reason=reason, intent=_announced(intent, event))
    return True


def _lockfile_written(history: History, _event: Event) -> None:
    history.lockfile_due = None


def _rolling_back(history: History, event: Event) -> None:
    history.switch_seq = event.seq
    earlier = history.intent
    left = event.text("from")
    tried = earlier.tried if earlier else None
    if earlier is not None and earlier.kind == "rollback" and tried is not None and tried != left:
        # A person goes on from a way back that was interrupted after the switch: no check will judge it now.
        _judge(history, tried, State.INCONCLUSIVE)
    history.intent = Intent(
        seq=event.seq,
        kind="rollback",
        origin=left,
        target=event.release,
        tries=_tries(event),
        tried=tried if tried == left else None,
        manual=bool(event.facts.get("manual", False)),
        cause=event.text("cause") or "",
        says_no=bool(event.facts.get("says_no", False)),
        via=earlier.via if earlier else event.text("via") or "",
        unattended=earlier.unattended if earlier else False,
        own_environment=event.text("lockfile_environment"),
        actor=event.actor,
        reason=event.reason,
    )


def _rolled_back(history: History, event: Event) -> None:
    _gone_back(history, event)
    left, proved = event.text("from"), event.facts.get("proved")
    if event.text("verdict") == State.BAD and left is not None:
        refuse_environment(history, event, left)
    if event.release is not None and isinstance(proved, bool):
        record = _record(history, event.release)
        if proved:
            record.failed_at = None
        by_name = event.facts.get("manual") is True and record.state in {State.SEALED, State.REJECTED}
        if proved or by_name:
            _passed(record, proved=proved)


def _rollback_failed(history: History, event: Event) -> None:
    _gone_back(history, event)
    history.needs_person = event
    # An automatic rollback says nothing about its target, which nobody chose: two releases that fail one
    # after the other have a cause outside of both. Without the fact, in an older journal, the target failed.
    by_person = any(event.facts.get(name) for name in HOLDING_FACTS)
    if event.release is not None and by_person and event.facts.get("target_failed") is not False:
        _record(history, event.release).failed_at = event.at


def _checked(history: History, event: Event) -> None:
    """Fold a `check` or `restart` that passed, if only after the live release had failed."""
    if event.release is None or event.release != history.expected:
        return
    failed, history.needs_person = history.needs_person, None
    record, proved = _record(history, event.release), event.facts.get("proved") is True
    if proved:
        record.failed_at = None
    if failed is not None and failed.event == EventName.PROMOTED:
        _passed(record, proved=proved)


def _gone_back(history: History, event: Event) -> None:
    """Fold what `rolled-back` and `rollback-failed` have in common: the current release and the verdict."""
    left, manual = event.text("from"), bool(event.facts.get("manual", False))
    history.last_outcome = event
    intent = history.intent
    _make_current(history, event)
    if left is not None and left != event.release:
        _leave(history, left, event.at)
    turned_back = bool(event.facts.get("turned_back", False))
    if manual:
        _pop_to(history, event.release, {left})
    elif turned_back:
        history.lineage[:] = without(history.lineage, {left} - {event.release})
    # A promotion turns back for a person, who may go on from here, and whose rollback may die before it
    # records that.
    if manual or turned_back:
        asked = _announced(intent, event)
        hold_switch(history, event, left=left, rolled_back=True, reason="rolled back by hand", intent=asked)
    verdict = event.text("verdict")
    if verdict in {State.BAD, State.INCONCLUSIVE} and left is not None:
        _judge(history, left, State(verdict))


def _passed(record: Record, *, proved: bool) -> None:
    """Record that a release stays live; `proved` if it passed a required live check."""
    if proved:
        record.state = State.PROVEN
    elif record.state is not State.PROVEN:
        record.state = State.UNCHECKED


def _judge(history: History, release_id: str, verdict: State) -> None:
    """Record a verdict: proven is never taken back, and bad is not softened by a later crash.

    Inconclusive says nothing about a release, so it does not take back that one was live unchecked either.
    """
    record = _record(history, release_id)
    final = {State.PROVEN, State.BAD}
    if record.state not in (final if verdict is State.BAD else {*final, State.UNCHECKED}):
        record.state = verdict


def _relocated(history: History, event: Event) -> None:
    """Put a release in the place of another one: it has all that the journal knows of that one.

    Its place among the releases too, so that retention does not take it for newer than it is.
    """
    old_id, new_id = event.text("from"), event.release
    if old_id is None or new_id is None or history.heir(new_id) == old_id:
        return
    old, new = _record(history, old_id), _record(history, new_id)
    history.records[new_id] = replace(
        old,
        id=new_id,
        seq=old.seq or new.seq,
        environment_digest=new.environment_digest,
        manifest_sha256=new.manifest_sha256,
        pruned=False,
    )
    old.pinned, old.relocated_to = False, new_id
    history.lineage[:] = [new_id if name == old_id else name for name in history.lineage]
    if history.expected == old_id:
        old.live_until = event.at
        history.expected = new_id
        history.switch_seq = event.seq
    hand_over_holds(history, old, history.records[new_id])
    hand_over_barrier(history, old_id, new_id)


def _abandoned(history: History, _event: Event) -> None:
    history.intent = None


def _observed(history: History, event: Event) -> None:
    left, being_left = history.expected, history.being_left
    tried = history.intent.tried if history.intent else None
    _make_current(history, event)
    if tried is not None and tried != event.release:
        _leave(history, tried, event.at)  # it may have been live until the link was moved
    if event.release is not None:
        # As after a rollback, which it may have been, on a full disk: the release left must not lie below.
        _pop_to(history, event.release, being_left)
    hold_switch(history, event, left=left, reason="current was switched outside venvship")


def _held(history: History, event: Event) -> None:
    if event.facts.get("after_rollback", False):
        history.lineage[:] = without(history.lineage, {event.release} - {history.expected})
        hold_switch(history, event, left=event.release, rolled_back=True, reason="rolled back by hand")
    elif event.text("kind") == HoldKind.SWITCH:
        hold_switch(history, event, left=None, reason="chosen by hand")
    else:
        history.root_holds[HoldKind.STANDING] = Hold(
            kind=HoldKind.STANDING,
            by=event.actor,
            reason=event.reason,
            since=event.at,
            release=event.release,
            until=_time(event.text("until")),
        )


def _time(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None


def _unheld(history: History, event: Event) -> None:
    if event.text("kind") == HoldKind.SWITCH:
        history.root_holds.pop(HoldKind.SWITCH, None)
        return
    history.root_holds.clear()
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
    EventName.FOUND: _found,
    EventName.REJECTED: _rejected,
    EventName.ACCEPTED: _accepted,
    EventName.PROMOTING: _promoting,
    EventName.PROMOTED: _promoted,
    EventName.LOCKFILE_WRITTEN: _lockfile_written,
    EventName.ROLLING_BACK: _rolling_back,
    EventName.ROLLED_BACK: _rolled_back,
    EventName.ROLLBACK_FAILED: _rollback_failed,
    EventName.CHECKED: _checked,
    EventName.RESTARTED: _checked,
    EventName.ABANDONED: _abandoned,
    EventName.OBSERVED: _observed,
    EventName.HELD: _held,
    EventName.UNHELD: _unheld,
    EventName.PACKAGE_HELD: hold_fold.hold_packages,
    EventName.PACKAGE_UNHELD: hold_fold.unhold_packages,
    EventName.RELOCATED: _relocated,
    EventName.PINNED: _pin,
    EventName.UNPINNED: _pin,
    EventName.PRUNED: _pruned,
}
