"""Prune: decide which releases stay, and remove the others, one after the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from venvship.errors import InterruptedByError, VenvshipError
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.model.log_line import PRUNE_FAILED
from venvship.model.retention import Decision, Facts, Policy, decide, decide_doubt
from venvship.model.settings import Settings
from venvship.operations.retention.debris import discard
from venvship.operations.retention.use import holds_lease, live_times, look_at_processes, unused
from venvship.printable import enclosed
from venvship.system import files, trees
from venvship.system.leases import is_leased
from venvship.workspace.holding import SwitchHeld, hold_switch
from venvship.workspace.releases import in_doubt, release_ids
from venvship.workspace.verified import known_damage
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Releases that went, or would go, those that stay, and the bytes that the removal gives back."""

    removed: tuple[Decision, ...]
    kept: tuple[Decision, ...]
    freed_bytes: int


def policy_of(settings: Settings) -> Policy:
    """How many releases the settings keep."""
    return Policy(keep=settings.keep, keep_days=settings.keep_days, keep_failed=settings.keep_failed)


def decide_prune(workspace: Workspace, policy: Policy) -> Pruned:
    """Decide what a prune would remove; reads only.

    Raises:
        RootError: The journal is unusable.
    """
    decisions = _decide(workspace, workspace.history(), policy)
    goes = tuple(decision for decision in decisions if not decision.keep)
    return Pruned(
        removed=goes,
        kept=tuple(decision for decision in decisions if decision.keep),
        freed_bytes=trees.own_bytes(workspace.layout.release_path(decision.id) for decision in goes),
    )


def prune_releases(workspace: Workspace, policy: Policy) -> Pruned:
    """Remove the releases that the policy does not keep. Takes switch.mutex for each removal, for a moment.

    Crash: a release is whole, or it is `.trash-…`, which the next writing command removes.

    Raises:
        BusyError: Another command is switching.
        InterruptedByError: A signal came between two removals.
        RootError: The journal is unusable.
        OSError: A release could not be removed.
    """
    return _Pruning(workspace, policy).run()


def prune_after(workspace: Workspace, settings: Settings) -> str | None:
    """Prune after a promotion, and clean the store. Any failure is a warning: the promotion was completed.

    Returns:
        The problem that kept releases from being removed; `None` for none.

    Raises:
        InterruptedByError: A signal came between two removals.
    """
    problem = None
    try:
        prune_releases(workspace, policy_of(settings))
    except InterruptedByError:
        raise
    except (OSError, VenvshipError) as error:
        text = error.message if isinstance(error, VenvshipError) else str(error)
        problem = enclosed("old releases could not be removed: ", text)
        workspace.warn("prune-failed", problem)
        workspace.log_to_system(PRUNE_FAILED, None, text)
    # Late: the store belongs to the build layer, and every promotion imports this module.
    from venvship.operations.retention.store_cleaning import clean_store

    clean_store(workspace, settings)
    return problem


@dataclass(frozen=True, slots=True)
class _Basis:
    """The facts behind decisions, except processes and time: the journal up to a line, and the links."""

    seq: int
    current: str | None
    previous: str | None

    @classmethod
    def now(cls, workspace: Workspace) -> _Basis | None:
        """The basis now; `None` if the journal is damaged, so that no decision can rest on it."""
        reading = workspace.journal.read()
        if reading.damage:
            return None
        seq = reading.events[-1].seq if reading.events else 0
        return cls(seq, workspace.layout.current(), workspace.layout.previous())


