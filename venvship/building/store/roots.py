"""The roots that build from a store: its clean-up keeps every entry that one of their releases refers to.

    roots/<sha256 of the path>.json     {"format": 1, "root": "/srv/shop"}

A file for each root, so that roots add themselves at the same time without a lock.
"""

from __future__ import annotations

import hashlib
import os

from venvship.building.store.index import read_index, understanding
from venvship.building.store.names import ROOTS
from venvship.building.store.store import Store
from venvship.model import json_fields as fields
from venvship.model.spelling import FORMAT
from venvship.printable import shell_line
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
    path = os.path.join(store.path, _key(root))
    if os.path.lexists(path):
        return
    with build_faults("put the root on the store's list", path):
        if not os.path.isdir(folder):
            files.make_directory(folder)
            files.fsync_directory(store.path)
        files.write_json(path, {"format": FORMAT, "root": root})


def listed_at(store: Store, root: str) -> float | None:
    """When a root was put on the store's list, in seconds since the epoch; `None` if it is not on it.

    Raises:
        OSError: That cannot be told.
    """
    try:
        return os.lstat(os.path.join(store.path, _key(root))).st_mtime
    except FileNotFoundError:
        return None


def registered_roots(store: Store) -> dict[str, str]:
    """The roots on the list, by the path of their entry, relative to the store.

    Raises:
        StoreDamagedError: An entry makes no sense.
        FormatError: A newer venvship wrote it.
        OSError: The folder cannot be listed.
    """
    folder = os.path.join(store.path, ROOTS)
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        with understanding(path, f"rm {shell_line([path])}"):
            root = fields.absolute_path(read_index(path)["root"])
            if _key(root) != f"{ROOTS}/{name}":
                raise ValueError("it is the entry of another root")
        found[f"{ROOTS}/{name}"] = root
    return found


def _key(root: str) -> str:
    return f"{ROOTS}/{hashlib.sha256(os.fsencode(root)).hexdigest()}.json"
