"""Hash every file of one release again and compare it with the manifest."""

from __future__ import annotations

import functools
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from venvship.errors import FormatError, ReleaseError
from venvship.model.release import FileEntry
from venvship.operations.retention.names import KnownNames
from venvship.operations.retention.stray import is_stray
from venvship.system import trees
from venvship.system.host import host_faults
from venvship.system.pool import copies_for, working
from venvship.workspace.place import place_problem
from venvship.workspace.quick_look import (
    UNLISTED,
    content_problem,
    excess_rights,
    release_owners,
    unlisted_problems,
)
from venvship.workspace.reading import ReadingWorkspace


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that differs from the manifest.

    Attributes:
        path: Relative to the release.
        problem: The difference, for people.
        added: Whether it is not part of the release at all. Then nothing is wrong with the store.
        excess: The mode bits that it has too many, where only its owner or mode differs; else `None`.
    """

    path: str
    problem: str
    added: bool = False
    excess: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result for one release.

    Attributes:
        id: The release.
        files: How many files it has.
        damaged: The files that differ; empty for an intact release.
        problem: Why it cannot be used where it stands, however intact its files are; `None` if it can.
        stray: Bytecode that is not part of the release, and folders of such; by their paths in it.
        linked: Its files that have a name elsewhere which venvship did not make: hard links.
    """

    id: str
    files: int
    damaged: tuple[Damage, ...]
    problem: str | None = None
    stray: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether all of its own files are as they were sealed."""
        return not self.damaged

    @property
    def ok(self) -> bool:
        """Whether it is intact, nothing was added, and it stands where it was built for."""
        return self.intact and not self.stray and not self.linked and self.problem is None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "id": self.id,
            "ok": self.ok,
            "files": self.files,
            "usable": {"ok": self.problem is None, "problem": self.problem},
            "damaged": [{"path": damage.path, "problem": damage.problem} for damage in self.damaged],
            "stray": list(self.stray),
            "linked": list(self.linked),
        }


def verify_release(
    workspace: ReadingWorkspace,
    release_id: str,
    *,
    names: KnownNames | None = None,
) -> Verified:
    """Verify one release, whether the journal knows it or not.

    Args:
        workspace: The root; reads only.
        release_id: The release.
        names: Where names of its files may be; by default nobody looks for names elsewhere.

    Raises:
        HostError: The host has nothing left to read files with, which is no damage.
        InterruptedByError: A signal came.
    """
    layout = workspace.layout
    try:
        manifest = workspace.manifest(release_id)
        entries = layout.files(release_id, manifest)
    except (ReleaseError, FormatError) as error:
        return Verified(id=release_id, files=0, damaged=(Damage(".venvship", error.message),))
    base, owners = str(layout.release_path(release_id)), release_owners(layout)
    unlisted = {name or ".": FileEntry(name, kind, mode) for name, kind, mode in UNLISTED}
    damaged = [
        Damage(path, problem, excess=excess_rights(os.path.join(base, unlisted[path].path), unlisted[path]))
        for path, problem in unlisted_problems(base, owners)
    ]
    damaged += compare(base, entries, owners, workspace.runtime.signals.raise_if_received)
    known = {entry.path for entry in entries} | {".venvship/manifest.json", ".venvship/files.json"}
    stray: list[str] = []
    several: list[str] = []
    count = sum(entry.type == "file" for entry in entries)
    try:
        with host_faults(f"list {base}"):
            present = list(trees.walk(base))
        for path, found in present:
            if path in known:
                if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                    several.append(path)
            elif is_stray(path, found.st_mode):
                stray.append(path)
            else:
                damaged.append(Damage(path, "not part of the release", added=True))
    except OSError as error:
        path = os.path.relpath(error.filename or base, base)
        damaged.append(Damage(path, f"cannot be read: {error.strerror}"))
    return Verified(
        id=release_id,
        files=count,
        damaged=tuple(damaged),
        problem=place_problem(layout, manifest),
        stray=tuple(stray),
        linked=names.unknown(release_id, several) if names is not None else (),
    )


_PART: Final = 250
_PART_BYTES: Final = 32 << 20
"""Entries that a process takes at a time, and bytes unless one file has more: between two parts a signal is
heard."""


def compare(
    base: str,
    entries: Sequence[FileEntry],
    owners: frozenset[int],
    between: Callable[[], None],
    *,
    copies: int | None = None,
) -> list[Damage]:
    """Compare entries with their files, contents and all.

    Args:
        base: The release.
        entries: Its files.
        owners: From `release_owners`.
        between: Called now and then; an exception from it ends the work.
        copies: Copies of this process that take a part each; by default as many as are worth while.

    Returns:
        The files that differ, in the order of the entries.

    Raises:
        HostError: The host has nothing left to read files with.
    """
    look = functools.partial(_compare_part, base, owners)
    if copies is None:
        copies = copies_for(len(entries))
    parts = list(_parts(entries))
    try:
        with working(look, parts, copies=copies) as pool:
            pool.join_in(between)
            found = pool.results(between)
    except OSError:  # no descriptors for a copy, or it was killed, perhaps for memory
        found = []
        for part in parts:
            between()
            found.append(look(part))
    return list(itertools.chain.from_iterable(found))


def _parts(entries: Sequence[FileEntry]) -> Iterator[list[FileEntry]]:
    part: list[FileEntry] = []
    size = 0
    for entry in entries:
        if part and (len(part) == _PART or size + entry.size > _PART_BYTES):
            yield part
            part, size = [], 0
        part.append(entry)
        size += entry.size
    yield part


def _compare_part(base: str, owners: frozenset[int], entries: Sequence[FileEntry]) -> list[Damage]:
    return [
        Damage(entry.path, problem, excess=excess_rights(f"{base}/{entry.path}", entry))
        for entry in entries
        if (problem := content_problem(base, entry, owners))
    ]