@dataclass(slots=True)
class _Pruning:
    """One prune. The cost for each release does not depend on the number of releases."""

    _workspace: Workspace
    _policy: Policy
    _history: History = field(default_factory=History)
    _basis: _Basis | None = None
    _decisions: dict[str, Decision] = field(default_factory=dict)

    def run(self) -> Pruned:
        """Decide, and remove one release after the other."""
        workspace = self._workspace
        removed: list[Decision] = []
        kept: list[Decision] = []
        freed = 0
        # Before the decisions: a change from here on is noticed, and they are made again.
        self._basis = _Basis.now(workspace)
        self._history = workspace.history()
        decisions = _decide(workspace, self._history, self._policy)
        self._decisions = {decision.id: decision for decision in decisions}
        for decision in decisions:
            workspace.runtime.signals.raise_if_received()
            if decision.keep:
                kept.append(decision)
                continue
            size = trees.own_bytes([workspace.layout.release_path(decision.id)])
            final = self._remove(decision)
            if final.keep:
                kept.append(final)
            else:
                removed.append(final)
                freed += size
        return Pruned(removed=tuple(removed), kept=tuple(kept), freed_bytes=freed)

    def _remove(self, decision: Decision) -> Decision:
        """Decide once more with the mutex held, move the release away, and delete it without the mutex.

        The removal is journalled first. On a disk too full for that line, the release is removed first, which
        makes room, and journalled afterwards.

        Crash: the release is whole, or `.trash-…`. Where there was no room for its line, an empty `.trash-…`
        stays until recovery has written it.
        """
        workspace, layout = self._workspace, self._workspace.layout
        trash = layout.releases / f".trash-{decision.id}"
        with (
            hold_switch(workspace, "prune", wait=10) as held,
            unused(workspace, self._history, decision.id) as user,
        ):
            if user:
                return Decision(decision.id, keep=True, reason=f"in use: {user}")
            now = self._decide_again(held, decision)
            if now is None or now.keep:
                return now or decision
            decision = now
            recorded = self._record(decision)
            try:
                files.rename(layout.release_path(decision.id), trash)
            except OSError:
                # Some file systems refuse to rename a directory (EXDEV on overlayfs). The journal has it.
                discard(held, decision.id)
            files.remove_name(layout.lease(decision.id))
        if not recorded:
            trees.empty_directory(trash)
            if not self._record(decision):
                workspace.warn("journal-not-written", f"no room to record that {decision.id} was removed")
                return decision
        trees.remove_tree(trash)
        return decision

    def _decide_again(self, held: SwitchHeld, decision: Decision) -> Decision | None:
        """Decide again on a release whose lease is withheld; `None` if it is gone.

        If the journal has only our own new lines, and the links are as they were, only a process can have
        made a difference, and those were looked at just now.
        """
        workspace = held.workspace
        basis = _Basis.now(workspace)
        if basis is None or basis != self._basis:
            self._history = workspace.history()
            again = _decide(workspace, self._history, self._policy, withheld=decision.id)
            self._basis, self._decisions = basis, {d.id: d for d in again}
            return self._decisions.get(decision.id)
        return self._decisions.get(decision.id)

    def _record(self, decision: Decision) -> bool:
        try:
            event = self._workspace.record(EventName.PRUNED, release=decision.id, reason=decision.reason)
        except OSError as error:
            if error.errno not in files.FULL_DISK_ERRNOS:
                raise
            return False
        if self._basis is not None and event.seq == self._basis.seq + 1:
            self._basis = replace(self._basis, seq=event.seq)
        return True


def _decide(
    workspace: Workspace, history: History, policy: Policy, *, withheld: str | None = None
) -> list[Decision]:
    """Gather the facts and decide. `withheld` is a release that is not in use: we hold its lease, alone.

    The users of a release are looked for only if nothing else keeps it: that takes a look at all processes.
    """
    facts, doubtful = _facts(workspace, history, policy), _doubtful(workspace, history)
    now = workspace.runtime.clock()

    def decisions() -> list[Decision]:
        return [
            *decide(facts, policy, now),
            *(decide_doubt(one, history.found_at(one.id), now) for one in doubtful),
        ]

    going = {decision.id for decision in decisions() if not decision.keep} - {withheld}
    if going:
        users = _users(workspace, history, going)
        facts = [replace(one, in_use=users.get(one.id, "")) for one in facts]
        doubtful = [replace(one, in_use=users.get(one.id, "")) for one in doubtful]
    return decisions()


def _users(workspace: Workspace, history: History, release_ids: Collection[str]) -> dict[str, str]:
    """Those of these releases that processes use, each with one of its processes."""
    layout, now = workspace.layout, workspace.runtime.clock()
    look = look_at_processes(layout)
    users = {}
    for release_id in release_ids:
        user = look.user(release_id, live_times(layout, history, release_id), now)
        held = is_leased(str(layout.lease(release_id)))
        users[release_id] = holds_lease(layout, release_id) if held else user
    return users


def _doubtful(workspace: Workspace, history: History) -> list[Facts]:
    """The facts about directories in doubt."""
    layout = workspace.layout
    previous = layout.previous()
    return [
        Facts(id=name, seq=0, previous=name == previous, pinned=history.is_pinned(name))
        for name in in_doubt(layout, history)
    ]


def _facts(workspace: Workspace, history: History, policy: Policy) -> list[Facts]:
    current = workspace.layout.current()
    previous = workspace.layout.previous()
    intent = history.intent
    busy = {intent.origin, intent.target} if intent else set()
    return [
        Facts(
            id=release_id,
            seq=record.seq,
            last_live_seq=record.last_live_seq,
            state=record.state,
            current=release_id == current,
            previous=release_id == previous,
            pinned=record.pinned,
            relocated=record.relocated_to is not None,
            damaged=(known_damage(workspace, release_id) or "") if policy.damaged else "",
            in_operation=release_id in busy,
            live_until=record.live_until,
        )
        for release_id in release_ids(workspace.layout, history)
        for record in [history.records[release_id]]
    ]
