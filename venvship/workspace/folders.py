"""The folders and lock files of a root, which the first writing command makes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping
from typing import Final

from venvship.errors import NotARootError, NotWritableError, RootError
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system import files, trees
from venvship.system.accounts import user_name
from venvship.system.other_user import line_as_root

MUTEXES: Final = ("build", "switch", "turn-back", "slots", "journal")
"""The names of the lock files in `state/`."""


def make_folders(layout: RootLayout) -> None:
    """Make the folders and lock files that are missing. Existing ones are left as they are.

    Crash: some of them are missing; the next writing command makes the rest.

    Raises:
        NotARootError: The root was removed since this command began. Nothing is left of what was made.
        NotWritableError: One of them cannot be made.
        RootError: `releases` is a link: releases know their own path, and are linked to from here.
    """
    if layout.releases.is_symlink():
        raise RootError(
            f"{layout.releases} is a symbolic link; releases have to stand in the root itself",
            hint="put the whole root where the room is: a root may be reached through a link",
        )
    try:
        if layout.is_root() and (not _make_missing(layout) or layout.is_root()):
            return
        # It was removed before or after the first look. What was made since has nothing in it.
        _remove_unused(layout)
    except OSError as error:
        raise NotWritableError(f"cannot make {error.filename}: {error.strerror}") from error
    raise NotARootError(f"{layout.path} is no root any more: it was removed meanwhile")


def make_shared(layout: RootLayout, names: Iterable[str]) -> None:
    """Make what the links of a release to `shared/` lead to, unless there is something of the name.

    A name with a dot in its last part, such as `db.sqlite3` or `.env`, is that of a file, for the user or the
    application to make; only its folder is made here.

    Crash: some of the folders are missing; the next build makes them.

    Args:
        layout: The root.
        names: `[project] shared`.

    Raises:
        NotWritableError: One of them cannot be made.
    """
    for name in names:
        folder, _, last = name.rpartition("/")
        parts = (folder if "." in last else name).split("/")
        path = layout.shared
        try:
            for part in ("", *filter(None, parts)):
                path = path / part
                if not os.path.lexists(path):
                    files.make_directory(path, 0o755)
        except OSError as error:
            raise NotWritableError(
                f"cannot make {path}: {error.strerror}",
                hint=f"make {layout.shared / name} yourself, for the user of the service: `shared` under"
                " [project] names it",
            ) from error


def refuse_closed_state(layout: RootLayout, environ: Mapping[str, str]) -> None:
    """Refuse a `state/` that this user cannot write, such as one that root has made or copied.

    Args:
        layout: The root, which belongs to this user.
        environ: The process environment, for `PATH`.

    Raises:
        NotWritableError: It cannot be written. Nothing was changed.
    """
    path = str(layout.state)
    if not os.path.isdir(path) or os.access(path, os.W_OK | os.X_OK):
        return
    found, user = os.stat(path), os.geteuid()
    if found.st_uid == user:
        hint = shell_line(["chmod", "u+wx", path])
    else:
        hint = line_as_root([["chown", "-R", user_name(user), path]], environ)
    raise NotWritableError(
        f"{path} belongs to {user_name(found.st_uid)} (mode {stat.S_IMODE(found.st_mode):04o}), and "
        f"{user_name(user)} cannot write there. Nothing was changed",
        hint=hint,
    )


def _make_missing(layout: RootLayout) -> bool:
    """Make the missing folders and lock files, and return whether there were any."""
    made = False
    for folder, mode in (
        (layout.releases, 0o755),
        (layout.state, 0o755),
        (layout.leases, 0o755),
        (layout.logs, 0o700),
    ):
        if not folder.is_dir():
            files.make_directory(folder, mode)
            made = True
    # All of them now: a rollback may come when there is no inode left to make one.
    for name in MUTEXES:
        if not layout.mutex(name).exists():
            with contextlib.suppress(FileExistsError):
                files.create_file(layout.mutex(name), b"", mode=0o600)
                made = True
    return made


def _remove_unused(layout: RootLayout) -> None:
    """Remove the folders that `make_folders` makes, as far as they hold nothing but its lock files."""
    for name in MUTEXES:
        files.remove_name(layout.mutex(name))
    for folder in (layout.leases, layout.state, layout.logs, layout.releases):
        if folder.is_dir():
            trees.remove_empty(folder)
