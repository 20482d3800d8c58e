"""Remove the debris of interrupted commands: candidates, trash, scratch, old logs. Note what is in doubt."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

from venvship.errors import BusyError, VenvshipError
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.operations.retention.use import unused
from venvship.root import SCRATCH_PREFIX, TRASH_PREFIX, RootLayout
from venvship.system import files, leases, trees
from venvship.system.mutex import shared
from venvship.workspace.holding import BuildHeld, SwitchHeld, hold_switch
from venvship.workspace.releases import debris_names, doubt, doubt_warning, in_doubt, is_known, release_ids
from venvship.workspace.underway import under_way
from venvship.workspace.workspace import Workspace

KEPT_LOGS: Final = 20
"""The number of logs that are kept of removed releases and failed builds: the newest ones."""


def sweep_debris(held: BuildHeld) -> tuple[str, ...]:
    """Remove candidates, trash, scratch, and a torn end of the journal; note directories in doubt.

    Debris that cannot be removed, or that a process uses, is a warning, and is tried again next time.

    Raises:
        RootError: The journal is damaged, or `releases/` cannot be listed.
    """
    removed: list[str] = []
    workspace = held.workspace
    layout = workspace.layout
    history = workspace.history()
    _mend_journal(workspace)
    for name in debris_names(workspace.layout, history):
        try:
            if _remove_debris(held, name, history):
                removed.append(name)
                workspace.changes.append("debris")  # `list` has shown it
        except OSError as error:
            workspace.warn("debris-left", f"could not remove {layout.releases / name}: {error.strerror}")
    _note_doubt(workspace, history)
    scratches = [name for name in os.listdir(layout.state) if name.startswith(SCRATCH_PREFIX)]
    # The store first: only the scratch tells the next command that a build was interrupted.
    swept = not scratches or _sweep_store(workspace)
    for name in scratches:
        if swept and _is_left_scratch(workspace, name, history):
            trees.remove_tree(layout.state / name)
            removed.append(name)
        else:
            trees.empty_directory(layout.state / name)
    removed += _sweep_temporary_names(workspace)
    for name in _stray_leases(workspace):
        files.remove_name(layout.lease(name))
        removed.append(f"leases/{name}")
    _sweep_logs(workspace, history)
    return tuple(removed)


def has_debris(workspace: Workspace, history: History) -> bool:
    """Whether there is something that a sweep would remove or note. A build that is under way looks the same.

    Raises:
        RootError: The journal or `releases/` cannot be read.
    """
    layout = workspace.layout
    names = os.listdir(layout.state)
    if (
        any(_is_left_scratch(workspace, name, history) or files.left_over_of(name) for name in names)
        or _marked_leases(workspace)
        or any(history.found_at(name) is None for name in in_doubt(layout, history))
        or workspace.journal.read().torn
    ):
        return True
    # One in use stays for as long as that takes: no reason to write, or to send a mail, every time.
    if any(_is_unused(workspace, history, name) for name in debris_names(layout, history)):
        return True
    return bool(_stray_leases(workspace))


def plan_sweep(workspace: Workspace, history: History) -> tuple[str, ...]:
    """The directories that a sweep would remove now, for a dry run. None while a build is under way.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    build = under_way(workspace.layout, "build")
    if build is not None and build.running:
        return ()
    names = debris_names(workspace.layout, history)
    return tuple(name for name in names if _is_unused(workspace, history, name))


def _is_unused(workspace: Workspace, history: History, name: str) -> bool:
    with _unused(workspace, history, name) as user:
        return not user


def _is_left_scratch(workspace: Workspace, name: str, history: History) -> bool:
    """Whether it is a scratch that says nothing any more.

    Beside a sealed release that the journal does not know it says that the release is debris, which may stay
    for a while, since it is in use.
    """
    release_id = name.removeprefix(SCRATCH_PREFIX)
    return name != release_id and (
        is_known(release_id, history) or not workspace.layout.has_release(release_id)
    )


@contextlib.contextmanager
def _unused(workspace: Workspace, history: History, name: str) -> Iterator[str]:
    """As `unused`, for debris. A candidate that was never sealed has no users but the rest of its build."""
    release_id = name.removeprefix(TRASH_PREFIX)
    if name == release_id and not workspace.layout.has_manifest(name) and _is_of_a_build(workspace, name):
        yield ""
        return
    with unused(workspace, history, release_id) as user:
        yield user


def _is_of_a_build(workspace: Workspace, name: str) -> bool:
    return os.path.lexists(workspace.layout.scratch(name))


def _remove_debris(held: BuildHeld, name: str, history: History) -> bool:
    """Remove one directory, unless a process uses it.

    Raises:
        OSError: It could not be removed.
    """
    workspace = held.workspace
    with _unused(workspace, history, name) as user:
        if user:
            workspace.warn("in-use", f"{workspace.layout.releases / name} was not removed: in use: {user}")
            return False
        _record_removal(workspace, name, history)
        discard(held, name)
    return True


