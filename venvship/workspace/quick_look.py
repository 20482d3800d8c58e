"""A quick look at a release: is every name there, of the right type, size and mode?

A switch asks this about its target, and it takes milliseconds. Contents are not read; `verify` does that.
"""

from __future__ import annotations

import functools
import os
from typing import Final

from venvship.errors import ReleaseError
from venvship.model import file_list
from venvship.model.release import FileEntry, Manifest
from venvship.root import RootLayout
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
    look = functools.partial(_first_problem, str(layout.release_path(manifest.id)))
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


def _first_problem(base: str, part: memoryview) -> str | None:
    try:
        rows = file_list.rows_of(part)
    except ValueError:
        return _DAMAGED_LIST
    for row in rows:
        try:
            entry = FileEntry.from_json(row)
        except ValueError as error:
            return f"{_DAMAGED_LIST}: {error}"
        if problem := entry_problem(base, entry):
            return f"{entry.path}: {problem}"
    return None


def entry_problem(base: str, entry: FileEntry) -> str | None:
    """Compare one entry of a release with the file that lstat finds; `None` if they agree."""
    path = f"{base}/{entry.path}"
    try:
        return difference(path, os.lstat(path), entry)
    except OSError as error:
        return "missing" if isinstance(error, FileNotFoundError | NotADirectoryError) else str(error.strerror)
