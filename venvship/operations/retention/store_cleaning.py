"""Clean the store after a prune: remove entries that have been unreferenced for a while.

An entry is unreferenced if no release in any of the store's roots refers to it. Nothing breaks if too much is
removed: a release has names of its own for all of its files, and a build fetches wheels again. See ADR 9.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

from venvship.building.store.cleaning import (
    bytecode_entry,
    contents,
    described,
    drop,
    entries_that_build,
    paths_of,
    read_notes,
    sweep,
    wheel_entry,
    write_notes,
)
from venvship.building.store.registration import register_root
from venvship.building.store.roots import registered_roots
from venvship.building.store.store import Store
from venvship.errors import BusyError, DiskFullError, InterruptedByError, VenvshipError
from venvship.model.release import is_release_id
from venvship.model.settings import Settings
from venvship.model.source import BuildRequirement
from venvship.model.unreferenced import Notes, decide_unreferenced
from venvship.printable import enclosed
from venvship.root import RootLayout
from venvship.system import proc, trees
from venvship.system.mutex import shared
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """One entry that was removed from the store, or would be.

    Attributes:
        path: Its path; absolute.
        what: Its name for people: that of a wheel's file, or the path of a root that is gone.
        reason: The reason for its removal.
    """

    path: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreResult:
    """The outcome of cleaning the store.

    Attributes:
        path: The store.
        removed: The entries that were removed, or would be.
        waiting: The number of unreferenced wheels that stay until that has been so for long enough.
        freed_bytes: The bytes that the removal gives back: files that no release has.
    """

    path: str
    removed: tuple[Dropped, ...] = ()
    waiting: int = 0
    freed_bytes: int = 0

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {**asdict(self), "removed": [asdict(dropped) for dropped in self.removed]}


_UNREFERENCED: Final = "named by no release"
_GONE: Final = "a root that is gone"


def clean_store(
    workspace: Workspace, settings: Settings, *, without: Collection[str] = (), dry_run: bool = False
) -> StoreResult | None:
    """Remove the entries of the store that no release in any of its roots refers to, after a grace period.

    No mutex of the root may be held. Any failure is a warning: the releases are not affected.

    Crash: everything in the store is whole, or has a temporary name, which the next clean-up removes.

    Args:
        workspace: The root.
        settings: Where the store is.
        without: Releases of this root that do not count, because they are about to be removed.
        dry_run: Only report the entries that would be removed.

    Returns:
        The outcome; `None` if the store was not looked at: there is none, another user owns it, or it is in
        use.

    Raises:
        InterruptedByError: A signal came.
    """
    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    if not _is_ours(store.path):
        return None
    try:
        if dry_run:
            return _clean(workspace, store, without, dry_run=True)
        with shared(store.mutex, exclusive=True):
            sweep(store)
            with contextlib.suppress(DiskFullError):  # cleaning makes room; this root is looked at anyway
                register_root(store, str(workspace.layout.path))
            return _clean(workspace, store, without, dry_run=False)
    except BusyError:
        return None  # a build, or a clean-up for another root; there is a next time
    except InterruptedByError:
        raise
    except (OSError, VenvshipError) as error:
        text = str(error)
        if isinstance(error, VenvshipError):
            text = enclosed("", error.message, f". {error.hint}" if error.hint else "")
        workspace.warn("store-not-cleaned", enclosed(f"the store {store.path} was not cleaned: ", text))
        return None


def _is_ours(path: str) -> bool:
    """Whether the store is there, and ours to clean.

    What root left in another user's store would keep that user out of it.
    """
    try:
        found = os.stat(path)
    except OSError:
        return False
    return found.st_uid == os.geteuid() and os.access(path, os.W_OK | os.X_OK)


def _clean(workspace: Workspace, store: Store, without: Collection[str], *, dry_run: bool) -> StoreResult:
    """Clean the store, with its mutex held; a dry run reads only, and needs no mutex."""
    decided = _decide(workspace, store, without)
    if decided is None:
        return StoreResult(path=store.path)
    goes, notes = decided
    goes = _leave_used(workspace, store, goes)
    sizes = {thing: trees.own_bytes(paths_of(store, thing)) for thing in goes}
    gone: Collection[str] = goes
    if not dry_run:
        gone = drop(store, goes, between=workspace.runtime.signals.raise_if_received)
        # Last: on a full disk, the removal has made room for them. If not, the old notes serve as well.
        with contextlib.suppress(DiskFullError):
            write_notes(store, notes)
    return StoreResult(
        path=store.path,
        removed=tuple(goes[thing] for thing in gone),
        # Wheels, whose bytecode is not counted apart.
        waiting=len({thing.split("/")[1] for thing in notes.unreferenced if not thing.startswith("roots/")}),
        freed_bytes=sum(sizes[thing] for thing in gone),
    )


def _leave_used(workspace: Workspace, store: Store, goes: Mapping[str, Dropped]) -> dict[str, Dropped]:
    """The entries that no process is seen in; a warning names the processes of the others.

    Nothing in a release needs the store, so a process that cannot be looked into keeps nothing here.
    """
    base = os.path.realpath(store.path)
    used = {path: seen.pid for seen in (proc.processes_under(base) if goes else ()) for path in seen.paths}
    free = {}
    for thing, dropped in goes.items():
        place = f"{base}/{thing}"
        pid = next((pid for path, pid in used.items() if f"{path}/".startswith(f"{place}/")), None)
        if pid is None:
            free[thing] = dropped
        else:
            workspace.warn("in-use", f"{dropped.path} was not removed: in use: process {pid}")
    return free


def _decide(
    workspace: Workspace, store: Store, without: Collection[str]
) -> tuple[Mapping[str, Dropped], Notes] | None:
    """Decide on the removals; `None`, with a warning, if a root or release cannot be read."""
    roots = registered_roots(store)
    own = str(workspace.layout.path)
    referenced: set[str] = set()
    built_with: set[frozenset[BuildRequirement]] = set()
    problems: list[str] = []
    named = _Named(referenced, built_with, problems)
    present = {
        root: _add_root(named, root, without if root == own else ()) for root in {own, *roots.values()}
    }
    if problems:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        workspace.warn(
            "store-not-cleaned",
            f"nothing was removed from the store {store.path}, since something may need it that cannot be "
            f"read: {min(problems)}{more}",
        )
        return None
    referenced |= entries_that_build(store, built_with)
    goes, notes = decide_unreferenced(
        [*contents(store), *roots],
        referenced | {entry for entry, root in roots.items() if present[root]},
        read_notes(store),
        workspace.runtime.clock(),
    )
    dropped = {
        thing: Dropped(
            path=os.path.join(store.path, thing),
            what=roots.get(thing) or described(store, thing),
            reason=f"{_GONE if thing in roots else _UNREFERENCED} since {since:%Y-%m-%d}",
        )
        for thing, since in goes.items()
    }
    return dropped, notes


class _Named(NamedTuple):
    """The references of the releases that were read so far, and the problems."""

    referenced: set[str]
    built_with: set[frozenset[BuildRequirement]]
    problems: list[str]


def _add_root(named: _Named, root: str, without: Collection[str]) -> bool:
    """Add the references of a root's releases with a manifest, and return whether the root is there.

    It does not matter whether the root's journal has them. A root that is gone has none. If only its disk is
    absent, its entries are removed in the end, and its next build fetches them again. A root or release that
    is there and cannot be read is a problem.
    """
    layout = RootLayout(Path(root))
    try:
        names = os.listdir(layout.releases)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        named.problems.append(f"{layout.releases}: {error.strerror}")
        return True
    for release_id in names:
        if is_release_id(release_id) and release_id not in without:
            _add_release(named, layout, release_id)
    return True


def _add_release(named: _Named, layout: RootLayout, release_id: str) -> None:
    try:
        # Of any root, whose journal is not read: a changed manifest keeps or frees a wheel, no more.
        manifest = layout.manifest(release_id, None)
    except VenvshipError as error:
        # One without a manifest is debris, or is being removed at this moment.
        if layout.may_have_manifest(release_id):
            named.problems.append(error.message)
        return
    if manifest.wheels is None:
        named.problems.append(f"the manifest of {layout.release_path(release_id)} does not list its wheels")
        return
    for sha256 in manifest.wheels.values():
        named.referenced.update((wheel_entry(sha256), bytecode_entry(sha256, manifest.bytecode)))
    members = (*filter(None, [manifest.project]), *manifest.built)
    named.built_with.update(frozenset(one.build_requirements) for one in members if one.build_requirements)
