"""The store: unpacked wheels and their bytecode, named by hash, verified when they came in. Reading only.

    wheels/<sha256>/wheel.json, data/…             one wheel, read-only
    archives/<sha256>.whl                          the wheel file itself, as it came or was built
    bytecode/<sha256>/<tag>/bytecode.json, data/…  its .pyc files for one interpreter identity, read-only
    selections/<kk>/<key>.json                     which wheel was chosen for a requirement
    build-requirements/<key>.json                  which wheels build a project; see `resolutions`
    roots/<key>.json                               a root that builds from here; see `roots`
    unnamed.json                                   what no release refers to any more; see `cleaning`

Everything under one of these names is whole and durable: `intake` writes it under a `.new-…` name, syncs, and
renames it into place. Releases hold hard links to the files, so removing a wheel here never breaks a release.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from venvship.building.store.index import read_index, read_record, understanding
from venvship.building.store.names import ARCHIVES, BYTECODE, MUTEX, SELECTIONS, WHEELS
from venvship.building.store.owners import StoreOwners
from venvship.errors import RootError
from venvship.model import bounds
from venvship.model import json_fields as fields
from venvship.model.spelling import digest
from venvship.model.trust import NOBODY_ELSE, Trust
from venvship.model.wheel import StoredBytecode, StoredFile, StoredWheel
from venvship.printable import removal_line
from venvship.system.regular import read_regular

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter
    from venvship.model.lockfiles.requirement import Requirement

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", re.ASCII)


def selection_key(requirement: Requirement, interpreter: Interpreter, allow_sdist: bool) -> str:
    """Name the choice of a wheel for a requirement.

    Any wheel with an allowed hash would not do: a lockfile lists the hashes of all platforms' wheels.

    Args:
        requirement: The requirement.
        interpreter: The interpreter of the release. Its tags, and their order, decide between wheels.
        allow_sdist: Whether the wheel may be built from source.

    Returns:
        A SHA-256, hexadecimal.
    """
    return digest(
        {
            "name": requirement.name,
            "version": requirement.version,
            "url": requirement.url,
            "hashes": sorted(requirement.hashes),
            "tags": list(interpreter.tags),
            "interpreter": interpreter.identity.to_json(),
            "sdist": allow_sdist,
            **({"subdirectory": requirement.subdirectory} if requirement.subdirectory else {}),
            **({"source": requirement.source.digest} if requirement.source is not None else {}),
        }
    )


class Store:
    """One store, to read. Making the object has no effects.

    Attributes:
        path: As given.
        mutex: The lock file: builds share it, a clean-up has it alone.
        wheels_folder: The directory of all wheels.
        archives_folder: The directory of all wheel files.
        bytecode_folder: The directory of all bytecode.
        selections_folder: The directory of all choices of wheels.
        owners: Asked whose each entry is before it is used.

    Args:
        path: Absolute path of its directory.
        trust: Who may write the directories on the way to it, besides this user and root.

    Raises:
        RootError: The path has a newline in it.
    """

    def __init__(self, path: str, trust: Trust = NOBODY_ELSE) -> None:
        if "\n" in path or "\0" in path:
            raise RootError(f"the path of the store may not contain a newline: {path!r}", path=path)
        self.path = path
        self.wheels_folder = os.path.join(path, WHEELS)
        self.archives_folder = os.path.join(path, ARCHIVES)
        self.bytecode_folder = os.path.join(path, BYTECODE)
        self.selections_folder = os.path.join(path, SELECTIONS)
        self.mutex = os.path.join(path, MUTEX)
        self.owners = StoreOwners(trust, path)
        self._read: dict[str, StoredWheel] = {}

    # -- wheels -----------------------------------------------------------------------------------------

    def has(self, sha256: str) -> bool:
        """Whether the store has a wheel of this hash."""
        return os.path.isdir(self.wheel_path(sha256))

    def wheel(self, sha256: str) -> StoredWheel:
        """Read the index of a wheel in the store; once, since it never changes while it is there.

        Raises:
            StoreDamagedError: Its index is missing or unreadable.
            ForeignStoreError: It belongs to another user, or can be written by others.
            FormatError: A newer venvship wrote it.
        """
        if sha256 in self._read:
            return self._read[sha256]
        folder = self.wheel_path(sha256)
        path = os.path.join(folder, "wheel.json")
        with understanding(path, removal_line(folder)):
            data = read_index(path, self.owners)
            if data["sha256"] != sha256:
                raise ValueError("it is another wheel's")
            wheel = StoredWheel.from_json(data, tree=os.path.join(folder, "data"))
            if wheel.requires_python is None:
                wheel = replace(wheel, requires_python=_requires_python(wheel))
        self._read[sha256] = wheel
        return wheel

    # -- bytecode ---------------------------------------------------------------------------------------

    def bytecode(self, sha256: str, tag: str) -> StoredBytecode | None:
        """Find a wheel's bytecode for one interpreter identity; `None` if it was not compiled yet.

        Raises:
            StoreDamagedError: Its index is missing or unreadable.
            ForeignStoreError: It belongs to another user, or can be written by others.
            FormatError: A newer venvship wrote it.
        """
        folder = self.bytecode_path(sha256, tag)
        if not os.path.isdir(folder):
            return None
        path = os.path.join(folder, "bytecode.json")
        with understanding(path, removal_line(folder)):
            data = read_index(path, self.owners)
            if (data["sha256"], data["tag"]) != (sha256, tag):
                raise ValueError("it is the index of something else")
            stored = tuple(map(StoredFile.from_json, fields.items(data["files"])))
        return StoredBytecode(stored, os.path.join(folder, "data"))

    def bytecode_path(self, sha256: str, tag: str) -> str:
        """The directory of a wheel's bytecode, whether it is there or not."""
        if not _TAG.fullmatch(tag):
            raise ValueError(f"not a tag: {tag!r}")
        return os.path.join(self.bytecode_folder, _checked(sha256), tag)

    # -- selections -------------------------------------------------------------------------------------

    def selection(self, key: str) -> str | None:
        """The hash of the wheel that was chosen for a `selection_key`, if the store still has that wheel.

        Raises:
            StoreDamagedError: The record is unreadable.
            ForeignStoreError: It belongs to another user, or can be written by others.
            FormatError: A newer venvship wrote it.
        """
        path = self.selection_path(key)
        sha256 = read_record(path, key, self.owners, lambda data: fields.sha256(data["sha256"]))
        return sha256 if sha256 is not None and self.has(sha256) else None

    def selection_facts(self, key: str) -> Mapping[str, object]:
        """What is recorded beside the choice of a wheel; nothing if there is no such choice.

        Raises:
            StoreDamagedError: The record is unreadable.
            ForeignStoreError: It belongs to another user, or can be written by others.
            FormatError: A newer venvship wrote it.
        """
        path = self.selection_path(key)
        return read_record(path, key, self.owners, lambda data: fields.mapping(data.get("facts", {}))) or {}

    # -- paths ------------------------------------------------------------------------------------------

    def wheel_path(self, sha256: str) -> str:
        """The directory of a wheel, whether it is there or not."""
        return os.path.join(self.wheels_folder, _checked(sha256))

    def archive_path(self, sha256: str) -> str:
        """The file of a wheel as it came or was built, whether it is there or not."""
        return os.path.join(self.archives_folder, f"{_checked(sha256)}.whl")

    def selection_path(self, key: str) -> str:
        """The file that records a choice, whether it is there or not."""
        return os.path.join(self.selections_folder, _checked(key)[:2], f"{key}.json")


def _requires_python(wheel: StoredWheel) -> str:
    """Read what the index of an older venvship does not tell from the wheel's own metadata."""
    # Late: few wheels of few stores need it.
    from venvship.model.metadata import fields_of, read_headers

    path = os.path.join(wheel.data, "site", wheel.dist_info, "METADATA")
    return (*fields_of(read_headers(read_regular(path, bounds.METADATA).data), "Requires-Python"), "")[0]


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return sha256
