"""Whole trees of files: walked, measured and removed. Nothing here is atomic or durable.

Everything raises `OSError` as the kernel gave it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Container, Iterable, Iterator
from typing import Final

from venvship.model.release import FileEntry
from venvship.system import effects
from venvship.system.accounts import user_name
from venvship.system.files import TAKEN, opened_directory, remove_name, set_mode


def lstat_all(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every name in a directory with its `lstat`, sorted.

    Raises:
        OSError: It cannot be read, or a name went away meanwhile.
    """
    with opened_directory(path) as fd:
        for name in sorted(os.listdir(fd)):
            yield name, os.stat(name, dir_fd=fd, follow_symlinks=False)


def walk(path: str | os.PathLike[str], *, but: Container[str] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every name below a directory with its `lstat`, parents first, links not followed.

    Paths are relative to `path`, with `/`.

    Args:
        path: The directory.
        but: Directories below it that are not entered.
    """
    base = os.fspath(path)
    stack = [""]
    while stack:
        relative = stack.pop()
        prefix = f"{relative}/" if relative else ""
        for name, status in lstat_all(f"{base}/{relative}"):
            yield prefix + name, status
            if stat.S_ISDIR(status.st_mode) and prefix + name not in but:
                stack.append(prefix + name)


FOREIGN: Final = "belongs to"
"""How a difference begins that is the owner's."""

_TYPES: Final = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "link": stat.S_IFLNK}


def difference(
    path: str,
    found: os.stat_result,
    entry: FileEntry,
    *,
    directories_open: bool = False,
    owners: Container[int] | None = None,
) -> str | None:
    """Compare a file, directory or link with its entry in the list of a release. Contents are not read.

    Args:
        path: Its path.
        found: Its `lstat`.
        entry: Its entry.
        directories_open: Whether directories may still have another mode.
        owners: The users that it may belong to: who owns a file may write it, whatever its mode. By default
            nobody asks.

    Returns:
        What differs; `None` if nothing does.

    Raises:
        OSError: The link cannot be read.
    """
    if stat.S_IFMT(found.st_mode) != _TYPES[entry.type]:
        return f"{_kind(found.st_mode)} instead of {_kind(_TYPES[entry.type])}"
    if owners is not None and found.st_uid not in owners:
        return f"{FOREIGN} {user_name(found.st_uid)}"
    if entry.type == "link":  # a link has no mode of its own
        target = os.readlink(path)
        return None if target == entry.target else f"points to {target} instead of {entry.target}"
    if entry.type == "file" and found.st_size != entry.size:
        return f"{found.st_size} bytes instead of {entry.size}"
    mode = stat.S_IMODE(found.st_mode)
    if mode != entry.mode and not (entry.type == "dir" and directories_open):
        return f"mode {mode:04o} instead of {entry.mode:04o}"
    return None


def _kind(mode: int) -> str:
    """The type of a file in words."""
    kinds = {stat.S_IFREG: "a file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a link"}
    return kinds.get(stat.S_IFMT(mode), "a special file")


def own_bytes(paths: Iterable[str | os.PathLike[str]]) -> int:
    """Measure the room that the removal of trees gives back: directories, and files without another name.

    A file with several names counts once, and only if all of its names are in these trees. Blocks of several
    reflinks count in full, since no file system tells cheaply that they are shared.

    Args:
        paths: Directories or files; those that cannot be read count nothing.

    Returns:
        Bytes, as the file system allocates them.
    """
    total = 0
    names: dict[tuple[int, int], int] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            for found in (os.lstat(path), *(status for _, status in _walk_any(path))):
                inode = (found.st_dev, found.st_ino)
                names[inode] = names.get(inode, 0) + 1
                if stat.S_ISDIR(found.st_mode) or names[inode] == found.st_nlink:
                    total += found.st_blocks * 512
    return total


def _walk_any(path: str | os.PathLike[str]) -> Iterator[tuple[str, os.stat_result]]:
    return walk(path) if stat.S_ISDIR(os.lstat(path).st_mode) else iter(())


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory tree, read-only directories included. Nothing there is fine.

    Another process may remove the same tree at the same time: a prune removes a release, and another command
    takes the rest for debris. Links are removed, never followed, `path` itself included: an operator may have
    moved a release to another disk and left a link. Hard links elsewhere keep their contents and modes: only
    directories are made writable on the way.

    Crash: part of the tree is left. Only for trees already out of the way (`.trash-…`), or debris.

    Raises:
        OSError: Something could not be removed.
    """
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(kind):
        remove_name(path)
        return
    with contextlib.suppress(FileNotFoundError):
        for entry in _entries_to_remove(path):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                remove_name(entry.path)
        effects.reach("rmdir", path)
        os.rmdir(path)


def _entries_to_remove(path: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """List a directory, and make it writable unless it is empty."""
    try:
        names = os.scandir(path)
    except PermissionError:
        set_mode(path, 0o700)
        names = os.scandir(path)
    with names:
        entries: list[os.DirEntry[str]] = list(names)
    if entries and not os.access(path, os.W_OK | os.X_OK):
        set_mode(path, 0o700)
    return entries


def remove_empty(path: str | os.PathLike[str]) -> bool:
    """Remove a directory if there is nothing in it (rmdir(2)). Nothing there is fine.

    Returns:
        Whether it is gone.

    Raises:
        OSError: The kernel refused for another reason than that something is in it.
    """
    effects.reach("rmdir", path)
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in TAKEN:
            return False
        raise
    return True


def empty_directory(path: str | os.PathLike[str]) -> None:
    """Remove everything in a directory, but not the directory. Nothing there is fine.

    Crash: part of it is left.

    Raises:
        OSError: Something could not be removed.
    """
    make_removable(path)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path):
            remove_tree(os.path.join(path, name))


def make_removable(directory: str | os.PathLike[str]) -> None:
    """Let names in a sealed directory be removed by its owner; nothing there is fine."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        set_mode(directory, 0o700)
