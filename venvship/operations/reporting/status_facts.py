"""Facts of a status: settings, processes of releases that are not live, holds that apply, and trust."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from venvship.errors import VenvshipError
from venvship.model.event import Event
from venvship.model.history import History
from venvship.model.hold import Hold
from venvship.model.one_way import behind_one_way
from venvship.model.settings import Settings
from venvship.model.settings_form import health_digest
from venvship.model.trust import Trusted
from venvship.root import RootLayout
from venvship.system.flocks import Flocks
from venvship.workspace.reading import ReadingWorkspace


class OldProcesses(NamedTuple):
    """The processes of releases that are not live, as far as their leases tell.

    Attributes:
        pids: By id of a release, the processes that hold its lease.
        unseen: Releases whose lease is held by a process that cannot be seen here.
    """

    pids: Mapping[str, tuple[int, ...]]
    unseen: tuple[str, ...] = ()


def old_processes(layout: RootLayout, current: str | None, flocks: Flocks) -> OldProcesses:
    """The processes that share the lease of a release that is not live.

    A look at all processes takes ten times as long as all else that `status` reads. So it is taken only where
    the lock that /proc/locks shows is not that of a process: a daemon has the lease of the one that forked
    it, which has ended.
    """
    folder = layout.leases
    leases = {f"{folder}/{name}": name for name in layout.with_manifest() if name != current}
    pids = {leases[path]: found for path, found in flocks.holders(leases, shared=True).items()}
    handed_on = {leases[path] for path in flocks.shared(leases)} - pids.keys()
    if not handed_on:
        return OldProcesses(pids)
    from venvship.operations.reporting.running import look_at_processes  # late: mostly there are none
    from venvship.system.leases import is_leased

    if not any(is_leased(f"{folder}/{name}") for name in handed_on):
        return OldProcesses(pids)
    look = look_at_processes(layout, current, flocks)
    for found in look.found:
        if found.release in handed_on and found.seen_by == "lease":
            pids[found.release] = (*pids.get(found.release, ()), found.pid)
    return OldProcesses(pids, tuple(name for name in look.leases if name in handed_on))


def applying_holds(
    workspace: ReadingWorkspace, history: History, settings: Settings | None, environment: str | None
) -> tuple[Hold, ...]:
    """The root's holds; otherwise the refusal of the environment which the lockfile on disk means here."""
    holds = history.holds(workspace.runtime.clock())
    if holds or settings is None or environment is None:
        return holds
    refusal = history.refusal(environment, health_digest(settings)) or behind_one_way(history, environment)
    return (refusal,) if refusal is not None else ()


def readable_settings(workspace: ReadingWorkspace) -> Settings | None:
    """The settings; `None`, with a warning, if they cannot be read or trusted."""
    try:
        return workspace.settings()
    except VenvshipError as error:
        workspace.warn_of(error)
        return None


def live_slot(
    workspace: ReadingWorkspace,
    settings: Settings | None,
    current: str | None,
    events: Sequence[Event],
    *,
    running: bool,
) -> str | None:
    """The slot of the service that customers are led to, by its link; `None` without a service.

    A warning if another release is in it than the current one, if another slot was left up, or if nothing
    accepts connections where customers are led; unless a command is under way, which may be about to change
    that. No request is made.

    Args:
        workspace: The root.
        settings: The settings; `None` if they cannot be read.
        current: The current release.
        events: Those of the journal: they tell when the other slot has drained.
        running: Whether a command is under way.
    """
    if settings is None or not (settings.service.is_on or os.path.lexists(workspace.layout.slots_file)):
        return None
    from venvship.workspace import slots as of_slots  # late: few roots have slots

    if not settings.service.is_on:
        of_slots.warn_of_orphans(workspace)
        return None
    slots = of_slots.Slots.of(workspace.layout, settings.service)
    live = slots.live()
    if running or current is None:
        return live
    if live is None or slots.release(live) != current:
        where = (
            "nowhere" if live is None else f"to slot {live}, which has {slots.release(live) or 'no release'}"
        )
        workspace.warn(
            "slot-elsewhere",
            f"{slots.live_link} leads {where}, and {current} is live: `venvship handover ensure` leads there",
        )
    else:
        notes = of_slots.read_notes(workspace.layout)
        left = [slot for slot in sorted(notes.started) if slot != live and not notes.tried_by(slot)]
        began, now = of_slots.drain_began(slots, events), workspace.runtime.clock()
        if left and not of_slots.rest_of_drain(settings.service, began, now):
            workspace.warn("slot-left-up", f"slot {left[0]} is still up: `venvship recover` stops it")
    if live is not None and not slots.accepts(live):
        workspace.warn(
            "slot-silent", f"nothing answers in slot {live}, where customers are led: look at the service"
        )
    return live


def trusted_accounts(workspace: ReadingWorkspace, settings: Settings | None) -> tuple[Trusted, ...]:
    """The users and groups that the owner trusts.

    A warning if that, or another file that decides, would be refused by a command that acts on it.
    """
    try:
        workspace.trusted.require_all(settings)
        return workspace.trusted.accounts()
    except VenvshipError as error:
        workspace.warn_of(error)
    try:
        return workspace.trusted.accounts()
    except VenvshipError as error:
        workspace.warn_of(error)
        return ()
