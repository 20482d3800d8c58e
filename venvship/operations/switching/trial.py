"""The trial of the current release: the restart hook, then the live checks."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import RootError
from venvship.model.settings import Check, Settings
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult, Watch

TURNED_BACK: Final = "turned back by a rollback"


class Trial(NamedTuple):
    """The outcome of the restart hook and the live checks of the current release.

    Attributes:
        problem: Why it did not pass; `None` if it did.
        log: The name of the log of the hook or check that failed; `""` for none.
        says_no: Whether the hook or a check failed, which speaks against the release itself; a signal, or a
            host that could not ask, does not.
        checks: The live checks' results.
    """

    problem: str | None = None
    log: str = ""
    says_no: bool = False
    checks: tuple[CheckResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.problem is None

    @property
    def proved(self) -> bool:
        """Whether it passed, and at least one required live check was there to pass."""
        return self.passed and any(check.required and check.outcome == "passed" for check in self.checks)

    @property
    def facts_of_target(self) -> dict[str, bool]:
        """What `rolled-back` and `rollback-failed` record of the release that was gone back to."""
        return {"proved": self.proved} if self.passed else {"target_failed": self.says_no}


def try_current(
    workspace: Workspace,
    release_id: str,
    settings: Settings,
    *,
    previous: str | None,
    event: str,
    heed_rollback: bool = True,
) -> Trial:
    """Run the restart hook, then the live checks, against the current release.

    Args:
        workspace: The root.
        release_id: The current release.
        settings: Whose hooks and checks count.
        previous: The release that was current before, for the hook's environment.
        event: `"promote"` or `"rollback"`, for the hook's environment.
        heed_rollback: Whether a rollback by another process ends the trial.

    Raises:
        InterruptedByError: A signal came.
    """
    live = [check for check in settings.checks if check.when == "live"]
    if settings.hooks.restart is None and not live:
        return Trial()  # see `load_before_switch`
    misplaced = workspace.place_problem(release_id)
    if misplaced is not None:
        # On the way back, in a root that was moved. Its scripts would run the code of another root.
        return Trial(problem=f"{release_id} cannot be used: {misplaced}")
    from venvship.health.attempt import TurnBack
    from venvship.health.checks import failed_required, run_checks
    from venvship.health.hooks import run_hook

    context = workspace.context(release_id, previous=previous, event=event)
    turn_back = workspace.mutex("turn-back")

    def stop() -> bool:
        try:
            return heed_rollback and turn_back.is_held()
        except RootError:  # for example no more descriptors: the checks go on
            return False

    try:
        if settings.hooks.restart is not None:
            with workspace.step("restart"):
                seconds = settings.hooks.seconds("restart")
                hook = run_hook("restart", settings.hooks.restart, context, timeout=seconds)
            workspace.tell("restart", hook.output, ok=hook.ok, seconds=hook.seconds)
            if not hook.ok:
                problem = f"the restart hook failed: {hook.output}"
                return Trial(problem=problem, log="restart", says_no=not hook.inconclusive)
        results = run_checks(live, context, stop=stop, watch=tell_check(workspace))
    except TurnBack:
        return Trial(problem=TURNED_BACK)
    failed = failed_required(results)
    if failed is not None:
        problem = f"check {failed.name!r} failed: {failed.output}"
        says_no = not failed.inconclusive
        return Trial(problem=problem, log=failed.name, says_no=says_no, checks=results)
    warn_of_failed(workspace, results)
    return Trial(checks=results)


def tell_signal(workspace: Workspace, signum: int, doing: str) -> None:
    """Tell the operator that a signal does not interrupt the way back.

    Args:
        workspace: The root.
        signum: The signal's number.
        doing: The present state, as the beginning of a sentence.
    """
    workspace.tell("rollback", f"{doing}, which {signal.Signals(signum).name} does not interrupt")


def tell_check(workspace: Workspace) -> Watch:
    """Report the begin of each check, and its result, as steps of the operation."""

    def tell(check: Check, result: CheckResult | None) -> None:
        if result is None:
            workspace.begin(check.name)
        else:
            passed = result.outcome == "passed"
            workspace.tell(check.name, result.output, ok=passed, seconds=result.seconds)

    return tell


def warn_of_failed(workspace: Workspace, results: Sequence[CheckResult]) -> None:
    """Turn failed checks that are not required into warnings."""
    for result in results:
        if result.outcome == "failed":
            workspace.warn(
                "check-failed", f"check {result.name!r} failed, which is not required: {result.output}"
            )
