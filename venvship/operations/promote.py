"""`promote`: the same checked switch, to a release that exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from venvship.errors import InterruptedByError, OperationWarning
from venvship.health.checks import CheckResult
from venvship.model.release import PackageDiff, State, diff_packages
from venvship.model.settings_form import health_digest
from venvship.operations.switching.afterwards import after_switch
from venvship.operations.switching.own_service import refuse_own_service
from venvship.operations.switching.promotion import Errand, compare_and_promote
from venvship.operations.switching.recovery import recover_and_sweep, tell_recovered
from venvship.operations.switching.rehearsal import rehearse
from venvship.system.faults import root_faults
from venvship.workspace.releases import release_ids, resolve_release
from venvship.workspace.usable import require_startable, require_usable
from venvship.workspace.views import ReleaseView, packages_of, view_release
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteResult:
    """The result of `Root.promote`.

    Attributes:
        outcome: `promoted`, `unchanged`, `rolled-back` or `rollback-failed`.
        release: The release that was asked for.
        previous: What was current before.
        diff: From `previous` to `release`.
        checks: The results of checks, candidate and live.
        warnings: The warnings of the operation.
    """

    outcome: Literal["promoted", "unchanged", "rolled-back", "rollback-failed"]
    release: ReleaseView
    previous: ReleaseView | None
    diff: PackageDiff
    checks: tuple[CheckResult, ...] = ()
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `promote --json`."""
        return {
            "outcome": self.outcome,
            "release": self.release.to_json(),
            "previous": self.previous.to_json() if self.previous else None,
            "diff": self.diff.to_json(),
            "checks": [check.to_json() for check in self.checks],
        }


def promote(workspace: Workspace, name: str, *, message: str = "", force: bool = False) -> PromoteResult:
    """Make an existing release live, checked like a new one.

    An operator may promote any usable release. One that is bad or held gets a warning, not a refusal: an
    operator who types its name has a reason.

    Crash: see `venvship.operations.switching.promotion`.

    Arguments and errors: `Root.promote`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        recovered = recover_and_sweep(workspace)
        settings = workspace.settings()
        tell_recovered(workspace, settings, recovered)
        history = workspace.history()
        release_id = resolve_release(workspace.layout, name, history)
        origin = workspace.layout.current()
        before = (
            view_release(workspace.layout, origin, history)
            if origin and origin in release_ids(workspace.layout, history)
            else None
        )
        if release_id == origin:
            require_startable(workspace.layout, release_id)
            view = view_release(workspace.layout, release_id, history)
            return PromoteResult(outcome="unchanged", release=view, previous=before, diff=PackageDiff())
        manifest = require_usable(workspace, release_id)
        refusal = history.refusal(manifest.environment.digest, health_digest(settings))
        if not force and (refusal is not None or history.state(release_id) is State.BAD):
            said = refusal.reason if refusal else "it did not pass when it was live"
            workspace.warn("bad-release", f"{release_id} is known to be bad: {said}")
        refuse_own_service(workspace, settings)
        with workspace.using(release_id):
            rehearsed = rehearse(workspace, release_id, settings, event="promote")
            switched = compare_and_promote(
                workspace,
                release_id,
                origin_id=origin,
                began_at=history.switch_seq,
                settings=settings,
                errand=Errand(via="promote", reason=message),
            )
        old = packages_of(workspace.layout, origin) if before is not None and origin else ()
        after = workspace.history()
        result = PromoteResult(
            outcome=switched.outcome,
            release=view_release(workspace.layout, release_id, after),
            previous=view_release(workspace.layout, origin, after) if before is not None and origin else None,
            diff=diff_packages(old, manifest.packages),
            checks=(*rehearsed, *switched.trial.checks),
        )
        try:
            after_switch(workspace, settings, switched)
        except InterruptedByError as error:
            raise error.carrying(result) from None
        switched.raise_if_not_promoted(result=result)
        workspace.keep_reserve()
        return result
