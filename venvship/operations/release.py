"""`release`: from a lockfile to a live, proven release, or back to where it was."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from venvship.errors import (
    BuildError,
    HeldError,
    InterruptedByError,
    NotAnsweringError,
    RejectedError,
    VenvshipError,
)
from venvship.model.history import History
from venvship.model.settings import Settings
from venvship.operations.planning.build import Origin, build_release
from venvship.operations.planning.environment import diff_to_environment, lockfile_paths, of_equal_wheels
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.planning.own_lockfile import lockfile_environment, read_asked
from venvship.operations.planning.plan import PlanOptions, announce_end, plan, refused
from venvship.operations.planning.project import project_to_release
from venvship.operations.planning.proposal import Proposal, with_wheels
from venvship.operations.planning.recorded_interpreter import settled
from venvship.operations.release_facts import ReleaseFacts
from venvship.operations.release_result import ReleaseOutcome, ReleaseResult
from venvship.operations.retention.debris import sweep_debris
from venvship.operations.service.retiring import retire
from venvship.operations.switching.afterwards import after_failure, after_switch
from venvship.operations.switching.chosen import HoldChange, choose_current, hold_change, planned_change
from venvship.operations.switching.errand import Errand
from venvship.operations.switching.own_service import refuse_own_service
from venvship.operations.switching.prepared import prepare_has_run
from venvship.operations.switching.promotion import compare_and_promote
from venvship.operations.switching.proving import proven
from venvship.operations.switching.recovery import plan_recovery, recover_switch, tell_recovered
from venvship.operations.switching.rehearsal import rehearse, require_host_programs, require_programs
from venvship.operations.switching.serving import bring_up, settle
from venvship.operations.switching.switched import Switched
from venvship.operations.unchanged import at_rest, wanted_manifest
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld, hold_build
from venvship.workspace.views import diff_releases
from venvship.workspace.way_back import command_back, require_current
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """The arguments of `Root.release`; `lockfiles` are absolute paths."""

    lockfiles: tuple[str, ...] = ()
    promote: bool = True
    message: str = ""
    rebuild: bool = False
    force: bool = False
    dry_run: bool = False
    ref: str = ""
    dirty: bool = False
    one_way: bool = False


Propose = Callable[[BuildHeld, Settings, History], Proposal]
"""A function that proposes the release to make; called with everything recovered."""


def release(workspace: Workspace, options: ReleaseOptions) -> ReleaseResult:
    """Build what the lockfile says, check it, make it live, check it again, and go back if it fails.

    Crash: `current` is the old release or the new one. What was half done is finished or undone by the next
    `release`, `update`, `promote`, `prune` or `recover`, or by a `rollback`.

    Arguments and errors: `Root.release`.
    """
    releasing = Releasing(workspace, options)
    with releasing.explained():
        if options.dry_run:
            releasing.plan_only()
        else:
            plain = options == ReleaseOptions(message=options.message)
            releasing.carry_out(releasing.propose, releasing.is_unchanged if plain else None)
    return releasing.result


class Releasing(ReleaseFacts):
    """One release under way, by `release` or by `update`. It gathers the facts of its result on the way.

    Args:
        workspace: The root.
        options: The options of the command line.
        via: The command.
    """

    def __init__(self, workspace: Workspace, options: ReleaseOptions, *, via: str = "release") -> None:
        super().__init__(workspace, message=options.message, promote=options.promote)
        self._options = options
        self._via = via
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """As `ReleaseFacts.explained`; at the end, the project that was opened inside is closed."""
        with super().explained(), self._stack:
            yield

    def propose(self, held: BuildHeld | None, settings: Settings, history: History) -> Proposal:
        """Propose the release that the lockfile on disk asks for.

        Args:
            held: The root; `None` for a dry run, which does not record the interpreter.
            settings: Where the lockfile is, and how to read it.
            history: The folded journal.

        Raises:
            VenvshipError: See `release`.
        """
        workspace, options = self._workspace, self._options
        interpreter = (find_interpreter if held is None else settled)(workspace, settings)
        project = project_to_release(
            workspace, settings, ref=options.ref, dirty=options.dirty, stack=self._stack
        )
        record = held is not None
        environment = read_asked(workspace, settings, interpreter, options.lockfiles, project, record=record)
        environment = of_equal_wheels(workspace, settings, environment)
        self.asked_for_environment(environment, project)
        wanted = PlanOptions(rebuild=options.rebuild, force=options.force, promote=options.promote)
        replan = functools.partial(plan, workspace, history, settings, options=wanted)
        other = bool(options.lockfiles or options.ref or options.dirty)
        own = lockfile_environment(workspace, settings) if other else None
        # In a root without a lockfile of its own, the one that is named takes its place.
        own = environment.digest if own is None else own
        return Proposal(
            environment=environment,
            plan=replan(environment),
            replan=replan,
            own_environment=own,
            project=project,
        )

    def _fetch(self, settings: Settings) -> None:
        """Run `[project] fetch`, unless `update` has done so before it looked."""
        if settings.project.fetch is not None and self._via == "release":
            # Late: a root without a project fetches none.
            from venvship.operations.planning.project_fetch import fetch_project

            fetch_project(self._workspace, settings)

    def is_unchanged(self) -> bool:
        """Whether it is certain at once that there is nothing to do; see `unchanged`. Writes nothing.

        Raises:
            VenvshipError: See `release`.
        """
        workspace = self._workspace
        with workspace.mutex("build").kept_free() as nobody_builds:
            root = at_rest(workspace) if nobody_builds else None
            if root is None:
                return False
            settings, history = root
            view = self._view(workspace.layout.current(), history)
            self.result = replace(self.result, name=settings.name, previous=view)
            interpreter = find_interpreter(workspace, settings)
            manifest = wanted_manifest(workspace, root, interpreter)
            if manifest is None:
                return False
            path = lockfile_paths(workspace, settings)[0]
            self.asked_for(path, len(manifest.packages), interpreter.version)
            self.unchanged(manifest.id, history)
            self.result = replace(self.result, holds=hold_change(workspace, history, history))
            return True

    def plan_only(self) -> None:
        """Find out what a release would do; for a dry run, which writes nothing.

        Raises:
            VenvshipError: See `release`: whatever would refuse the release before it builds or switches.
        """
        workspace = self._workspace
        settings = workspace.settings()
        history = plan_recovery(workspace, workspace.known_history().history).history
        proposal = self.propose(None, settings, history)
        action, release_id = proposal.plan.action, proposal.plan.release_id
        current = workspace.layout.current()
        if release_id is not None:
            diff = diff_releases(workspace, current, release_id)
        else:
            diff = diff_to_environment(workspace, current, proposal.environment)
        self.result = replace(
            self.result,
            name=settings.name,
            plan=action,
            outcome="planned",
            release=self._view(release_id, history),
            previous=self._view(current, history),
            diff=diff,
            holds=self._planned_holds(history, proposal),
        )
        if proposal.plan.hold is not None:
            raise refused(proposal.plan.hold, workspace.runtime)
        if action == "unchanged":
            return
        if self._options.promote:
            refuse_own_service(workspace, settings)
        require_host_programs(workspace, settings)
        if release_id is not None:
            require_programs(workspace, release_id, settings, event="reactivate")

    def _planned_holds(self, history: History, proposal: Proposal) -> HoldChange:
        """The hold that would refuse the release; else how the release would change the root's holds."""
        if proposal.plan.action == "build" and not self._options.promote:
            self._workspace.changes.append("planned")
        if proposal.plan.hold is not None or not self._options.promote:
            return HoldChange(held=proposal.plan.hold)
        return planned_change(
            self._workspace,
            history,
            chosen=proposal.environment.digest,
            own=proposal.own_environment or "",
            switches=proposal.plan.action != "unchanged",
            message=self._options.message,
        )

    def carry_out(
        self,
        propose: Propose,
        is_unchanged: Callable[[], bool] | None = None,
        *,
        goes_on: Callable[[VenvshipError], bool] = lambda _failure: False,
    ) -> None:
        """Recover, propose, build, rehearse, switch, check, keep or go back; then clean up, and notify.

        Args:
            propose: Proposes the release to make.
            is_unchanged: Asked first; if it returns true, that is all.
            goes_on: Asked about a failure before the switch: if the caller goes on after it, no hook hears of
                it.

        Raises:
            VenvshipError: See `release`; and any error of `propose` and `is_unchanged`.
        """
        workspace = self._workspace
        failure: BuildError | RejectedError | HeldError | NotAnsweringError | None = None
        switched: Switched | None = None
        with root_faults(workspace.layout.path):
            workspace.open_for_writing()
            if is_unchanged is not None and is_unchanged():
                workspace.keep_reserve()
                return
            with hold_build(workspace, self._via) as held:
                recovered = recover_switch(workspace)
                sweep_debris(held)
                settings = workspace.settings()
                self.result = replace(self.result, name=settings.name)
                settle(workspace, settings)  # what an interrupted command has left
                try:
                    switched = self._build_and_switch(held, settings, propose)
                    with contextlib.suppress(InterruptedByError):  # it stays pending: see `after_switch`
                        retire(workspace, settings)
                except (BuildError, RejectedError, HeldError, NotAnsweringError) as error:
                    failure = error
            # Without any mutex: a hook may take its time.
            tell_recovered(workspace, settings, recovered)
            if failure is not None:
                if not isinstance(failure, NotAnsweringError) and not goes_on(failure):
                    after_failure(workspace, settings, failure)
                raise failure
            if switched is not None:
                after_switch(workspace, settings, switched)
                switched.raise_if_not_promoted()
            workspace.keep_reserve()

    def _build_and_switch(self, held: BuildHeld, settings: Settings, propose: Propose) -> Switched | None:
        """The part that build.mutex covers; `None` if it came to no switch."""
        workspace = self._workspace
        # Before the history is read: it may take minutes, and a rollback does not wait for build.mutex.
        self._fetch(settings)
        history = workspace.history()
        current = require_current(workspace)
        self.result = replace(self.result, previous=self._view(current, history))
        proposal = propose(held, settings, history)
        if proposal.plan.action in {"build", "reactivate"}:
            self._begin(settings, history, proposal)
            proposal = with_wheels(held, settings, proposal, self._progress)
        self.result = replace(self.result, plan=proposal.plan.action)
        if proposal.plan.hold is not None:
            raise refused(proposal.plan.hold, workspace.runtime)
        if proposal.plan.action == "unchanged":
            self.unchanged(proposal.plan.release_id, history, live=proposal.plan.release_id == current)
            if self._options.promote:
                self._choose_current(settings, history, proposal)
            return None
        release_id = proposal.plan.release_id or build_release(
            held,
            settings,
            proposal.environment,
            message=self._message,
            progress=self._progress,
            origin=Origin(project=proposal.project, begun=proposal.begun),
        )
        self.result = replace(
            self.result,
            release=self._view(release_id, workspace.history()),
            diff=diff_releases(workspace, current, release_id),
        )
        with workspace.using(release_id):
            event = "reactivate" if proposal.plan.action == "reactivate" else "release"
            self._rehearse(release_id, settings, event=event)
            if not self._options.promote:
                self.result = replace(self.result, outcome="built")
                return None
            with (
                prepare_has_run(workspace, settings),
                proven(workspace, settings, release_id, event=event),
                self._timed("switch"),
            ):
                workspace.runtime.signals.raise_if_received()
                switched = compare_and_promote(
                    workspace,
                    release_id,
                    origin_id=current,
                    began_at=history.switch_seq,
                    settings=settings,
                    errand=self._errand(settings, proposal),
                )
        self._note_switch(switched, settings, history)
        return switched

    def _choose_current(self, settings: Settings, history: History, proposal: Proposal) -> None:
        """What a release does where there is nothing to release: end a hold, bring up the service."""
        if proposal.own_environment is not None:
            holds = choose_current(
                self._workspace,
                history,
                via=self._via,
                own_environment=proposal.own_environment,
                message=self._options.message,
            )
            self.result = replace(self.result, holds=holds)
        bring_up(self._workspace, settings, operation=self._via)

    def _rehearse(self, release_id: str, settings: Settings, *, event: str) -> None:
        with self._timed("candidate"):
            checks = rehearse(
                self._workspace,
                release_id,
                settings,
                event=event,
                message=self._message,
                one_way=self._options.one_way,
            )
        self.result = replace(self.result, checks=checks)

    def _errand(self, settings: Settings, proposal: Proposal) -> Errand:
        return Errand(
            via=self._via,
            unattended=self._workspace.runtime.unattended,
            lockfile=proposal.lockfile,
            reason=self._message,
            own_environment=proposal.own_environment,
            one_way=self._options.one_way,
            prepared=settings.hooks.prepare is not None,
            fixes=proposal.fixes,
            uploaded=self._uploads(proposal),
            force=self._options.force,
        )

    def _uploads(self, proposal: Proposal) -> dict[str, str]:
        """When the packages that move were uploaded, as far as the index told it to the lock."""
        moved = [*self.result.diff.added, *self.result.diff.changed]
        found = {each.name: proposal.uploaded.get(each.name, {}).get(each.after or "") for each in moved}
        return {name: time for name, time in found.items() if time is not None}

    def _note_switch(self, switched: Switched, settings: Settings, before: History) -> None:
        """Note the outcome of the switch, and what the journal says after it."""
        workspace = self._workspace
        after = workspace.history()
        outcome: ReleaseOutcome = "rolled-back"
        if switched.outcome in {"promoted", "stays"}:
            outcome = "reactivated" if self.result.plan == "reactivate" else "released"
        self.result = replace(
            self.result,
            outcome=outcome,
            release=self._view(switched.release_id, after),
            previous=self._view(switched.origin_id, after),
            checks=(*self.result.checks, *switched.trial.checks),
            back=command_back(workspace, workspace.known_history()) if outcome != "rolled-back" else None,
            leaves_service_alone=settings.leaves_service_alone,
            holds=hold_change(workspace, before, after),
        )

    def _begin(self, settings: Settings, history: History, proposal: Proposal) -> None:
        """Announce a build or a switch, name what is not in it, and refuse one that could not be completed.

        Raises:
            OwnServiceError: This runs in the service that the restart hook restarts.
            ProgramNotFoundError: The program of a hook or check is not there.
        """
        workspace = self._workspace
        if proposal.project is not None and proposal.plan.action == "build":
            for warning in proposal.project.warnings(proposal.environment.built):
                workspace.warn(warning["slug"], warning["message"])
        if self._options.promote:
            announce_end(workspace, history)
        paths = self._options.lockfiles or lockfile_paths(workspace, settings)
        names = ", ".join(map(os.path.basename, paths))
        count = f"{self.result.packages} package{'' if self.result.packages == 1 else 's'}"
        workspace.tell("plan", f"{settings.name} · CPython {self.result.python} · {names}, {count}")
        if self._options.promote:
            refuse_own_service(workspace, settings)
        require_host_programs(workspace, settings)
