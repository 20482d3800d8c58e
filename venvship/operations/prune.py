"""`prune`, `pin` and `unpin`: what is kept and what goes, each with its reason."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from venvship.errors import InterruptedByError, VenvshipError
from venvship.model.history import EventName, History
from venvship.model.log_line import PRUNE_FAILED
from venvship.model.retention import Decision, Facts, Policy, decide
from venvship.model.settings import Settings
from venvship.operations.retention.debris import discard
from venvship.operations.switching.notify import tell_recovered
from venvship.operations.switching.recovery import Recovered, recover_and_sweep
from venvship.system import files, proc
from venvship.system.faults import root_faults
from venvship.system.mutex import lease_withheld
from venvship.workspace.announce import tell_syslog
from venvship.workspace.workspace import ReleaseView, Workspace

if TYPE_CHECKING:
    from venvship.operations.retention.store_cleaning import StoreResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What was decided and done.

    Attributes:
        removed: Releases that went, or would go, and why.
        kept: Releases that stay, and why.
        debris: Left-overs of interrupted builds that were removed.
        freed_bytes: Room that the removal of releases gives back: files that nothing else links to.
        store: What was done to the store; `None` if nothing was looked at there.
        dry_run: Whether nothing was touched.
    """

    removed: tuple[Decision, ...]
    kept: tuple[Decision, ...]
    debris: tuple[str, ...] = ()
    freed_bytes: int = 0
    store: StoreResult | None = None
    dry_run: bool = False


def prune(
    workspace: Workspace, *, keep: int | None = None, keep_days: float | None = None, dry_run: bool = False
) -> PruneResult:
    """Remove the releases that retention does not keep, then from the store what nothing needs any more.

    Crash: a release is whole, or it is `.trash-…`, which the next writing command removes. For the store see
    `clean_store`.

    Args:
        workspace: The root.
        keep: Proven releases to keep, instead of the settings'.
        keep_days: And all live within so many days, instead of the settings'.
        dry_run: Only decide.

    Raises:
        SettingsError: The settings cannot be read.
        BusyError: Another command is switching.
        RootError: The root or its journal is unusable.
    """
    settings = workspace.settings()
    policy = Policy(
        keep=settings.keep if keep is None else keep,
        keep_days=settings.keep_days if keep_days is None else keep_days,
        keep_failed=settings.keep_failed,
    )
    if dry_run:
        decisions = _decide(workspace, workspace.history(), policy)
        goes = tuple(decision for decision in decisions if not decision.keep)
        return PruneResult(
            removed=goes,
            kept=tuple(decision for decision in decisions if decision.keep),
            freed_bytes=files.own_bytes(workspace.layout.release(decision.id) for decision in goes),
            store=_clean_store(workspace, settings, without=[d.id for d in goes], dry_run=True),
            dry_run=True,
        )
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        result, recovered = _prune_and_recover(workspace, policy)
        tell_recovered(workspace, settings, recovered)
        result = replace(result, store=_clean_store(workspace, settings))
        workspace.keep_reserve()
        return result


def _prune_and_recover(workspace: Workspace, policy: Policy) -> tuple[PruneResult, Recovered]:
    """Recover, then prune; the other way round where recovery has no room to say what it did.

    Pruning first is safe then: what is current, previous, or part of something interrupted, always stays.

    Raises:
        OSError: There is no room even now.
    """
    try:
        recovered = recover_and_sweep(workspace)
    except OSError as error:
        if error.errno not in files.FULL_DISK_ERRNOS:
            raise
    else:
        return replace(_prune(workspace, policy), debris=recovered.debris), recovered
    result = _prune(workspace, policy)
    recovered = recover_and_sweep(workspace)
    return replace(result, debris=recovered.debris), recovered


def prune_after(workspace: Workspace, settings: Settings) -> str:
    """Prune after a promotion, and clean the store: nothing that goes wrong is worth more than a warning.

    Returns:
        What kept releases from being removed; `""` for nothing.
    """
    failure = ""
    policy = Policy(keep=settings.keep, keep_days=settings.keep_days, keep_failed=settings.keep_failed)
    try:
        _prune(workspace, policy)
    except InterruptedByError:
        raise
    except (OSError, VenvshipError) as error:
        text = error.message if isinstance(error, VenvshipError) else str(error)
        failure = f"old releases could not be removed: {text}"
        workspace.warn("prune-failed", failure)
        tell_syslog(workspace, PRUNE_FAILED, None, text, {})
    _clean_store(workspace, settings)
    return failure


def _clean_store(
    workspace: Workspace, settings: Settings, *, without: Collection[str] = (), dry_run: bool = False
) -> StoreResult | None:
    # The store belongs to the build layer, and this module is imported by every promotion.
    from venvship.operations.retention.store_cleaning import clean_store

    return clean_store(workspace, settings, without=without, dry_run=dry_run)


