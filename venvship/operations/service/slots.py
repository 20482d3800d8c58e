"""Start and stop the application in one of the slots, and lead customers to one.

Every function here takes `SlotsHeld`: nobody else starts, stops or links meanwhile. slots.mutex is the
innermost of the mutexes but the journal's (ADR 3), and no command waits for another mutex while it holds it.

Crash: `state/slots.json` names a slot before its start begins, and until its stop has ended. So whatever may
run is known, and `retire` of the next command stops what customers are not led to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from venvship.errors import ServiceFolderError, VenvshipError
from venvship.health.context import Context
from venvship.health.hooks import HookResult, run_hook
from venvship.model.release import is_release_id
from venvship.model.settings import Settings
from venvship.model.settings_service import SLOT, SLOTS
from venvship.operations.service.folder import allowed_owners, require_folder, socket_problem
from venvship.system import files, proc
from venvship.workspace.holding import hold_mutex
from venvship.workspace.slots import Notes, Slots, Trying, read_notes
from venvship.workspace.workspace import Workspace

WAIT: Final = 300.0
"""Seconds to wait for another command that starts or stops a slot: it gives up when it is asked to."""


class SlotsHeld(NamedTuple):
    """A root whose slots.mutex this process holds."""

    workspace: Workspace
    settings: Settings
    slots: Slots


@contextlib.contextmanager
def hold_slots(workspace: Workspace, settings: Settings, *, strict: bool = False) -> Iterator[SlotsHeld]:
    """Hold slots.mutex for the length of a `with` block.

    Args:
        workspace: The root.
        settings: With the service.
        strict: As for `require_folder`: for a candidate, not for a way back.

    Raises:
        SettingsError: See `require_folder`.
        ServiceFolderError: See `require_folder`; or slots of this root run in another folder.
        UntrustedError: `strict`, and others could put another folder in its place.
        BusyError: Another command starts or stops a slot, for longer than `WAIT`.
        InterruptedByError: A signal came while waiting.
        RootError: The mutex cannot be taken at all.
    """
    with hold_mutex(workspace, "slots", WAIT):
        slots = require_folder(workspace.layout, settings.service, strict=strict)
        if strict:
            workspace.trusted.require_way(slots.folder)
        _remove_strays(slots)
        elsewhere = read_notes(workspace.layout).elsewhere(slots)
        if elsewhere is not None:
            raise ServiceFolderError(
                f"slots of this root run in {elsewhere}, and service.socket_dir is {slots.folder} now",
                hint="put service.socket_dir back; or stop both slots by hand, remove "
                f"{workspace.layout.slots_file}, and go on",
            )
        yield SlotsHeld(workspace, settings, slots)


def _remove_strays(slots: Slots) -> None:
    """Remove the links that a crash has left in the making: nobody else makes any meanwhile. Best effort."""
    for path in slots.strays():
        with contextlib.suppress(OSError):
            if os.path.islink(path):
                files.remove_name(path)


def free_slot(slots: Slots) -> str:
    """The slot that customers are not led to: the one to start something in."""
    live = slots.live()
    if live is None:  # nothing is live, or its link was lost: rather the one that nothing answers from
        return next((slot for slot in SLOTS if not slots.accepts(slot)), SLOTS[-1])
    return SLOTS[1 - SLOTS.index(live)]


def start(held: SlotsHeld, slot: str, context: Context) -> HookResult:
    """Link a slot to a release, and run `start` for it.

    Until `lead_to`, `stop` leads the link back to the release that it named before: the web server has the
    assets of that one's pages from there.

    Args:
        held: The root; nothing runs in the slot.
        slot: The slot.
        context: The release.

    Raises:
        OSError: The link could not be made. Nothing was started.
        InterruptedByError: A signal came. The slot may be up.
    """
    assert held.settings.service.start is not None
    mark(held, slot)
    _point(held, held.slots.link(slot), context.release_path)
    if held.slots.is_socket(slot):  # of a server that ended: some cannot bind where there is one
        with contextlib.suppress(OSError):
            files.remove_name(held.slots.socket(slot))
    return _run(held, "service-start", held.settings.service.start, slot, context)


def mark(held: SlotsHeld, slot: str) -> None:
    """Note that this process is about to lead customers to a slot, so that no other command stops it."""
    pid, notes = os.getpid(), _notes(held)
    trying = Trying(slot, pid, proc.start_ticks(pid), held.slots.release(slot) or "")
    _write_notes(held, notes, started=notes.started | {slot}, trying=trying)


def unmark(held: SlotsHeld) -> None:
    """Note that this process leads customers to no other slot: what it had marked may be stopped."""
    notes = _notes(held)
    _write_notes(held, notes, started=notes.started)


def stop(held: SlotsHeld, slot: str) -> HookResult:
    """Run `stop` for a slot, for the release that its link names.

    A failure counts only while something still answers there: managers may fail to stop what does not run.

    Raises:
        InterruptedByError: A signal came. The slot may be up.
    """
    assert held.settings.service.stop is not None
    workspace = held.workspace
    try:
        variables = workspace.variables(held.settings, missing="warn")
    except VenvshipError as error:  # a slot that stays up would be worse
        workspace.warn("env-file-unread", f"{error.message}. Slot {slot} was stopped without its variables")
        variables = workspace.variables(held.settings._replace(env_file=None))
    context = workspace.context(held.slots.release(slot), variables, previous=None, event="retire")
    result = _run(held, "service-stop", held.settings.service.stop, slot, context)
    if not result.ok and not held.slots.accepts(slot):
        result = replace(result, ok=True)
    if result.ok:
        notes = _notes(held)
        if notes.trying is not None and notes.trying.slot == slot and held.slots.live() != slot:
            _lead_back(held, slot, notes.trying.before)
        _write_notes(held, notes, started=notes.started - {slot})
    return result


def _lead_back(held: SlotsHeld, slot: str, release_id: str) -> None:
    """Have the link of a slot name the release of before, or nothing if that is gone; best effort."""
    layout, link = held.workspace.layout, held.slots.link(slot)
    with contextlib.suppress(OSError):
        if not is_release_id(release_id) or not layout.has_release(release_id):
            files.remove_name(link)
        elif held.slots.release(slot) != release_id:
            _point(held, link, str(layout.release_path(release_id)))


def lead_to(held: SlotsHeld, slot: str) -> str:
    """Lead customers to a slot: one rename.

    Returns:
        Why they must not be led there; `""` if they are now.

    Raises:
        OSError: The link could not be moved; it is as it was.
    """
    slots = held.slots
    problem = socket_problem(slots, slot, allowed_owners(held.workspace.layout, held.settings.service))
    if not problem and not slots.accepts(slot):  # it ended since it was proven, and left its socket behind
        problem = f"nothing accepts connections on {slots.socket(slot)} any more"
    if not problem and slots.live() != slot:
        _point(held, slots.live_link, os.path.basename(slots.socket(slot)))
    if not problem:
        notes = _notes(held)
        _write_notes(held, notes, started=notes.started | {slot})
    return problem


def _run(held: SlotsHeld, name: str, argv: tuple[str, ...], slot: str, context: Context) -> HookResult:
    filled = tuple(argument.replace(SLOT, slot) for argument in argv)
    context = replace(context, slot=slot, socket=held.slots.socket(slot))
    return run_hook(name, filled, context, timeout=held.settings.hooks.timeout)


def _point(held: SlotsHeld, link: str, target: str) -> None:
    def point() -> None:
        new = files.temporary_name(link, ".to.")
        files.make_link(target, new)
        try:
            files.rename(new, link)
        except OSError:
            files.remove_name(new)
            raise

    held.workspace.with_reserve(point)
    files.fsync_directory(held.slots.folder)


def _notes(held: SlotsHeld) -> Notes:
    return read_notes(held.workspace.layout)


def _write_notes(
    held: SlotsHeld, before: Notes, *, started: frozenset[str], trying: Trying | None = None
) -> None:
    """Note which slots may be up, best effort: without it, a slot that a crash leaves up may stay up.

    Args:
        held: The root.
        before: What is noted now.
        started: These may be up.
        trying: The release that this process is about to prove. Without it, that of another process stays as
            long as its slot is up and customers are not led there: that one waits for this process, or was
            killed, and then the link of its slot still has to be led back.
    """
    other = before.trying
    if trying is None and other is not None and other.pid != os.getpid() and other.slot in started:
        trying = other if held.slots.live() != other.slot else None
    notes = Notes(started, held.slots.folder, held.settings.service.stop or (), trying)
    if notes == before:
        return
    path = held.workspace.layout.slots_file
    try:
        # Not durable: after a power cut nothing is up.
        held.workspace.with_reserve(lambda: files.write_json(path, notes.to_json(), durable=False))
    except OSError as error:
        held.workspace.warn("slots-not-noted", f"could not write {path}: {error.strerror}")
