"""After a switch: wait until the old slot has answered what it was asked, and stop it."""

from __future__ import annotations

from venvship.errors import InterruptedByError, VenvshipError
from venvship.model.settings import Settings
from venvship.model.settings_service import SLOTS
from venvship.operations.service.slots import SlotsHeld, hold_slots, stop
from venvship.workspace.slots import Notes, Slots, drain_began, read_notes, rest_of_drain
from venvship.workspace.workspace import Workspace


def drain_left(held: SlotsHeld) -> float:
    """Seconds until the slot that customers are not led to any more may be stopped."""
    return _left(held.workspace, held.settings, _since(held.workspace, held.slots))


def retire(workspace: Workspace, settings: Settings) -> None:
    """Stop what customers are not led to, once it has drained. Any failure is a warning: the switch is done.

    No mutex of the slots is held while it waits, so that another command can go back to the old slot, or stop
    it because it needs it. Then this one leaves both alone.

    Crash: the old slot stays up; the next command that builds or switches stops it.

    Raises:
        InterruptedByError: A signal came. The old slot was stopped at once.
    """
    if not settings.service.is_on:
        return
    slots = Slots.of(workspace.layout, settings.service)
    notes = read_notes(workspace.layout)
    if notes.elsewhere(slots) is not None:
        return  # a command that needs the slots refuses
    live = slots.live()
    old = [slot for slot in SLOTS if slot != live and _is_left(slots, notes, slot)]
    current = workspace.layout.current()
    if live is None or slots.release(live) != current:
        # The link was lost, or nothing is live, or `current` was moved by hand: what it names stays up.
        old = [slot for slot in old if current is None or slots.release(slot) not in {current, None}]
    if not old:
        return
    interrupt: InterruptedByError | None = None
    since = _since(workspace, slots)
    try:
        while slots.accepts(old[0]) and (left := _left(workspace, settings, since)) > 0:
            workspace.begin("drain", f"slot {old[0]}, {left:.0f} s")
            workspace.runtime.signals.sleep(left)
            workspace.end("drain")
            before, since = since, _since(workspace, slots)
            if since == before:
                break
            if slots.live() != live:
                return  # another command has switched meanwhile; if two have, it drains anew
    except InterruptedByError as error:
        interrupt = error
    with workspace.runtime.signals.deferred():
        try:
            _stop(workspace, settings, live, old[0], since)
        except (OSError, VenvshipError) as error:
            text = error.strerror if isinstance(error, OSError) else error.message
            workspace.warn("slot-not-stopped", f"slot {old[0]} was not stopped: {text}")
    if interrupt is not None:
        raise interrupt


def _stop(workspace: Workspace, settings: Settings, live: str | None, old: str, since: float) -> None:
    with hold_slots(workspace, settings) as held:
        if held.slots.live() != live or not _is_left(held.slots, read_notes(workspace.layout), old):
            return  # another command has switched meanwhile, has stopped it, or tries a release there
        if _since(workspace, held.slots) != since:
            return  # others have switched there and back: the last one stops it
        if workspace.known_history(unreadable="warn").history.intent is not None:
            return  # another command is switching, and may go back there
        with workspace.step("stop"):
            result = stop(held, old)
        workspace.tell("stop", f"slot {old}: {result.output}", ok=result.ok, seconds=result.seconds)
    if not result.ok:
        workspace.warn("slot-not-stopped", f"slot {old} could not be stopped: {result.output}")


def _is_left(slots: Slots, notes: Notes, slot: str) -> bool:
    """Whether a slot may be up, and no other command is about to lead customers there."""
    return (slot in notes.started or slots.surely_accepts(slot)) and not notes.tried_by(slot)


def _since(workspace: Workspace, slots: Slots) -> float:
    return drain_began(slots, workspace.known_history(unreadable="warn").events)


def _left(workspace: Workspace, settings: Settings, since: float) -> float:
    return rest_of_drain(settings.service, since, workspace.runtime.clock())
