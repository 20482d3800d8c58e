"""Finish or undo what was interrupted.

Runs first in `release`, `update`, `promote`, `prune` and `recover`; never in a rollback, which must not wait
for a second try of the very release it gets rid of. Everything here may itself be interrupted at any point
and be run again: each step looks at the disk, not at what an earlier run meant to do.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from venvship.errors import BusyError
from venvship.model.event import Event, EventName
from venvship.model.history import History, Intent
from venvship.model.history_fold import fold
from venvship.model.release import State
from venvship.model.settings import HookSettings, Settings
from venvship.model.settings_service import NO_SERVICE
from venvship.operations.planning.own_lockfile import lockfile_environment
from venvship.operations.retention.debris import plan_sweep, sweep_debris
from venvship.operations.switching import links, promotion
from venvship.operations.switching.errand import errand_of, recovered_reason
from venvship.operations.switching.loading import load_before_switch
from venvship.operations.switching.lockfile_due import put_in_place
from venvship.operations.switching.notify import notify
from venvship.operations.switching.own_service import refuse_own_service
from venvship.operations.switching.promotion import Promotion
from venvship.operations.switching.switched import Switched
from venvship.operations.switching.trial import Trial, try_current
from venvship.workspace.holding import SwitchHeld, hold_build, hold_switch
from venvship.workspace.settings_files import NO_SETTINGS, read_settings
from venvship.workspace.slots import started_slots
from venvship.workspace.usable import awaits_relocation, seeming_problem, usable_problem
from venvship.workspace.workspace import Workspace

RecoverOutcome = Literal[
    "clean", "abandoned", "promoted", "rolled-back", "rollback-failed", "stays", "observed", "relocated"
]

SUMMARIES: Final[dict[RecoverOutcome, str]] = {
    "clean": "nothing was interrupted",
    "abandoned": "a promotion was interrupted before its switch, and is dropped",
    "promoted": "an interrupted operation was finished",
    "rolled-back": "an interrupted promotion was undone",
    "rollback-failed": "an interrupted operation was undone, and the live release does not pass",
    "stays": "an interrupted one-way release stays live, and has not passed",
    "relocated": "an interrupted relocation was finished",
    "observed": "current had been switched outside venvship; unattended releases are held",
}
"""Each outcome of a recovery as a sentence."""

OBSERVED_REASON: Final = "current was switched outside venvship"
"""The reason of the event `observed`."""

BOOT_CAUSE: Final = "interrupted, and undone before the services started"
ONE_WAY_BOOT_CAUSE: Final = "interrupted, and not tried again before the services started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What recovery did, for the command that recovers first.

    Attributes:
        outcome: See `RecoverResult`.
        current: The id of the release that is live now; `None` for nothing.
        debris: The left-overs that were removed.
        switched: The promotion that was finished or undone; `None` without one.
    """

    outcome: RecoverOutcome
    current: str | None
    debris: tuple[str, ...] = ()
    switched: Switched | None = None

    @property
    def summary(self) -> str:
        """The outcome as a sentence, in lower case and without its full stop."""
        return SUMMARIES[self.outcome]


def recover_switch(workspace: Workspace, *, boot: bool = False) -> Recovered:
    """Settle an open intent and notice a switch by hand. Takes switch.mutex only if there is something to do.

    Args:
        workspace: The root.
        boot: Run no hooks and no checks: an interrupted promotion is simply taken back.

    Raises:
        BusyError: A promotion or rollback is under way: then the intent is not an interrupted one.
        VenvshipError: The journal is damaged, or `current` is not ours.
    """
    history = workspace.history()
    if is_settled(workspace, history):
        return Recovered(outcome="clean", current=workspace.layout.current())
    with hold_switch(workspace, "recover") as held:
        history = workspace.history()
        if is_settled(workspace, history):
            return Recovered(outcome="clean", current=workspace.layout.current())
        _ask_ahead(workspace, history)
        recovered = _settle_intent(held, history, boot=boot)
        if recovered.outcome != "clean":
            workspace.changes.append("recovered")
        renew_previous(held)
        links.sweep_strays(held)
        return recovered


