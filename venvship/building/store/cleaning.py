"""Cleaning a store: its contents, the notes of the last clean-up, and removal.

`model.unreferenced` decides which entries go. An entry is named by its path relative to the store:

    wheels/<sha256> · bytecode/<sha256>/<tag> · roots/<key>.json

Every function that writes needs the store's mutex, held alone.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Set
from typing import Final

from venvship.building.store.index import read_index
from venvship.building.store.names import (
    ARCHIVES,
    BUILD_REQUIREMENTS,
    BYTECODE,
    NOTES,
    ROOTS,
    SELECTIONS,
    WHEELS,
    is_temporary,
)
from venvship.building.store.resolutions import read_resolution, resolution_path
from venvship.building.store.store import Store
from venvship.errors import FormatError, VenvshipError
from venvship.model import json_fields as fields
from venvship.model.source import BuildRequirement
from venvship.model.unreferenced import Notes
from venvship.system import files, trees
from venvship.system.faults import build_faults

TRASH: Final = ".trash-"
"""The prefix of entries that are being deleted; `sweep` removes the rest of an interrupted deletion."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def wheel_entry(sha256: str) -> str:
    """The entry of a wheel."""
    return f"{WHEELS}/{sha256}"


def bytecode_entry(sha256: str, tag: str) -> str:
    """The entry of a wheel's bytecode for one interpreter identity."""
    return f"{BYTECODE}/{sha256}/{tag}"


def contents(store: Store) -> list[str]:
    """List all wheels and bytecode in the store; a name of another form is not ours, and not listed.

    Raises:
        OSError: A folder cannot be listed.
    """
    found = [wheel_entry(name) for name in _names(store, WHEELS) if _SHA256.fullmatch(name)]
    for name in _names(store, BYTECODE):
        if _SHA256.fullmatch(name):
            found += [bytecode_entry(name, tag) for tag in _names(store, f"{BYTECODE}/{name}")]
    return found


def entries_that_build(store: Store, built_with: Collection[Set[BuildRequirement]]) -> set[str]:
    """The wheels of build requirements that a release was built with, and their bytecode.

    A record that cannot be read refers to nothing: the next build chooses again, or reports it.

    Args:
        store: The store.
        built_with: Of each member of a release that was built, the distributions that built it.
    """
    found: set[str] = set()
    for name in _names(store, BUILD_REQUIREMENTS):
        with contextlib.suppress(VenvshipError):
            resolution = read_resolution(store, name.removesuffix(".json"))
            if resolution is not None and any(resolution.requirements <= built for built in built_with):
                for _, sha256 in resolution.wheels:
                    found |= {wheel_entry(sha256), bytecode_entry(sha256, resolution.bytecode)}
    return found


def paths_of(store: Store, entry: str) -> list[str]:
    """The paths that go with an entry."""
    paths = [os.path.join(store.path, entry)]
    if entry.startswith(f"{WHEELS}/"):
        archive = store.archive_path(entry.rpartition("/")[2])
        paths += [archive] if os.path.lexists(archive) else []
    return paths


def described(store: Store, entry: str) -> str:
    """Describe an entry for users, as in `six-1.17.0-py2.py3-none-any.whl`."""
    kind, sha256, *_ = entry.split("/")
    try:
        wheel = store.wheel(sha256).filename
    except (VenvshipError, ValueError):
        wheel = f"sha256:{sha256}"
    return wheel if kind == WHEELS else f"{wheel}, bytecode"


def read_notes(store: Store) -> Notes:
    """Read the notes of the last clean-up. If they cannot be read there are none: all entries wait once more.

    Raises:
        FormatError: A newer venvship wrote it.
    """
    try:
        return Notes.from_json(read_index(os.path.join(store.path, NOTES)))
    except FormatError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return Notes()


def write_notes(store: Store, notes: Notes) -> None:
    """Leave notes for the next clean-up.

    Raises:
        DiskFullError: There is no room.
        BuildError: The store cannot be written.

    Crash: the old notes are there, or the new ones; and maybe a name that the next sweep removes.
    """
    path = os.path.join(store.path, NOTES)
    with build_faults("note what no release names", path):
        files.write_json(path, notes.to_json())


