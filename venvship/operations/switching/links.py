"""The links of a root: prepared beside `current` under random names, then renamed over it.

The only module that makes or moves them. The random part of the names keeps one crash from blocking every
later switch. `sweep_strays` removes the links that a crash leaves.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from venvship.system import files
from venvship.workspace.holding import SwitchHeld
from venvship.workspace.workspace import Workspace


class Armed(NamedTuple):
    """The two links that a promotion prepares."""

    to: Path
    back: Path | None


def arm(held: SwitchHeld, release_id: str, origin_id: str | None) -> Armed:
    """Make the link forward and the link back, before either is needed.

    Raises:
        OSError: One of them cannot be made; neither is left.
    """
    to = new_link(held, ".to.", release_id)
    try:
        return Armed(to, new_link(held, ".back.", origin_id) if origin_id else None)
    except OSError:
        files.remove_name(to)
        raise


def point_current(held: SwitchHeld, link: Path, *, sync: bool) -> None:
    """Rename a prepared link over `current`, and make that durable.

    Args:
        held: The root.
        link: The link, in the root's own directory.
        sync: Whether everything else on the file system is made durable first: what the new target
            consists of, the links, the journal. A rollback leaves that out: it has nothing new to sync, and a
            sync can fail, or take minutes, on the very night when it must not.

    Raises:
        OSError: It could not be renamed, or not be made durable.
    """
    layout = held.workspace.layout
    if sync:
        fd = files.open_directory(layout.path)
        try:
            files.sync_filesystem(fd)
        finally:
            os.close(fd)
        files.rename(link, layout.current_link)
    else:
        held.workspace.with_reserve(lambda: files.rename(link, layout.current_link))
    files.fsync_directory(layout.path)


def point_back(held: SwitchHeld, origin_id: str | None, back: Path | None) -> None:
    """Point `current` back, with the link that was armed for it if that is there, or remove it."""
    layout = held.workspace.layout
    if origin_id is None:
        files.remove_name(layout.current_link)
    elif layout.current() != origin_id:
        if back is None or not _points_to(back, origin_id):
            back = spare_link(held, ".back.", origin_id)
        link = back
        held.workspace.with_reserve(lambda: files.rename(link, layout.current_link))
    files.fsync_directory(layout.path)


def find_armed(workspace: Workspace, release_id: str | None) -> Path | None:
    """The link back to a release that an interrupted promotion armed, if it is still there."""
    for name in workspace.layout.strays():
        path = workspace.layout.path / name
        if release_id is not None and name.startswith(".back.") and _points_to(path, release_id):
            return path
    return None


def sweep_strays(held: SwitchHeld) -> None:
    """Remove armed links that are not needed any more; one that cannot be removed now goes next time."""
    layout = held.workspace.layout
    for name in layout.strays():
        with contextlib.suppress(OSError):
            files.remove_name(layout.path / name)


def set_previous(held: SwitchHeld, release_id: str | None, ready: Path | None = None) -> None:
    """Make `previous` name the release that a rollback would switch to. Best effort.

    A rollback works without this link while the disk has room for a new one and the journal is whole. On a
    full disk it renames this link. Without the whole journal the link names its target. A failure here is a
    warning, since the switch itself is done.

    Args:
        held: The root.
        release_id: The release, or `None` if there is none to roll back to.
        ready: A link that may be renamed into place, which needs no room on the disk.
    """
    workspace, layout = held.workspace, held.workspace.layout
    try:
        if release_id is None:
            files.remove_name(layout.previous_link)
        elif layout.previous() != release_id:
            if ready is None or not _points_to(ready, release_id):
                ready = spare_link(held, ".back.", release_id)
            link = ready
            workspace.with_reserve(lambda: files.rename(link, layout.previous_link))
        files.fsync_directory(layout.path)
    except OSError as error:
        workspace.warn(
            "previous-not-set", f"could not point {layout.previous_link} to {release_id}: {error.strerror}"
        )


def new_link(held: SwitchHeld, prefix: str, release_id: str) -> Path:
    """Make a link to a release under a fresh name beside `current`."""
    path = Path(files.temporary_name(str(held.workspace.layout.current_link), prefix))
    files.make_link(f"releases/{release_id}", path)
    return path


def spare_link(held: SwitchHeld, prefix: str, release_id: str) -> Path:
    """`new_link` for a way back: the reserve is given up for it on a full disk."""
    return held.workspace.with_reserve(lambda: new_link(held, prefix, release_id))


def _points_to(link: Path, release_id: str) -> bool:
    try:
        return os.readlink(link) == f"releases/{release_id}"
    except OSError:
        return False