def recover_and_sweep(workspace: Workspace) -> Recovered:
    """`recover_switch`, then `sweep_debris` unless a build is under way: a candidate is no debris then.

    For commands that do not hold build.mutex themselves.

    Raises:
        BusyError: A promotion or rollback is under way.
        VenvshipError: The journal is damaged, or `current` is not ours.
    """
    recovered = recover_switch(workspace)
    try:
        with hold_build(workspace, None, wait=0) as held:
            recovered = replace(recovered, debris=sweep_debris(held))
            retire_left_up(workspace)
            return recovered
    except BusyError:
        return recovered


def retire_left_up(workspace: Workspace) -> None:
    """Lead customers to what is current, and stop what an interrupted command has left up; for build.mutex.

    Raises:
        InterruptedByError: A signal came while it drained. It was stopped at once.
    """
    if not started_slots(workspace.layout):
        return
    from venvship.operations.switching.serving import settle  # late: few roots have slots

    with contextlib.suppress(*NO_SETTINGS):
        settle(workspace, workspace.settings_or_kept())


def tell_recovered(workspace: Workspace, settings: Settings, recovered: Recovered) -> None:
    """Run the notify hook for a recovery that found something to do.

    Raises:
        InterruptedByError: A signal came while it ran.
    """
    if recovered.outcome != "clean":
        notify(workspace, settings, "recovered", release=recovered.current, reason=recovered.summary)


def is_settled(workspace: Workspace, history: History) -> bool:
    """Whether there is nothing to recover, as far as a few names tell; every command asks this first."""
    layout = workspace.layout
    current = layout.current()
    return (
        history.intent is None
        and history.lockfile_due is None
        and current == history.expected
        and not layout.strays()
        and (current is None or layout.has_release(current))
        and _is_previous_right(workspace, history, current)
    )


def notice_switch(workspace: Workspace) -> None:
    """Journal a switch by hand, for `unhold`, which recovers nothing else.

    Otherwise the next command would, and hold the root again.

    Raises:
        BusyError: A promotion or rollback is under way.
        VenvshipError: The journal is damaged, or `current` is not ours.
        OSError: It could not be recorded.
    """
    if not is_observed(workspace, workspace.history()):
        return
    with hold_switch(workspace, "unhold") as held:
        history = workspace.history()
        if is_observed(workspace, history):
            _ask_ahead(workspace, history)
            _observe(workspace, history, workspace.layout.current(), then="")
            renew_previous(held)
            links.sweep_strays(held)


def is_observed(workspace: Workspace, history: History) -> bool:
    """Whether `current` names a release that neither an outcome nor an operation without one explains."""
    current = workspace.layout.current()
    if history.intent is not None:
        return current not in {history.intent.origin, history.intent.target}
    return current != history.expected and not awaits_relocation(workspace, history, current)


class PlannedRecovery(NamedTuple):
    """What a command would recover first.

    Attributes:
        history: The history that it would decide on, as far as that can be told before.
        debris: The directories that it would remove.
    """

    history: History
    debris: tuple[str, ...]


def plan_recovery(workspace: Workspace, history: History) -> PlannedRecovery:
    """Find out for a dry run what the command would recover first, and note if that would change anything.

    A switch by hand would be journalled, and would hold the root. How an interrupted operation ends is not
    known before.
    """
    current = workspace.layout.current()
    if history.intent is not None or history.lockfile_due is not None or current != history.expected:
        workspace.changes.append("recovered")
    debris = plan_sweep(workspace, history)
    if debris:
        workspace.changes.append("debris")
    if is_observed(workspace, history):
        event = Event(
            seq=history.seq + 1,
            at=workspace.runtime.clock(),
            event=EventName.OBSERVED,
            release=current,
            actor=workspace.runtime.actor,
            reason=OBSERVED_REASON,
            facts=_observed_facts(workspace, history),
        )
        history = fold((*workspace.journal.read().events, event))
    return PlannedRecovery(history, debris)


