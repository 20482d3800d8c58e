"""The upgrade of `update`: locked anew, tried, and without the changes that fail, if some do.

A release of the whole upgrade is the first attempt. If a candidate check refuses it, or if the live checks
took it back at an earlier update, a search names the changes to blame. They are held back, and the rest is
the next attempt.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from venvship.errors import BuildError, HeldError, LockError, RejectedError, VenvshipError
from venvship.model.environment import Environment
from venvship.model.event import EventName
from venvship.model.history import History, LockfileDue
from venvship.model.hold import Hold, HoldKind
from venvship.model.interpreter import Interpreter
from venvship.model.package_hold import HeldBack, PackageHold
from venvship.model.settings import Settings
from venvship.model.update_attempts import LOCKING
from venvship.operations.failure_reports import warn_once
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.environment import of_equal_wheels
from venvship.operations.planning.held_back import Upgrade, compile_upgrade
from venvship.operations.planning.locked_project import with_project
from venvship.operations.planning.origins import warn_of_changes
from venvship.operations.planning.plan import Plan, asker, plan, refused
from venvship.operations.planning.project import Project, open_project
from venvship.operations.planning.proposal import Proposal
from venvship.operations.refusals import require_no_pause, told, update_attempts, waits
from venvship.operations.release import Releasing
from venvship.operations.release_result import ReleaseResult
from venvship.operations.switching.afterwards import after_failure
from venvship.operations.switching.notify import notify
from venvship.operations.upgrading.culprits import (
    culprits,
    described,
    planned_holds,
    record_culprits,
    record_without_result,
)
from venvship.operations.upgrading.meanwhile import Seen, require_left_alone, seen
from venvship.operations.upgrading.search import Bounds, Refused, known_bad, problem_of_live, search
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld
from venvship.workspace.workspace import Workspace

Compile = Callable[[BuildHeld, Settings, Interpreter, Sequence[PackageHold]], Upgrade]
"""Makes the lockfile of an upgrade in memory, with packages held: those of the journal, and planned ones."""


def release_upgrade(
    workspace: Workspace, releasing: Releasing, *, compile_: Compile = compile_upgrade
) -> None:
    """Release an upgrade of the lockfile, or as much of it as passes its checks.

    Crash: as for a release. A search that dies has recorded nothing, and leaves what an interrupted build
    leaves. The next update begins anew.

    Args:
        workspace: The root; the runtime is unattended.
        releasing: The release; its result gets `held_back`.
        compile_: Makes the lockfile.

    Raises:
        RejectedError: The upgrade was refused, and nothing could be held back so that the rest passes.
        HeldError: The root is held, or the same after the live checks took the upgrade back.
        SupersededError: Another command has worked in the root while a search went on.
        VenvshipError: See `Root.update`.
    """
    upgrading = _Upgrading(workspace, releasing, compile_)
    try:
        upgrading.run()
    except VenvshipError:
        for one in upgrading.held_back:
            workspace.warn("held-back", f"held back: {described(one)}")
        raise
    finally:
        upgrading.notify()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Culprits:
    """Sets that are to be held back, once a lockfile without them is made.

    Attributes:
        found: The sets.
        refused: The upgrade that failed.
        failure: The error that this was.
        began: The root when the search began.
        result: The result of that attempt.
    """

    found: tuple[HeldBack, ...]
    refused: Refused
    failure: RejectedError | HeldError
    began: Seen
    result: ReleaseResult


class _Upgrading:
    """One upgrade under way.

    Attributes:
        held_back: The sets that were held back, and recorded.
    """

    def __init__(self, workspace: Workspace, releasing: Releasing, compile_: Compile) -> None:
        self.held_back: tuple[HeldBack, ...] = ()
        self._workspace = workspace
        self._releasing = releasing
        self._compile = compile_
        self._began = time.monotonic()
        self._trials = 0
        self._environment: Environment | None = None  # of the attempt, if it is an upgrade
        self._hold: Hold | None = None  # of that environment
        self._refused: Refused | None = None  # the attempt, if a search follows
        self._planned: _Culprits | None = None
        self._release: str | None = None  # the last one that was refused

    def run(self) -> None:
        """Try the upgrade, and what is left of it, until something passes, or nothing can be held back."""
        while True:
            try:
                self._releasing.carry_out(self._propose, goes_on=self._is_searched)
            except (RejectedError, HeldError) as error:
                refused, self._refused = self._refused, None
                if refused is None:
                    raise
                self._look_for_culprits(error, refused)
            else:
                return

    def notify(self) -> None:
        """Run the notify hook for what is held back."""
        if self.held_back:
            workspace = self._workspace
            reason = "; ".join(map(described, self.held_back))
            notify(workspace, workspace.settings(), "held-back", release=self._release, reason=reason)

    # -- an attempt -------------------------------------------------------------------------------------

    def _propose(self, held: BuildHeld, settings: Settings, history: History) -> Proposal:
        """Propose the release of the lockfile as it would be, if locked now."""
        workspace, releasing = held.workspace, self._releasing
        interpreter = recorded_interpreter.settled(workspace, settings)
        project = open_project(workspace, settings)
        hold = history.stopping(asker(workspace.runtime, settings), None, workspace.runtime.clock())
        if hold is not None:
            # Before anything is locked: what the index offers today changes nothing about this.
            raise told(workspace, hold, LOCKING, waits="an upgrade of the lockfile")
        require_no_pause(workspace, LOCKING)
        self._environment = self._hold = None
        upgrade = self._lock(held, settings, interpreter, history, project)
        environment = upgrade.compiled.environment
        releasing.result = replace(releasing.result, kept_back=upgrade.kept, held_back=self.held_back)
        releasing.asked_for_environment(environment, project)
        lockfile = _due(settings, upgrade)
        if lockfile is not None:
            self._environment = environment

        def replan(environment: Environment) -> Plan:
            found = plan(workspace, history, settings, environment)
            if found.hold is not None:
                self._hold = found.hold
                if _was_live(found.hold) and self._may_search(settings, environment):
                    raise refused(found.hold, workspace.runtime)
                raise told(workspace, found.hold, environment.digest, waits=waits(workspace, environment))
            if found.action != "unchanged" and not self._begins_anew(settings, environment):
                require_no_pause(workspace, environment.digest)
            return found

        return Proposal(
            environment=environment,
            plan=replan(environment),
            replan=replan,
            lockfile=lockfile,
            project=project,
            uploaded=upgrade.compiled.uploaded,
        )

    def _lock(
        self,
        held: BuildHeld,
        settings: Settings,
        interpreter: Interpreter,
        history: History,
        project: Project | None,
    ) -> Upgrade:
        """Lock again, in memory. What is to be held back is recorded once a lockfile without it is made.

        Raises:
            BuildError: It failed; journalled.
            RejectedError: As at the attempt before: the requirements leave nothing else.
            HeldError: The same.
            SupersededError: Another command has worked in the root since the search began.
            SettingsError: There is nothing to lock, or no one lockfile to write.
        """
        workspace, planned, now = held.workspace, self._planned, held.workspace.runtime.clock()
        holds = list(history.held_packages(now))
        if planned is not None:
            require_left_alone(workspace, planned.began)
            holds += planned_holds(planned.found, planned.refused, now)
        try:
            upgrade = self._compile(held, settings, interpreter, holds)
        except BuildError as error:
            if planned is not None and isinstance(error, LockError):
                raise planned.failure from error
            workspace.record_if_possible(
                EventName.BUILD_FAILED,
                release=None,
                reason=error.message.splitlines()[0],
                facts={"environment_digest": LOCKING, "slug": error.slug, "unattended": True},
            )
            raise
        compiled = with_project(workspace, settings, upgrade.compiled, interpreter, project)
        environment = of_equal_wheels(workspace, settings, compiled.environment)
        upgrade = replace(upgrade, compiled=replace(compiled, environment=environment))
        if planned is not None:
            if upgrade.compiled.environment.digest == planned.refused.environment.digest:
                raise planned.failure
            record_culprits(workspace, planned.found, planned.refused)
            self._planned = None
            self.held_back += planned.found
        warn_of_changes(workspace, upgrade.compiled.origins)
        for offer in upgrade.compiled.origins.offers:
            warn_once(workspace, "other-index", offer.text)
        return upgrade

    # -- a search ---------------------------------------------------------------------------------------

    def _may_search(self, settings: Settings, environment: Environment) -> bool:
        """Whether a search for what fails in an environment would be one that nobody has made."""
        if settings.update.trials == 0 or self._environment is None:
            return False
        return environment.digest not in update_attempts(self._workspace).searched

    def _begins_anew(self, settings: Settings, environment: Environment) -> bool:
        """Whether an attempt is made without a pause: the search after the last one was cut short."""
        attempts = update_attempts(self._workspace)
        return self._may_search(settings, environment) and attempts.begins_anew(environment.digest)

    def _is_searched(self, failure: VenvshipError) -> bool:
        """Whether a search follows a failure, which is then not the last word; notes what was refused."""
        if self._planned is not None and failure is self._planned.failure:
            self._refused = self._planned.refused  # nothing came of the search, and it has to be reported
            return True
        settings, environment = self._workspace.settings(), self._environment
        if environment is None or not self._may_search(settings, environment):
            return False
        if isinstance(failure, RejectedError) and (check := str(failure.data.get("check", ""))):
            reason = failure.message.splitlines()[0]
            candidate = any(one.name == check and one.when == "candidate" for one in settings.checks)
            self._refused = Refused(environment, reason, known_bad(check, reason) if candidate else None)
            self._release = str(failure.data.get("release"))
        elif isinstance(failure, HeldError) and self._hold is not None and _was_live(self._hold):
            self._refused = Refused(environment, self._hold.reason)
            self._release = self._hold.release
        return self._refused is not None

    def _look_for_culprits(self, failure: RejectedError | HeldError, refused: Refused) -> None:
        """Search for the changes that fail, and plan to hold them back.

        Raises:
            RejectedError: The failure, since nothing can be held back; reported.
            HeldError: The same.
            VenvshipError: See `search`.
        """
        workspace = self._workspace
        with root_faults(workspace.layout.path):
            if self._planned is not None:
                self._give_up(failure, refused, "the requirements allow nothing else than what fails")
            began = seen(workspace)
            limits = began.settings.update
            left = Bounds(
                max(0, limits.trials - self._trials),
                limits.trials_deadline - (time.monotonic() - self._began),
            )
            searched = search(workspace, refused, began, bounds=left)
            self._trials += searched.trials
            found = culprits(searched, refused, workspace.runtime.clock())
            if not found:
                why = problem_of_live(searched) or "what fails cannot be held back"
                self._give_up(failure, refused, why)
        result = self._releasing.result
        self._planned = _Culprits(found=found, refused=refused, failure=failure, began=began, result=result)
        seconds = round(time.monotonic() - self._began, 3)
        self._releasing.result = ReleaseResult(name=result.name, timings={"search": seconds})

    def _give_up(self, failure: RejectedError | HeldError, refused: Refused, why: str) -> NoReturn:
        """End with the failure as if there had been no search; the next update makes none."""
        workspace = self._workspace
        if self._planned is not None:
            self._releasing.result = self._planned.result
        record_without_result(workspace, refused, self._trials, why)
        error: RejectedError | HeldError = failure
        if isinstance(failure, HeldError) and self._hold is not None:
            about = waits(workspace, refused.environment)
            error = told(workspace, self._hold, refused.environment.digest, waits=about)
        if not error.told:
            workspace.warn("not-told-apart", f"the upgrades that fail were searched for in vain: {why}")
        after_failure(workspace, workspace.settings(), error)
        raise error


def _due(settings: Settings, upgrade: Upgrade) -> LockfileDue | None:
    """The lockfile to write once its release is proven; `None` where it is there already."""
    compiled = upgrade.compiled
    if not compiled.changed:
        return None
    before = None if compiled.before is None else hashlib.sha256(compiled.before).hexdigest()
    return LockfileDue(path=settings.lockfile[0], before=before)


def _was_live(hold: Hold) -> bool:
    """Whether it is the hold of an environment that was live, and did not pass."""
    return hold.kind is HoldKind.ENVIRONMENT
