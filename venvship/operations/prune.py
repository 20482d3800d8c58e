"""`prune`: remove old releases and what the store holds for none, each decision with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from venvship.errors import OperationWarning
from venvship.model.retention import Decision, Policy
from venvship.operations.retention.pruning import Pruned, decide_prune, policy_of, prune_releases
from venvship.operations.retention.store_cleaning import StoreResult, clean_store
from venvship.operations.switching.recovery import (
    Recovered,
    plan_recovery,
    recover_and_sweep,
    tell_recovered,
)
from venvship.system import files
from venvship.system.faults import root_faults
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """The result of `Root.prune`.

    Attributes:
        removed: The releases that were removed, or would be, each with the reason.
        kept: The releases that stay, each with the reason.
        debris: The left-overs of interrupted commands that were removed, or in a dry run the directories
            among them that would be.
        freed_bytes: The bytes that the removal of releases gives back: files that nothing else links to.
        store: The outcome of cleaning the store; `None` if it was not looked at.
        dry_run: Whether this is the plan only.
        changed: Whether a later command can see a difference; in a dry run, whether it would.
        warnings: The warnings of the operation.
    """

    removed: tuple[Decision, ...]
    kept: tuple[Decision, ...]
    debris: tuple[str, ...] = ()
    freed_bytes: int = 0
    store: StoreResult | None = None
    dry_run: bool = False
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `prune --json`."""
        return {
            "removed": [{"id": decision.id, "reason": decision.reason} for decision in self.removed],
            "kept": [{"id": decision.id, "reason": decision.reason} for decision in self.kept],
            "debris": list(self.debris),
            "freed_bytes": self.freed_bytes,
            "store": self.store.to_json() if self.store else None,
            "dry_run": self.dry_run,
            "changed": self.changed,
        }


def prune(
    workspace: Workspace,
    *,
    keep: int | None = None,
    keep_days: float | None = None,
    damaged: bool = False,
    dry_run: bool = False,
) -> PruneResult:
    """Remove the releases that retention does not keep, then the unreferenced entries of the store.

    Crash: a release is whole, or it is `.trash-…`, which the next writing command removes. For the store see
    `clean_store`.

    Arguments and errors: `Root.prune`.
    """
    settings = workspace.settings()
    policy = replace(policy_of(settings), damaged=damaged)
    if keep is not None:
        policy = replace(policy, keep=keep)
    if keep_days is not None:
        policy = replace(policy, keep_days=keep_days)
    if dry_run:
        recovery = plan_recovery(workspace, workspace.history())
        found = decide_prune(workspace, policy)
        going = [decision.id for decision in found.removed]
        store = clean_store(workspace, settings, without=going, dry_run=True)
        if going or (store is not None and store.removed):
            workspace.changes.append("planned")
        return PruneResult(
            removed=found.removed,
            kept=found.kept,
            debris=recovery.debris,
            freed_bytes=found.freed_bytes,
            store=store,
            dry_run=True,
        )
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        pruned, recovered = _prune_and_recover(workspace, policy)
        tell_recovered(workspace, settings, recovered)
        store = clean_store(workspace, settings)
        if store is not None and store.removed:
            workspace.changes.append("store")
        workspace.keep_reserve()
        return PruneResult(
            removed=pruned.removed,
            kept=pruned.kept,
            debris=recovered.debris,
            freed_bytes=pruned.freed_bytes,
            store=store,
        )


def _prune_and_recover(workspace: Workspace, policy: Policy) -> tuple[Pruned, Recovered]:
    """Recover, then prune. On a disk too full to record the recovery, prune first.

    Pruning first is safe then: current, previous and every release of an interrupted operation always stay.

    Raises:
        OSError: There is no room even now.
    """
    try:
        recovered = recover_and_sweep(workspace)
    except OSError as error:
        if error.errno not in files.FULL_DISK_ERRNOS:
            raise
        pruned = prune_releases(workspace, policy)
        return pruned, recover_and_sweep(workspace)
    return prune_releases(workspace, policy), recovered