def sweep(store: Store) -> int:
    """Remove the left-overs of interrupted imports and clean-ups.

    Args:
        store: Its mutex is held alone.

    Returns:
        How many names were removed.

    Raises:
        BuildError: A name cannot be removed.

    Crash: some of them are left, for the next sweep.
    """
    found = []
    below = [f"{folder}/{name}" for folder in (BYTECODE, SELECTIONS) for name in _names(store, folder)]
    for folder in (WHEELS, ARCHIVES, BYTECODE, *below, BUILD_REQUIREMENTS, ROOTS):
        with contextlib.suppress(FileNotFoundError), os.scandir(os.path.join(store.path, folder)) as entries:
            found += [entry.path for entry in entries if entry.name.startswith(".")]
    with contextlib.suppress(FileNotFoundError), os.scandir(store.path) as entries:
        found += [entry.path for entry in entries if is_temporary(entry.name)]
    there = set(_names(store, WHEELS))
    archives = [name for name in _names(store, ARCHIVES) if name.endswith(".whl")]
    found += [os.path.join(store.archives_folder, n) for n in archives if n.removesuffix(".whl") not in there]
    for path in found:
        with build_faults("remove what was left in the store", path):
            trees.remove_tree(path)
    return len(found)


def drop(store: Store, entries: Iterable[str], *, between: Callable[[], None]) -> tuple[str, ...]:
    """Delete entries, the files of wheels among them, and the choices of wheels that the store no longer has.

    All entries are moved out of the way first, and that is made durable before the first file goes: half a
    wheel never has a wheel's name. An entry that the file system refuses to move stays: it is a directory of
    a lower layer on overlayfs, and deleting it would free nothing.

    Args:
        store: Its mutex is held alone.
        entries: The entries to delete.
        between: Called between entries; an exception from it ends the deletion. For signals.

    Returns:
        The entries that are gone.

    Raises:
        DiskFullError: There is no room, even for a name.
        BuildError: An entry cannot be moved or deleted.

    Crash: each entry is whole, or `.trash-…`. The next sweep removes that, and the file of a wheel that is
        gone. The choice of a wheel that is gone does not count.
    """
    trash: dict[str, str] = {}
    with build_faults("clean the store", store.path):
        for entry in entries:
            path = os.path.join(store.path, entry)
            aside = files.temporary_name(path, TRASH)
            if files.rename_unless(files.IMMOVABLE, path, aside):
                trash[entry] = aside
        folders = {os.path.dirname(path) for path in trash.values()}
        for folder in sorted(folders):
            files.fsync_directory(folder)
        for entry, path in trash.items():
            between()
            trees.remove_tree(path)
            if entry.startswith(f"{WHEELS}/"):
                files.remove_name(store.archive_path(entry.rpartition("/")[2]))
        for folder in sorted(folders):
            if os.path.dirname(folder) == store.bytecode_folder and not os.listdir(folder):
                trees.remove_tree(folder)
        if trash:
            _drop_choices(store)
    return tuple(trash)


def _drop_choices(store: Store) -> None:
    """Remove the records of chosen wheels that the store does not have."""
    there = set(_names(store, WHEELS))
    for folder in _names(store, SELECTIONS):
        for name in _names(store, f"{SELECTIONS}/{folder}"):
            path = os.path.join(store.selections_folder, folder, name)
            # An unreadable record is left: the build that needs it reports it.
            with contextlib.suppress(OSError, ValueError, LookupError, FormatError):
                if fields.sha256(read_index(path)["sha256"]) not in there:
                    files.remove_name(path)
    for name in _names(store, BUILD_REQUIREMENTS):
        with contextlib.suppress(OSError, VenvshipError):
            key = name.removesuffix(".json")
            if read_resolution(store, key) is None:
                files.remove_name(resolution_path(store, key))


def _names(store: Store, folder: str) -> list[str]:
    try:
        return sorted(n for n in os.listdir(os.path.join(store.path, folder)) if not n.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