def _note_doubt(workspace: Workspace, history: History) -> None:
    """Record directories in doubt when they are found: from then on prune counts the days."""
    layout = workspace.layout
    if not in_doubt(layout, history):
        return
    history = workspace.history()  # again: a prune may have removed one between the two readings
    for name in in_doubt(layout, history):
        if history.found_at(name) is None:
            problem = doubt(layout, name)
            workspace.record_if_possible(EventName.FOUND, release=name, reason=problem)
            workspace.warn(*doubt_warning(layout, name, problem))


def _mend_journal(workspace: Workspace) -> None:
    """Set a torn end of the journal aside now: without a new line, each command would warn of it again."""
    if not workspace.journal.read().torn:
        return
    try:
        workspace.journal.mend()
    except (OSError, VenvshipError) as error:
        text = error.strerror if isinstance(error, OSError) else error.message
        workspace.warn("debris-left", f"could not set the torn end of the journal aside: {text}")


def _leases(layout: RootLayout) -> list[str]:
    try:
        return os.listdir(layout.leases)
    except FileNotFoundError:  # no release yet, or `state/` was restored without them
        return []


def _stray_leases(workspace: Workspace) -> list[str]:
    """The leases of no release: of a build that did not get far, or of a removal that was killed at its end.

    A release in the trash that is in use keeps its lease, by which its processes are known.
    """
    layout = workspace.layout
    names = _leases(layout)
    there = set(os.listdir(layout.releases)) if names else set()
    return [name for name in names if there.isdisjoint({name, f"{TRASH_PREFIX}{name}"})]


def _marked_leases(workspace: Workspace) -> list[str]:
    """The releases whose lease says that they are being removed: a removal is under way, or was killed."""
    layout = workspace.layout
    return [name for name in _leases(layout) if leases.is_marked(str(layout.lease(name)))]


def _sweep_temporary_names(workspace: Workspace) -> list[str]:
    """Remove temporary files and marks of leases that killed commands left in `state/`.

    With build.mutex and the mutexes of its writers held, so that none of it belongs to a command under way.
    """
    state = workspace.layout.state
    if not any(map(files.left_over_of, os.listdir(state))) and not _marked_leases(workspace):
        return []
    with (
        contextlib.suppress(BusyError),
        hold_switch(workspace, None, wait=0),
        workspace.journal_mutex.hold(wait=5),
    ):
        names = [name for name in os.listdir(state) if files.left_over_of(name)]
        for name in names:
            files.remove_name(state / name)
        for name in _marked_leases(workspace):
            leases.remove_mark(str(workspace.layout.lease(name)))
        return names
    return []


def _sweep_store(workspace: Workspace) -> bool:
    """Remove left-overs of an import from the store unless another root uses it; false if a file stays."""
    from venvship.building.store.cleaning import sweep
    from venvship.building.store.store import Store

    try:
        path = workspace.layout.path / workspace.settings_or_kept().store
        store = Store(str(path), workspace.trusted.trust)
        if os.path.isdir(store.path):
            with shared(store.mutex, exclusive=True):
                sweep(store)
    except BusyError:
        pass  # an import that is under way looks the same; a later sweep removes them
    except VenvshipError as error:
        workspace.warn("debris-left", error.message)
        return False
    return True


def _sweep_logs(workspace: Workspace, history: History) -> None:
    """Keep the logs of releases, and the newest of others: a failing cron job makes many.

    A failed release may be pruned by the same command that reports the path of its log.
    """
    layout = workspace.layout
    known = {*release_ids(workspace.layout, history), *layout.with_manifest()}
    # By name, that is by the clock at that time: good enough to choose which diagnostics stay.
    orphans = sorted(name for name in os.listdir(layout.logs) if name not in known)
    for name in orphans[:-KEPT_LOGS]:
        try:
            trees.remove_tree(layout.logs / name)
        except OSError as error:
            workspace.warn("debris-left", f"could not remove {layout.logs / name}: {error.strerror}")


def _record_removal(workspace: Workspace, name: str, history: History) -> None:
    """Journal a removal for which a prune found no room; the trash of the release stays until then."""
    release_id = name.removeprefix(TRASH_PREFIX)
    if name != release_id and not workspace.layout.release_path(release_id).exists():
        record = history.records.get(release_id)
        if record is not None and record.seq > 0 and not record.pruned:
            workspace.record(EventName.PRUNED, release=release_id, reason="removed when the disk was full")


def discard(held: BuildHeld | SwitchHeld, name: str) -> None:
    """Move a directory under `releases/` out of the way in one rename, then remove it.

    Crash: a `.trash-<id>` is left, which is debris.

    Raises:
        OSError: It could not be moved or removed.
    """
    releases = held.workspace.layout.releases
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
