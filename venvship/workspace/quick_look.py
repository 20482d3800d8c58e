"""A quick look at a release: is every name there, of the right type, size and mode?

A switch asks this about its target, and it takes milliseconds. Contents are not read; `verify` does that, and
looks at each name by `content_problem`.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from typing import Final

from venvship.errors import ReleaseError
from venvship.model import file_list
from venvship.model.release import FileEntry, Manifest
from venvship.model.trust import ROOT_UID
from venvship.root import RootLayout
from venvship.system.files import hash_file
from venvship.system.host import host_faults
from venvship.system.ownership import has_capabilities
from venvship.system.pool import copies_for, working
from venvship.system.trees import difference


def quick_problem(layout: RootLayout, manifest: Manifest, *, copies: int | None = None) -> str | None:
    """Compare every name of a release with `files.json`, by lstat.

    Args:
        layout: The root.
        manifest: The release's, held against its anchor.
        copies: Copies of this process that look at a part of the names each; by default as many as are worth
            while.

    Returns:
        The first problem that is found; `None` if there is none.
    """
    try:
        listed = layout.listing(manifest.id, manifest)
        parts = file_list.parts(listed, _PARTS)
    except ReleaseError as error:
        return error.message
    except ValueError:
        return _DAMAGED_LIST
    if copies is None:
        copies = copies_for(len(listed) // _ROW)
    base, owners = str(layout.release_path(manifest.id)), release_owners(layout)
    if unlisted := next(unlisted_problems(base, owners), None):
        return f"{unlisted[0]}: {unlisted[1]}"
    look = functools.partial(_first_problem, base, owners)
    try:
        with working(look, parts, copies=copies, brief=True) as pool:
            pool.join_in()
            return next(filter(None, pool.results()), None)
    except OSError:  # no descriptors, or a copy was killed, perhaps for memory: a rollback needs an answer
        return next(filter(None, map(look, parts)), None)


_PARTS: Final = 64

_ROW: Final = 150
"""Bytes of a usual row, half of them for the hash: tells about how many files are listed."""

_DAMAGED_LIST: Final = "the list of its files is damaged"


def release_owners(layout: RootLayout) -> frozenset[int]:
    """The users that a file of a release may belong to: the owner of the root, and root.

    Raises:
        OSError: The root cannot be looked at.
    """
    return frozenset({os.stat(layout.path).st_uid, ROOT_UID})


def unlisted_problems(base: str, owners: frozenset[int]) -> Iterator[tuple[str, str]]:
    """Compare the release's directory, its manifest and its list, which are not on the list themselves.

    Args:
        base: The release.
        owners: From `release_owners`.

    Yields:
        The path of one that differs, and how.
    """
    for name, kind, mode in UNLISTED:
        path = f"{base}/{name}"
        try:
            found = os.lstat(path)
            problem = difference(path, found, FileEntry(name, kind, mode, found.st_size), owners=owners)
            if problem is None and has_capabilities(path):
                problem = CAPABILITIES
        except OSError as error:
            problem = str(error.strerror)
        if problem:
            yield name or ".", problem


CAPABILITIES: Final = "has capabilities: it runs with privileges of root"

UNLISTED: Final = (
    ("", "dir", 0o555),
    (".venvship/manifest.json", "file", 0o444),
    (".venvship/files.json", "file", 0o444),
)
"""What the list of a release does not have: path, type, mode. Anchor and manifest vouch for the contents."""


def _first_problem(base: str, owners: frozenset[int], part: memoryview) -> str | None:
    try:
        rows = file_list.rows_of(part)
    except ValueError:
        return _DAMAGED_LIST
    for row in rows:
        try:
            entry = FileEntry.from_json(row)
        except ValueError as error:
            return f"{_DAMAGED_LIST}: {error}"
        if problem := entry_problem(base, entry, owners):
            return f"{entry.path}: {problem}"
    return None


def entry_problem(base: str, entry: FileEntry, owners: frozenset[int]) -> str | None:
    """Compare one entry of a release with the file that lstat finds; `None` if they agree.

    Args:
        base: The release.
        entry: The entry.
        owners: From `release_owners`.
    """
    path = f"{base}/{entry.path}"
    try:
        return difference(path, os.lstat(path), entry, owners=owners)
    except OSError as error:
        return "missing" if isinstance(error, FileNotFoundError | NotADirectoryError) else str(error.strerror)


def excess_rights(path: str, entry: FileEntry) -> int | None:
    """The mode bits that a file or directory of a release has too many, if no more than its rights differ.

    Args:
        path: Its path.
        entry: Its entry, of which the mode counts and not the size where it has no hash.

    Returns:
        The bits, 0 where only the owner differs; `None` if it differs in anything else, or lacks a bit.
    """
    try:
        found = os.lstat(path)
        same = entry._replace(mode=stat.S_IMODE(found.st_mode), size=entry.size or found.st_size)
        if difference(path, found, same) is not None or has_capabilities(path):
            return None
        if entry.sha256 and hash_file(path) != entry.sha256:
            return None
    except OSError:
        return None
    mode = entry.mode if entry.type != "link" else same.mode
    return None if mode & ~same.mode else same.mode & ~mode


def content_problem(base: str, entry: FileEntry, owners: frozenset[int]) -> str | None:
    """`entry_problem`, and of a file look at its contents and capabilities, too; arguments as there.

    Raises:
        HostError: The host has nothing left to read files with.
    """
    problem = entry_problem(base, entry, owners)
    if problem or entry.type != "file":
        return problem
    path = f"{base}/{entry.path}"
    try:
        with host_faults(f"read {path}"):
            actual = hash_file(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if actual != entry.sha256:
        return "its contents have changed"
    return CAPABILITIES if has_capabilities(path) else None
