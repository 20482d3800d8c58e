"""Lead customers to a release: to the slot that was proven for it, or to one that is proven now."""

from __future__ import annotations

from venvship.errors import InterruptedByError, VenvshipError
from venvship.health.context import Context
from venvship.model.settings import Settings
from venvship.operations.service.asking import Stop
from venvship.operations.service.proof import Proof, failed_proof, prove
from venvship.operations.service.slots import hold_slots, lead_to
from venvship.system import files
from venvship.workspace.slots import Slots
from venvship.workspace.workspace import Workspace


def hand_over(
    workspace: Workspace,
    settings: Settings,
    release_id: str,
    context: Context,
    *,
    stop: Stop,
) -> Proof:
    """Rename `live.sock` to the slot that runs a release; without one, start it first.

    Crash: `live.sock` leads to the old slot or to the new one. The next command finds out, and goes on.

    Args:
        workspace: The root.
        settings: With the service.
        release_id: The release.
        context: The same, for `start` and `stop`.
        stop: Called ten times a second; true gives up.

    Returns:
        The proof. Without a slot in it, `live.sock` is as it was.

    Raises:
        InterruptedByError: A signal came.
        TurnBack: `stop` returned true.
    """
    try:
        with hold_slots(workspace, settings) as held:
            proof = prove(held, release_id, context, stop=stop, way_back=True)
            if proof.slot is not None:
                problem = lead_to(held, proof.slot)
                if problem:
                    return failed_proof(problem)
                workspace.tell("service", f"slot {proof.slot}: {proof.result.output}")
            return proof
    except InterruptedByError:
        raise
    except (OSError, VenvshipError) as error:
        return failed_proof(f"the slots could not be used: {error}", inconclusive=True)


def led_where(workspace: Workspace, settings: Settings) -> str:
    """Where customers are led at this moment, as a clause; for the message that a release does not answer."""
    slots = Slots.of(workspace.layout, settings.service)
    live = slots.live()
    if live is None:
        return "customers are led nowhere"
    if not slots.accepts(live):
        return f"customers are led to slot {live}, where nothing answers"
    return f"customers are led to slot {live}, which runs {slots.release(live) or 'no release of this root'}"


def close(workspace: Workspace, settings: Settings) -> None:
    """Lead customers nowhere: nothing is live any more. Best effort.

    Crash: `live.sock` is there or gone.
    """
    slots = Slots.of(workspace.layout, settings.service)
    try:
        files.remove_name(slots.live_link)
    except OSError as error:
        workspace.warn("slots-not-closed", f"could not remove {slots.live_link}: {error.strerror}")
