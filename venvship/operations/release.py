"""`release`: from a lockfile to a live, proven release, or back to where it was."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from venvship.errors import (
    BuildError,
    ForeignLinkError,
    HeldError,
    OperationWarning,
    RejectedError,
    RollbackFailedError,
    RolledBackError,
    SupersededError,
    VenvshipError,
)
from venvship.health.checks import CheckResult
from venvship.model.environment import Environment
from venvship.model.history import History, LockfileDue
from venvship.model.progress import DONE, Progress, Step
from venvship.model.release import Package, PackageDiff, diff_packages
from venvship.model.settings import Settings
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.build import build_release
from venvship.operations.planning.environment import lockfile_paths, read_environment
from venvship.operations.planning.plan import Plan, plan, refused
from venvship.operations.retention.debris import sweep_debris
from venvship.operations.switching import promotion
from venvship.operations.switching.afterwards import after_failure, after_switch
from venvship.operations.switching.recovery import recover_switch, tell_recovered
from venvship.operations.switching.rehearsal import try_candidate
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld, hold_build
from venvship.workspace.views import ReleaseView, packages_of, view_release
from venvship.workspace.workspace import Workspace

T = TypeVar("T")

Outcome = Literal[
    "released",
    "unchanged",
    "reactivated",
    "built",
    "planned",
    "rejected",
    "rolled-back",
    "superseded",
    "held",
]

OUTCOMES: Final[Mapping[str, Outcome]] = {
    RejectedError.slug: "rejected",
    HeldError.slug: "held",
    SupersededError.slug: "superseded",
    RolledBackError.slug: "rolled-back",
    RollbackFailedError.slug: "rolled-back",
}
"""The outcome that an error stands for; all others, such as a failed build, leave it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """What the command line says.

    Attributes:
        lockfiles: Absolute paths instead of the settings' lockfile.
        promote: Whether to go live; otherwise it is only built and checked.
        message: For the manifest and the journal.
        rebuild: Build even if an intact release of this environment exists.
        force: Go on even if the environment is bad or held.
        dry_run: Only say what would be done.
    """

    lockfiles: tuple[str, ...] = ()
    promote: bool = True
    message: str = ""
    rebuild: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What to release.

    Attributes:
        environment: What the lockfile asks for.
        plan: What to do about it.
        lockfile: The lockfile, if it is not on disk yet and belongs there once the release is proven.
    """

    environment: Environment
    plan: Plan
    lockfile: LockfileDue | None = None


Propose = Callable[[Settings, History], Proposal]
"""Finds out what to release; called under build.mutex, with everything recovered."""


@dataclass(slots=True, kw_only=True)
class ReleaseResult:
    """The result of `Root.release` and `Root.update`; filled as far as known when an error carries it.

    Attributes:
        name: The application's.
        outcome: `released`, `unchanged`, `reactivated`, `built`, `planned`, `rejected`, `rolled-back`,
            `superseded` or `held`; `None` where an error ended it before there was one.
        plan: What the lockfile asks for: `unchanged`, `reactivate`, `build` or `refuse`.
        release: The release in question.
        previous: What was current when it began.
        diff: From `previous` to `release`.
        timings: Seconds by step.
        lockfile: The path that was read.
        packages: How many packages it selects.
        python: The interpreter's full version.
        checks: The results of checks, candidate and live.
        warnings: The warnings of the operation.
    """

    name: str = ""
    outcome: Outcome | None = None
    plan: Literal["", "unchanged", "reactivate", "build", "refuse"] = ""
    release: ReleaseView | None = None
    previous: ReleaseView | None = None
    diff: PackageDiff = field(default_factory=PackageDiff)
    timings: dict[str, float] = field(default_factory=dict)
    lockfile: str = ""
    packages: int = 0
    python: str = ""
    checks: list[CheckResult] = field(default_factory=list)
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `release --json` and `update --json`."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "plan": self.plan,
            "release": self.release.to_json() if self.release else None,
            "previous": self.previous.to_json() if self.previous else None,
            "diff": self.diff.to_json(),
            "timings": self.timings,
            "lockfile": self.lockfile,
            "python": self.python,
            "packages": self.packages,
            "checks": [check.to_json() for check in self.checks],
        }


def release(workspace: Workspace, options: ReleaseOptions) -> ReleaseResult:
    """Build what the lockfile says, check it, make it live, check it again, and go back if it fails.

    Crash: `current` is the old release or the new one. What was half done is finished or undone by the next
    `release`, `promote`, `prune` or `recover`, or by a `rollback`.

    Raises:
        SettingsError: Settings, interpreter, or a hook's program.
        LockfileError: The lockfile is refused.
        RootError: The root or its journal is unusable.
        BuildError: It could not be built.
        RejectedError: A candidate check or the prepare hook refused it.
        RolledBackError: It was live, did not pass, and is not live any more.
        RollbackFailedError: And the old one does not pass either.
        HeldError: The environment is bad or held, or the root is held and nobody is there.
        BusyError: Another command is building or switching.
        SupersededError: `current` moved meanwhile; built, not promoted.
        InterruptedByError: A signal came; `current` is as it was. Or it came once the new release was live,
            which it stays; then the result has it.
    """
    result = ReleaseResult()
    with explained(result):
        if options.dry_run:
            _plan_only(workspace, options, result)
        else:
            carry_out(
                workspace,
                options,
                result,
                lambda settings, history: _propose(workspace, settings, history, options, result),
            )
    return result


@contextlib.contextmanager
def explained(result: ReleaseResult) -> Iterator[None]:
    """Give an error the result as far as it goes, and the result the outcome that the error stands for."""
    try:
        yield
    except VenvshipError as error:
        result.outcome = OUTCOMES.get(error.slug, result.outcome)
        error.result = error.result or result
        raise


def carry_out(
    workspace: Workspace,
    options: ReleaseOptions,
    result: ReleaseResult,
    propose: Propose,
    *,
    via: str = "release",
) -> None:
    """Recover, propose, build, check, switch, check, settle or go back; then clean up, and tell.

    Args:
        workspace: The root.
        options: What the command line says.
        result: Filled as it goes.
        propose: Finds out what to release.
        via: The command.

    Raises:
        VenvshipError: See `release`; and what `propose` raises.
    """
    failure: BuildError | RejectedError | HeldError | None = None
    switched: promotion.Switched | None = None
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        with hold_build(workspace, via) as held:
            recovered = recover_switch(workspace)
            sweep_debris(held)
            settings = workspace.settings()
            result.name = settings.name
            try:
                switched = _release(held, settings, options, result, propose, via=via)
            except (BuildError, RejectedError, HeldError) as error:
                failure = error
        # Without any mutex: a hook may take its time.
        tell_recovered(workspace, settings, recovered)
        if failure is not None:
            after_failure(workspace, settings, failure)
            raise failure
        if switched is not None:
            after_switch(workspace, settings, switched)
            switched.raise_if_not_promoted(result=result)
        workspace.keep_reserve()


def _propose(
    workspace: Workspace,
    settings: Settings,
    history: History,
    options: ReleaseOptions,
    result: ReleaseResult,
    *,
    record_interpreter: bool = True,
) -> Proposal:
    """What the lockfile on disk asks for."""
    paths = options.lockfiles or lockfile_paths(workspace, settings)
    interpreter = recorded_interpreter.settled(workspace, settings, record=record_interpreter)
    environment = read_environment(paths, settings, interpreter)
    describe(result, environment)
    found = plan(workspace, history, settings, environment, rebuild=options.rebuild, force=options.force)
    return Proposal(environment=environment, plan=found)


def describe(result: ReleaseResult, environment: Environment) -> None:
    """Fill in what an environment says by itself."""
    result.lockfile = environment.lockfile.path
    result.python = environment.interpreter.version
    result.packages = len(environment.selected)


def _plan_only(workspace: Workspace, options: ReleaseOptions, result: ReleaseResult) -> None:
    settings = workspace.settings()
    history = workspace.known_history().history
    proposal = _propose(workspace, settings, history, options, result, record_interpreter=False)
    found = proposal.plan
    result.name = settings.name
    result.plan = found.action
    result.outcome = "planned"
    current = workspace.layout.current()
    if current is not None:
        result.previous = view_release(workspace.layout, current, history)
        after = [Package(r.name, r.version) for r in proposal.environment.selected]
        result.diff = diff_packages(packages_of(workspace.layout, current), after)
    if found.release_id is not None:
        result.release = view_release(workspace.layout, found.release_id, history)
    if found.hold is not None:
        workspace.warn("held", refused(found.hold).message)


def _release(
    held: BuildHeld,
    settings: Settings,
    options: ReleaseOptions,
    result: ReleaseResult,
    propose: Propose,
    *,
    via: str,
) -> promotion.Switched | None:
    """All that build.mutex covers. Returns the switch's outcome, if it came to a switch."""
    workspace = held.workspace
    history = workspace.history()
    current = require_current(workspace)
    result.previous = view_release(workspace.layout, current, history) if current else None
    proposal = propose(settings, history)
    found = proposal.plan
    result.plan = found.action
    if found.hold is not None:
        raise refused(found.hold)
    if found.action == "unchanged":
        result.outcome = "unchanged"
        result.release = result.previous
        return None
    names = ", ".join(os.path.basename(path) for path in options.lockfiles or settings.lockfile)
    workspace.tell("plan", f"{settings.name} · CPython {result.python} · {names}, {_count(result.packages)}")
    release_id = found.release_id or build_release(
        held,
        settings,
        proposal.environment,
        message=options.message,
        progress=_timing(workspace, result),
    )
    result.release = view_release(workspace.layout, release_id, workspace.history())
    if current is not None:
        result.diff = diff_packages(
            packages_of(workspace.layout, current), packages_of(workspace.layout, release_id)
        )
    with workspace.using(release_id):
        trial = _timed(
            result, "candidate", lambda: try_candidate(workspace, release_id, settings, event="release")
        )
        result.checks.extend(trial.checks)
        if not options.promote:
            result.outcome = "built"
            return None
        workspace.runtime.signals.raise_if_received()
        switched = _timed(
            result,
            "switch",
            lambda: promotion.compare_and_promote(
                workspace,
                release_id,
                origin_id=current,
                began_at=history.switch_seq,
                settings=settings,
                errand=promotion.Errand(
                    via=via,
                    unattended=workspace.runtime.unattended,
                    lockfile=proposal.lockfile,
                    reason=options.message,
                ),
            ),
        )
    after = workspace.history()
    result.release = view_release(workspace.layout, release_id, after)
    result.previous = view_release(workspace.layout, current, after) if current else None
    result.checks.extend(switched.trial.checks)
    if switched.outcome == "promoted":
        result.outcome = "reactivated" if found.action == "reactivate" else "released"
    else:
        result.outcome = "rolled-back"
    return switched


def require_current(workspace: Workspace) -> str | None:
    """What is current, if it is a release that is there.

    Raises:
        ForeignLinkError: `current` is not our link, or points to a release that is gone.
    """
    current = workspace.layout.current()
    if current is not None and not workspace.layout.release(current).is_dir():
        raise ForeignLinkError(
            f"{workspace.layout.current_link} points to {current}, which is gone",
            hint="`venvship rollback` goes to the nearest intact release; if there is none, remove the link",
        )
    return current


def _timing(workspace: Workspace, result: ReleaseResult) -> Progress:
    """Pass a build's steps on, and keep how long they took."""

    def timed(step: Step) -> None:
        if step.state == DONE:
            result.timings[step.name] = round(step.seconds, 3)
        workspace.runtime.progress(step)

    return timed


def _count(packages: int) -> str:
    return f"{packages} package{'' if packages == 1 else 's'}"


def _timed(result: ReleaseResult, step: str, action: Callable[[], T]) -> T:
    began = time.perf_counter()
    try:
        return action()
    finally:
        result.timings[step] = round(time.perf_counter() - began, 3)
