"""Releases with no way back: the rules on what lies behind one, and the part of the fold that keeps them.

The prepare hook of a one-way release has changed something outside of venvship that no rollback changes
back, such as the schema of a database. So releases from before it may not work any more. From its promotion
on it is a *barrier*: only a person who insists goes back past it, and then the barrier is gone.
"""

from __future__ import annotations

from venvship.model.event import Event
from venvship.model.history import Barrier, History
from venvship.model.hold import Hold, HoldKind
from venvship.model.release import State


def barrier_before(history: History, current: str | None, target: str) -> str | None:
    """The one-way release that a switch would go back past; `None` for none.

    Args:
        history: The folded journal.
        current: The current release.
        target: The release to switch to.
    """
    if target == current:
        return None
    intent = history.intent
    on_trial = intent is not None and intent.one_way and intent.target == current
    if intent is not None and on_trial and _is_before(history, target, intent.target, intent.seq):
        return intent.target  # its prepare hook has done its work
    for name, barrier in _latest_first(history):
        if _is_before(history, target, name, barrier.seq):
            return name
    return None


def _barrier_before_environment(history: History, environment_digest: str) -> str | None:
    """The one-way release that a release of an environment would go back past; `None` for none.

    A new build of an environment that was live before, and not since, has the same code as that release.
    """
    records = history.records.values()
    same = (record for record in records if record.environment_digest == environment_digest)
    last = max((record.last_live_seq for record in same), default=0)
    for name, barrier in _latest_first(history):
        if 0 < last < barrier.seq:
            return name
    return None


def behind_one_way(history: History, environment_digest: str) -> Hold | None:
    """The refusal of an environment that a one-way release lies behind; `None` if none does."""
    barrier = _barrier_before_environment(history, environment_digest)
    if barrier is None:
        return None
    return Hold(
        kind=HoldKind.ONE_WAY,
        by="venvship",
        reason=f"{barrier} was released one-way",
        since=history.barriers[barrier].at,
        release=barrier,
        environment_digest=environment_digest,
    )


def fold_switch(history: History, event: Event) -> None:
    """Fold a switch, before the records know of it.

    It removes the barriers behind which it leads: a person has insisted, or has moved `current` by hand. A
    release that was promoted one way is a barrier again where it becomes live again.
    """
    target = event.release
    if target is None:
        return
    history.barriers = {
        name: barrier
        for name, barrier in history.barriers.items()
        if not _is_before(history, target, name, barrier.seq)
    }
    record = history.records.get(target)
    if record is not None and record.one_way:
        history.barriers.setdefault(target, Barrier(event.seq, event.at))


def fold_stay(history: History, event: Event, release_id: str) -> None:
    """Fold a one-way release that did not pass, and stays live: a person is needed."""
    record = history.records[release_id]
    if record.state is not State.PROVEN:
        record.state = State.INCONCLUSIVE
    history.needs_person = event


def hand_over_barrier(history: History, old_id: str, new_id: str) -> None:
    """Let the release that took the place of a relocated one be the barrier."""
    if old_id in history.barriers:
        history.barriers[new_id] = history.barriers.pop(old_id)


def _latest_first(history: History) -> list[tuple[str, Barrier]]:
    return sorted(history.barriers.items(), key=lambda item: item[1].seq, reverse=True)


def _is_before(history: History, release_id: str, one_way: str | None, seq: int) -> bool:
    """Whether a release was live before a one-way release was promoted, and not since."""
    record = history.records.get(release_id)
    return release_id != one_way and record is not None and 0 < record.last_live_seq < seq
