"""The trial of the current release: its slot, the restart hook, then the live checks."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import RootError, VenvshipError
from venvship.model.settings import Settings
from venvship.model.settings_check import Check
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult, Watch

TURNED_BACK: Final = "turned back by a rollback"


class Trial(NamedTuple):
    """The outcome of the restart hook and the live checks of the current release.

    Attributes:
        problem: Why it did not pass, without the words of a program or service; `None` if it did.
        said: The last words of the hook or of the service; empty for none.
        where: The log that has them, relative to the root; empty without them.
        log: The name of the log of the hook or check that failed; `""` for none.
        says_no: Whether the hook or a check failed, which speaks against the release itself; a signal, or a
            host that could not ask, does not.
        checks: The live checks' results.
        led: Where customers are led, if that is not to this release; empty otherwise.
    """

    problem: str | None = None
    log: str = ""
    said: str = ""
    where: str = ""
    says_no: bool = False
    checks: tuple[CheckResult, ...] = ()
    led: str = ""

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.problem is None

    @property
    def reason(self) -> str:
        """The problem as the journal, the system's log and the notify hook get it; empty if it passed."""
        return with_log(self.problem or "", self.where)

    @property
    def remedy(self) -> str:
        """The command that follows once the cause is fixed, for a hint."""
        return "`venvship handover ensure`, which leads customers to it" if self.led else "`venvship check`"

    @property
    def proved(self) -> bool:
        """Whether it passed, and at least one required live check was there to pass."""
        return self.passed and any(check.required and check.outcome == "passed" for check in self.checks)

    @property
    def facts_of_target(self) -> dict[str, bool | str | None]:
        """What `rolled-back` and `rollback-failed` record of the release that was gone back to."""
        if self.passed:
            return {"proved": self.proved}
        return {"target_failed": self.says_no, "then": self.problem}


def with_log(problem: str, where: str) -> str:
    """A problem for a text that others can read: with the place of the program's own words, if there are any.

    A program prints what it likes, secrets among it. `log/` is its owner's.
    """
    return f"{problem}; its output is in {where}" if where else problem


def said_fact(said: str) -> dict[str, str]:
    """The last words of a program as a fact of an error: JSON has it, and text prints it on a terminal."""
    return {"output": said} if said else {}


def output_facts(workspace: ReadingWorkspace, release_id: str, log: str, said: str) -> dict[str, str]:
    """The facts of an error about a program's output: `log`, the path of all of it, and the last words.

    Args:
        workspace: The root.
        release_id: The release that the program was run for.
        log: The name of the log; `""` for none.
        said: The last words; `""` for none.
    """
    path = {"log": str(workspace.layout.log(release_id) / f"{log}.txt")} if log else {}
    return path | said_fact(said)


def made_from(workspace: ReadingWorkspace, release_id: str) -> str:
    """The thing to change for another release than this one: `"commit"` of the project, or `"lockfile"`."""
    with contextlib.suppress(VenvshipError):
        if workspace.manifest(release_id).project is not None:
            return "commit"
    return "lockfile"


def log_of(release_id: str, name: str, said: str) -> str:
    """The path of a log, relative to the root; empty if the program has printed nothing."""
    return f"log/{release_id}/{name}.txt" if said else ""


def try_current(
    workspace: Workspace,
    release_id: str,
    settings: Settings,
    *,
    previous: str | None,
    event: str,
    heed_rollback: bool = True,
) -> Trial:
    """Lead customers to the current release, run the restart hook, then the live checks.

    Args:
        workspace: The root.
        release_id: The current release.
        settings: Whose hooks and checks count.
        previous: The release that was current before, for the hook's environment.
        event: `"promote"`, `"rollback"` or `"restart"`, for the hook's environment.
        heed_rollback: Whether a rollback by another process ends the trial.

    Raises:
        SettingsError: The file of variables cannot be read any more, and the event is `"promote"`.
        UntrustedError: Others can write that file now, and the event is `"promote"`.
        InterruptedByError: A signal came.
    """
    live = [check for check in settings.checks if check.when == "live"]
    if settings.leaves_service_alone:
        return Trial()  # see `load_before_switch`
    misplaced = workspace.place_problem(release_id)
    if misplaced is not None:
        # On the way back, in a root that was moved. Its scripts would run the code of another root.
        return Trial(problem=f"{release_id} cannot be used: {misplaced}")
    from venvship.health.attempt import TurnBack
    from venvship.health.checks import failed_required, run_checks
    from venvship.health.hooks import run_hook

    # A release on trial without its variables could pass or fail for the wrong reason: then it is not tried.
    # On the way back there is nothing else to go to.
    variables = workspace.variables(settings, missing="refuse" if event == "promote" else "warn")
    context = workspace.context(release_id, variables, previous=previous, event=event)
    stop = asked_to_turn_back(workspace) if heed_rollback else lambda: False
    proofs: tuple[CheckResult, ...] = ()
    try:
        if settings.service.is_on:
            from venvship.operations.service.handing_over import hand_over, led_where

            proof = hand_over(workspace, settings, release_id, context, stop=stop)
            proofs = (proof.result,)
            if proof.problem:
                said = proof.result.said
                where = log_of(release_id, proof.log, said) if proof.log else ""
                says_no = not proof.result.inconclusive
                problem = f"the service does not pass: {proof.problem}"
                return Trial(
                    problem, proof.log, said, where, says_no, proofs, led=led_where(workspace, settings)
                )
        if settings.hooks.restart is not None:
            with workspace.step("restart"):
                seconds = settings.hooks.seconds("restart")
                hook = run_hook("restart", settings.hooks.restart, context, timeout=seconds)
            workspace.tell("restart", hook.output, ok=hook.ok, seconds=hook.seconds)
            if not hook.ok:
                problem = f"the restart hook failed: {hook.output}"
                where = log_of(release_id, "restart", hook.said)
                says_no = not hook.inconclusive
                return Trial(problem, log="restart", said=hook.said, where=where, says_no=says_no)
        results = run_checks(live, context, stop=stop, watch=tell_check(workspace))
    except TurnBack:
        return Trial(problem=TURNED_BACK)
    failed = failed_required(results)
    if failed is not None:
        problem = f"check {failed.name!r} failed: {failed.output}"
        return Trial(
            problem,
            log=failed.name,
            said=failed.said,
            where=log_of(release_id, failed.name, failed.said),
            says_no=not failed.inconclusive,
            checks=(*proofs, *results),
        )
    warn_of_failed(workspace, release_id, results)
    return Trial(checks=(*proofs, *results))


def asked_to_turn_back(workspace: Workspace) -> Callable[[], bool]:
    """A function that tells whether another command, a rollback, asks this one to give up."""
    turn_back = workspace.mutex("turn-back")

    def stop() -> bool:
        try:
            return turn_back.is_held()
        except RootError:  # for example no more descriptors: the checks go on
            return False

    return stop


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


def warn_of_failed(workspace: Workspace, release_id: str, results: Sequence[CheckResult]) -> None:
    """Turn failed checks that are not required into warnings."""
    for result in results:
        if result.outcome == "failed":
            problem = f"check {result.name!r} failed, which is not required: {result.output}"
            workspace.warn("check-failed", with_log(problem, log_of(release_id, result.name, result.said)))
