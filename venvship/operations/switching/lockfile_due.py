"""Put a lockfile that `update --upgrade` made in its place on disk, once its release is proven.

The release has its bytes, and the journal its path, so recovery can complete this after a crash.
"""

from __future__ import annotations

import hashlib
import os

from venvship.errors import VenvshipError
from venvship.model.event import EventName
from venvship.model.history import LockfileDue
from venvship.operations.planning.environment import read_file
from venvship.workspace.holding import SwitchHeld
from venvship.workspace.workspace import Workspace


def put_in_place(held: SwitchHeld, release_id: str, due: LockfileDue) -> bool:
    """Write the lockfile of the current release over the one it was made from, and journal that.

    A lockfile that another program has written meanwhile stays. A failure is a warning: the release is live
    and proven, and the next command that recovers tries again.

    Crash: the lockfile is the old or the new one, and the journal says that it is due; recovery goes on.

    Args:
        held: The root.
        release_id: The current release.
        due: The path of its lockfile, and the digest of the one that it replaces.

    Returns:
        Whether this is done; otherwise the lockfile stays due.
    """
    # Late: an idle update does without. `load_before_switch` imports it before a switch.
    from venvship.operations.planning.lock import read_if_there, write_lockfile

    workspace = held.workspace
    named = workspace.layout.path / due.path
    path = os.path.realpath(named)
    try:
        content = lockfile_of(workspace, release_id)
        there = read_if_there(path, workspace.trusted.read)
        if (None if there is None else hashlib.sha256(there).hexdigest()) == due.before:
            write_lockfile(path, content)
        elif there != content:
            workspace.warn(
                "lockfile-not-replaced",
                f"{named} was changed by another program during the update and stays; the lockfile of the "
                f"live release is {workspace.layout.release_path(release_id)}/.venvship/lockfile",
            )
        workspace.record(EventName.LOCKFILE_WRITTEN, release=release_id)
    except (OSError, VenvshipError) as error:
        text = error.strerror if isinstance(error, OSError) else error.message
        workspace.warn(
            "lockfile-not-replaced", f"could not write {named}: {text}; the next update tries again"
        )
        return False
    return True


def lockfile_of(workspace: Workspace, release_id: str) -> bytes:
    """The lockfile that a release was built from.

    Raises:
        OSError: It cannot be read.
    """
    return read_file(str(workspace.layout.release_path(release_id) / ".venvship" / "lockfile"))
