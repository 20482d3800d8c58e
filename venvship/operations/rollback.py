"""`rollback`: for a person at three in the morning, when the disk may be full and the network down.

It needs no readable `venvship.toml`, no network and no room on the disk; it runs no recovery, tries nothing
a second time, and is never undone. What it cannot do besides the switch itself, it says and goes on.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import (
    NothingToRollBackToError,
    ReleaseError,
    RollbackFailedError,
    SettingsError,
    SupersededError,
    VenvshipError,
)
from venvship.model.history import Event, EventName, History, Intent
from venvship.model.release import State
from venvship.model.settings import Settings
from venvship.operations.switching import links
from venvship.operations.switching.notify import notify
from venvship.operations.switching.trial import Trial, load_modules, try_current
from venvship.system.faults import root_faults
from venvship.system.journal import lost_journal
from venvship.workspace.holding import SwitchHeld, hold_switch
from venvship.workspace.usable import release_problem, require_usable
from venvship.workspace.views import ReleaseView, view_release
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult

TURN_BACK_WAIT: Final = 900.0
"""Seconds to wait for a promotion that was asked to turn back: its hook and the old release's checks."""

PROBE_WAIT: Final = 2.0
"""Seconds to wait for turn-back.mutex at least: a promotion takes it for an instant, to see if it is held."""


class RollbackResult(NamedTuple):
    """What is live now.

    Attributes:
        release: The release that is live now.
        previous: The one that was left.
        checks: Results of the live checks.
    """

    release: ReleaseView
    previous: ReleaseView | None
    checks: tuple[CheckResult, ...] = ()


