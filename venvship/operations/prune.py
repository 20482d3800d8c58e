"""`prune`, `pin` and `unpin`: what is kept and what goes, each with its reason."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from venvship.errors import InterruptedByError, VenvshipError
from venvship.model.history import EventName, History
from venvship.model.log_line import PRUNE_FAILED
from venvship.model.retention import Decision, Facts, Policy, decide
from venvship.model.settings import Settings
from venvship.operations.announce import tell_syslog
from venvship.operations.debris import discard
from venvship.operations.notify import tell_recovered
from venvship.operations.recover import Recovered, recover_and_sweep
from venvship.operations.workspace import ReleaseView, Workspace, world_faults
from venvship.system import files, proc
from venvship.system.mutex import lease_withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What was decided and done.

    Attributes:
        removed: Releases that went, or would go, and why.
        kept: Releases that stay, and why.
        debris: Left-overs of interrupted builds that were removed.
        freed_bytes: Room that the removal gives back: files that nothing else links to.
        dry_run: Whether nothing was touched.
    """

    removed: tuple[Decision, ...]
    kept: tuple[Decision, ...]
    debris: tuple[str, ...] = ()
    freed_bytes: int = 0
    dry_run: bool = False


def prune(
    workspace: Workspace, *, keep: int | None = None, keep_days: float | None = None, dry_run: bool = False
) -> PruneResult:
    """Remove the releases that retention does not keep.

    Crash: a release is whole, or it is `.trash-…`, which the next writing command removes.

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
            freed_bytes=sum(_own_bytes(str(workspace.layout.release(decision.id))) for decision in goes),
            dry_run=True,
        )
    with world_faults(workspace.layout):
        workspace.open_for_writing()
        result, recovered = _prune_and_recover(workspace, policy)
        tell_recovered(workspace, settings, recovered)
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
    """Prune after a promotion: nothing that goes wrong here is worth more than a warning.

    Returns:
        What went wrong; `""` for nothing.
    """
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
        return failure
    return ""


def pin(workspace: Workspace, name: str, *, pinned: bool) -> ReleaseView:
    """Protect a release from prune, or stop to.

    Raises:
        ReleaseError: There is no such release.
        BusyError: Another command is switching or removing.
        RootError: The root or its journal is unusable.
    """
    with world_faults(workspace.layout):
        workspace.open_for_writing()
        # Under switch.mutex, so that a prune that has already decided cannot remove what was just pinned.
        with workspace.holding("switch", "pin" if pinned else "unpin"):
            history = workspace.history()
            release_id = workspace.resolve(name, history)
            if history.records[release_id].pinned != pinned:
                workspace.record(EventName.PINNED if pinned else EventName.UNPINNED, release=release_id)
        return workspace.view(release_id, workspace.history())


def _prune(workspace: Workspace, policy: Policy) -> PruneResult:
    removed: list[Decision] = []
    kept: list[Decision] = []
    freed = 0
    for decision in _decide(workspace, workspace.history(), policy):
        workspace.runtime.signals.raise_if_received()
        if decision.keep:
            kept.append(decision)
            continue
        size = _own_bytes(str(workspace.layout.release(decision.id)))
        final = _remove(workspace, decision, policy)
        if final.keep:
            kept.append(final)
        else:
            removed.append(final)
            freed += size
    return PruneResult(removed=tuple(removed), kept=tuple(kept), freed_bytes=freed)


def _remove(workspace: Workspace, decision: Decision, policy: Policy) -> Decision:
    """Decide once more with the mutex held, move the release away, and delete it without the mutex.

    The journal has it first. On a disk that is so full that it cannot, the release goes all the same, since
    that makes room, and the journal has it afterwards.

    Crash: the release is whole, or `.trash-…`. Where there was no room for its line, an empty `.trash-…`
    stays until recovery has written it.
    """
    layout = workspace.layout
    trash = layout.releases / f".trash-{decision.id}"
    with (
        workspace.holding("switch", "prune", wait=10),
        lease_withheld(str(layout.lease(decision.id))) as free,
    ):
        if not free:
            return Decision(decision.id, keep=True, reason="in use: a process holds its lease")
        again = _decide(workspace, workspace.history(), policy, withheld=decision.id)
        now = next((d for d in again if d.id == decision.id), None)
        if now is None or now.keep:
            return now or decision
        recorded = _record(workspace, decision)
        try:
            files.rename(layout.release(decision.id), trash)
        except OSError:
            # Some file systems refuse to rename a directory (EXDEV on overlayfs). The journal has it already.
            discard(workspace, decision.id)
        files.remove_name(layout.lease(decision.id))
    files.remove_tree(layout.log(decision.id))
    if not recorded:
        files.empty_directory(trash)
        if not _record(workspace, decision):
            workspace.warn("journal-not-written", f"no room to record that {decision.id} was removed")
            return decision
    files.remove_tree(trash)
    return decision


def _record(workspace: Workspace, decision: Decision) -> bool:
    try:
        workspace.record(EventName.PRUNED, release=decision.id, reason=decision.reason)
    except OSError as error:
        if error.errno not in files.FULL_DISK_ERRNOS:
            raise
        return False
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


def _own_bytes(path: str) -> int:
    """Bytes of the files below that have no other name, in the store or another release."""
    try:
        return sum(
            found.st_blocks * 512 for _, found in files.walk(path) if found.st_nlink == 1 or _is_dir(found)
        )
    except OSError:
        return 0


def _is_dir(found: os.stat_result) -> bool:
    import stat

    return stat.S_ISDIR(found.st_mode)
