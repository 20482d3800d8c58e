"""Hash every file of one release again and compare it with the manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass

from venvship.errors import FormatError, ReleaseError
from venvship.model.release import FileEntry
from venvship.system import files, trees
from venvship.system.host import host_faults
from venvship.workspace.place import place_problem
from venvship.workspace.quick_look import entry_problem
from venvship.workspace.reading import ReadingWorkspace


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that differs from the manifest; `path` is relative to the release."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result for one release.

    Attributes:
        id: The release.
        files: How many files it has.
        damaged: The files that differ; empty for an intact release.
        problem: Why it cannot be used where it stands, however intact its files are; `None` if it can.
        stray: Bytecode that is not part of the release, by its paths in it.
    """

    id: str
    files: int
    damaged: tuple[Damage, ...]
    problem: str | None = None
    stray: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether all of its own files are as they were sealed."""
        return not self.damaged

    @property
    def ok(self) -> bool:
        """Whether it is intact, nothing was added, and it stands where it was built for."""
        return self.intact and not self.stray and self.problem is None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "id": self.id,
            "ok": self.ok,
            "files": self.files,
            "usable": {"ok": self.problem is None, "problem": self.problem},
            "damaged": [{"path": damage.path, "problem": damage.problem} for damage in self.damaged],
            "stray": list(self.stray),
        }


def verify_release(workspace: ReadingWorkspace, release_id: str, *, expect: str | None = None) -> Verified:
    """Verify one release, whether the journal knows it or not.

    Args:
        workspace: The root; reads only.
        release_id: The release.
        expect: The SHA-256 that its manifest must have besides that of the journal, from a place that the
            owner of the root cannot change; `None`: none is known.

    Raises:
        HostError: The host has nothing left to read files with, which is no damage.
        InterruptedByError: A signal came.
    """
    layout = workspace.layout
    try:
        manifest = workspace.manifest(release_id)
        if expect is not None and manifest.sha256 != expect:
            raise ReleaseError(f"the SHA-256 of the manifest is {manifest.sha256}, and {expect} was expected")
        entries = layout.files(release_id, manifest)
    except (ReleaseError, FormatError) as error:
        return Verified(id=release_id, files=0, damaged=(Damage(".venvship", error.message),))
    base = str(layout.release_path(release_id))
    damaged = [
        Damage(entry.path, problem) for entry in entries if (problem := _problem(workspace, base, entry))
    ]
    expected = {entry.path for entry in entries}
    stray: list[str] = []
    own = {".venvship/manifest.json", ".venvship/files.json"}
    count = sum(entry.type == "file" for entry in entries)
    try:
        with host_faults(f"list {base}"):
            present = [path for path, _found in trees.walk(base) if path not in expected | own]
        for path in present:
            if "__pycache__" in path.split("/"):
                stray.append(path)
            else:
                damaged.append(Damage(path, "not part of the release"))
    except OSError as error:
        path = os.path.relpath(error.filename or base, base)
        damaged.append(Damage(path, f"cannot be read: {error.strerror}"))
    return Verified(
        id=release_id,
        files=count,
        damaged=tuple(damaged),
        problem=place_problem(layout, manifest),
        stray=tuple(stray),
    )


def _problem(workspace: ReadingWorkspace, base: str, entry: FileEntry) -> str | None:
    workspace.runtime.signals.raise_if_received()
    problem = entry_problem(base, entry)
    if problem or entry.type != "file":
        return problem
    try:
        with host_faults(f"read {os.path.join(base, entry.path)}"):
            actual = files.hash_file(os.path.join(base, entry.path))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if actual == entry.sha256 else "its contents have changed"
