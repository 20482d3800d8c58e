"""Finish or undo what was interrupted.

Runs first in every command that builds or promotes; never in a rollback, which must not wait for a second
try of the very release it gets rid of. Everything here may itself be interrupted at any point and be run
again: each step looks at the disk, not at what an earlier run meant to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from venvship.errors import BusyError, SettingsError
from venvship.model.history import EventName, History, Intent
from venvship.model.release import State
from venvship.model.settings import HookSettings, Settings
from venvship.operations.retention.debris import sweep_debris
from venvship.operations.switching import links, promotion
from venvship.operations.switching.lockfile_due import put_in_place
from venvship.operations.switching.notify import notify
from venvship.operations.switching.trial import Trial, try_current
from venvship.workspace.usable import interpreter_problem, release_problem
from venvship.workspace.workspace import Workspace

SUMMARIES: Final = {
    "clean": "nothing was interrupted",
    "abandoned": "a promotion was interrupted before its switch, and is dropped",
    "promoted": "an interrupted operation was finished",
    "rolled-back": "an interrupted promotion was taken back",
    "rollback-failed": "an interrupted operation was taken back, and what is live does not pass",
    "observed": "current had been switched by somebody else; unattended releases are held",
}
"""Each outcome of a recovery as a sentence."""

BOOT_CAUSE: Final = "interrupted, and taken back before the services started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What recovery did.

    Attributes:
        outcome: `"clean"` (nothing to do), `"abandoned"` (never switched), `"promoted"`, `"rolled-back"`,
            `"rollback-failed"`, or `"observed"` (somebody had switched by hand).
        current: What is live now.
        debris: Left-overs that were removed.
        switched: The promotion that was finished or undone, where there was one.
    """

    outcome: str
    current: str | None
    debris: tuple[str, ...] = ()
    switched: promotion.Switched | None = None

    @property
    def summary(self) -> str:
        """The outcome as a sentence, in lower case and without its full stop."""
        return SUMMARIES[self.outcome]


def recover_switch(workspace: Workspace, *, boot: bool = False) -> Recovered:
    """Settle an open intent and notice a switch by hand. Takes switch.mutex only if there is something to do.

    Raises:
        BusyError: A promotion or rollback is under way: then the intent is not an interrupted one.
        VenvshipError: The journal is damaged, or `current` is not ours.
    """
    history = workspace.history()
    if is_settled(workspace, history):
        return Recovered(outcome="clean", current=workspace.layout.current())
    with workspace.holding("switch", "recover"):
        history = workspace.history()
        if is_settled(workspace, history):
            return Recovered(outcome="clean", current=workspace.layout.current())
        recovered = _settle(workspace, history, boot=boot)
        _renew_previous(workspace)
        links.sweep_strays(workspace)
        return recovered


def recover_and_sweep(workspace: Workspace) -> Recovered:
    """`recover_switch`, then `sweep_debris` unless somebody is building: what is being built is not debris.

    For commands that do not hold build.mutex themselves.

    Raises:
        BusyError: A promotion or rollback is under way.
        VenvshipError: The journal is damaged, or `current` is not ours.
    """
    recovered = recover_switch(workspace)
    try:
        with workspace.mutex("build").hold():
            return replace(recovered, debris=sweep_debris(workspace))
    except BusyError:
        return recovered


def tell_recovered(workspace: Workspace, settings: Settings, recovered: Recovered) -> None:
    """Run the notify hook for a recovery that found something to do.

    Raises:
        InterruptedByError: A signal came while it ran.
    """
    if recovered.outcome != "clean":
        notify(
            workspace,
            settings,
            "recovered",
            release=recovered.current,
            previous=None,
            reason=recovered.summary,
        )


def is_settled(workspace: Workspace, history: History) -> bool:
    """Whether there is nothing to recover, as far as a few names tell; every command asks this first."""
    layout = workspace.layout
    current = layout.current()
    return (
        history.intent is None
        and history.lockfile_due is None
        and current == history.expected
        and not layout.strays()
        and (current is None or layout.release(current).is_dir())
        and _is_previous_right(workspace, history, current)
    )


def _is_previous_right(workspace: Workspace, history: History, current: str | None) -> bool:
    """Whether `previous` names what `_renew_previous` would have it name.

    By a few names first. Where those would name another one, that may be damaged, and was passed over.
    """

    def is_there(release_id: str) -> bool:
        # Its interpreter, too: many releases lose that at once.
        return workspace.layout.release(release_id).is_dir() and not interpreter_problem(
            workspace.layout, release_id
        )

    previous = workspace.layout.previous()
    if previous == history.rollback_target(current, is_there):
        return True
    return previous == _goal(workspace, history, current)


def _goal(workspace: Workspace, history: History, current: str | None) -> str | None:
    """What `previous` has to name."""
    return history.rollback_target(current, lambda name: not release_problem(workspace.layout, name))


