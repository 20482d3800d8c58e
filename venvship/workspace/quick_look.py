"""A quick look at a release: is every name there, of the right type, size and mode?

What a switch asks about the release that it is to make current, in milliseconds. Contents are not read;
`verify` does that. Reading never writes.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Mapping
from typing import Any, Final

from venvship.errors import FormatError, ReleaseError
from venvship.model import file_list
from venvship.model.release import FileEntry
from venvship.root import RootLayout
from venvship.system.pool import copies_for, working


def quick_problem(root: RootLayout, release_id: str) -> str | None:
    """Compare every name of a release with `files.json`, by lstat.

    Where there are processors for them, copies of this process look at a part of the names.

    Returns:
        The first problem that is found; `None` if there is none.
    """
    try:
        listed = root.listing(release_id, root.manifest(release_id))
        parts = file_list.parts(listed, _PARTS)
    except (ReleaseError, FormatError) as error:
        return error.message
    except ValueError:
        return _DAMAGED_LIST
    look = functools.partial(_first_problem, str(root.release(release_id)))
    try:
        with working(look, parts, copies=copies_for(len(listed) // _ROW), brief=True) as pool:
            pool.join_in(_go_on)
            return next(filter(None, pool.results(_go_on)), None)
    except OSError:  # no descriptors, or a copy was killed, perhaps for memory: a rollback needs an answer
        return next(filter(None, map(look, parts)), None)


_PARTS: Final = 64

_ROW: Final = 150
"""Bytes of a usual row, half of them for the hash: tells about how many files are listed."""

_DAMAGED_LIST: Final = "the list of its files is damaged"


def _first_problem(base: str, part: memoryview) -> str | None:
    try:
        rows = file_list.rows_of(part)
    except ValueError:
        return _DAMAGED_LIST
    try:
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}"
    try:
        for row in rows:
            if _is_right(fd, row):
                continue
            try:
                entry = FileEntry.from_json(row)
            except (TypeError, ValueError):
                return f"{_DAMAGED_LIST}: {row}"
            if problem := entry_problem(base, entry):
                return f"{entry.path}: {problem}"
    finally:
        os.close(fd)
    return None


def _is_right(fd: int, row: Any) -> bool:  # noqa: ANN401 - whatever is in the list
    """Whether a file or directory is as a row says, at one glance; what is not so is for `entry_problem`."""
    try:
        path, kind, mode, size, _ = row
        found = os.lstat(path, dir_fd=fd)
        expected = _MODES.get((kind, mode))
        if expected is None:
            expected = _MODES[kind, mode] = _TYPES[kind] | int(mode, 8)
        return found.st_mode == expected and (kind == "dir" or (kind == "file" and found.st_size == size))
    except (OSError, TypeError, ValueError, KeyError):
        return False


def _go_on() -> None:
    """A quick look takes milliseconds; nothing needs to end it early."""


_MODES: Final[dict[tuple[str, str], int]] = {}
"""`st_mode` by the kind and mode of a row. There are a handful."""

_TYPES: Final[Mapping[str, int]] = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "link": stat.S_IFLNK}


def entry_problem(base: str, entry: FileEntry) -> str | None:
    """Compare one entry of a release with the file that lstat finds; `None` if they agree."""
    try:
        found = os.lstat(f"{base}/{entry.path}")
    except OSError as error:
        return "missing" if isinstance(error, FileNotFoundError | NotADirectoryError) else str(error.strerror)
    if stat.S_IFMT(found.st_mode) != _TYPES[entry.type]:
        return f"not a {entry.type}"
    if entry.type == "link":
        return None if os.readlink(f"{base}/{entry.path}") == entry.target else "points elsewhere"
    if entry.type == "file" and found.st_size != entry.size:
        return f"{found.st_size} bytes instead of {entry.size}"
    if stat.S_IMODE(found.st_mode) != entry.mode:
        return f"mode {stat.S_IMODE(found.st_mode):04o} instead of {entry.mode:04o}"
    return None
