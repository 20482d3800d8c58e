"""A quick look at a release: is every name there, of the right type, size and mode?

What a switch asks about the release that it is to make current, in milliseconds. Contents are not read;
`verify` does that. Reading never writes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from venvship.errors import FormatError, ReleaseError
from venvship.model import file_list
from venvship.model.release import FileEntry
from venvship.root import RootLayout
from venvship.system.pool import copies_for, working

FRESH: Final = 1.0
"""Seconds for which a look that was begun ahead counts: who had to wait that long looks anew."""


class Ahead:
    """A look that was begun before anybody asks: it counts once, for its release, and while it is fresh.

    Args:
        release_id: The release.
        answer: Waits for what is found.
    """

    def __init__(self, release_id: str, answer: Callable[[], str]) -> None:
        self._release_id = release_id
        self._answer: Callable[[], str] | None = answer
        self._since = time.monotonic()

    def take(self, release_id: str) -> Callable[[], str] | None:
        """What waits for what is found of a release; `None` where that takes a look of its own."""
        if release_id != self._release_id:
            return None
        answer, self._answer = self._answer, None
        return answer if time.monotonic() - self._since < FRESH else None


def quick_problem(root: RootLayout, release_id: str) -> str:
    """What a quick look finds wrong with a release; `""` for nothing.

    Every name is held against `files.json` by lstat.
    """
    with looking(root, release_id) as answer:
        return answer()


@contextlib.contextmanager
def looking(root: RootLayout, release_id: str) -> Iterator[Callable[[], str]]:
    """Have copies of this process begin a quick look, where there are processors for them.

    Yields:
        What joins in, and returns what is wrong; `""` for nothing. To be called once, or not at all.
    """
    with contextlib.ExitStack() as stack:
        yield _begun(root, release_id, stack)


def _begun(root: RootLayout, release_id: str, stack: contextlib.ExitStack) -> Callable[[], str]:
    try:
        listed = root.listing(release_id, root.manifest(release_id))
        parts = file_list.parts(listed, _PARTS)
    except (ReleaseError, FormatError) as error:
        message = error.message
        return lambda: message
    except ValueError:
        return lambda: _DAMAGED_LIST
    look = functools.partial(_first_problem, str(root.release(release_id)))
    copies = copies_for(len(listed) // _ROW)

    def alone() -> str:
        return next(filter(None, map(look, parts)), "")

    def together() -> str:
        try:
            pool.join_in(_go_on)
            return next(filter(None, pool.results(_go_on)), "")
        except OSError:  # somebody killed the other process, for memory perhaps; a rollback needs an answer
            return alone()

    try:
        pool = stack.enter_context(working(look, parts, copies=copies, brief=True))
    except OSError:  # nor does it wait for descriptors
        return alone
    return together


_PARTS: Final = 64

_ROW: Final = 150
"""Bytes of a usual row, half of them for the hash: tells about how many files are listed."""

_DAMAGED_LIST: Final = "the list of its files is damaged"


def _first_problem(base: str, part: memoryview) -> str:
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
    return ""


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
    """A quick look is over before anybody could want to end it."""


_MODES: Final[dict[tuple[str, str], int]] = {}
"""`st_mode` by the kind and mode of a row. There are a handful."""

_TYPES: Final[Mapping[str, int]] = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "link": stat.S_IFLNK}


def entry_problem(base: str, entry: FileEntry) -> str:
    """What lstat says against one entry of a release; `""` for nothing."""
    try:
        found = os.lstat(f"{base}/{entry.path}")
    except OSError as error:
        return "missing" if isinstance(error, FileNotFoundError | NotADirectoryError) else str(error.strerror)
    if stat.S_IFMT(found.st_mode) != _TYPES[entry.type]:
        return f"not a {entry.type}"
    if entry.type == "link":
        return "" if os.readlink(f"{base}/{entry.path}") == entry.target else "points elsewhere"
    if entry.type == "file" and found.st_size != entry.size:
        return f"{found.st_size} bytes instead of {entry.size}"
    if stat.S_IMODE(found.st_mode) != entry.mode:
        return f"mode {stat.S_IMODE(found.st_mode):04o} instead of {entry.mode:04o}"
    return ""