def _renew_previous(workspace: Workspace) -> None:
    """Make `previous` name what a rollback goes to: a crash may come between the outcome and the link."""
    goal = _goal(workspace, workspace.history(), workspace.layout.current())
    links.set_previous(workspace, goal, links.find_armed(workspace, goal))


def _settle(workspace: Workspace, history: History, *, boot: bool) -> Recovered:
    current = workspace.layout.current()
    intent = history.intent
    if intent is None:
        if history.lockfile_due is not None and current is not None and current == history.expected:
            done = put_in_place(workspace, current, history.lockfile_due)
            return Recovered(outcome="promoted" if done else "clean", current=current)
        return _observe(workspace, history, current)
    if intent.kind == "promote":
        if current == intent.target:
            return _finish_promotion(workspace, history, intent, boot=boot)
        if current == intent.origin:
            workspace.record(
                EventName.ABANDONED, release=intent.target, reason="interrupted before the switch"
            )
            return Recovered(outcome="abandoned", current=current)
    elif current in {intent.origin, intent.target}:
        return _finish_rollback(workspace, intent, boot=boot)
    return _observe(workspace, history, current)


def _observe(workspace: Workspace, history: History, current: str | None) -> Recovered:
    """Note that `current` is not what the journal says: somebody switched by hand, or could not record."""
    if current == history.expected and history.intent is None:
        return Recovered(outcome="clean", current=current)
    workspace.record(
        EventName.OBSERVED,
        release=current,
        reason="current was switched by somebody else",
        facts={"expected": history.expected},
    )
    workspace.warn(
        "current-observed",
        f"current is {current or 'nothing'}, not {history.expected or 'nothing'}: switched by somebody else. "
        "Unattended releases are held",
    )
    return Recovered(outcome="observed", current=current)


def _finish_promotion(workspace: Workspace, history: History, intent: Intent, *, boot: bool) -> Recovered:
    assert intent.target is not None
    target, origin = intent.target, intent.origin
    back = links.find_armed(workspace, origin)
    if boot or intent.tries >= promotion.MAX_TRIES:
        cause = BOOT_CAUSE if boot else f"interrupted {intent.tries} times"
        trial = Trial(cause=cause)
        workspace.record_if_possible(
            EventName.ROLLING_BACK, release=origin, reason=cause, facts={"from": target, "cause": cause}
        )
        settings = _without_health(workspace) if boot else workspace.settings_or_kept()
        switched = promotion.go_back(workspace, target, origin, settings=settings, trial=trial, back=back)
        return Recovered(outcome=switched.outcome, current=switched.current, switched=switched)
    promotion.announce_retry(workspace, intent)
    switched = promotion.try_and_settle(
        workspace,
        history,
        target,
        origin,
        settings=workspace.settings_or_kept(),
        back=back,
        errand=promotion.errand_of(intent),
        reason="recovered after an interruption",
    )
    return Recovered(outcome=switched.outcome, current=switched.current, switched=switched)


def _finish_rollback(workspace: Workspace, intent: Intent, *, boot: bool) -> Recovered:
    """Go on with a way back that was journalled: the link first, then what the service says of it."""
    # Where it goes back to nothing, nobody would be asked anyway, and the verdict is held against these.
    unasked = boot and intent.target is not None
    settings = _without_health(workspace) if unasked else workspace.settings_or_kept()
    if intent.manual:
        return _finish_manual_rollback(workspace, intent, settings)
    assert intent.origin is not None
    switched = promotion.go_back(
        workspace,
        intent.origin,
        intent.target,
        settings=settings,
        # Bad needs a trial that said no, which the journal knows from before the crash, and an old release
        # that said yes again, which at boot nobody asks.
        trial=Trial(cause=intent.cause or "interrupted", says_no=intent.says_no and not unasked),
        back=links.find_armed(workspace, intent.target),
    )
    return Recovered(outcome=switched.outcome, current=switched.current, switched=switched)


def _finish_manual_rollback(workspace: Workspace, intent: Intent, settings: Settings) -> Recovered:
    target = intent.target
    assert target is not None
    links.point_back(workspace, target, links.find_armed(workspace, target))
    trial = try_current(workspace, target, settings, previous=intent.origin, event="rollback")
    event = EventName.ROLLED_BACK if trial.passed else EventName.ROLLBACK_FAILED
    facts: dict[str, str | bool | None] = {"from": intent.origin, "manual": True}
    if intent.tried is not None:
        facts["verdict"] = State.INCONCLUSIVE.value
    workspace.record(event, release=target, reason="recovered after an interruption", facts=facts)
    if trial.passed:
        return Recovered(outcome="promoted", current=target)
    return Recovered(outcome="rollback-failed", current=target)


def _without_health(workspace: Workspace) -> Settings:
    """The settings without hooks and checks: what `--boot` works with, before any service runs.

    So it does not matter if they cannot be read: a warning says so.
    """
    try:
        settings = workspace.settings_or_kept()
    except SettingsError:
        settings = Settings(name=workspace.layout.path.name)
    return settings._replace(hooks=HookSettings(), checks=())
