"""Have what `current` names answer from a slot, and lead customers there: after a boot or a kill."""

from __future__ import annotations

import contextlib
from typing import Literal

from venvship.errors import BusyError, InterruptedByError, NotAnsweringError, VenvshipError
from venvship.health.attempt import TurnBack
from venvship.model.settings import Settings
from venvship.operations.service.asking import never
from venvship.operations.service.handing_over import hand_over
from venvship.operations.service.proof import prove
from venvship.operations.service.retiring import retire
from venvship.operations.service.slots import hold_slots, lead_to
from venvship.operations.switching.trial import asked_to_turn_back, output_facts
from venvship.workspace.holding import hold_switch
from venvship.workspace.slots import Slots, started_slots, warn_of_orphans
from venvship.workspace.workspace import Workspace

ServeOutcome = Literal["unchanged", "led", "started"]


def serve_current(workspace: Workspace, settings: Settings, *, operation: str) -> ServeOutcome:
    """Have the current release answer from a slot, and lead customers there.

    Crash: as for `operations.service.slots`; the next call goes on.

    Args:
        workspace: The root, recovered; switch.mutex is not held.
        settings: With the service.
        operation: The command that `state/operation.json` names meanwhile.

    Returns:
        `"unchanged"` if customers were led to it already, nothing is current, or a rollback that is about to
        start what it needs asked for it; `"led"` if it was up; `"started"`.

    Raises:
        NotAnsweringError: It does not answer. `live.sock` is as it was.
        SettingsError: A path is too long for a socket, or the file of variables cannot be used.
        UntrustedError: Others can write the file of variables.
        RootError: The folder of the slots, `current` or a mutex cannot be used.
        BusyError: Another command is switching, or uses the slots.
        OSError: A link of the slots could not be made.
        InterruptedByError: A signal came.
    """
    with hold_switch(workspace, operation), hold_slots(workspace, settings) as held:
        release_id = workspace.layout.current()
        before = held.slots.live()
        if release_id is None:
            return "unchanged"
        variables = workspace.variables(settings)
        context = workspace.context(release_id, variables, previous=None, event="handover")
        try:
            proof = prove(held, release_id, context, stop=asked_to_turn_back(workspace))
        except TurnBack:
            return "unchanged"
        problem = proof.problem or lead_to(held, str(proof.slot))
        if problem:
            raise NotAnsweringError(
                f"{release_id} is current, and the service does not answer: {problem}",
                hint="look at its log, then `venvship handover ensure`, or go back: `venvship rollback`",
                release=release_id,
                **output_facts(workspace, release_id, proof.log, proof.result.said),
            )
        if not proof.started and before == proof.slot:
            return "unchanged"
        workspace.changes.append("handed-over")
        return "started" if proof.started else "led"


def bring_up(workspace: Workspace, settings: Settings, *, operation: str) -> None:
    """`serve_current`, if nothing accepts connections where customers are led, or another release does.

    For a command that finds nothing to release: a release is live only if the service runs from it.

    Crash and errors: as for `serve_current`.
    """
    if not settings.service.is_on:
        return
    slots = Slots.of(workspace.layout, settings.service)
    live = slots.live()
    if not slots.serves_current() or (live is not None and not slots.accepts(live)):
        serve_current(workspace, settings, operation=operation)


def settle(workspace: Workspace, settings: Settings) -> None:
    """Lead customers to what is current, if an interrupted command or a lost link leads them elsewhere.

    Then stop what is left up. In a root where no slot was started, nothing is. A release that does not answer
    is a warning: `status` and `handover ensure` say more.

    Crash: as for `hand_over`.

    Raises:
        RootError: `current` or switch.mutex cannot be used at all.
        InterruptedByError: A signal came.
    """
    if not settings.service.is_on:
        warn_of_orphans(workspace)
        return
    if not started_slots(workspace.layout):
        return
    slots = Slots.of(workspace.layout, settings.service)
    if slots.strays():
        try:
            with hold_slots(workspace, settings):  # which removes them
                pass
        except InterruptedByError:
            raise
        except (OSError, VenvshipError):  # the next command that uses the slots removes them
            pass
    with contextlib.suppress(BusyError):
        if _is_elsewhere(workspace, slots):
            with hold_switch(workspace, None, wait=0):
                current = workspace.layout.current()
                if current is not None and _is_elsewhere(workspace, slots):
                    variables = workspace.variables(settings, missing="warn")
                    context = workspace.context(current, variables, previous=None, event="recover")
                    proof = hand_over(workspace, settings, current, context, stop=never)
                    if proof.problem:
                        workspace.warn(
                            "slot-elsewhere", f"{current} is live and has no slot: {proof.problem}"
                        )
    retire(workspace, settings)


def _is_elsewhere(workspace: Workspace, slots: Slots) -> bool:
    """Whether customers are led to another release than the current one, and no command is about that."""
    if slots.serves_current():
        return False
    return workspace.known_history(unreadable="warn").history.intent is None
