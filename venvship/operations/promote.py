"""`promote`: the same checked switch, to a release that exists."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Literal

from venvship.errors import HeldError, InterruptedByError, OperationWarning, RejectedError, VenvshipError
from venvship.health.checks import CheckResult
from venvship.model.history import History
from venvship.model.release import PackageDiff, State
from venvship.model.settings import Settings
from venvship.model.settings_form import health_digest
from venvship.operations.planning.own_lockfile import lockfile_environment
from venvship.operations.planning.plan import announce_end, asker, refused
from venvship.operations.service.retiring import retire
from venvship.operations.switching.afterwards import after_switch
from venvship.operations.switching.barrier import require_no_barrier
from venvship.operations.switching.chosen import (
    NO_HOLDS,
    HoldChange,
    choose_current,
    hold_change,
    planned_change,
)
from venvship.operations.switching.errand import Errand
from venvship.operations.switching.own_service import refuse_own_service
from venvship.operations.switching.prepared import prepare_has_run
from venvship.operations.switching.promotion import compare_and_promote
from venvship.operations.switching.proving import proven
from venvship.operations.switching.recovery import plan_recovery, recover_and_sweep, tell_recovered
from venvship.operations.switching.rehearsal import rehearse, require_programs
from venvship.operations.switching.serving import bring_up
from venvship.operations.switching.switched import Switched
from venvship.system.faults import root_faults
from venvship.workspace.releases import release_ids, resolve_release
from venvship.workspace.usable import require_undamaged, require_usable
from venvship.workspace.views import ReleaseView, diff_releases, view_release
from venvship.workspace.way_back import CommandBack, command_back
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteResult:
    """The result of `Root.promote`; filled as far as known when an error carries it.

    Attributes:
        outcome: `promoted`, `unchanged`, `planned`, `rejected`, `rolled-back` or `rollback-failed`; `None`
            where an error ended it before there was one.
        release: The release that was asked for.
        previous: What was current before.
        diff: From `previous` to `release`.
        checks: The results of checks, candidate and live.
        back: The command that goes back from a release that was promoted; `None` without one.
        holds: The hold of the root after it, and the one that it ended; in a dry run those that would be.
        changed: Whether a later command can see a difference; in a dry run, whether it would.
        warnings: The warnings of the operation.
    """

    outcome: Literal["promoted", "unchanged", "planned", "rejected", "rolled-back", "rollback-failed"] | None
    release: ReleaseView
    previous: ReleaseView | None
    diff: PackageDiff
    checks: tuple[CheckResult, ...] = ()
    back: CommandBack | None = None
    holds: HoldChange = NO_HOLDS
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `promote --json`."""
        return {
            "outcome": self.outcome,
            "changed": self.changed,
            "release": self.release.to_json(),
            "previous": self.previous.to_json() if self.previous else None,
            "diff": self.diff.to_json(),
            "checks": [check.to_json() for check in self.checks],
            **self.holds.to_json(),
        }


def promote(
    workspace: Workspace, name: str, *, message: str = "", force: bool = False, dry_run: bool = False
) -> PromoteResult:
    """Make an existing release live, checked like a new one.

    Crash: see `venvship.operations.switching.promotion`.

    Arguments and errors: `Root.promote`.
    """
    with root_faults(workspace.layout.path):
        if dry_run:
            return _plan(workspace, name, message=message, force=force)
        workspace.open_for_writing()
        recovered = recover_and_sweep(workspace)
        settings = workspace.settings()
        tell_recovered(workspace, settings, recovered)
        history = workspace.history()
        origin = workspace.layout.current()
        found = _find(workspace, history, settings, name, force=force)
        errand = Errand(
            via="promote",
            reason=message,
            own_environment=lockfile_environment(workspace, settings) or "",
            prepared=settings.hooks.prepare is not None,
            force=force,
        )
        if found.outcome == "unchanged":
            return _choose_current(workspace, settings, history, found, errand)
        try:
            found, switched = _rehearse_and_switch(workspace, settings, history, origin, found, errand)
        except VenvshipError as error:
            view = view_release(workspace.layout, found.release.id, workspace.known_history().history)
            outcome: Literal["rejected"] | None = "rejected" if isinstance(error, RejectedError) else None
            error.carrying(replace(found, outcome=outcome, release=view))
            raise
        with contextlib.suppress(InterruptedByError):  # it stays pending: see `after_switch`
            retire(workspace, settings)
        result = _settled(workspace, history, found, switched)
        try:
            after_switch(workspace, settings, switched)
        except InterruptedByError as error:
            raise error.carrying(result) from None
        switched.raise_if_not_promoted(result=result)
        workspace.keep_reserve()
        return result


