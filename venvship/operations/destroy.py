"""`destroy`: remove a root. The user's own files in its directory stay."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from venvship.errors import HostError, InUseError, OperationWarning, VenvshipError
from venvship.model import bounds
from venvship.model.history import History
from venvship.model.release import is_release_id
from venvship.model.settings import Settings
from venvship.model.settings_service import SLOTS
from venvship.model.settings_template import ROOT_README
from venvship.model.use import Live
from venvship.operations.retention.use import Look, holds_lease, live_times, look_at_processes
from venvship.root import TRASH_PREFIX, RootLayout
from venvship.system import files, trees
from venvship.system.faults import root_faults
from venvship.system.leases import lease_withheld
from venvship.system.mutex import shared
from venvship.system.regular import read_regular
from venvship.workspace.folders import MUTEXES
from venvship.workspace.holding import hold_build, hold_mutex, hold_switch
from venvship.workspace.settings_files import NO_SETTINGS, read_kept_settings, read_settings
from venvship.workspace.slots import Slots, is_of_slots
from venvship.workspace.workspace import Workspace

ROUNDS: Final = 100
"""How often the last names of `state/` are removed: a command that waits may make a lock file again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyResult:
    """The result of `Root.destroy`.

    Attributes:
        name: The application's name.
        root: The root; absolute.
        releases: The number of releases that were removed.
        left: The paths that stay, absolute: files and folders in the directory of the root, or the directory
            itself. With none left, the directory is gone.
        reasons: Why each of them stays, by its path.
        changed: Whether a later command can see a difference; after an error too.
        warnings: The warnings of the operation.
    """

    name: str
    root: str
    releases: int
    left: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `destroy --json`."""
        return {
            "name": self.name,
            "root": self.root,
            "releases": self.releases,
            "left": list(self.left),
            "reasons": [self.reasons[path] for path in self.left],
            "changed": self.changed,
        }


class _Store(NamedTuple):
    """The store in the directory of a root.

    Attributes:
        path: Where it is; real.
        stays: Why it is not removed; `""` if it is.
    """

    path: str
    stays: str


def destroy(workspace: Workspace, *, force: bool = False) -> DestroyResult:
    """Remove a root: links, releases, its own store, logs, and the settings and the journal last.

    A directory that holds nothing but the root goes as a whole, with the lockfile. Where there is anything
    else, as in a checkout or with the files that the lockfile was made from, that stays too: it is a source.

    A command that waits for a mutex meanwhile finds no lock file afterwards, and makes nothing again: see
    `system.mutex` and `make_folders`.

    Crash: until the journal is gone it is a root, and the next `destroy` removes the rest. After that, at
    most `state/` with lock files in it and empty directories are left.

    Arguments and errors: `Root.destroy`.
    """
    layout = workspace.layout
    with root_faults(layout.path), contextlib.ExitStack() as stack:
        workspace.open_for_writing()
        # Not announced: the announcement would be written into `state/` after its removal.
        stack.enter_context(hold_build(workspace, None))
        stack.enter_context(hold_switch(workspace, None))
        stack.enter_context(hold_mutex(workspace, "slots", workspace.runtime.wait))
        stack.enter_context(_none_in_use(workspace, force=force))
        settings = _settings(workspace)
        store = stack.enter_context(_own_store(workspace, settings))
        # Or an event, or the result of a `verify`, would be written into what is being removed.
        stack.enter_context(workspace.journal_mutex.hold(wait=10))
        releases = len(layout.with_manifest())
        workspace.changes.append("destroyed")
        if settings.service.is_on:
            _remove_slots(Slots.of(layout, settings.service))
        _remove_root(layout, store.path if store is not None and not store.stays else None)
        reasons = _remove_sources(layout, settings, store)
    return DestroyResult(
        name=settings.name,
        root=str(layout.path),
        releases=releases,
        left=tuple(reasons),
        reasons=reasons,
    )


def _settings(workspace: Workspace) -> Settings:
    try:
        return workspace.settings_or_kept()
    except NO_SETTINGS:  # a warning has said so; without settings no file counts as a source
        return Settings(name=workspace.layout.path.name, lockfile=())


@contextlib.contextmanager
def _none_in_use(workspace: Workspace, *, force: bool) -> Iterator[None]:
    """Refuse while processes run from releases, and keep any from starting in one.

    The look is that of every removal; see `retention.use`. A process that cannot be looked into, and may use
    a release, is a reason as well, unless `force` is given: an operator can find out what it is, and for a
    user other than root there is one on almost every host.

    Raises:
        InUseError: A process runs from a release, or may.
    """
    layout = workspace.layout
    history = workspace.known_history(unreadable="warn").history
    look = look_at_processes(layout)
    names = {name.removeprefix(TRASH_PREFIX) for name in os.listdir(layout.releases)}
    names = set(filter(is_release_id, {*names, *os.listdir(layout.leases)}))
    with contextlib.ExitStack() as stack:
        for name in sorted(names):
            user = look.seen.get(name) or next((str(one) for one in look.hidden if one.named), "")
            if not user and not stack.enter_context(lease_withheld(str(layout.lease(name)))):
                user = holds_lease(layout, name)
            if user:
                raise InUseError(
                    f"{layout.path} was not removed: {name} is in use: {user}",
                    hint="stop the service, and remove its crontab line or units, then destroy it",
                )
        if not force:
            _refuse_hidden(workspace, look, {name: _live(layout, history, name) for name in sorted(names)})
        yield


def _refuse_hidden(workspace: Workspace, look: Look, lives: Mapping[str, Live | None]) -> None:
    """Refuse while a process that cannot be looked into may use a release.

    Raises:
        InUseError: One may.
    """
    for name, live in lives.items():
        hidden = look.hidden_user(live, workspace.runtime.clock())
        if hidden is not None:
            how = "look as root what runs"
            if hidden.pid:
                how = f"see what it is: sudo ls -l /proc/{hidden.pid}/exe /proc/{hidden.pid}/cwd"
            raise InUseError(
                f"{workspace.layout.path} was not removed: {name} may be in use: {hidden}",
                hint=f"{how}; if no such process uses the releases: venvship destroy --force",
            )


def _live(layout: RootLayout, history: History, release_id: str) -> Live | None:
    """When a release was live. One that the journal does not know may be live still, in doubt."""
    live = live_times(layout, history, release_id)
    known = release_id in history.records or not layout.has_manifest(release_id)
    if known and release_id != _current(layout):
        return live
    return Live(live.first if live is not None else datetime.min.replace(tzinfo=UTC), None)


def _current(layout: RootLayout) -> str | None:
    try:
        return layout.current()
    except VenvshipError:
        return None


@contextlib.contextmanager
def _own_store(workspace: Workspace, settings: Settings) -> Iterator[_Store | None]:
    """The store in the root's directory, with its mutex held alone; `None` if there is none.

    Raises:
        BusyError: A build for another root uses it.
    """
    from venvship.building.store.roots import registered_roots
    from venvship.building.store.store import Store

    layout = workspace.layout
    store = Store(str(layout.path / settings.store), workspace.trusted.trust)
    real = os.path.realpath(store.path)
    if not os.path.isdir(real) or not real.startswith(f"{layout.path}/"):
        yield None
        return
    with shared(store.mutex, exclusive=True):
        try:
            listed = {os.path.realpath(root) for root in registered_roots(store).values()}
            others = sorted(root for root in listed - {str(layout.path)} if _may_build_from(root, real))
            stays = f"the root {others[0]} builds from it" if others else ""
        except VenvshipError as error:
            stays = f"another root may build from it: {error.message}"
        if stays:
            workspace.warn("store-left", f"the store {real} stays: {stays}")
        yield _Store(real, stays)


def _may_build_from(root: str, store: str) -> bool:
    """Whether a root on the list of a store builds from it, or may.

    Not for certain: the list of a store that was copied with its root names the original, which builds from
    its own.

    Args:
        root: The root on the list; real.
        store: The path of the store; real.
    """
    layout = RootLayout(Path(root))
    try:
        if not layout.is_root():
            return False
    except OSError:
        return True
    settings: Settings | None
    try:
        settings = read_settings(layout)
    except NO_SETTINGS:
        settings = read_kept_settings(layout)
    return settings is None or os.path.realpath(layout.path / settings.store) == store


def _remove_root(layout: RootLayout, store: str | None) -> None:
    """Remove all that venvship made, with all mutexes held.

    The lock files go last, when there is no root any more: a command that began now would make another one
    and have "the" lock as well.
    """
    from venvship.building.store.names import MUTEX, is_of_store

    for link in (layout.current_link, layout.previous_link):
        if _is_ours(str(link)):
            files.remove_name(link)
    for name in layout.strays():
        files.remove_name(layout.path / name)
    _remove_entries(layout.releases, lambda name: is_release_id(name.removeprefix(TRASH_PREFIX)))
    if store is not None:
        _remove_entries(store, lambda name: is_of_store(name) and name != MUTEX)
        _remove_entries(store, lambda name: name == MUTEX)
    _remove_entries(layout.logs, lambda name: is_release_id(name) or name in {"lock", "none"})
    readme = layout.path / "README"
    with contextlib.suppress(OSError, HostError):
        if read_regular(readme, bounds.CONFIGURATION).data == ROOT_README.encode():
            files.remove_name(readme)
    last = {layout.journal_file.name, *(layout.mutex(name).name for name in MUTEXES)}
    for name in os.listdir(layout.state):
        if name not in last:
            trees.remove_tree(layout.state / name)
    # Until here it is a root, so that this can be done again from inside it, and no root above is meant.
    files.remove_name(layout.settings_file)
    files.remove_name(layout.journal_file)
    for _ in range(ROUNDS):
        for name in os.listdir(layout.state):
            trees.remove_tree(layout.state / name)
        if trees.remove_empty(layout.state):
            break
    for folder in (layout.releases, layout.logs):
        if folder.is_dir():  # a command that waits for us has made it again
            trees.remove_empty(folder)


def _remove_slots(slots: Slots) -> None:
    """Remove the slots' links, what their servers have left, and the folder if nothing else is in it."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        others = [slot for slot in SLOTS if os.path.lexists(slots.link(slot)) and slots.release(slot) is None]
        for name in os.listdir(slots.folder) if not others else ():
            if is_of_slots(name):
                files.remove_name(f"{slots.folder}/{name}")
        with contextlib.suppress(PermissionError):  # below /run the folder is root's
            trees.remove_empty(slots.folder)