class _Outcome(NamedTuple):
    """What came of a rollback while the mutexes were held.

    Attributes:
        result: What is live now.
        error: Raised once all is done: it is live, and fails.
        settings: Whose notify hook hears of it; `None`: nobody does.
        reason: For that hook.
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


def rollback(
    workspace: Workspace,
    name: str | None = None,
    *,
    message: str = "",
    checks: bool = True,
    only_from: str | None = None,
) -> RollbackResult:
    """Switch down the lineage, or to a named release.

    Args:
        workspace: The root.
        name: The release; otherwise the nearest proven, intact one below what is current.
        message: For the journal.
        checks: Whether to run the live checks afterwards. The restart hook runs in any case: the service
            is still running from the release that was left.
        only_from: Only if this release is current; a second click does not go back twice.

    Crash: `current` is the old or the new one; `recover`, or the next `release`, completes the rest.

    Raises:
        NothingToRollBackToError: The lineage holds no other proven, intact release.
        ReleaseError: The named release does not exist, or is damaged.
        RollbackFailedError: Switched, and the restart hook or a check fails, or nobody could restart.
        SupersededError: Something else than `only_from` is current.
        BusyError: Another rollback is under way.
        RootError: `current` is not ours, or the root belongs to somebody else.
        InterruptedByError: A signal came before the switch. One that comes later changes nothing.
    """
    with root_faults(workspace.layout.path):
        workspace.layout.require_writable()
        with contextlib.suppress(VenvshipError):
            workspace.layout.prepare()
        # While this is held, a promotion in its live-check window turns back; and a second rollback that
        # was started by an impatient finger is refused instead of going back one release more.
        leave = None if only_from is None else _require_current(workspace, only_from)
        wait = max(workspace.runtime.wait, PROBE_WAIT)
        interrupted = workspace.runtime.signals.raise_if_received
        with workspace.mutex("turn-back").hold(wait=wait, interrupted=interrupted):
            trying = _on_trial(workspace)
            with hold_switch(workspace, "rollback", wait=TURN_BACK_WAIT) as held:
                outcome = _rollback(held, name, message=message, checks=checks, leave=leave, trying=trying)
        # A signal that came meanwhile changes nothing: it is done, and how it went is the exit code.
        with workspace.runtime.signals.deferred():
            outcome.tell(workspace)
    if outcome.error is not None:
        raise outcome.error.carrying(outcome.result)
    return outcome.result


def _require_current(workspace: Workspace, only_from: str) -> str:
    """The id of what `--from` names, before anybody is asked to turn back for it.

    Raises:
        NoSuchReleaseError: It names nothing.
        SupersededError: Something else is current.
    """
    current = workspace.layout.current()
    leave = workspace.resolve(only_from, _history(workspace)[0])
    if current != leave:
        raise _not_current(current, only_from)
    return leave


def _not_current(current: str | None, leave: str) -> SupersededError:
    return SupersededError(
        f"current is {current or 'nothing'}, not {leave}; nothing was changed",
        hint="look at `venvship status`",
    )


def _on_trial(workspace: Workspace) -> Intent | None:
    """The promotion that has no outcome yet."""
    try:
        intent = workspace.fold(workspace.journal.read()).intent
    except VenvshipError:
        return None
    return intent if intent is not None and intent.kind == "promote" else None


def _turned_back(history: History, trying: Intent | None) -> Event | None:
    """The event with which a promotion that was on trial when we came has gone back by itself."""
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


def _rollback(
    held: SwitchHeld,
    name: str | None,
    *,
    message: str,
    checks: bool,
    leave: str | None,
    trying: Intent | None,
) -> _Outcome:
    workspace = held.workspace
    current = workspace.layout.current()
    history, readable = _history(workspace)
    outcome = _turned_back(history, trying)
    if leave is not None and leave != (current if outcome is None else outcome.facts.get("from")):
        raise _not_current(current, leave)
    if outcome is not None and name is None and current is not None:
        return _already_back(workspace, history, current, outcome, message)
    target = _target(workspace, name, history, current, readable=readable)
    if target == current:
        if outcome is not None:
            return _already_back(workspace, history, target, outcome, message)
        return _Outcome(
            result=RollbackResult(release=view_release(workspace.layout, target, history), previous=None)
        )
    settings = _settings(workspace)
    if settings is not None:
        load_modules(settings)
    facts = {"from": current, "manual": True}
    if history.is_on_trial(current):
        # Going away from an interrupted promotion says nothing about the release that it tried.
        facts["verdict"] = State.INCONCLUSIVE.value
    workspace.record_if_possible(EventName.ROLLING_BACK, release=target, reason=message, facts=facts)
    try:
        _switch_to(held, target)
    except OSError:
        if history.intent is None and workspace.layout.current() == current:
            # Whoever reads that it failed shall not find it done later, by the next command that recovers.
            workspace.record_if_possible(
                EventName.ABANDONED, release=target, reason="the switch was not made"
            )
        raise
    # Before anything else is written: the link that was renamed over has left room for just this one, and
    # without it, on a full disk, there is no way further back.
    found: dict[str, bool] = {}
    goal = history.rollback_target(target, lambda release_id: _intact(workspace, release_id, found))
    if readable:
        links.set_previous(held, goal)
    return _try_and_record(
        held,
        target,
        current,
        settings=settings,
        checks=checks,
        message=message,
        facts=facts,
        intact=found,
    )


def _intact(workspace: Workspace, release_id: str, found: dict[str, bool]) -> bool:
    """Whether a release could be switched to; looked at once, while nothing runs that might change it."""
    if release_id not in found:
        found[release_id] = not release_problem(workspace.layout, release_id)
    return found[release_id]


def _history(workspace: Workspace) -> tuple[History, bool]:
    """What can be known of the journal, and whether that is all of it. Damage stops nothing here."""
    try:
        reading = workspace.read_journal()
    except VenvshipError as error:
        workspace.warn("journal-damaged", error.message)
        return History(), False
    history = workspace.fold(reading)
    if reading.damage:
        workspace.warn("journal-damaged", f"the journal is damaged: {reading.damage}")
        return history, False
    lost = workspace.lost(history)
    if lost:
        workspace.warn("journal-damaged", lost_journal(lost).message)
    return history, not lost


def _target(
    workspace: Workspace, name: str | None, history: History, current: str | None, *, readable: bool
) -> str:
    if name is not None:
        if not readable and workspace.layout.is_sealed(name):
            release_id = name  # the journal cannot say whether it is one; its manifest and files can
        else:
            release_id = workspace.resolve(name, history)
        require_usable(workspace, release_id, in_doubt="warn")
        if history.state(release_id) is State.BAD:
            workspace.warn("bad-release", f"{release_id} is known to be bad")
        return release_id
    if not readable:
        previous = workspace.layout.previous()
        if previous is not None and previous != current and not release_problem(workspace.layout, previous):
            return previous
        raise NothingToRollBackToError(
            "the journal is damaged, and previous names no intact release",
            hint="name one: venvship rollback RELEASE; `venvship list` shows them",
        )
    origin = _origin_of_trial(history, current)
    if origin is not None and not release_problem(workspace.layout, origin):
        return origin
    found = history.rollback_target(current, lambda release_id: _usable(workspace, release_id))
    if found is None:
        raise NothingToRollBackToError(
            f"there is no earlier proven, intact release than {current or 'nothing'}",
            hint="`venvship list` shows all releases; name one: venvship rollback RELEASE",
        )
    return found


def _origin_of_trial(history: History, current: str | None) -> str | None:
    """Where an interrupted promotion came from, if its release is still current, on its way back or not."""
    intent = history.intent
    if intent is None or intent.manual or not history.is_on_trial(current):
        return None
    return intent.origin if intent.kind == "promote" else intent.target


def _usable(workspace: Workspace, release_id: str) -> bool:
    try:
        require_usable(workspace, release_id, in_doubt="warn")
    except ReleaseError as error:
        workspace.warn("release-skipped", error.message)
        return False
    return True


def _settings(workspace: Workspace) -> Settings | None:
    """Whose hooks and checks count; `None`: nobody's, and the service cannot be restarted."""
    try:
        return workspace.settings_or_kept()
    except SettingsError:
        return None