def _choose_current(
    workspace: Workspace, settings: Settings, history: History, found: PromoteResult, errand: Errand
) -> PromoteResult:
    """What a promotion of the live release does: end a hold, bring up the service."""
    holds = choose_current(
        workspace,
        history,
        via=errand.via,
        own_environment=errand.own_environment or "",
        message=errand.reason,
    )
    bring_up(workspace, settings, operation=errand.via)
    retire(workspace, settings)  # the slot whose server has died: its manager may start it again
    return replace(found, holds=holds)


def _rehearse_and_switch(
    workspace: Workspace,
    settings: Settings,
    history: History,
    origin_id: str | None,
    found: PromoteResult,
    errand: Errand,
) -> tuple[PromoteResult, Switched]:
    """Check a release that was found, and make it live.

    Returns:
        The result so far, with the candidate checks; and the outcome of the switch.
    """
    refuse_own_service(workspace, settings)
    announce_end(workspace, history)
    release_id = found.release.id
    with workspace.using(release_id):
        rehearsed = rehearse(workspace, release_id, settings, event="promote", message=errand.reason)
        with prepare_has_run(workspace, settings), proven(workspace, settings, release_id, event="promote"):
            switched = compare_and_promote(
                workspace,
                release_id,
                origin_id=origin_id,
                began_at=history.switch_seq,
                settings=settings,
                errand=errand,
            )
    return replace(found, checks=rehearsed), switched


def _settled(
    workspace: Workspace, before: History, found: PromoteResult, switched: Switched
) -> PromoteResult:
    """The result after the switch, with what the journal says then."""
    assert switched.outcome != "stays", "a promotion by name is not one-way"
    after = workspace.history()
    return replace(
        found,
        outcome=switched.outcome,
        release=view_release(workspace.layout, found.release.id, after),
        previous=view_release(workspace.layout, found.previous.id, after) if found.previous else None,
        checks=(*found.checks, *switched.trial.checks),
        back=command_back(workspace, workspace.known_history()),
        holds=hold_change(workspace, before, after),
    )


def _plan(workspace: Workspace, name: str, *, message: str, force: bool) -> PromoteResult:
    """The promotion that would be begun now; takes no mutex and writes nothing."""
    settings = workspace.settings()
    history = plan_recovery(workspace, workspace.history()).history
    found = _find(workspace, history, settings, name, force=force)
    if found.outcome != "unchanged":
        refuse_own_service(workspace, settings)
        require_programs(workspace, found.release.id, settings, event="promote")
    own_environment = lockfile_environment(workspace, settings) or ""
    holds = planned_change(
        workspace,
        history,
        chosen=history.records[found.release.id].environment_digest,
        own=own_environment,
        switches=found.outcome != "unchanged",
        message=message,
    )
    return replace(found, outcome="planned", holds=holds)


def _find(
    workspace: Workspace, history: History, settings: Settings, name: str, *, force: bool
) -> PromoteResult:
    """Find the release to promote, and refuse one that could not run, is known to be bad, or is held.

    Returns:
        The result so far: `unchanged` if the release is live, else without an outcome.

    Raises:
        ReleaseError: There is no such release, or it is not usable.
        HeldError: The root is held against this command, or the release is known to be bad.
        NoWayBackError: A one-way release lies between.
        RootError: `current` is not ours, or `releases/` cannot be read.
        InterruptedByError: A signal came while an interpreter was asked.
    """
    layout = workspace.layout
    release_id = resolve_release(layout, name, history)
    origin = layout.current()
    view = view_release(layout, release_id, history)
    asks = asker(workspace.runtime, settings, force=force)._replace(unattended=False)
    environment = history.records[release_id].environment_digest
    hold = history.stopping(asks, environment, workspace.runtime.clock())
    if hold is not None and (asks.is_script or release_id != origin):
        raise refused(hold, workspace.runtime)
    require_usable(workspace, release_id)
    if release_id == origin:
        return PromoteResult(outcome="unchanged", release=view, previous=view, diff=PackageDiff())
    require_undamaged(workspace, release_id)
    known = origin is not None and origin in release_ids(layout, history)
    before = view_release(layout, origin, history) if origin is not None and known else None
    if not force:
        _require_not_bad(history, release_id, health_digest(settings))
    command = f"venvship promote --force {release_id}"
    require_no_barrier(history, origin, release_id, command=command, force=force)
    diff = diff_releases(workspace, before.id if before is not None else None, release_id)
    return PromoteResult(outcome=None, release=view, previous=before, diff=diff)


def _require_not_bad(history: History, release_id: str, health: str) -> None:
    """Refuse a release that is known to be bad, or of an environment that is.

    Raises:
        HeldError: It is.
    """
    refusal = history.refusal(history.records[release_id].environment_digest, health)
    if refusal is None and history.state(release_id) is not State.BAD:
        return
    cause = refusal.reason if refusal is not None else "it did not pass when it was live"
    what = release_id if history.state(release_id) is State.BAD else f"the environment of {release_id}"
    raise HeldError(
        f"{what} is known to be bad: {cause}. Nothing was changed",
        hint=f"to promote it all the same: venvship promote --force {release_id}",
        release=release_id,
    )
