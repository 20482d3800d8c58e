"""Prove a candidate in the free slot of the service, between its rehearsal and the switch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from venvship.errors import BusyError, NoMemoryError, RejectedError, SupersededError, VenvshipError
from venvship.health.attempt import TurnBack
from venvship.model.settings import Settings
from venvship.operations.service.asking import never
from venvship.operations.service.proof import Proof, prove, stop_quietly
from venvship.operations.service.retiring import retire
from venvship.operations.service.slots import hold_slots, unmark
from venvship.operations.switching.rehearsal import reject
from venvship.operations.switching.trial import asked_to_turn_back, output_facts
from venvship.workspace.slots import read_notes
from venvship.workspace.workspace import Workspace

MEMORY_REMEDY: Final = (
    "give the host more memory or the service fewer workers, or set service.overlap = false"
)


@contextlib.contextmanager
def proven(workspace: Workspace, settings: Settings, release_id: str, *, event: str) -> Iterator[str | None]:
    """Prove a candidate before the switch; whatever ends the `with` block by an error ends the candidate too.

    Without a service, or where the old slot has to stop first, there is nothing to prove yet.

    Crash: the candidate stays up; the next command that builds or switches stops it.

    Args:
        workspace: The root; neither switch.mutex nor slots.mutex is held.
        settings: Whose service counts.
        release_id: A sealed release that candidate checks and the prepare hook let pass.
        event: As for `rehearse`.

    Yields:
        The slot that the candidate answers from; `None` where nothing was proven.

    Raises:
        RejectedError: It did not answer, or could not be started; journalled. Nothing of it is up.
        NoMemoryError: The host has not the room to start it.
        SupersededError: A rollback asked this command to give up.
        BusyError: Another command has proven a release, and is about to switch, or uses the slots.
        SettingsError: A path is too long for a socket, a user is unknown, or the file of variables cannot be
            used.
        UntrustedError: Others can write that file, or put another folder in the place of that of the slots.
        RootError: The folder of the slots, the journal or slots.mutex cannot be used.
        OSError: A link of the slots could not be made.
        InterruptedByError: A signal came.
    """
    if not settings.service.is_on or not settings.service.overlap:
        yield None
        return
    previous = workspace.layout.current()
    context = workspace.context(release_id, workspace.variables(settings), previous=previous, event=event)
    try:
        with hold_slots(workspace, settings, strict=True) as held:
            if workspace.history().intent is not None:
                raise BusyError(
                    "another command is switching, and may need the slot to go back. Nothing was changed",
                    hint="look at `venvship status`, then try again",
                )
            proof = prove(held, release_id, context, stop=asked_to_turn_back(workspace), yields=True)
    except TurnBack:
        raise SupersededError(
            f"a rollback began while {release_id} was being proven. It is sealed, and was not made live",
            hint=f"if it should be: venvship promote {release_id}",
            release=release_id,
        ) from None
    if proof.short_of_memory:
        raise NoMemoryError(proof.problem, hint=MEMORY_REMEDY, release=release_id)
    if proof.slot is None:
        reject(
            workspace,
            release_id,
            f"the service does not pass: {proof.problem}",
            log=proof.log,
            said=proof.result.said,
            by="" if proof.result.inconclusive else proof.result.name,
        )
    try:
        yield proof.slot
    except BaseException:
        _give_up(workspace, settings, release_id, proof)
        raise


def _give_up(workspace: Workspace, settings: Settings, release_id: str, proof: Proof) -> None:
    """Stop a candidate that was proven and not made live, unless another command uses it; best effort.

    One that ran before drains first.
    """
    slot = str(proof.slot)
    with contextlib.suppress(OSError, VenvshipError):
        with workspace.runtime.signals.deferred(), hold_slots(workspace, settings) as held:
            others = read_notes(workspace.layout).tried_by(slot)
            if not proof.started:
                unmark(held)
            elif held.slots.release(slot) == release_id and held.slots.live() != slot and not others:
                stop_quietly(held, slot)
        if not proof.started:
            retire(workspace, settings)


def prove_target(workspace: Workspace, settings: Settings, release_id: str) -> None:
    """Prove the release that a person rolls back to, before anything is switched; switch.mutex is held.

    What runs and answers is proof enough. Without `health`, that it accepts connections is.

    Crash: as for `proven`.

    Raises:
        RejectedError: It does not answer. Nothing was switched, and nothing of it is up.
        SettingsError: A path is too long for a socket.
        RootError: The folder of the slots, or slots.mutex, cannot be used.
        BusyError: Another command uses the slots.
        OSError: A link of the slots could not be made.
        InterruptedByError: A signal came.
    """
    if not settings.service.is_on or not settings.service.overlap:
        return
    variables = workspace.variables(settings, missing="warn")
    previous = workspace.layout.current()
    context = workspace.context(release_id, variables, previous=previous, event="rollback")
    with hold_slots(workspace, settings) as held:
        proof = prove(held, release_id, context, stop=never, way_back=True)
    if proof.slot is None:
        raise RejectedError(
            f"{release_id} does not answer: {proof.problem}. Nothing was switched",
            hint="with `venvship rollback --no-checks` it is enough that its slot accepts connections",
            release=release_id,
            **output_facts(workspace, release_id, proof.log, proof.result.said),
        )
