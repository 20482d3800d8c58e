"""`rollback`: for a person at three in the morning, when the disk may be full and the network down.

It needs no readable `venvship.toml`, no network and no room on the disk. It runs no recovery, tries nothing
a second time, and is never undone. A step besides the switch itself that fails becomes a warning.
"""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from venvship.errors import (
    InterruptedByError,
    OperationWarning,
    RollbackFailedError,
    SupersededError,
    VenvshipError,
)
from venvship.model.event import Event, EventName
from venvship.model.history import History, Intent, PassedOver
from venvship.model.hold import Hold
from venvship.model.release import State
from venvship.model.settings import Settings
from venvship.model.spelling import format_time
from venvship.operations.planning.own_lockfile import lockfile_environment
from venvship.operations.switching import links
from venvship.operations.switching.barrier import require_no_barrier
from venvship.operations.switching.loading import load_before_switch
from venvship.operations.switching.notify import notify
from venvship.operations.switching.own_service import refuse_own_service
from venvship.operations.switching.rollback_target import RollbackTarget, choose_target
from venvship.operations.switching.trial import Trial, output_facts, tell_signal, try_current
from venvship.system.faults import root_faults
from venvship.workspace.folders import make_folders
from venvship.workspace.holding import SwitchHeld, hold_mutex, hold_switch
from venvship.workspace.releases import resolve_release
from venvship.workspace.settings_files import NO_SETTINGS, read_settings
from venvship.workspace.usable import usable_problem
from venvship.workspace.views import ReleaseView, view_release
from venvship.workspace.way_back import or_go_back
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult

TURN_BACK_WAIT: Final = 900.0
"""Seconds to wait for a promotion that was asked to turn back: its hook and the old release's checks."""

PROBE_WAIT: Final = 2.0
"""Seconds to wait for turn-back.mutex at least: a promotion takes it for an instant, to see if it is held."""


