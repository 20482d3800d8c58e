"""Which wheels were chosen for the build requirements of a project, so that the next build asks no index.

    build-requirements/<key>.json     {"format": 1, "key": …, "at": …, "bytecode": TAG,
                                       "wheels": [[name, version, sha256], …]}

The wheels are in the store like those of releases, and so is their bytecode. A record names wheels that were
in the store when it was written. It does not count once one of them is gone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from venvship.building.store.index import index_bytes, read_record
from venvship.building.store.names import BUILD_REQUIREMENTS
from venvship.building.store.store import Store
from venvship.model import json_fields as fields
from venvship.model.interpreter import Interpreter
from venvship.model.source import BuildRequirement
from venvship.model.spelling import digest, format_time, parse_time
from venvship.system import files
from venvship.system.faults import build_faults


class Resolution(NamedTuple):
    """The wheels that were chosen for some build requirements.

    Attributes:
        at: When they were chosen; aware, to the second.
        bytecode: The tag of their bytecode.
        wheels: Each distribution, and the SHA-256 of its wheel, sorted by name.
    """

    at: datetime
    bytecode: str
    wheels: tuple[tuple[BuildRequirement, str], ...]

    @property
    def requirements(self) -> frozenset[BuildRequirement]:
        """The distributions."""
        return frozenset(one for one, _ in self.wheels)


def resolution_key(
    lines: Sequence[str], where: Sequence[str], interpreter: Interpreter, *, pinned: bool
) -> str:
    """Name the choice of wheels for build requirements.

    Args:
        lines: The requirements as pip gets them, with their hashes where they are pinned.
        where: Where they come from: option lines as pip expands them, and its variables; no credentials.
        interpreter: The interpreter that runs the build. Its patch level counts: a marker may ask for it.
        pinned: Whether they are installed by hash.

    Returns:
        A SHA-256, hexadecimal.
    """
    return digest(
        {
            "lines": sorted(lines),
            "where": list(where),
            "pinned": pinned,
            "tags": list(interpreter.tags),
            "version": interpreter.version,
            "interpreter": interpreter.identity.to_json(),
        }
    )


def read_resolution(store: Store, key: str) -> Resolution | None:
    """Find the wheels that were chosen, if the store still has all of them; `None` if not.

    Raises:
        StoreDamagedError: The record is unreadable.
        ForeignStoreError: It belongs to another user, or can be written by others.
        FormatError: A newer venvship wrote it.
    """
    found = read_record(resolution_path(store, key), key, store.owners, _from_record)
    return found if found and all(store.has(sha256) for _, sha256 in found.wheels) else None


def _from_record(data: Mapping[str, Any]) -> Resolution:
    rows = [fields.plain_items(row) for row in fields.items(data["wheels"])]
    wheels = tuple((BuildRequirement(name, version), fields.sha256(sha)) for name, version, sha in rows)
    return Resolution(parse_time(fields.plain(data["at"])), fields.plain(data["bytecode"]), wheels)


def record_resolution(store: Store, key: str, resolution: Resolution) -> None:
    """Record the wheels that were chosen; durable on return. The caller holds the store's mutex shared.

    Args:
        store: It has the wheels.
        key: A `resolution_key`.
        resolution: The wheels.

    Raises:
        DiskFullError: There is no room.
        BuildError: The store cannot be written.

    Crash: the old record, the new one or none; a name that the clean-up sweeps may be left.
    """
    path = resolution_path(store, key)
    record = {
        "key": key,
        "at": format_time(resolution.at),
        "bytecode": resolution.bytecode,
        "wheels": [[one.name, one.version, sha256] for one, sha256 in resolution.wheels],
    }
    with build_faults("record the choice of build requirements", path):
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            files.make_directory(folder)
            files.fsync_directory(store.path)
        files.write_file(path, index_bytes(record))


def resolution_path(store: Store, key: str) -> str:
    """The file that records a choice, whether it is there or not."""
    return os.path.join(store.path, BUILD_REQUIREMENTS, f"{key}.json")