def pin(workspace: Workspace, name: str, *, pinned: bool) -> ReleaseView:
    """Protect a release from prune, or stop to.

    Raises:
        ReleaseError: There is no such release.
        BusyError: Another command is switching or removing.
        RootError: The root or its journal is unusable.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        # Under switch.mutex, so that a prune that has already decided cannot remove what was just pinned.
        with workspace.holding("switch", "pin" if pinned else "unpin"):
            history = workspace.history()
            release_id = workspace.resolve(name, history)
            if history.records[release_id].pinned != pinned:
                workspace.record(EventName.PINNED if pinned else EventName.UNPINNED, release=release_id)
        return workspace.view(release_id, workspace.history())


@dataclass(frozen=True, slots=True)
class _Basis:
    """What decisions rest on, but for the processes and the time: the journal up to a line, and the links."""

    seq: int
    current: str | None
    previous: str | None

    @classmethod
    def now(cls, workspace: Workspace) -> _Basis | None:
        """What it is now; `None` where the journal is damaged, so that nothing can rest on it."""
        reading = workspace.journal.read()
        if reading.damage:
            return None
        seq = reading.events[-1].seq if reading.events else 0
        return cls(seq, workspace.layout.current(), workspace.layout.previous())


def _prune(workspace: Workspace, policy: Policy) -> PruneResult:
    return _Pruning(workspace, policy).run()


class _Pruning:
    """One prune. What it costs for each release does not depend on how many there are.

    Args:
        workspace: The root.
        policy: How much to keep.
    """

    def __init__(self, workspace: Workspace, policy: Policy) -> None:
        self._workspace = workspace
        self._policy = policy
        self._basis: _Basis | None = None
        self._decisions: dict[str, Decision] = {}

    def run(self) -> PruneResult:
        """Decide, and remove one release after the other."""
        workspace = self._workspace
        removed: list[Decision] = []
        kept: list[Decision] = []
        freed = 0
        # Before the decisions: what changes from here on is seen later, and then they are made again.
        self._basis = _Basis.now(workspace)
        decisions = _decide(workspace, workspace.history(), self._policy)
        self._decisions = {decision.id: decision for decision in decisions}
        for decision in decisions:
            workspace.runtime.signals.raise_if_received()
            if decision.keep:
                kept.append(decision)
                continue
            size = files.own_bytes([workspace.layout.release(decision.id)])
            final = self._remove(decision)
            if final.keep:
                kept.append(final)
            else:
                removed.append(final)
                freed += size
        return PruneResult(removed=tuple(removed), kept=tuple(kept), freed_bytes=freed)

    def _remove(self, decision: Decision) -> Decision:
        """Decide once more with the mutex held, move the release away, and delete it without the mutex.

        The journal has it first. On a disk that is so full that it cannot, the release goes all the same,
        since that makes room, and the journal has it afterwards.

        Crash: the release is whole, or `.trash-…`. Where there was no room for its line, an empty `.trash-…`
        stays until recovery has written it.
        """
        workspace, layout = self._workspace, self._workspace.layout
        trash = layout.releases / f".trash-{decision.id}"
        with (
            workspace.holding("switch", "prune", wait=10),
            lease_withheld(str(layout.lease(decision.id))) as free,
        ):
            if not free:
                return Decision(decision.id, keep=True, reason="in use: a process holds its lease")
            now = self._decide_again(decision)
            if now is None or now.keep:
                return now or decision
            decision = now
            recorded = self._record(decision)
            try:
                files.rename(layout.release(decision.id), trash)
            except OSError:
                # Some file systems refuse to rename a directory (EXDEV on overlayfs). The journal has it.
                discard(workspace, decision.id)
            files.remove_name(layout.lease(decision.id))
        if not recorded:
            files.empty_directory(trash)
            if not self._record(decision):
                workspace.warn("journal-not-written", f"no room to record that {decision.id} was removed")
                return decision
        files.remove_tree(trash)
        return decision

    def _decide_again(self, decision: Decision) -> Decision | None:
        """Decide again on a release whose lease is withheld, with the mutex held; `None`: it is gone.

        As long as the journal has only got our own lines, and the links are what they were, only a process
        can have made a difference. So only those are looked at, and not all releases for each of them.
        """
        workspace = self._workspace
        basis = _Basis.now(workspace)
        if basis is None or basis != self._basis:
            again = _decide(workspace, workspace.history(), self._policy, withheld=decision.id)
            self._basis, self._decisions = basis, {d.id: d for d in again}
            return self._decisions.get(decision.id)
        known = self._decisions.get(decision.id)
        if known is None or known.keep:
            return known
        user = _users(workspace).get(decision.id)
        return Decision(decision.id, keep=True, reason=f"in use: {user}") if user else known

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
    """Gather the facts and decide.

    Who uses a release is only asked where nothing else keeps it: the answer takes a look at every process.

    Args:
        workspace: The root.
        history: The folded journal.
        policy: How much to keep.
        withheld: A release whose lease we hold ourselves, alone.
    """
    facts = _facts(workspace, history)
    now = workspace.runtime.clock()
    going = {decision.id for decision in decide(facts, policy, now) if not decision.keep}
    if going:
        users = _users(workspace)
        for release_id in going - users.keys() - {withheld}:
            with lease_withheld(str(workspace.layout.lease(release_id))) as free:
                if not free:
                    users[release_id] = "a process holds its lease"
        facts = [replace(f, in_use=users.get(f.id, "")) if f.id in going else f for f in facts]
    return decide(facts, policy, now)


def _facts(workspace: Workspace, history: History) -> list[Facts]:
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
            rejected=record.rejected,
            current=release_id == current,
            previous=release_id == previous,
            pinned=record.pinned,
            in_operation=release_id in busy,
            live_until=record.live_until,
        )
        for release_id in workspace.releases(history)
        for record in [history.records[release_id]]
    ]


def _users(workspace: Workspace) -> dict[str, str]:
    """Which releases processes are seen with, and a word about the first of them."""
    found: dict[str, str] = {}
    base = str(workspace.layout.path)
    releases = str(workspace.layout.releases) + "/"
    every = workspace.layout.sealed()
    for seen in proc.processes_under(base):
        used = {p[len(releases) :].split("/", 1)[0] for p in seen.paths if p.startswith(releases)}
        if seen.opaque and not used:
            # It names this root and hides the rest: it may run from any of its releases.
            used = set(every)
        for release_id in used:
            found.setdefault(release_id, f"process {seen.pid}")
    return found
