"""What interrupted commands leave behind, and its removal: candidates, trash, scratch, old logs."""

from __future__ import annotations

import contextlib
import os
from typing import Final

from venvship.errors import BusyError, VenvshipError
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.root import SCRATCH_PREFIX, TRASH_PREFIX
from venvship.system import files, trees
from venvship.system.mutex import shared
from venvship.workspace.holding import BuildHeld, hold_switch
from venvship.workspace.releases import debris_names, release_ids
from venvship.workspace.workspace import Workspace

KEPT_LOGS: Final = 20
"""How many logs are kept of releases that are gone, and of builds that became none: the last ones."""


def sweep_debris(held: BuildHeld) -> tuple[str, ...]:
    """Remove candidates, trash, scratch, and a torn end of the journal.

    Debris that cannot be removed is a warning, and is tried again next time.
    """
    removed: list[str] = []
    workspace = held.workspace
    layout = workspace.layout
    history = workspace.history()
    _mend_journal(workspace)
    for name in debris_names(workspace.layout, history):
        try:
            _record_removal(workspace, name, history)
            discard(workspace, name)
        except OSError as error:
            workspace.warn("debris-left", f"could not remove {layout.releases / name}: {error.strerror}")
        else:
            removed.append(name)
    scratches = [name for name in os.listdir(layout.state) if name.startswith(SCRATCH_PREFIX)]
    # First, and until it is done: it is the scratch that says that a build was interrupted.
    swept = not scratches or _sweep_store(workspace)
    for name in scratches:
        if swept:
            trees.remove_tree(layout.state / name)
            removed.append(name)
        else:
            trees.empty_directory(layout.state / name)
    removed += _sweep_temporary_names(workspace)
    for name in os.listdir(layout.leases):
        if not layout.release(name).exists():
            files.remove_name(layout.lease(name))
            removed.append(f"leases/{name}")
    _sweep_logs(workspace, history)
    return tuple(removed)


def has_debris(workspace: Workspace, history: History) -> bool:
    """Whether there is something to sweep, as far as a few names tell; what is being built looks the same."""
    names = os.listdir(workspace.layout.state)
    return (
        bool(debris_names(workspace.layout, history))
        or any(name.startswith(SCRATCH_PREFIX) or files.left_over_of(name) for name in names)
        or workspace.journal.read().torn
    )


def _mend_journal(workspace: Workspace) -> None:
    """Set a torn end aside now: a command that has nothing to do would leave it to be warned of for ever."""
    if not workspace.journal.read().torn:
        return
    try:
        workspace.journal.mend()
    except (OSError, VenvshipError) as error:
        text = error.strerror if isinstance(error, OSError) else error.message
        workspace.warn("debris-left", f"could not set the torn end of the journal aside: {text}")


def _sweep_temporary_names(workspace: Workspace) -> list[str]:
    """Remove what killed writers left in `state/`, only that, under the mutexes of who writes there now."""
    state = workspace.layout.state
    if not any(map(files.left_over_of, os.listdir(state))):
        return []
    with (
        contextlib.suppress(BusyError),
        hold_switch(workspace, None, wait=0),
        workspace.journal_mutex.hold(wait=5),
    ):
        names = [name for name in os.listdir(state) if files.left_over_of(name)]
        for name in names:
            files.remove_name(state / name)
        return names
    return []


def _sweep_store(workspace: Workspace) -> bool:
    """Remove what an interrupted import left in the store, unless another root's build is using it.

    Returns:
        Whether there is nothing left to do here; false if something could not be removed.
    """
    from venvship.building.store.cleaning import sweep
    from venvship.building.store.store import Store

    try:
        store = Store(str(workspace.layout.path / workspace.settings_or_kept().store))
        if os.path.isdir(store.path):
            with shared(store.mutex, name="store", exclusive=True):
                sweep(store)
    except BusyError:
        pass  # what is imported at this moment looks the same; the next interrupted build sees to it
    except VenvshipError as error:
        workspace.warn("debris-left", error.message)
        return False
    return True


def _sweep_logs(workspace: Workspace, history: History) -> None:
    """Keep the logs of releases, and the last of others: a failing cron job makes many.

    A release that failed may be pruned by the very command that says where its log is.
    """
    layout = workspace.layout
    known = {*release_ids(workspace.layout, history), *layout.sealed()}
    # By name, which is by the clock of the time: which diagnostics stay is no truth that matters.
    orphans = sorted(name for name in os.listdir(layout.logs) if name not in known)
    for name in orphans[:-KEPT_LOGS]:
        try:
            trees.remove_tree(layout.logs / name)
        except OSError as error:
            workspace.warn("debris-left", f"could not remove {layout.logs / name}: {error.strerror}")


def _record_removal(workspace: Workspace, name: str, history: History) -> None:
    """Journal what a prune had no room to: it leaves the trash of a release for as long as that lasts.

    Raises:
        OSError: There is no room still.
    """
    release_id = name.removeprefix(TRASH_PREFIX)
    if name != release_id and not workspace.layout.release(release_id).exists():
        record = history.records.get(release_id)
        if record is not None and record.seq > 0 and not record.pruned:
            workspace.record(EventName.PRUNED, release=release_id, reason="removed when the disk was full")


def discard(workspace: Workspace, name: str) -> None:
    """Move a directory under `releases/` out of the way in one rename, then remove it.

    Crash: a `.trash-<id>` is left, which is debris.

    Raises:
        OSError: It could not be moved or removed.
    """
    releases = workspace.layout.releases
    path = releases / name
    if not name.startswith(TRASH_PREFIX):
        trash = releases / f"{TRASH_PREFIX}{name}"
        trees.remove_tree(trash)
        try:
            files.rename(path, trash)
        except OSError:
            # EXDEV on overlayfs: a directory of a lower layer cannot be renamed. Without its manifest it is
            # no release any more, so a crash in the middle of the removal leaves debris all the same.
            trees.make_removable(path / ".venvship")
            files.remove_name(path / ".venvship" / "manifest.json")
            trash = path
        path = trash
    trees.remove_tree(path)
