"""Prove a release: start it in the free slot, from its real path, and ask it until it answers for itself.

No customer reaches it meanwhile. A slot that already runs the release and answers is proof enough: so a
rollback to what still drains costs nothing, and a command goes on where the one before was killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from venvship.errors import BusyError
from venvship.health.checks import CheckResult
from venvship.health.context import Context
from venvship.model.settings_service import SLOTS, log_command
from venvship.operations.service.asking import NAME, Stop, ask
from venvship.operations.service.folder import allowed_owners, socket_problem
from venvship.operations.service.memory import memory_problem
from venvship.operations.service.retiring import drain_left
from venvship.operations.service.slots import SlotsHeld, free_slot, mark, start, stop
from venvship.workspace.slots import read_notes

IN_A_ROW: Final = 3
"""How many answers in a row prove a slot that was started."""

HICCUP: Final = 2.0
"""Seconds in which a slot that runs is asked again: one under the load of customers may fail once, and to
start another one in its place would keep customers with a release that failed."""


class Proof(NamedTuple):
    """What became of a release that had to answer from a slot.

    Attributes:
        slot: The slot; `None` if it does not answer.
        result: The outcome, as that of a required live check.
        log: The name of the log that tells more; `""` for none.
        short_of_memory: Whether nothing was started, for the host has no room for it.
        started: Whether it was started for this proof, rather than found.
        own_log: The command that shows the application's own log, if it did not answer; `""` if unknown.
    """

    slot: str | None
    result: CheckResult
    log: str = ""
    short_of_memory: bool = False
    started: bool = False
    own_log: str = ""

    @property
    def problem(self) -> str:
        """Why the release is not proven; `""` if it is."""
        if self.slot is not None:
            return ""
        return self.result.output + (f"; the application's log: `{self.own_log}`" if self.own_log else "")


def find_running(held: SlotsHeld, release_id: str, context: Context, *, stop: Stop) -> Proof | None:
    """The slot that runs a release and answers now; of two, the one that customers reach.

    One that runs as a user that the settings do not name any more is not found: it has to be started anew.

    Raises:
        InterruptedByError: A signal came.
        TurnBack: `stop` returned true.
    """
    live = held.slots.live()
    owners = allowed_owners(held.workspace.layout, held.settings.service)
    for slot in sorted(SLOTS, key=lambda slot: slot != live):
        runs = held.slots.release(slot) == release_id and held.slots.accepts(slot)
        if runs and not socket_problem(held.slots, slot, owners):
            result = ask(
                held.slots, held.settings.service, slot, context, deadline=HICCUP, in_a_row=1, stop=stop
            )
            if result.outcome == "passed":
                return Proof(slot, result)
    return None


def prove(  # noqa: PLR0913 - whose turn it is decides what is done
    held: SlotsHeld,
    release_id: str,
    context: Context,
    *,
    stop: Stop,
    fresh: bool = False,
    yields: bool = False,
    way_back: bool = False,
) -> Proof:
    """Have a release answer from a slot: from the one that runs it, else from the free one, started now.

    Args:
        held: The root.
        release_id: The release.
        context: The same, for `start` and `stop`.
        stop: Called ten times a second; true gives up.
        fresh: Whether it is started although a slot runs it.
        yields: Whether the free slot is left to another command that has proven a release there, and is about
            to switch. A command that holds switch.mutex is not to be kept waiting.
        way_back: Whether it is gone back to this release: then too little memory is a warning.

    Returns:
        The proof. Where there is none, nothing is up in the slot that was tried.

    Raises:
        InterruptedByError: A signal came. Nothing that was started is left up.
        TurnBack: As for a signal, because `stop` returned true.
        OSError: The slot's link could not be made. Nothing was started.
        BusyError: `yields`, and another command uses the free slot. Nothing was started.
    """
    if not fresh:
        found = find_running(held, release_id, context, stop=stop)
        if found is not None:
            if found.slot != held.slots.live():
                mark(held, str(found.slot))  # it may be draining, and another command about to stop it
            return found
    slot = free_slot(held.slots)
    if yields:
        _leave_to_another(held, slot)
    refused = _make_room(held, slot, way_back=way_back)
    if refused is not None:
        return refused
    with _nothing_left_up(held, slot):
        proof = _start_and_ask(held, slot, context, stop=stop)
    if proof.slot is None:
        stop_quietly(held, slot)
    return proof


def _leave_to_another(held: SlotsHeld, slot: str) -> None:
    """Refuse a slot in which another command has started a release, and is about to make it live.

    Raises:
        BusyError: There is one.
    """
    other = read_notes(held.workspace.layout).tried_by(slot)
    if other:
        raise BusyError(
            f"another command, process {other}, has started {held.slots.release(slot)} in slot {slot}, and "
            "is about to make it live. Nothing was changed",
            hint="look at `venvship status`, then try again",
        )


def _make_room(held: SlotsHeld, slot: str, *, way_back: bool) -> Proof | None:
    """Stop what runs in a slot, without overlap the live one too, and look whether memory is left.

    Returns:
        The proof that failed, where nothing can be started; else `None`. No release is to blame: what has to
        stop is another one, and it is the service manager that stops it.

    Raises:
        InterruptedByError: A signal came.
    """
    workspace, slots, overlap = held.workspace, held.slots, held.settings.service.overlap
    left = drain_left(held)
    if left > 0 and slots.accepts(slot):
        workspace.tell("drain", f"{left:.0f} s short: slot {slot} is needed")
    live = slots.live()
    for one in (slot,) if overlap or live is None else (slot, live):
        problem = _stop_first(held, one)
        if problem:
            return failed_proof(problem, inconclusive=True)
    problem = memory_problem(slots) if overlap else ""
    if problem and not way_back:
        return failed_proof(f"{problem}. Nothing was started", short_of_memory=True)
    if problem:
        workspace.warn("no-memory", f"{problem}. It was started all the same")
    return None


def _start_and_ask(held: SlotsHeld, slot: str, context: Context, *, stop: Stop) -> Proof:
    """Start a release in a free slot, and ask it; it stays up if it fails."""
    workspace, slots, service = held.workspace, held.slots, held.settings.service
    with workspace.step("start"):
        hook = start(held, slot, context)
    workspace.tell("start", f"slot {slot}: {hook.output}", ok=hook.ok, seconds=hook.seconds)
    if not hook.ok:
        output = f"slot {slot} could not be started: {hook.output}"
        return failed_proof(output, log="service-start", said=hook.said, inconclusive=hook.inconclusive)
    workspace.begin(NAME, f"slot {slot}")
    result = ask(slots, service, slot, context, deadline=service.timeout, in_a_row=IN_A_ROW, stop=stop)
    passed = result.outcome == "passed"
    workspace.tell(NAME, result.output, ok=passed, seconds=result.seconds)
    problem = socket_problem(slots, slot, allowed_owners(workspace.layout, service)) if passed else ""
    if problem:  # of the settings, or of the host; the release is not to blame
        return failed_proof(problem, inconclusive=True)
    if passed:
        return Proof(slot, result, started=True)
    return Proof(None, result, log=NAME, started=True, own_log=log_command(service, slot))


@contextlib.contextmanager
def _nothing_left_up(held: SlotsHeld, slot: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stop_quietly(held, slot)
        raise


def stop_quietly(held: SlotsHeld, slot: str) -> None:
    """Stop what was tried, whatever signal comes; a failure is a warning."""
    with held.workspace.runtime.signals.deferred():
        result = stop(held, slot)
    if not result.ok:
        held.workspace.warn("slot-not-stopped", f"slot {slot} could not be stopped: {result.output}")


def _stop_first(held: SlotsHeld, slot: str) -> str:
    """Make a slot free; returns why that failed, or `""`."""
    result = stop(held, slot)
    # Where this cannot be told, its manager's word counts: a socket that is closed to this user may be stale,
    # and `start` removes it.
    if result.ok and not held.slots.surely_accepts(slot):
        return ""
    why = result.output if not result.ok else f"something still answers on {held.slots.socket(slot)}"
    return f"slot {slot} could not be stopped: {why}"


def failed_proof(
    output: str, *, log: str = "", said: str = "", inconclusive: bool = False, short_of_memory: bool = False
) -> Proof:
    """The proof that failed before anything was asked, or after it.

    Args:
        output: Why.
        log: The name of the log that tells more.
        said: The last words of a program.
        inconclusive: Whether the cause is the host.
        short_of_memory: Whether it is the host's memory.
    """
    result = CheckResult(
        name=NAME,
        when="live",
        required=True,
        outcome="failed",
        attempts=0,
        seconds=0.0,
        output=output,
        said=said,
        inconclusive=inconclusive or short_of_memory,
    )
    return Proof(None, result, log=log, short_of_memory=short_of_memory)
