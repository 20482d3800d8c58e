"""The roots that build from a store: its clean-up keeps every entry that one of their releases refers to.

    roots/<sha256 of the path>.json     {"format": 1, "root": "/srv/shop"}

A file for each root, so that roots add themselves at the same time without a lock. Reading only: a root is
added by `registration`.
"""

from __future__ import annotations

import hashlib
import os

from venvship.building.store.index import read_index, understanding
from venvship.building.store.names import ROOTS
from venvship.building.store.store import Store
from venvship.model import json_fields as fields
from venvship.printable import shell_line


def listed_at(store: Store, root: str) -> float | None:
    """When a root was put on the store's list, in seconds since the epoch; `None` if it is not on it.

    Raises:
        OSError: That cannot be told.
    """
    try:
        return os.lstat(os.path.join(store.path, entry_of(root))).st_mtime
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
            if entry_of(root) != f"{ROOTS}/{name}":
                raise ValueError("it is the entry of another root")
        found[f"{ROOTS}/{name}"] = root
    return found


def entry_of(root: str) -> str:
    """The name of a root's entry, relative to the store."""
    return f"{ROOTS}/{hashlib.sha256(os.fsencode(root)).hexdigest()}.json"
