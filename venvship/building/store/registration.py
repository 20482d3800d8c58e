"""Putting a root on a store's list; `roots` reads it."""

from __future__ import annotations

import os

from venvship.building.store.names import ROOTS
from venvship.building.store.roots import entry_of
from venvship.building.store.store import Store
from venvship.model.spelling import FORMAT
from venvship.system import files
from venvship.system.faults import build_faults


def register_root(store: Store, root: str) -> None:
    """Put a root on the store's list; durable on return. One that is on it stays as it is.

    The caller holds the store's mutex, shared or alone.

    Args:
        store: It exists.
        root: The root's path, absolute and real.

    Raises:
        DiskFullError: There is no room.
        BuildError: The store cannot be written.

    Crash: it is on the list, or not yet; a name that the clean-up sweeps may be left.
    """
    folder = os.path.join(store.path, ROOTS)
    path = os.path.join(store.path, entry_of(root))
    if os.path.lexists(path):
        return
    with build_faults("put the root on the store's list", path):
        if not os.path.isdir(folder):
            files.make_directory(folder)
            files.fsync_directory(store.path)
        files.write_json(path, {"format": FORMAT, "root": root})