class RollbackResult(NamedTuple):
    """The result of `Root.rollback`.

    Attributes:
        outcome: `switched`, `unchanged` (the release was live already), `planned`, or `rollback-failed`.
        release: The release that is live now; in a dry run the one that would be.
        previous: The one that was left; `None` if it was this one already, or nothing was live.
        last_live: The last time at which `release` was known to be live before; `None` if it never was.
        passed_over: The nearer releases of the lineage that were passed over, the nearest first.
        checks: The results of the live checks.
        held: The hold of the root after it; `None` if it could not be recorded, or nothing was switched.
        changed: Whether a later command can see a difference; in a dry run, whether it would.
        warnings: The warnings of the operation.
    """

    outcome: Literal["switched", "unchanged", "planned", "rollback-failed"]
    release: ReleaseView
    previous: ReleaseView | None
    last_live: datetime | None = None
    passed_over: tuple[PassedOver, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    held: Hold | None = None
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `rollback --json`."""
        return {
            "outcome": self.outcome,
            "changed": self.changed,
            "release": self.release.to_json(),
            "previous": self.previous.to_json() if self.previous else None,
            "last_live": format_time(self.last_live) if self.last_live else None,
            "passed_over": [passed.to_json() for passed in self.passed_over],
            "checks": [check.to_json() for check in self.checks],
            "held": self.held.to_json() if self.held else None,
        }


class _Outcome(NamedTuple):
    """The outcome of a rollback, once the mutexes are free again.

    The error is raised at the end: the release is live, and fails. The settings and the reason are for the
    notify hook; there are none if this process has not switched.
    """

    result: RollbackResult
    error: RollbackFailedError | None = None
    settings: Settings | None = None
    reason: str = ""

    def tell(self, workspace: Workspace) -> None:
        """Run the notify hook, if this process switched."""
        if self.settings is None:
            return
        left = self.result.previous
        notify(
            workspace,
            self.settings,
            "rollback-failed" if self.error else "rolled-back",
            release=self.result.release.id,
            previous=left.id if left is not None else None,
            reason=self.reason,
        )


def rollback(  # noqa: PLR0913 - the options of the command
    workspace: Workspace,
    name: str | None = None,
    *,
    message: str = "",
    no_checks: bool = False,
    from_: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> RollbackResult:
    """Switch down the lineage, or to a named release.

    Crash: `current` is the old or the new one; `recover`, or the next `release`, completes the rest.

    Arguments and errors: `Root.rollback`.
    """
    with root_faults(workspace.layout.path):
        if dry_run:
            return _plan(workspace, name, from_, force=force)
        workspace.layout.require_writable()
        workspace.trusted.require_folders(way=False)
        with contextlib.suppress(VenvshipError):
            make_folders(workspace.layout)
        leave = None if from_ is None else _require_current(workspace, from_)
        wait = max(workspace.runtime.wait, PROBE_WAIT)
        # While this is held, a promotion in its live-check window turns back; and a second rollback that
        # was started by an impatient finger is refused instead of going back one release more.
        with hold_mutex(workspace, "turn-back", wait):
            history = workspace.known_history(unreadable="warn", warn_of_torn=False).history
            intent, current = history.intent, workspace.layout.current()
            if intent is not None and intent.one_way and history.is_on_trial(current) and intent.origin:
                # Its trial is not waited for: it does not turn back.
                command = "venvship rollback --force"
                require_no_barrier(history, current, intent.origin, command=command, force=force)
            trying = intent if intent is not None and intent.kind == "promote" else None
            with hold_switch(workspace, "rollback", wait=TURN_BACK_WAIT) as held:
                one = _Rollback(held, message=message, checks=not no_checks, force=force)
                outcome = one.run(name, leave, trying)
        # A signal that came meanwhile changes nothing: it is done, and how it went is the exit code.
        with workspace.runtime.signals.deferred():
            outcome.tell(workspace)
        if outcome.settings is not None and outcome.settings.service.is_on:
            from venvship.operations.service.retiring import retire

            with contextlib.suppress(InterruptedByError):  # the old slot was stopped at once
                retire(workspace, outcome.settings)
    if outcome.error is not None:
        raise outcome.error.carrying(outcome.result)
    return outcome.result


def _plan(workspace: Workspace, name: str | None, from_: str | None, *, force: bool) -> RollbackResult:
    """The rollback that would be made now; takes no mutex and writes nothing."""
    left_id = workspace.layout.current() if from_ is None else _require_current(workspace, from_)
    known = workspace.known_history(unreadable="warn")
    target = choose_target(workspace, known, left_id, name, force=force)
    release_id = target.release_id
    left: ReleaseView | None = None
    if release_id != left_id:
        with contextlib.suppress(*NO_SETTINGS):
            refuse_own_service(workspace, workspace.settings_or_kept())
        workspace.changes.append("planned")
        left = view_release(workspace.layout, left_id, known.history) if left_id is not None else None
    view = view_release(workspace.layout, release_id, known.history)
    return RollbackResult(
        outcome="planned",
        release=view,
        previous=left,
        last_live=target.last_live,
        passed_over=target.passed_over,
    )


def _require_current(workspace: Workspace, name: str) -> str:
    """The id that `--from` names, before any promotion is asked to turn back for it.

    Raises:
        NoSuchReleaseError: It names nothing.
        SupersededError: Another release is current.
    """
    current = workspace.layout.current()
    leave = resolve_release(
        workspace.layout, name, workspace.known_history(unreadable="warn", warn_of_torn=False).history
    )
    if current != leave:
        raise _not_current(current, name)
    return leave


def _not_current(current: str | None, leave: str) -> SupersededError:
    return SupersededError(
        f"current is {current or 'nothing'}, not {leave}; nothing was changed",
        hint="look at `venvship status`",
    )


def _turned_back(history: History, trying: Intent | None) -> Event | None:
    """The event with which the promotion that was on trial when the rollback began has gone back itself."""
    outcome = history.last_outcome
    if (
        trying is not None
        and history.intent is None
        and outcome is not None
        and outcome.seq > trying.seq
        and outcome.event != EventName.PROMOTED
        and outcome.facts.get("from") == trying.target
    ):
        return outcome
    return None


class _Rollback:
    """One rollback while switch.mutex is held: its target, its switch, and the trial after it."""

    def __init__(self, held: SwitchHeld, *, message: str, checks: bool, force: bool) -> None:
        self._held = held
        self._workspace = held.workspace
        self._message = message
        self._checks = checks
        self._force = force
        self._left_id = held.workspace.layout.current()
        self._known = held.workspace.known_history(unreadable="warn")
        self._problems: dict[str, str | None] = {}

    def run(self, name: str | None, leave: str | None, trying: Intent | None) -> _Outcome:
        """Choose the release, switch to it, and try it; `trying` was on trial when the rollback began."""
        history, left_id = self._known.history, self._left_id
        turned_back = _turned_back(history, trying)
        if leave is not None and leave != (left_id if turned_back is None else turned_back.facts.get("from")):
            raise _not_current(left_id, leave)
        if turned_back is not None and name is None and left_id is not None:
            return self._already_back(left_id, turned_back)
        target = choose_target(self._workspace, self._known, left_id, name, force=self._force)
        if target.release_id != left_id:
            return self._switch_and_try(target)
        if turned_back is not None:
            return self._already_back(target.release_id, turned_back)
        view = view_release(self._workspace.layout, target.release_id, history)
        return _Outcome(result=RollbackResult(outcome="unchanged", release=view, previous=None))

    def _switch_and_try(self, target: RollbackTarget) -> _Outcome:
        workspace, history, release_id = self._workspace, self._known.history, target.release_id
        settings: Settings | None = None
        with contextlib.suppress(*NO_SETTINGS):
            settings = workspace.settings_or_kept()
        if settings is not None:
            refuse_own_service(workspace, settings)
        load_before_switch(workspace, settings, cleans=False)
        if settings is not None and settings.service.is_on:
            from venvship.operations.switching.proving import prove_target

            prove_target(workspace, self._asking(settings), release_id)
        self._future_previous(history, release_id, ask=True)
        facts: dict[str, str | bool | None] = {"from": self._left_id, "manual": True}
        facts["lockfile_environment"] = self._own_environment(settings)
        if history.is_on_trial(self._left_id):
            # Leaving an interrupted promotion says nothing about the release that it tried.
            facts["verdict"] = State.INCONCLUSIVE.value
        workspace.record_if_possible(
            EventName.ROLLING_BACK, release=release_id, reason=self._message, facts=facts
        )
        try:
            _switch_to(self._held, release_id)
        except OSError:
            if history.intent is None and workspace.layout.current() == self._left_id:
                # Record the failure, so that recovery does not complete this rollback later.
                workspace.record_if_possible(
                    EventName.ABANDONED, release=release_id, reason="the switch was not made"
                )
            raise
        # Before anything else is written: the link that was renamed over has left room for just this one, and
        # without it, on a full disk, there is no way further back.
        if self._known.whole:
            self._set_previous(history, release_id)

        def tell_deferred(signum: int) -> None:
            tell_signal(workspace, signum, f"the rollback to {release_id} is being completed")

        with workspace.runtime.signals.deferred(tell_deferred):
            return self._try_and_record(target, settings, facts)

    def _try_and_record(
        self, target: RollbackTarget, settings: Settings | None, facts: dict[str, str | bool | None]
    ) -> _Outcome:
        workspace, left_id, release_id = self._workspace, self._left_id, target.release_id
        if settings is None:
            trial = Trial(problem="no settings name the command that restarts the service")
        else:
            used = self._asking(settings)
            trial = try_current(
                workspace, release_id, used, previous=left_id, event="rollback", heed_rollback=False
            )
        event = EventName.ROLLED_BACK if trial.passed else EventName.ROLLBACK_FAILED
        reason = self._message or trial.reason or "rolled back by hand"
        facts = {**facts, **trial.facts_of_target}
        workspace.record_if_possible(event, release=release_id, reason=reason, facts=facts)
        after = workspace.known_history(unreadable="warn")
        if after.whole:
            if trial.checks or (settings is not None and settings.hooks.restart):
                self._problems = {}  # a hook or a check may have changed a release
            self._set_previous(after.history, release_id)
        links.sweep_strays(self._held)
        error = None
        if not trial.passed:
            error = RollbackFailedError(
                f"switched to {release_id}, and {trial.problem}. It stays live"
                + (f", and {trial.led}" if trial.led else ""),
                hint=("look at the service" if trial.led else "restart the service by hand")
                + f", then {trial.remedy}{or_go_back(workspace)}",
                release=release_id,
                **output_facts(workspace, release_id, trial.log, trial.said),
            )
        result = self._result(after.history, release_id, left_id, error)._replace(
            last_live=target.last_live, passed_over=target.passed_over, checks=trial.checks
        )
        return _Outcome(result=result, error=error, settings=settings, reason=reason)

    def _asking(self, settings: Settings) -> Settings:
        """The settings with the checks that the person wants: all, or none."""
        if self._checks:
            return settings
        return settings._replace(checks=(), service=settings.service._replace(health=None))

    def _already_back(self, release_id: str, turned_back: Event) -> _Outcome:
        """Complete a rollback that the promotion on trial made itself: only the hold is left to record."""
        left_id = cast(str | None, turned_back.facts.get("from"))
        self._workspace.record_if_possible(
            EventName.HELD,
            release=left_id,
            reason=self._message or f"{left_id} was rolled back by hand while it was on trial",
            facts={"after_rollback": True, "lockfile_environment": self._own_environment(None)},
            urgent=True,
        )
        error = None
        if turned_back.event == EventName.ROLLBACK_FAILED:
            error = RollbackFailedError(
                f"{release_id} is live again, and it fails too: {turned_back.reason}",
                hint="look at the service itself, then `venvship check`" + or_go_back(self._workspace),
                release=release_id,
            )
        # The promotion that turned back runs the notify hook.
        history = self._workspace.known_history(unreadable="warn").history
        return _Outcome(result=self._result(history, release_id, left_id, error), error=error)

    def _own_environment(self, settings: Settings | None) -> str:
        """The environment of the root's own lockfile; `""` if it cannot be told."""
        if settings is None:
            with contextlib.suppress(*NO_SETTINGS):
                settings = read_settings(self._workspace.layout)
        return (lockfile_environment(self._workspace, settings) or "") if settings is not None else ""

    def _set_previous(self, history: History, release_id: str) -> None:
        links.set_previous(self._held, self._future_previous(history, release_id, ask=False))

    def _future_previous(self, history: History, release_id: str, *, ask: bool) -> str | None:
        """The rollback target of a release; `ask` before the switch, so that the answers are known."""

        def problem_of(name: str) -> str | None:
            if name not in self._problems:  # looked at once, while nothing runs that changes it
                self._problems[name] = usable_problem(self._workspace, name, ask=ask)
            return self._problems[name]

        return history.way_back(release_id, problem_of, self._workspace.runtime.clock()).release_id

    def _result(
        self, history: History, release_id: str, left_id: str | None, error: RollbackFailedError | None
    ) -> RollbackResult:
        layout = self._workspace.layout
        return RollbackResult(
            outcome="switched" if error is None else "rollback-failed",
            release=view_release(layout, release_id, history),
            previous=view_release(layout, left_id, history) if left_id is not None else None,
            held=next(iter(history.holds(self._workspace.runtime.clock())), None),
        )


def _switch_to(held: SwitchHeld, release_id: str) -> None:
    """Rename `previous` over `current` where it names the release: that needs no room at all."""
    workspace, layout = held.workspace, held.workspace.layout
    link: Path = layout.previous_link
    if layout.previous() != release_id:
        link = links.find_armed(workspace, release_id) or links.spare_link(held, ".to.", release_id)
    left_id = layout.current()
    links.point_current(held, link, sync=False)
    workspace.tell("switch", f"{left_id or 'nothing'} → {release_id}")
