"""Cleaning a store: its contents, the notes of the last clean-up, and removal.

`model.unreferenced` decides which entries go. An entry is named by its path relative to the store:

    wheels/<sha256> · bytecode/<sha256>/<tag> · roots/<key>.json

Every function that writes needs the store's mutex, held alone.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable
from typing import Final

from venvship.building.store.index import read_index
from venvship.building.store.store import Store
from venvship.errors import FormatError, VenvshipError
from venvship.model.unreferenced import Notes
from venvship.system import files, trees
from venvship.system.faults import build_faults

NOTES: Final = "unnamed.json"
"""The file that lists the entries that no release refers to any more, and since when; for all roots."""

TRASH: Final = ".trash-"
"""The prefix of entries that are being deleted; `sweep` removes the rest of an interrupted deletion."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def wheel_thing(sha256: str) -> str:
    """What a wheel is called here."""
    return f"wheels/{sha256}"


def bytecode_thing(sha256: str, tag: str) -> str:
    """What a wheel's bytecode for one kind of interpreter is called here."""
    return f"bytecode/{sha256}/{tag}"


def contents(store: Store) -> list[str]:
    """All wheels and bytecode in the store. What has another form of name is not ours, and not listed.

    Raises:
        OSError: A folder cannot be listed.
    """
    found = [wheel_thing(name) for name in _names(store, "wheels") if _SHA256.fullmatch(name)]
    for name in _names(store, "bytecode"):
        if _SHA256.fullmatch(name):
            found += [bytecode_thing(name, tag) for tag in _names(store, f"bytecode/{name}")]
    return found


def describe(store: Store, thing: str) -> str:
    """What a thing is, for people: `six-1.17.0-py2.py3-none-any.whl`."""
    kind, sha256, *_ = thing.split("/")
    try:
        what = store.wheel(sha256).filename
    except (VenvshipError, ValueError):
        what = f"sha256:{sha256}"
    return what if kind == "wheels" else f"{what}, bytecode"


def read_notes(store: Store) -> Notes:
    """What the last clean-up noted. Nothing, where that cannot be read: then all things wait once more.

    Raises:
        FormatError: A newer venvship wrote it.
    """
    try:
        return Notes.from_json(read_index(os.path.join(store.path, NOTES)))
    except FormatError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
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
    folders = [
        store.wheels_folder,
        store.bytecode_folder,
        *_folders(store.bytecode_folder),
        *_folders(store.selections_folder),
        os.path.join(store.path, "roots"),
    ]
    for folder in folders:
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            found += [entry.path for entry in entries if entry.name.startswith(".")]
    with contextlib.suppress(FileNotFoundError), os.scandir(store.path) as entries:
        # Only ours: the store may be a folder, or a mount, in which others keep hidden names too.
        found += [entry.path for entry in entries if entry.name.startswith(f".{NOTES}.")]
    for path in found:
        with build_faults("remove what was left in the store", path):
            trees.remove_tree(path)
    return len(found)


def _folders(path: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if not entry.name.startswith("."))
    return []


def drop(store: Store, things: Iterable[str], *, between: Callable[[], None]) -> tuple[str, ...]:
    """Delete things, and the choices of wheels that are not there afterwards.

    All of them are moved out of the way first, and that is made durable before the first file goes: half a
    wheel never has a wheel's name. A thing that the file system refuses to move stays: that is a directory
    of a lower layer on overlayfs, and deleting those frees nothing.

    Args:
        store: Its mutex is held alone.
        things: What to delete.
        between: Called between things; what it raises ends the deletion. For signals.

    Returns:
        What is gone.

    Raises:
        DiskFullError: There is no room, even for a name.
        BuildError: Something cannot be moved or deleted.

    Crash: each thing is whole, or `.trash-…`, which the next sweep removes. The choice of a wheel that is
        gone counts as none.
    """
    trash: dict[str, str] = {}
    with build_faults("clean the store", store.path):
        for thing in things:
            path = os.path.join(store.path, thing)
            aside = files.temporary_name(path, TRASH)
            if files.rename_if_possible(path, aside):
                trash[thing] = aside
        folders = {os.path.dirname(path) for path in trash.values()}
        for folder in sorted(folders):
            files.fsync_directory(folder)
        for path in trash.values():
            between()
            trees.remove_tree(path)
        for folder in sorted(folders):
            if os.path.dirname(folder) == os.path.join(store.path, "bytecode") and not os.listdir(folder):
                trees.remove_tree(folder)
        if trash:
            _drop_choices(store)
    return tuple(trash)


def _drop_choices(store: Store) -> None:
    """Remove the records of which wheel was chosen, where the store does not have that wheel."""
    there = set(_names(store, "wheels"))
    for folder in _names(store, "selections"):
        for name in _names(store, f"selections/{folder}"):
            path = os.path.join(store.path, "selections", folder, name)
            # One that cannot be read is for whoever needs it to complain about.
            with contextlib.suppress(
                OSError, ValueError, LookupError, TypeError, RecursionError, FormatError
            ):
                if read_index(path)["sha256"] not in there:
                    files.remove_name(path)


def _names(store: Store, folder: str) -> list[str]:
    try:
        return sorted(n for n in os.listdir(os.path.join(store.path, folder)) if not n.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
