"""The trial of what is current: the restart hook, then the live checks, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import ProgramNotFoundError, RootError
from venvship.model.settings import Check, Settings
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult, Watch
    from venvship.health.context import Context
    from venvship.health.hooks import HookResult

TURNED_BACK: Final = "turned back by a rollback"


class Trial(NamedTuple):
    """What the restart hook and the live checks said of the release that is current.

    Attributes:
        problem: Why it did not pass; `None` if it did.
        log: The name of the log that tells more: the hook's or the check's; `""` for none.
        says_no: Whether the release itself was found wanting: its hook or a check failed, and nothing else,
            such as a signal, ended the trial.
        hook: The restart hook's result, if there is one.
        checks: The live checks' results.
    """

    problem: str | None = None
    log: str = ""
    says_no: bool = False
    hook: HookResult | None = None
    checks: tuple[CheckResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.problem is None


def load_modules(settings: Settings) -> None:
    """Import what the hooks and checks of these settings take, before there is anything to try.

    After a switch it would be too late: modules can be gone by then, on a failing disk, or since venvship
    itself was upgraded meanwhile. Roots without hooks and checks do without, for these take time.
    """
    if settings.checks or any((settings.hooks.prepare, settings.hooks.restart, settings.hooks.notify)):
        import venvship.health.checks
        import venvship.health.hooks  # noqa: F401 - to be there


def try_current(
    workspace: Workspace,
    release_id: str,
    settings: Settings,
    *,
    previous: str | None,
    event: str,
    heed_rollback: bool = True,
) -> Trial:
    """Run the restart hook, then the live checks, against what is current.

    Args:
        workspace: The root.
        release_id: What is current.
        settings: Whose hooks and checks count.
        previous: What was current before, for the hook's environment.
        event: `"promote"` or `"rollback"`, for the hook's environment.
        heed_rollback: Whether a rollback by another process ends the trial.

    Raises:
        InterruptedByError: A signal came.
    """
    live = [check for check in settings.checks if check.when == "live"]
    if settings.hooks.restart is None and not live:
        return Trial()  # see `load_modules`
    from venvship.health.checks import TurnBack
    from venvship.health.hooks import run_hook

    context = workspace.context(release_id, previous=previous, event=event)
    hook: HookResult | None = None
    try:
        if settings.hooks.restart is not None:
            with workspace.step("restart"):
                hook = run_hook("restart", settings.hooks.restart, context, timeout=settings.hooks.timeout)
            workspace.tell("restart", hook.output, ok=hook.ok, seconds=hook.seconds)
            if not hook.ok:
                problem = f"the restart hook failed: {hook.output}"
                return Trial(problem=problem, log="restart", says_no=True, hook=hook)
        results = _live_checks(workspace, live, context, heed_rollback=heed_rollback)
    except TurnBack:
        return Trial(problem=TURNED_BACK, hook=hook)
    except ProgramNotFoundError as error:
        return Trial(problem=error.message, hook=hook)
    failed = failed_required(results)
    if failed is not None:
        problem = f"check {failed.name!r} failed: {failed.output}"
        return Trial(problem=problem, log=failed.name, says_no=True, hook=hook, checks=results)
    warn_of_failed(workspace, results)
    return Trial(hook=hook, checks=results)


def _live_checks(
    workspace: Workspace, checks: Sequence[Check], context: Context, *, heed_rollback: bool
) -> tuple[CheckResult, ...]:
    from venvship.health.checks import run_checks

    turn_back = workspace.mutex("turn-back")

    def stop() -> bool:
        try:
            return heed_rollback and turn_back.is_held()
        except RootError:  # no more descriptors, perhaps: then nobody can be asked, and the checks go on
            return False

    return run_checks(checks, context, stop=stop, watch=tell_check(workspace))


def tell_check(workspace: Workspace) -> Watch:
    """Tell whoever watches that a check begins, and what it says."""

    def tell(check: Check, result: CheckResult | None) -> None:
        if result is None:
            workspace.begin(check.name)
        else:
            passed = result.outcome == "passed"
            workspace.tell(check.name, result.output, ok=passed, seconds=result.seconds)

    return tell


def failed_required(results: Sequence[CheckResult]) -> CheckResult | None:
    """The first required check that failed."""
    return next((result for result in results if result.counts_as_failure), None)


def warn_of_failed(workspace: Workspace, results: Sequence[CheckResult]) -> None:
    """Turn failed checks that are not required into warnings."""
    for result in results:
        if result.outcome == "failed":
            workspace.warn(
                "check-failed", f"check {result.name!r} failed, which is not required: {result.output}"
            )
