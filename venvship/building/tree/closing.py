"""The last look at an assembled release: directories become read-only, every name is held against the list.

Nothing is read: hashing what lies there now would bless whatever has happened to it since it came in.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Final

from venvship.building.request import Assembled
from venvship.building.tree.link import Stamp, stamp_of
from venvship.building.tree.placement import SEAL_FOLDER
from venvship.errors import BuildError
from venvship.model.release import FileEntry
from venvship.system.files import set_mode
from venvship.system.pool import Pool, copies_for, working
from venvship.system.trees import lstat_all

DIRECTORY_MODE: Final = 0o555

_TYPES: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}
_CHUNKS: Final = 64

_Directory = tuple[str, dict[str, FileEntry]]
"""Its path in the release, and what is expected to be in it, by name."""


@contextlib.contextmanager
def closing(release: str, assembled: Assembled) -> Iterator[Pool[list[_Directory], None]]:
    """Close and compare all directories, over several processes, while the block runs.

    Crash: some directories are read-only; the release is debris as a whole.

    Args:
        release: The release, absolute.
        assembled: What is to be there.

    Yields:
        The work; waiting for its results raises `BuildError` where a name is missing or too many, or a file
        is not as it was linked or written.
    """
    children: dict[str, dict[str, FileEntry]] = {"": {}}
    for entry in assembled.entries:
        folder, _, name = entry.path.rpartition("/")
        children.setdefault(folder, {})[name] = entry
        if entry.type == "dir":
            children.setdefault(entry.path, {})
    directories = list(children.items())
    size = -(-len(directories) // _CHUNKS)
    chunks = [directories[start : start + size] for start in range(0, len(directories), size)]
    close = functools.partial(_close, release, assembled.stamps)
    with working(close, chunks, copies=copies_for(len(assembled.entries))) as pool:
        yield pool


def _close(release: str, stamps: Mapping[str, Stamp], directories: list[_Directory]) -> None:
    for folder, expected in directories:
        path = f"{release}/{folder}" if folder else release
        if folder != SEAL_FOLDER:
            set_mode(path, DIRECTORY_MODE)
        found = 0
        for name, status in lstat_all(path):
            found += 1
            entry = expected.get(name)
            if entry is None:
                raise _changed(f"{path}/{name}", "nobody put it there")
            if problem := _difference(entry, status, stamps.get(entry.path)):
                raise _changed(f"{path}/{name}", problem)
            if entry.type == "link" and (target := os.readlink(f"{path}/{name}")) != entry.target:
                raise _changed(f"{path}/{name}", f"it is a link to {target} instead of {entry.target}")
        if found != len(expected):
            gone = min(expected.keys() - {name for name, _ in lstat_all(path)})
            raise _changed(f"{path}/{gone}", "it is gone")


def _difference(entry: FileEntry, status: os.stat_result, stamp: Stamp | None) -> str:
    kind = _TYPES.get(stat.S_IFMT(status.st_mode), "something else")
    if kind != entry.type:
        return f"it is a {kind} instead of a {entry.type}"
    if kind != "file":
        # A link has no mode of its own, and a directory has been given its own, or is about to be.
        return ""
    mode = stat.S_IMODE(status.st_mode)
    if mode != entry.mode:
        return f"its mode is {mode:04o} instead of {entry.mode:04o}"
    if status.st_size != entry.size:
        return f"it has {status.st_size} bytes instead of {entry.size}"
    if stamp is not None and stamp != stamp_of(status):
        return "it was replaced or written to since it came from the store"
    return ""


def _changed(path: str, problem: str) -> BuildError:
    return BuildError(
        f"the release changed while it was built: {path}: {problem}",
        hint="Find out what else writes below releases/ or into the store, then try again.",
        path=path,
    )