def _is_previous_right(workspace: Workspace, history: History, current: str | None) -> bool:
    """Whether `previous` names what `renew_previous` would have it name.

    By a few names first. Where those would name another release, it may not be usable, and was passed over.
    """

    def problem_of(release_id: str) -> str | None:
        # Its place and its interpreter, too: many releases lose those at once.
        there = workspace.layout.has_release(release_id)
        return seeming_problem(workspace, release_id) if there else "it is gone"

    previous = workspace.layout.previous()
    if previous == history.way_back(current, problem_of, workspace.runtime.clock()).release_id:
        return True
    return previous == _goal(workspace, history, current, ask=True)


def _goal(workspace: Workspace, history: History, current: str | None, *, ask: bool) -> str | None:
    """The release that `previous` has to name."""
    now = workspace.runtime.clock()
    return history.way_back(current, lambda name: usable_problem(workspace, name, ask=ask), now).release_id


def _ask_ahead(workspace: Workspace, history: History) -> None:
    """Ask the interpreters that decide what `previous` names, whatever is current in the end.

    Before anything is switched or restarted: see `usable_problem`.
    """
    intent = history.intent
    ends = {workspace.layout.current()} | ({intent.origin, intent.target} if intent is not None else set())
    for current in ends:
        _goal(workspace, history, current, ask=True)
    if intent is not None and intent.kind == "promote" and intent.target is not None:
        now = workspace.runtime.clock()
        history.way_back_after(intent.target, lambda name: usable_problem(workspace, name, ask=True), now)


def renew_previous(held: SwitchHeld) -> None:
    """Make `previous` name what a rollback goes to: a crash may come between the outcome and the link."""
    workspace = held.workspace
    goal = _goal(workspace, workspace.history(), workspace.layout.current(), ask=False)
    links.set_previous(held, goal, links.find_armed(workspace, goal))


def _settle_intent(held: SwitchHeld, history: History, *, boot: bool) -> Recovered:
    workspace = held.workspace
    current = workspace.layout.current()
    intent = history.intent
    if is_observed(workspace, history):
        return _observe(workspace, history, current)
    if intent is None:
        if history.lockfile_due is not None and current is not None and current == history.expected:
            done = put_in_place(held, current, history.lockfile_due)
            return Recovered(outcome="promoted" if done else "clean", current=current)
        if current != history.expected:
            return _finish_relocation(held, history)
        return Recovered(outcome="clean", current=current)
    if intent.kind == "promote":
        if current == intent.target:
            return _finish_promotion(held, history, intent, boot=boot)
        workspace.record(EventName.ABANDONED, release=intent.target, reason="interrupted before the switch")
        return Recovered(outcome="abandoned", current=current)
    return _finish_rollback(held, history, intent, boot=boot)


def _observe(
    workspace: Workspace,
    history: History,
    current: str | None,
    *,
    then: str = ". Unattended releases are held",
) -> Recovered:
    """Journal that `current` is not what the journal says: a person switched it, or nothing was recorded."""
    workspace.record(
        EventName.OBSERVED,
        release=current,
        reason=OBSERVED_REASON,
        facts=_observed_facts(workspace, history),
    )
    workspace.warn(
        "current-observed",
        f"current is {current or 'nothing'}, not {history.expected or 'nothing'}: switched outside venvship"
        + then,
    )
    return Recovered(outcome="observed", current=current)


def _observed_facts(workspace: Workspace, history: History) -> dict[str, str | None]:
    return {"expected": history.expected, "lockfile_environment": _own_environment(workspace)}


def _finish_relocation(held: SwitchHeld, history: History) -> Recovered:
    """Move `current` to the release that took the place of the one it names: the journal has that already."""
    assert history.expected is not None
    links.point_current(held, links.spare_link(held, ".to.", history.expected), sync=True)
    return Recovered(outcome="relocated", current=history.expected)


