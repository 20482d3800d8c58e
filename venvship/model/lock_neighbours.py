"""The files beside a lock of another tool that tell whether it is stale. They are known without parsing it.

An idle `update` asks for their digests at every tick, so no parser of TOML may be needed for that.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from venvship.model.lock_kinds import is_tool_lock, kind_of

Export = Callable[[str, Mapping[str, bytes]], bytes]
"""Exports a uv.lock as a pylock file: from its absolute path, and the contents of it and of the files beside
it that it follows from, by their paths relative to its folder. Raises `StaleLockfileError` and other
`VenvshipError`s."""

MOST_MEMBERS: Final = 500
"""Projects of a workspace. The largest in public have some 100."""

_MEMBER: Final = re.compile(
    rb'^source = \{ (?:editable|virtual|directory) = "([^"\\]{1,1000})"', re.MULTILINE
)


def names_beside(path: str, content: bytes) -> tuple[str, ...]:
    """Name the files that a lock follows from, relative to its folder.

    Of a uv.lock these are the project's file, that of uv's settings, and the project's file of each member of
    the workspace and of each folder that it depends on, also outside of the workspace.

    Args:
        path: The lockfile.
        content: Its bytes.
    """
    if not is_tool_lock(path):
        return ()
    project = kind_of(path).project
    if kind_of(path).lockfile != "uv.lock":
        return (project,)
    return tuple(dict.fromkeys([project, "uv.toml", *_members(content, project)]))


def _members(content: bytes, project: str) -> Iterator[str]:
    for number, match in enumerate(_MEMBER.finditer(content)):
        if number == MOST_MEMBERS:
            return
        folder = posixpath.normpath(match[1].decode("utf-8", "replace"))
        if not folder.startswith("/") and folder.isprintable():
            yield posixpath.normpath(posixpath.join(folder, project))


def read_beside(path: str, content: bytes, read: Callable[[str], bytes]) -> dict[str, bytes]:
    """Read the files that a lock follows from, by their names; a missing one is left out.

    Args:
        path: The lockfile; absolute.
        content: Its bytes.
        read: Returns a file's bytes; raises `OSError`.

    Raises:
        UntrustedError: Others can write one.
    """
    found = {}
    for name in names_beside(path, content):
        try:
            found[name] = read(os.path.normpath(os.path.join(os.path.dirname(path), name)))
        except OSError:
            continue
    return found


def digests(files: Mapping[str, bytes]) -> tuple[tuple[str, str], ...]:
    """The names of files, each with the SHA-256 of its content; sorted."""
    return tuple(sorted((name, hashlib.sha256(data).hexdigest()) for name, data in files.items()))
