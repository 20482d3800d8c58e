"""The folders and lock files of a root, which the first writing command makes."""

from __future__ import annotations

import contextlib
from typing import Final

from venvship.errors import NotWritableError, RootError
from venvship.root import RootLayout
from venvship.system import files

MUTEXES: Final = ("build", "switch", "turn-back", "journal")
"""The names of the lock files in `state/`."""


def make_folders(layout: RootLayout) -> None:
    """Make the folders and lock files that are missing. Existing ones are left as they are.

    Crash: some of them are missing; the next writing command makes the rest.

    Raises:
        NotWritableError: One of them cannot be made.
        RootError: `releases` is a link: releases know their own path, and are linked to from here.
    """
    if layout.releases.is_symlink():
        raise RootError(
            f"{layout.releases} is a symbolic link; releases have to stand in the root itself",
            hint="put the whole root where the room is: a root may be reached through a link",
        )
    try:
        for folder in (layout.releases, layout.state, layout.leases):
            if not folder.is_dir():
                files.make_directory(folder, 0o755)
        if not layout.logs.is_dir():
            files.make_directory(layout.logs, 0o700)
        # All of them now: a rollback may come when there is no inode left to make one.
        for name in MUTEXES:
            if not layout.mutex(name).exists():
                with contextlib.suppress(FileExistsError):
                    files.create_file(layout.mutex(name), b"", mode=0o600)
    except OSError as error:
        raise NotWritableError(f"cannot make {error.filename}: {error.strerror}") from error
