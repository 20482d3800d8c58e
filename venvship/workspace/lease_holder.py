"""Name the process that holds the lease of a release, as far as the host tells."""

from __future__ import annotations

import os

from venvship.root import RootLayout
from venvship.system import proc
from venvship.system.accounts import user_name
from venvship.system.flocks import Flocks


def lease_holder(layout: RootLayout, release_id: str) -> str:
    """The holder of a lease, for people: `process 4711 of nobody`; the user only if it is another one.

    Every user may lock the file. Of some kinds of locks, and of processes in another container, the kernel
    does not tell the holder.
    """
    path = str(layout.lease(release_id))
    pids = Flocks().holders([path]).get(path, ())
    if not pids:
        return "another process"
    owner = proc.owner(pids[0])
    whose = f" of {user_name(owner)}" if owner is not None and owner != os.geteuid() else ""
    return f"process {pids[0]}{whose}"


def lease_locked(layout: RootLayout, release_id: str) -> str:
    """The warning where the flock of a lease was refused, so that it is held in another way."""
    return (
        f"the lease of {release_id} is locked by {lease_holder(layout, release_id)}, which no process of a "
        "release does. This command went on; `prune` keeps the release as long as that lasts"
    )
