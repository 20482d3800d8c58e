"""The trial before the switch: candidate checks, then the prepare hook. `current` is never touched."""

from __future__ import annotations

from dataclasses import dataclass

from venvship.errors import RejectedError
from venvship.health.checks import CheckResult, run_checks
from venvship.health.hooks import HookResult, find_programs, run_hook
from venvship.model.history import EventName
from venvship.model.settings import Settings
from venvship.operations.trial import failed_required, tell_checks
from venvship.operations.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTrial:
    """What was found out about a release before it went live."""

    checks: tuple[CheckResult, ...] = ()
    prepare: HookResult | None = None


def try_candidate(workspace: Workspace, release_id: str, settings: Settings, *, event: str) -> CandidateTrial:
    """Check a release that is not live yet, and let the prepare hook do its work.

    Args:
        workspace: The root.
        release_id: A sealed release.
        settings: Whose checks and hooks count.
        event: `"release"` or `"promote"`, for `VENVSHIP_EVENT`.

    Raises:
        ProgramNotFoundError: A check or hook, live ones included, names a program that is not there.
        RejectedError: A required check or the hook said no; journalled.
        InterruptedByError: A signal came.
    """
    context = workspace.context(release_id, previous=workspace.layout.current(), event=event)
    find_programs(settings, context)
    results = run_checks([check for check in settings.checks if check.when == "candidate"], context)
    tell_checks(workspace, results)
    failed = failed_required(results)
    if failed is not None:
        _reject(workspace, release_id, f"check {failed.name!r} failed: {failed.output}")
    for result in results:
        if result.outcome == "failed":
            workspace.warn(
                "check-failed", f"check {result.name!r} failed, which is not required: {result.output}"
            )
    if settings.hooks.prepare is None:
        return CandidateTrial(checks=results)
    hook = run_hook("prepare", settings.hooks.prepare, context, timeout=settings.hooks.timeout)
    workspace.tell("prepare", hook.output, ok=hook.ok, seconds=hook.seconds)
    if not hook.ok:
        _reject(workspace, release_id, f"the prepare hook refused: {hook.output}")
    return CandidateTrial(checks=results, prepare=hook)


def _reject(workspace: Workspace, release_id: str, cause: str) -> None:
    record = workspace.record_if_possible
    record(EventName.REJECTED, release=release_id, reason=cause)
    live = workspace.layout.current() or "nothing"
    raise RejectedError(
        f"{release_id} was refused before the switch: {cause}. Still live: {live}",
        hint=f"see {workspace.layout.log(release_id)}",
        release=release_id,
        log=str(workspace.layout.log(release_id)),
    )