def _own_environment(workspace: Workspace) -> str:
    """The environment of the root's own lockfile; `""` if it cannot be told."""
    try:
        settings = read_settings(workspace.layout)
    except NO_SETTINGS:
        return ""
    return lockfile_environment(workspace, settings) or ""


def _finish_promotion(held: SwitchHeld, history: History, intent: Intent, *, boot: bool) -> Recovered:
    workspace = held.workspace
    assert intent.target is not None
    if not boot:
        refuse_own_service(workspace, workspace.settings_or_kept())
    if boot or intent.tries >= promotion.MAX_TRIES:
        cause = BOOT_CAUSE if boot else f"interrupted {intent.tries} times"
        if intent.one_way:
            settings = _without_health(workspace) if boot else workspace.settings_or_kept()
            resumed = Promotion.resume(held, history, intent, settings=settings)
            return _recovered(resumed.stay(Trial(problem=ONE_WAY_BOOT_CAUSE if boot else cause)))
        facts = {"from": intent.target, "cause": cause}
        workspace.record_if_possible(EventName.ROLLING_BACK, release=intent.origin, reason=cause, facts=facts)
        settings = _without_health(workspace) if boot else workspace.settings_or_kept()
        resumed = Promotion.resume(held, history, intent, settings=settings)
        return _recovered(resumed.go_back(Trial(problem=cause)))
    errand = errand_of(intent)
    promotion.announce(held, intent.target, intent.origin, errand, tries=intent.tries + 1)
    resumed = Promotion.resume(held, history, intent, settings=workspace.settings_or_kept())
    return _recovered(resumed.try_and_settle())


def _finish_rollback(held: SwitchHeld, history: History, intent: Intent, *, boot: bool) -> Recovered:
    """Complete a rollback that was journalled: the link first, then the trial of the release it goes to."""
    workspace = held.workspace
    # A rollback to nothing asks no service in any case, and the verdict refers to these settings.
    unasked = boot and intent.target is not None
    settings = _without_health(workspace) if unasked else workspace.settings_or_kept()
    refuse_own_service(workspace, settings)
    if intent.manual:
        return _finish_manual_rollback(held, intent, settings)
    resumed = Promotion.resume(held, history, intent, settings=settings)
    # Bad needs a trial that failed, which the journal knows from before the crash, and an old release that
    # passes again, which at boot is not asked.
    trial = Trial(problem=intent.cause or promotion.INTERRUPTED, says_no=intent.says_no and not unasked)
    return _recovered(resumed.go_back(trial))


def _recovered(switched: Switched) -> Recovered:
    return Recovered(outcome=switched.outcome, current=switched.current, switched=switched)


def _finish_manual_rollback(held: SwitchHeld, intent: Intent, settings: Settings) -> Recovered:
    workspace, release_id = held.workspace, intent.target
    assert release_id is not None
    load_before_switch(workspace, settings, cleans=True)
    links.point_back(held, release_id, links.find_armed(workspace, release_id))
    trial = try_current(workspace, release_id, settings, previous=intent.origin, event="rollback")
    event = EventName.ROLLED_BACK if trial.passed else EventName.ROLLBACK_FAILED
    facts: dict[str, str | bool | None] = {"from": intent.origin, "manual": True, **trial.facts_of_target}
    if intent.own_environment is not None:
        facts["lockfile_environment"] = intent.own_environment
    if intent.tried is not None:
        facts["verdict"] = State.INCONCLUSIVE.value
    workspace.record(event, release=release_id, reason=recovered_reason(intent.reason), facts=facts)
    return Recovered(outcome="promoted" if trial.passed else "rollback-failed", current=release_id)


def _without_health(workspace: Workspace) -> Settings:
    """The settings without hooks and checks, for `--boot`, which runs before any service.

    Settings that cannot be read do no harm then: a warning reports them.
    """
    try:
        settings = workspace.settings_or_kept()
    except NO_SETTINGS:
        settings = Settings(name=workspace.layout.path.name)
    return settings._replace(hooks=HookSettings(), checks=(), service=NO_SERVICE)
