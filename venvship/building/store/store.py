"""The store: unpacked wheels and their bytecode, named by hash, verified when they came in.

    wheels/<sha256>/wheel.json, data/…             one wheel, read-only
    bytecode/<sha256>/<tag>/bytecode.json, data/…  its .pyc files for one kind of interpreter, read-only
    selections/<kk>/<key>.json                     which wheel was chosen for a requirement
    roots/<key>.json                               a root that builds from here; see `store_roots`
    unnamed.json                                   what no release names; see `store_cleaning`

What has one of these names is whole and durable: everything is written under a `.new-…` name, synced, and
renamed into place. Releases hold hard links to the files, so removing something here never breaks a release.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from venvship.building.store.intake import BytecodeImport, Import, Incoming, selection_bytes
from venvship.building.store.publication import publishing, read_index, understanding
from venvship.errors import RootError
from venvship.model.release import digest
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.system import files
from venvship.system.faults import build_faults

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter
    from venvship.model.lockfiles.lockfile import Requirement

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", re.ASCII)


def selection_key(requirement: Requirement, interpreter: Interpreter, allow_sdist: bool) -> str:
    """Name the choice of a wheel for a requirement.

    Any wheel with an allowed hash would not do: a lockfile lists the hashes of all platforms' wheels.

    Args:
        requirement: What the lockfile asks for.
        interpreter: What it is to run on; its tags, and their order, decide between wheels.
        allow_sdist: Whether it may be built from source.

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
            "interpreter": interpreter.identity(),
            "sdist": allow_sdist,
        }
    )