def _is_ours(link: str) -> bool:
    """Whether it is a link to one of the root's releases, and not a directory or link of the user's."""
    try:
        return os.readlink(link).startswith("releases/")
    except OSError:
        return False


def _remove_entries(folder: str | Path, is_ours: Callable[[str], bool]) -> None:
    """Remove what venvship made in a directory, and the directory if nothing else is in it."""
    with contextlib.suppress(FileNotFoundError):
        for name in filter(is_ours, os.listdir(folder)):
            trees.remove_tree(os.path.join(folder, name))
        trees.remove_empty(folder)


def _remove_sources(layout: RootLayout, settings: Settings, store: _Store | None) -> dict[str, str]:
    """Remove the lockfile and the directory, if it holds nothing else.

    Returns:
        The paths that stay, each with the reason.
    """
    lockfiles = {name for name in settings.lockfile if not os.path.isdir(layout.path / name)}
    if set(os.listdir(layout.path)) <= lockfiles:
        for name in lockfiles:
            files.remove_name(layout.path / name)
        try:
            if trees.remove_empty(layout.path):
                return {}
        except OSError as error:  # a mount point, or the directory above is not ours
            return {str(layout.path): f"the directory cannot be removed: {error.strerror}"}
    reasons = {}
    for name in sorted(os.listdir(layout.path)):
        reason = "venvship did not make it"
        if store is not None and name == os.path.relpath(store.path, layout.path).split("/")[0]:
            reason = (
                f"the store: {store.stays}" if store.stays else "it holds files that venvship did not make"
            )
        elif name in {layout.releases.name, layout.logs.name, layout.state.name}:
            reason = "it holds files that venvship did not make"
        elif name == layout.shared.name:
            reason = "it holds what outlives releases: it is the application's, and yours to remove"
        elif name in lockfiles:
            reason = "a lockfile stays with other files, as a source"
        reasons[str(layout.path / name)] = reason
    return reasons
