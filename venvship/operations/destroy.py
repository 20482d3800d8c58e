"""`destroy`: remove a root. The user's own files in its directory stay."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from venvship.errors import HostError, InUseError, OperationWarning, VenvshipError
from venvship.model import bounds
from venvship.model.release import is_release_id
from venvship.model.settings import Settings
from venvship.model.settings_template import ROOT_README
from venvship.operations.retention.use import holds_lease, look_at_processes
from venvship.root import TRASH_PREFIX, RootLayout
from venvship.system import files, trees
from venvship.system.faults import root_faults
from venvship.system.leases import lease_withheld
from venvship.system.mutex import shared
from venvship.system.regular import read_regular
from venvship.workspace.holding import hold_build, hold_switch
from venvship.workspace.settings_files import NO_SETTINGS
from venvship.workspace.workspace import Workspace

STORE_NAMES: Final = frozenset(
    {"wheels", "bytecode", "archives", "selections", "roots", "unnamed.json", "store.mutex"}
)
"""All that a store consists of, but for hidden names of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyResult:
    """The result of `Root.destroy`.

    Attributes:
        name: The application's name.
        root: The root; absolute.
        releases: The number of releases that were removed.
        left: What stays in the directory of the root, absolute; with nothing left, the directory is gone too.
        changed: Whether a later command can see a difference; after an error too.
        warnings: The warnings of the operation.
    """

    name: str
    root: str
    releases: int
    left: tuple[str, ...]
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `destroy --json`."""
        return {
            "name": self.name,
            "root": self.root,
            "releases": self.releases,
            "left": list(self.left),
            "changed": self.changed,
        }


def destroy(workspace: Workspace) -> DestroyResult:
    """Remove a root: links, releases, its own store, logs, and the settings and the journal last.

    A directory that holds nothing but the root goes as a whole, with the lockfile. Where there is anything
    else, as in a checkout or with what the lockfile was made from, that stays too: it is somebody's source.

    Crash: until the journal is gone it is a root, and the next `destroy` removes the rest. After that, at
    most empty directories of it are left.

    Arguments and errors: `Root.destroy`.
    """
    layout = workspace.layout
    with root_faults(layout.path), contextlib.ExitStack() as stack:
        workspace.open_for_writing()
        # Not announced: the announcement would be written into `state/` after its removal.
        stack.enter_context(hold_build(workspace, None))
        stack.enter_context(hold_switch(workspace, None))
        stack.enter_context(_none_in_use(layout))
        settings = _settings(workspace)
        store = stack.enter_context(_own_store(workspace, settings))
        releases = len(layout.with_manifest())
        workspace.changes.append("destroyed")
        _remove_root(layout, store)
        left = _remove_sources(layout, settings)
        name = settings.name
    return DestroyResult(name=name, root=str(layout.path), releases=releases, left=left)


def _settings(workspace: Workspace) -> Settings:
    try:
        return workspace.settings_or_kept()
    except NO_SETTINGS:  # a warning has said so; without settings no file counts as a source
        return Settings(name=workspace.layout.path.name, lockfile=())


@contextlib.contextmanager
def _none_in_use(layout: RootLayout) -> Iterator[None]:
    """Refuse while processes run from releases, and keep any from starting in one.

    A process that cannot be looked into and shows nothing of the root is no reason: there are some always.

    Raises:
        InUseError: A process runs from a release.
    """
    look = look_at_processes(layout)
    names = {name.removeprefix(TRASH_PREFIX) for name in os.listdir(layout.releases)}
    with contextlib.ExitStack() as stack:
        for name in sorted({*names, *os.listdir(layout.leases)}):
            if not is_release_id(name):
                continue
            user = look.seen.get(name) or next((str(one) for one in look.hidden if one.named), "")
            if not user and not stack.enter_context(lease_withheld(str(layout.lease(name)))):
                user = holds_lease(layout, name)
            if user:
                raise InUseError(
                    f"{layout.path} was not removed: {name} is in use: {user}",
                    hint="stop the service, and remove its crontab line or units, then destroy it",
                )
        yield


@contextlib.contextmanager
def _own_store(workspace: Workspace, settings: Settings) -> Iterator[str | None]:
    """The store in the root's directory, with its mutex held alone; `None` if it stays.

    Raises:
        BusyError: A build for another root uses it.
    """
    from venvship.building.store.roots import registered_roots
    from venvship.building.store.store import Store

    layout = workspace.layout
    store = Store(str(layout.path / settings.store))
    real = os.path.realpath(store.path)
    if not os.path.isdir(real) or not real.startswith(f"{layout.path}/"):
        yield None
        return
    with shared(store.mutex, exclusive=True):
        try:
            roots = {os.path.realpath(root) for root in registered_roots(store).values()}
            others = sorted(root for root in roots - {str(layout.path)} if os.path.isdir(root))
        except VenvshipError as error:
            others = [error.message]
        if others:
            workspace.warn("store-left", f"the store {real} stays, since it may serve others: {others[0]}")
        yield None if others else real


def _remove_root(layout: RootLayout, store: str | None) -> None:
    """Remove all that venvship made."""
    for link in (layout.current_link, layout.previous_link):
        if _is_ours(str(link)):
            files.remove_name(link)
    for name in layout.strays():
        files.remove_name(layout.path / name)
    _remove_entries(layout.releases, lambda name: is_release_id(name.removeprefix(TRASH_PREFIX)))
    if store is not None:
        _remove_entries(store, _is_of_a_store)
    _remove_entries(layout.logs, lambda name: is_release_id(name) or name in {"lock", "none"})
    readme = layout.path / "README"
    with contextlib.suppress(OSError, HostError):
        if read_regular(readme, bounds.CONFIGURATION).data == ROOT_README.encode():
            files.remove_name(readme)
    for name in os.listdir(layout.state):
        if name != layout.journal_file.name:
            trees.remove_tree(layout.state / name)
    # Until here it is a root, so that this can be done again from inside it, and no root above is meant.
    files.remove_name(layout.settings_file)
    trees.remove_tree(layout.state)


def _is_ours(link: str) -> bool:
    """Whether it is a link to one of the root's releases, and not a directory or link of the user's."""
    try:
        return os.readlink(link).startswith("releases/")
    except OSError:
        return False


def _is_of_a_store(name: str) -> bool:
    return name in STORE_NAMES or name.startswith((".new-", ".trash-", ".unnamed.json."))


def _remove_entries(folder: str | Path, is_ours: Callable[[str], bool]) -> None:
    """Remove what venvship made in a directory, and the directory if nothing else is in it."""
    with contextlib.suppress(FileNotFoundError):
        for name in filter(is_ours, os.listdir(folder)):
            trees.remove_tree(os.path.join(folder, name))
        if not os.listdir(folder):
            trees.remove_tree(folder)


def _remove_sources(layout: RootLayout, settings: Settings) -> tuple[str, ...]:
    """Remove the lockfile and the directory, if it holds nothing else.

    Returns:
        The paths that stay.
    """
    there = set(os.listdir(layout.path))
    lockfiles = {name for name in settings.lockfile if not os.path.isdir(layout.path / name)}
    if there <= lockfiles:
        for name in there:
            files.remove_name(layout.path / name)
        with contextlib.suppress(OSError):  # a mount point, or the directory above is not ours
            trees.remove_tree(layout.path)
        if not os.path.isdir(layout.path):
            return ()
        there = set()
    return tuple(str(layout.path / name) for name in sorted(there))
