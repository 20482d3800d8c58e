"""Additions to the store: its directories, wheels, choices of wheels, bytecode."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from venvship.building.store.index import index_bytes
from venvship.building.store.publication import Publication, finish, publishing
from venvship.building.store.store import Store
from venvship.model.progress import Advance, unmeasured
from venvship.model.wheel import StoredBytecode, StoredFile, StoredWheel, WheelFile
from venvship.system import files, trees
from venvship.system.faults import build_faults
from venvship.system.linking import link_file
from venvship.system.pool import processors, working

_WORTH_A_COPY: Final = 1 << 20
"""Bytes of wheels below which another process costs more than it saves."""


def prepare(store: Store) -> None:
    """Make the directories of a store that are missing.

    Raises:
        ForeignStoreError: The store, or a directory on the way to it or in it, belongs to another user or can
            be written by others.
        DiskFullError: There is no room.
        BuildError: They cannot be made.

    Crash: some of them exist; the next call makes the rest.
    """
    folders = (
        store.wheels_folder,
        store.archives_folder,
        store.bytecode_folder,
        store.selections_folder,
    )
    with build_faults("make the store", store.path):
        store.owners.require_store(store.path)
        if not all(os.path.isdir(folder) for folder in folders):
            for folder in (store.path, *folders):
                files.make_directory(folder)
            files.fsync_directory(store.path)
            files.fsync_directory(os.path.dirname(store.path))
        for folder in folders:
            store.owners.require(folder, os.lstat(folder))


@contextlib.contextmanager
def importing(
    store: Store, between: Callable[[], None] = lambda: None, *, copies: int | None = None
) -> Iterator[Import]:
    """Import several wheels with one sync. Several processes may import into one store at once.

    Wheels that the block adds are in the store when it ends without an exception, and only then.

    Args:
        store: It is prepared, and its mutex is held shared.
        between: Called between files; an exception from it ends the import. For signals.
        copies: Processes that unpack beside this one; by default one per processor if the wheels are large.

    Raises:
        DiskFullError: There is no room.
        BuildError: The store cannot be written, or a write could not be made durable.
        StoreDamagedError: Another process imported one of them meanwhile, and its index is unreadable.

    Crash: leaves `.new-…` names, which `cleaning.sweep` removes; or some of the wheels, each whole and
        durable.
    """
    with publishing(store.wheels_folder) as publication:
        yield Import(store, publication, between, copies)


@contextlib.contextmanager
def adding_bytecode(store: Store, tag: str) -> Iterator[BytecodeImport]:
    """Add the bytecode of several wheels with one sync; promises and errors as with `importing`."""
    with publishing(store.bytecode_folder) as publication:
        yield BytecodeImport(store, publication, tag)


class Import:
    """The wheels that one block of `importing` adds."""

    def __init__(
        self, store: Store, publication: Publication, between: Callable[[], None], copies: int | None
    ) -> None:
        self._store = store
        self._publication = publication
        self._between = between
        self._copies = copies
        self._added: dict[str, StoredWheel] = {}

    def add(self, wheels: Sequence[WheelFile], advance: Advance = unmeasured) -> list[StoredWheel]:
        """Unpack wheels over all processors, the largest first, but for those that the store has.

        Args:
            wheels: The wheel files; one of them may be there twice.
            advance: Called with how many are begun.

        Returns:
            Each wheel as it will be in the store. Its `data` exists once the block has ended.

        Raises:
            InterruptedByError: Or whatever else `between` raises.
            HashMismatchError: It is another file than the one asked for.
            InvalidWheelError: It is not a wheel, or brings something that is refused.
            StoreDamagedError: The store has it, but its index is unreadable.
            DiskFullError: There is no room.
            BuildError: The file cannot be read, or the store not written.
        """
        new = {
            one.sha256: one
            for one in wheels
            if one.sha256 not in self._added and not self._store.has(one.sha256)
        }
        sizes = {one.sha256: _size(one.path) for one in new.values()}
        largest_first = sorted(new.values(), key=lambda one: (-sizes[one.sha256], one.sha256))
        tasks = [(one, self._stage(one.sha256)) for one in largest_first]
        copies = self._copies
        if copies is None:
            copies = processors() - 1 if sum(sizes.values()) >= _WORTH_A_COPY else 0
        with working(self._unpack, tasks, copies=copies) as unpacking:

            def between() -> None:
                self._between()
                advance(unpacking.begun, len(tasks))

            unpacking.join_in(between)
            self._added |= {wheel.sha256: wheel for wheel in unpacking.results(between)}
        return [self._added.get(one.sha256) or self._store.wheel(one.sha256) for one in wheels]

    def _stage(self, sha256: str) -> str:
        return self._publication.stage(self._store.wheel_path(sha256), lambda: self._store.wheel(sha256))

    def _unpack(self, task: tuple[WheelFile, str]) -> StoredWheel:
        # Late: a release of which the store has everything unpacks nothing.
        from venvship.building.store.unpack import unpack

        one, staged = task
        with build_faults(f"import {os.path.basename(one.path)}", self._store.path):
            files.make_new_directory(staged)
            wheel = unpack(
                one.path,
                os.path.join(staged, "data"),
                sha256=one.sha256,
                check_record=one.check_record,
                data=os.path.join(self._store.wheel_path(one.sha256), "data"),
                between=self._between,
            )
            finish(staged, "wheel.json", wheel.to_json())
        return wheel

    def keep(self, one: WheelFile, *, ours: bool) -> None:
        """Keep the file of a wheel that this batch adds, under its sync.

        Args:
            one: The wheel file.
            ours: Whether the file is a download, which gets a second name. Otherwise it is copied.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.
        """
        target = self._store.archive_path(one.sha256)
        if os.path.lexists(target):
            return
        with build_faults("keep the file of a wheel", target):
            staged = self._publication.stage(target)
            link_file(one.path, staged, "auto" if ours else "copy")
            files.set_mode(staged, 0o444)

    def select(self, key: str, sha256: str, facts: Mapping[str, object]) -> None:
        """Record which wheel was chosen for a requirement, under the sync of this batch.

        Args:
            key: A `selection_key`.
            sha256: The wheel's.
            facts: For people who read the file; must be JSON.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.
        """
        target = self._store.selection_path(key)
        with build_faults("record the choice of a wheel", target):
            files.make_directory(os.path.dirname(target))
            staged = self._publication.stage(target)
            record = {"key": key, "sha256": sha256, "facts": dict(facts)}
            files.create_file(staged, index_bytes(record), mode=0o644)


class BytecodeImport:
    """The bytecode that one block of `adding_bytecode` adds."""

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
        target = self._store.bytecode_path(sha256, self._tag)
        with build_faults("store bytecode", target):
            files.make_directory(os.path.dirname(target))
            staged = self._publication.stage(target, lambda: self._store.bytecode(sha256, self._tag))
            files.make_new_directory(staged)
            files.make_new_directory(os.path.join(staged, "data"))
        return staged

    def finish(self, staged: str, sha256: str, skipped: Mapping[str, str]) -> StoredBytecode:
        """Hash and list the files in a staged directory, and make it read-only.

        Args:
            staged: As `stage` gave it.
            sha256: The wheel's.
            skipped: Sources that did not compile, with the reason.

        Returns:
            The bytecode as it will be in the store once the block has ended.

        Raises:
            DiskFullError: There is no room.
            BuildError: The store cannot be written.
        """
        data = os.path.join(staged, "data")
        stored = []
        with build_faults("store bytecode", staged):
            for path, status in trees.walk(data):
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
        return StoredBytecode(
            tuple(stored), os.path.join(self._store.bytecode_path(sha256, self._tag), "data")
        )


def _size(path: str) -> int:
    with build_faults(f"import {os.path.basename(path)}", path):
        return os.path.getsize(path)
