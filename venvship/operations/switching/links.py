"""The links of a root: prepared beside `current` under random names, then renamed over it.

The only place that makes or moves them; whoever calls holds switch.mutex. The random part of the names keeps
one crash from blocking every later switch; what a crash leaves of them, `sweep_strays` removes.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from venvship.system import files
from venvship.workspace.workspace import Workspace


class Armed(NamedTuple):
    """The two links that a promotion prepares."""

    to: Path
    back: Path | None


def arm(workspace: Workspace, target: str, origin: str | None) -> Armed:
    """Make the link forward and the link back, before either is needed.

    Raises:
        OSError: One of them cannot be made; neither is left.
    """
    to = new_link(workspace, ".to.", target)
    try:
        return Armed(to, new_link(workspace, ".back.", origin) if origin else None)
    except OSError:
        files.remove_name(to)
        raise


def point_current(workspace: Workspace, link: Path, *, sync: bool) -> None:
    """Rename a prepared link over `current`, and make that durable.

    Args:
        workspace: The root.
        link: The link, in the root's own directory.
        sync: Whether everything else on the file system is made durable first: what the new target
            consists of, the links, the journal. A rollback leaves that out: it has nothing new to sync, and a
            sync can fail, or take minutes, on the very night when it must not.

    Raises:
        OSError: It could not be renamed, or not be made durable.
    """
    layout = workspace.layout
    if sync:
        fd = files.open_directory(layout.path)
        try:
            files.sync_filesystem(fd)
        finally:
            os.close(fd)
    if sync:
        files.rename(link, layout.current_link)
    else:
        workspace.with_reserve(lambda: files.rename(link, layout.current_link))
    files.fsync_directory(layout.path)


def point_back(workspace: Workspace, origin: str | None, back: Path | None) -> None:
    """Make `current` what it was, by the link that was armed for it, or a new one if that is gone."""
    layout = workspace.layout
    if origin is None:
        files.remove_name(layout.current_link)
    elif layout.current() != origin:
        if back is None or not _points_to(back, origin):
            back = spare_link(workspace, ".back.", origin)
        link = back
        workspace.with_reserve(lambda: files.rename(link, layout.current_link))
    files.fsync_directory(layout.path)


def find_armed(workspace: Workspace, origin: str | None) -> Path | None:
    """The link back that an interrupted promotion armed, if it is still there."""
    for name in workspace.layout.strays():
        path = workspace.layout.path / name
        if origin is not None and name.startswith(".back.") and _points_to(path, origin):
            return path
    return None


def sweep_strays(workspace: Workspace) -> None:
    """Remove armed links that nobody will use; what cannot be removed now is removed next time."""
    for name in workspace.layout.strays():
        with contextlib.suppress(OSError):
            files.remove_name(workspace.layout.path / name)


def set_previous(workspace: Workspace, target: str | None, ready: Path | None = None) -> None:
    """Make `previous` name what a rollback would switch to; best effort, since only comfort depends on it.

    Args:
        workspace: The root.
        target: The release, or `None` for no rollback target.
        ready: A link that may be renamed into place, which needs no room on the disk.
    """
    layout = workspace.layout
    try:
        if target is None:
            files.remove_name(layout.previous_link)
        elif layout.previous() != target:
            if ready is None or not _points_to(ready, target):
                ready = spare_link(workspace, ".back.", target)
            link = ready
            workspace.with_reserve(lambda: files.rename(link, layout.previous_link))
        files.fsync_directory(layout.path)
    except OSError as error:
        workspace.warn(
            "previous-not-set", f"could not point {layout.previous_link} to {target}: {error.strerror}"
        )


def new_link(workspace: Workspace, prefix: str, release_id: str) -> Path:
    """Make a link to a release under a fresh name beside `current`."""
    path = Path(files.temporary_name(str(workspace.layout.current_link), prefix))
    files.make_link(f"releases/{release_id}", path)
    return path


def spare_link(workspace: Workspace, prefix: str, release_id: str) -> Path:
    """`new_link` for a way back: the reserve is given up for it on a full disk."""
    return workspace.with_reserve(lambda: new_link(workspace, prefix, release_id))


def _points_to(link: Path, release_id: str) -> bool:
    try:
        return os.readlink(link) == f"releases/{release_id}"
    except OSError:
        return False
