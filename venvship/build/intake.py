"""What a batch adds to the store: wheels and the choices of them, or bytecode."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from venvship.build.faults import build_faults
from venvship.build.publication import Publication, finish, index_bytes
from venvship.build.unpack import unpack
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.system import files

if TYPE_CHECKING:
    from venvship.build.store import Store


class Import:
    """The wheels that one block of `Store.importing` adds."""

    def __init__(self, store: Store, publication: Publication, between: Callable[[], None] | None) -> None:
        self._store = store
        self._publication = publication
        self._between = between or _nothing
        self._added: dict[str, StoredWheel] = {}

    def add(self, path: str, *, sha256: str, check_record: bool) -> StoredWheel:
        """Unpack a wheel, unless the store has it.

        Args:
            path: The wheel file.
            sha256: What it must hash to; checked again here.
            check_record: Whether its RECORD must be right.

        Returns:
            What the store knows of it. Its `data` exists once the block has ended.

        Raises:
            HashMismatchError: It is another file than the one asked for.
            InvalidWheelError: It is not a wheel, or brings something that is refused.
            StoreDamagedError: The store has it, but its index is unreadable.
            DiskFullError: There is no room.
            BuildError: The file cannot be read, or the store not written.
        """
        if sha256 in self._added:
            return self._added[sha256]
        if self._store.has(sha256):
            return self._store.wheel(sha256)
        target = self._store.wheel_path(sha256)
        with build_faults(f"import {os.path.basename(path)}", self._store.path):
            staged = self._publication.stage(target, lambda: self._store.wheel(sha256))
            files.make_new_directory(staged)
            wheel = unpack(
                path,
                os.path.join(staged, "data"),
                sha256=sha256,
                check_record=check_record,
                data=os.path.join(target, "data"),
                between=self._between,
            )
            finish(staged, "wheel.json", wheel.to_json())
        self._added[sha256] = wheel
        return wheel

    def select(self, key: str, sha256: str, facts: Mapping[str, object]) -> None:
        """`Store.record_selection`, under the sync of this batch.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.
        """
        target = self._store.selection_path(key)
        with build_faults("record the choice of a wheel", target):
            files.make_directory(os.path.dirname(target))
            staged = self._publication.stage(target, _nothing)
            files.create_file(staged, selection_bytes(key, sha256, facts), mode=0o644)


class BytecodeImport:
    """The bytecode that one block of `Store.adding_bytecode` adds."""

    def __init__(self, store: Store, publication: Publication, tag: str) -> None:
        self._store = store
        self._publication = publication
        self._tag = tag

    def stage(self, sha256: str) -> str:
        """Make an unfinished directory for one wheel's bytecode; the files go into its `data`.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.
        """
        target = os.path.dirname(self._store.bytecode_path(sha256, self._tag))
        with build_faults("store bytecode", target):
            files.make_directory(os.path.dirname(target))
            staged = self._publication.stage(target, lambda: self._store.bytecode(sha256, self._tag))
            files.make_new_directory(staged)
            files.make_new_directory(os.path.join(staged, "data"))
        return staged

    def finish(self, staged: str, sha256: str, skipped: Mapping[str, str]) -> tuple[StoredFile, ...]:
        """Hash and list what is in a staged directory, and make it read-only.

        Args:
            staged: As `stage` gave it.
            sha256: The wheel's.
            skipped: Sources that did not compile, with the reason.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.
        """
        data = os.path.join(staged, "data")
        stored = []
        with build_faults("store bytecode", staged):
            for path, status in files.walk(data):
                full = os.path.join(data, path)
                if stat.S_ISREG(status.st_mode):
                    files.set_mode(full, 0o444)
                    stored.append(StoredFile(path=path, size=status.st_size, sha256=files.hash_file(full)))
            stored.sort(key=lambda f: f.path)
            index = {
                "sha256": sha256,
                "tag": self._tag,
                "files": [[f.path, f.size, f.sha256] for f in stored],
                "skipped": dict(skipped),
            }
            finish(staged, "bytecode.json", index)
        return tuple(stored)


def selection_bytes(key: str, sha256: str, facts: Mapping[str, object]) -> bytes:
    """Write the record of which wheel was chosen."""
    return index_bytes({"key": key, "sha256": sha256, "facts": dict(facts)})


def _nothing() -> None:
    pass