class Store:
    """One store. Making the object has no effects.

    Several processes may import at once. `sweep` needs the store's mutex, exclusive.

    Attributes:
        path: As given.
        mutex: The lock file: builds share it, a clean-up has it alone.

    Args:
        path: Absolute path of its directory.

    Raises:
        RootError: The path has a newline in it.
    """

    def __init__(self, path: str) -> None:
        if "\n" in path or "\0" in path:
            raise RootError(f"the path of the store may not contain a newline: {path!r}", path=path)
        self.path = path
        self._wheels = os.path.join(path, "wheels")
        self._bytecode = os.path.join(path, "bytecode")
        self._selections = os.path.join(path, "selections")
        self.mutex = os.path.join(path, "store.mutex")
        self._read: dict[str, StoredWheel] = {}

    def prepare(self) -> None:
        """Make the directories that are missing.

        Raises:
            DiskFullError: There is no room.
            BuildError: They cannot be made.

        Crash: some of them exist; the next call makes the rest.
        """
        folders = (self._wheels, self._bytecode, self._selections)
        if all(os.path.isdir(folder) for folder in folders):
            return
        with build_faults("make the store", self.path):
            for folder in (self.path, *folders):
                files.make_directory(folder)
            files.fsync_directory(self.path)
            files.fsync_directory(os.path.dirname(self.path))

    # -- wheels -----------------------------------------------------------------------------------------

    def has(self, sha256: str) -> bool:
        """Whether the store has a wheel of this hash."""
        return os.path.isdir(self.wheel_path(sha256))

    def wheel(self, sha256: str) -> StoredWheel:
        """Read what the store knows of a wheel that it has; once, for it never changes while it is there.

        Raises:
            StoreDamagedError: Its index is missing or unreadable.
            FormatError: A newer venvship wrote it.
        """
        if sha256 in self._read:
            return self._read[sha256]
        folder = self.wheel_path(sha256)
        path = os.path.join(folder, "wheel.json")
        with understanding(path, f"rm -r {folder}"):
            data = read_index(path)
            if data["sha256"] != sha256:
                raise ValueError("it is another wheel's")
            wheel = StoredWheel.from_json(data, tree=os.path.join(folder, "data"))
        self._read[sha256] = wheel
        return wheel

    def import_wheel(self, path: str, *, sha256: str, check_record: bool) -> StoredWheel:
        """Import one wheel: `importing` for a batch of one, with the same promises and errors."""
        with self.importing() as batch:
            return batch.add([Incoming(path, sha256, check_record)])[0]

    @contextlib.contextmanager
    def importing(self, between: Callable[[], None] | None = None) -> Iterator[Import]:
        """Import several wheels with one sync.

        What was added is in the store when the block ends without an exception, and only then.

        Args:
            between: Called between files; what it raises ends the import. For signals.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written, or what was written could not be made durable.
            StoreDamagedError: Another process imported one of them meanwhile, and its index is unreadable.

        Crash: leaves `.new-…` names, which `sweep` removes; or some of the wheels, each whole and durable.
        """
        with publishing(self._wheels) as publication:
            yield Import(self, publication, between)

    # -- bytecode ---------------------------------------------------------------------------------------

    def bytecode(self, sha256: str, tag: str) -> tuple[StoredFile, ...] | None:
        """List a wheel's bytecode for one kind of interpreter; `None` if it was not compiled yet.

        Paths are those of the wheel's files: `site/pkg/__pycache__/x.cpython-311.pyc`.

        Raises:
            StoreDamagedError: Its index is missing or unreadable.
            FormatError: A newer venvship wrote it.
        """
        data = self._bytecode_index(sha256, tag)
        return None if data is None else data[0]

    def skipped_sources(self, sha256: str, tag: str) -> Mapping[str, str]:
        """List the sources that did not compile, with the reason; empty if the wheel was not compiled.

        Raises:
            StoreDamagedError: Its index is missing or unreadable.
            FormatError: A newer venvship wrote it.
        """
        data = self._bytecode_index(sha256, tag)
        return {} if data is None else data[1]

    def bytecode_path(self, sha256: str, tag: str) -> str:
        """The directory that the paths of `bytecode` are relative to."""
        return os.path.join(self._bytecode_folder(sha256, tag), "data")

    @contextlib.contextmanager
    def adding_bytecode(self, tag: str) -> Iterator[BytecodeImport]:
        """Add the bytecode of several wheels with one sync; promises and errors as with `importing`."""
        with publishing(self._bytecode) as publication:
            yield BytecodeImport(self, publication, tag)

    # -- selections -------------------------------------------------------------------------------------

    def selection(self, key: str) -> str | None:
        """The hash of the wheel that was chosen for a `selection_key`, if the store still has that wheel.

        Raises:
            StoreDamagedError: The record is unreadable.
            FormatError: A newer venvship wrote it.
        """
        path = self.selection_path(key)
        if not os.path.lexists(path):
            return None
        with understanding(path, f"rm {path}"):
            data = read_index(path)
            if data["key"] != key:
                raise ValueError("it is the record of another choice")
            sha256 = data["sha256"]
            return sha256 if self.has(sha256) else None

    def record_selection(self, key: str, sha256: str, facts: Mapping[str, object]) -> None:
        """Record which wheel was chosen; durable on return. In a batch of wheels, `Import.select` is cheaper.

        Args:
            key: A `selection_key`.
            sha256: The wheel's.
            facts: What a person would want to know who reads the file; must be JSON.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.

        Crash: the record is the old one, the new one, or missing.
        """
        path = self.selection_path(key)
        with build_faults("record the choice of a wheel", path):
            files.make_directory(os.path.dirname(path))
            files.write_file(path, selection_bytes(key, sha256, facts))

    # -- clean-up ---------------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Remove what interrupted imports and clean-ups left. Only with the store's mutex held exclusively.

        Returns:
            How many things were removed.

        Raises:
            BuildError: Something cannot be removed.
        """
        found = []
        folders = [
            self._wheels,
            self._bytecode,
            *self._folders(self._bytecode),
            *self._folders(self._selections),
            os.path.join(self.path, "roots"),
        ]
        for folder in folders:
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                found += [entry.path for entry in entries if entry.name.startswith(".")]
        with contextlib.suppress(FileNotFoundError), os.scandir(self.path) as entries:
            # Only ours: the store may be a folder, or a mount, in which others keep hidden names too.
            found += [entry.path for entry in entries if entry.name.startswith(".unnamed.json.")]
        for path in found:
            with build_faults("remove what was left in the store", path):
                files.remove_tree(path)
        return len(found)

    @staticmethod
    def _folders(path: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
            return sorted(entry.path for entry in entries if not entry.name.startswith("."))
        return []

    # -- paths ------------------------------------------------------------------------------------------

    def wheel_path(self, sha256: str) -> str:
        """The directory of a wheel, whether it is there or not."""
        return os.path.join(self._wheels, _checked(sha256))

    def _bytecode_folder(self, sha256: str, tag: str) -> str:
        if not _TAG.fullmatch(tag):
            raise ValueError(f"not a tag: {tag!r}")
        return os.path.join(self._bytecode, _checked(sha256), tag)

    def selection_path(self, key: str) -> str:
        """The file that records a choice, whether it is there or not."""
        return os.path.join(self._selections, _checked(key)[:2], f"{key}.json")

    def _bytecode_index(self, sha256: str, tag: str) -> tuple[tuple[StoredFile, ...], dict[str, str]] | None:
        folder = self._bytecode_folder(sha256, tag)
        if not os.path.isdir(folder):
            return None
        path = os.path.join(folder, "bytecode.json")
        with understanding(path, f"rm -r {folder}"):
            data = read_index(path)
            if (data["sha256"], data["tag"]) != (sha256, tag):
                raise ValueError("it is the index of something else")
            stored = tuple(StoredFile(str(p), int(s), str(h)) for p, s, h in data["files"])
            return stored, {str(key): str(value) for key, value in data["skipped"].items()}


def _checked(sha256: str) -> str:
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return sha256