def _switch_to(held: SwitchHeld, target: str) -> None:
    """Rename `previous` over `current` where it names the target: that needs no room at all."""
    workspace, layout = held.workspace, held.workspace.layout
    link: Path = layout.previous_link
    if layout.previous() != target:
        link = links.find_armed(workspace, target) or links.spare_link(held, ".to.", target)
    left = layout.current()
    links.point_current(held, link, sync=False)
    workspace.tell("switch", f"{left or 'nothing'} → {target}")


def _try_and_record(
    held: SwitchHeld,
    target: str,
    left: str | None,
    *,
    settings: Settings | None,
    checks: bool,
    message: str,
    facts: dict[str, str | bool | None],
    intact: dict[str, bool],
) -> _Outcome:
    workspace = held.workspace
    with workspace.runtime.signals.deferred():
        if settings is None:
            trial = Trial(problem="no settings say how to restart the service")
        else:
            used = settings if checks else settings._replace(checks=())
            trial = try_current(workspace, target, used, previous=left, event="rollback", heed_rollback=False)
        event = EventName.ROLLED_BACK if trial.passed else EventName.ROLLBACK_FAILED
        reason = message or ("rolled back by hand" if trial.passed else trial.problem or "")
        workspace.record_if_possible(event, release=target, reason=reason, facts=facts)
        after, readable = _history(workspace)
        if readable:
            if trial.checks or (settings is not None and settings.hooks.restart):
                intact = {}
            goal = after.rollback_target(target, lambda release_id: _intact(workspace, release_id, intact))
            links.set_previous(held, goal)
        links.sweep_strays(held)
    result = RollbackResult(
        release=view_release(workspace.layout, target, after),
        previous=view_release(workspace.layout, left, after) if left is not None else None,
        checks=trial.checks,
    )
    error = None
    if not trial.passed:
        error = RollbackFailedError(
            f"switched to {target}, and {trial.problem}. It stays live",
            hint="restart the service by hand, then `venvship check`; or go further back: venvship rollback",
            release=target,
        )
    return _Outcome(result=result, error=error, settings=settings, reason=reason)


def _already_back(
    workspace: Workspace, history: History, current: str, outcome: Event, message: str
) -> _Outcome:
    """Finish a rollback that the promotion in its live-check window did for us: what is left is the hold."""
    left = outcome.facts.get("from")
    workspace.record_if_possible(
        EventName.HELD,
        release=left,
        reason=message or f"{left} was rolled back by hand while it was on trial",
        facts={"after_rollback": True},
        urgent=True,
    )
    result = RollbackResult(
        release=view_release(workspace.layout, current, history),
        previous=view_release(workspace.layout, left, history) if left is not None else None,
    )
    error = None
    if outcome.event == EventName.ROLLBACK_FAILED:
        error = RollbackFailedError(
            f"{current} is live again, and it fails too: {outcome.reason}",
            hint="look at the service itself, then `venvship check`; or go further back: venvship rollback",
            release=current,
        )
    return _Outcome(result=result, error=error)  # the promotion that turned back tells the notify hook
