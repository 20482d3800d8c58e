"""The last look at an assembled release: directories become read-only, every name is compared with the list.

No file is read: hashing the files here and now would bless any damage done since they came in.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Final

from venvship.building.tree.assembled import Assembled
from venvship.building.tree.link import stamp_of
from venvship.building.tree.placement import SEAL_FOLDER
from venvship.errors import BuildError
from venvship.model.release import FileEntry
from venvship.system.files import set_mode
from venvship.system.pool import Pool, copies_for, working
from venvship.system.trees import difference, lstat_all

DIRECTORY_MODE: Final = 0o555

_CHUNKS: Final = 64

_Directory = tuple[str, dict[str, FileEntry]]
"""Its path in the release, and the entries that it must have, by name."""


@contextlib.contextmanager
def closing(
    release: str, assembled: Assembled, *, copies: int | None = None
) -> Iterator[Pool[list[_Directory], None]]:
    """Close and compare all directories, over several processes, while the block runs.

    Crash: some directories are read-only; the release is debris as a whole.

    Args:
        release: The release, absolute.
        assembled: Its entries.
        copies: Processes that help; by default as many as are worth while for so many files.

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
    close = functools.partial(_close, release, assembled)
    if copies is None:
        copies = copies_for(len(assembled.entries))
    with working(close, chunks, copies=copies) as pool:
        yield pool


def close_directories(release: str, assembled: Assembled) -> None:
    """Make the directories of an assembled release read-only, before a hook of it runs.

    The folder of the seal stays open. `closing` looks at everything afterwards.

    Raises:
        OSError: As the kernel gave it.
    """
    for entry in assembled.entries:
        if entry.type == "dir" and entry.path != SEAL_FOLDER:
            set_mode(f"{release}/{entry.path}", DIRECTORY_MODE)
    set_mode(release, DIRECTORY_MODE)


def _close(release: str, assembled: Assembled, directories: list[_Directory]) -> None:
    change_error = functools.partial(_change_error, hooked=assembled.hooked)
    for folder, expected in directories:
        path = f"{release}/{folder}" if folder else release
        if folder != SEAL_FOLDER:
            set_mode(path, DIRECTORY_MODE)
        found = 0
        for name, status in lstat_all(path):
            found += 1
            entry = expected.get(name)
            if entry is None:
                raise change_error(f"{path}/{name}", "not part of the release")
            # Its own process closes a directory, before or after this look at its parent.
            if problem := difference(f"{path}/{name}", status, entry, directories_open=True):
                raise change_error(f"{path}/{name}", problem)
            stamp = assembled.stamps.get(entry.path)
            if stamp is not None and stamp != stamp_of(status):
                raise change_error(f"{path}/{name}", "replaced or written to since it came from the store")
        if found != len(expected):
            gone = min(expected.keys() - {name for name, _ in lstat_all(path)})
            raise change_error(f"{path}/{gone}", "missing")


def _change_error(path: str, problem: str, *, hooked: bool) -> BuildError:
    hint = "Find out what else writes below releases/ or into the store, then try again."
    if hooked:
        hint = f"The generate hook may write below $VENVSHIP_GENERATED only. If it did: {hint}"
    return BuildError(f"the release changed while it was built: {path}: {problem}", hint=hint, path=path)
