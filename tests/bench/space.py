"""Part: what a further release takes on disk."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.bench.inputs import another_version, repinned, typical
from tests.bench.measure import MEBIBYTE, Row, run
from tests.bench.workshop import Workshop

WRITTEN: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What an installer writes into a package's metadata; all else of it is the wheel's."""


def space(shop: Workshop) -> Iterator[Row]:
    """What a further release takes, with one package changed; directories count."""
    root = shop.root("space", store=shop.warm / "store")
    run(shop.command(root, "release"))
    before = Tree(Path(os.path.realpath(root / "current")))
    wheel = another_version(typical(shop.inputs.files), 0, shop.path / "made-space")
    shop.lock(root, repinned(shop.inputs.text, wheel))
    env = shop.environment | {"PIP_FIND_LINKS": f"{shop.inputs.wheels} {wheel.parent}"}
    run(shop.command(root, "release", env=env))
    after = Tree(Path(os.path.realpath(root / "current")))

    own = after.of_package(wheel)
    new = after.not_in(before) - own
    name, whole = "a further release, one package changed", "the environment"
    row = share(name, whole, after.size(new), before.size(before.found), target=0.10)
    row.notes.append(f"the package's own {len(own)} files and directories are not counted")
    yield row
    yield share(name, whole, len(new), len(before.inodes), unit="inodes")
    again = after.copied_from(before) - own
    packaged = sorted(path for path in again if after.is_packaged(path))
    every = len(before.found)
    name = "packages' unchanged files with a second inode"
    row = share(name, "all", len(packaged), every, unit="inodes", target=0)
    row.notes += packaged[:5]
    yield row
    name = "unchanged files that are written for each release"
    yield share(name, "all", len(again) - len(packaged), every, unit="inodes")
    yield of_uv(shop, before)


def of_uv(shop: Workshop, ours: Tree) -> Row:
    """The same for uv, which links what it has unpacked and compiles in every environment."""
    name = "a further environment of uv with bytecode"
    if shop.uv.problem:
        return Row(name, "the environment", unit="MiB", skipped=shop.uv.problem)
    run(shop.uv_environment("space-uv-1", bytecode=True))
    run(shop.uv_environment("space-uv-2", bytecode=True))
    first, second = Tree(shop.path / "space-uv-1"), Tree(shop.path / "space-uv-2")
    new = second.size(second.not_in(first))
    return share(name, "the environment", new, ours.size(ours.found))


def share(
    name: str, of: str, part: float, whole: float, *, unit: str = "MiB", target: float | None = None
) -> Row:
    """A row that is not of times: one figure as a share of another."""
    ratio = part / whole
    return Row(name, of, part, whole, ratio, ratio, ratio, target, rounds=1, unit=unit)


class Tree:
    """An environment as lstat shows it, and a release's own list of its files.

    Attributes:
        found: What lstat says, by relative path.
        inodes: All inodes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._site = next(path.glob("lib/python*/site-packages"))
        self.found = {
            os.path.relpath(os.path.join(folder, name), path): os.lstat(os.path.join(folder, name))
            for folder, folders, names in os.walk(path)
            for name in [*folders, *names]
        }
        self.inodes = {found.st_ino for found in self.found.values()}

    def size(self, paths: Iterable[str]) -> float:
        """MiB that some of its paths take on disk, each inode once."""
        once = {self.found[path].st_ino: self.found[path].st_blocks * 512 for path in paths}
        return sum(once.values()) / MEBIBYTE

    def not_in(self, other: Tree) -> set[str]:
        """The paths whose inodes another tree does not have."""
        return {path for path, found in self.found.items() if found.st_ino not in other.inodes}

    def of_package(self, wheel: Path) -> set[str]:
        """The paths of one package: what its RECORD lists, and the directories that hold nothing else."""
        info = self._site / f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
        lines = (info / "RECORD").read_text().splitlines()
        names = [line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in lines]
        owned = {os.path.relpath(os.path.normpath(self._site / name), self._path) for name in names}
        # Not the folder of all packages, even if this should be the only one.
        site = os.path.relpath(self._site, self._path)
        shared = {
            parent
            for path in self.found.keys() - owned
            if not self._is_folder(path)
            for parent in _above(path)
        }
        alone = {parent for path in owned for parent in _above(path)} - shared
        return owned | {folder for folder in alone if folder.startswith(f"{site}/")}

    def _is_folder(self, path: str) -> bool:
        return stat.S_ISDIR(self.found[path].st_mode)

    def is_packaged(self, path: str) -> bool:
        """Whether a file came out of a wheel, or was compiled from one; others are written in place."""
        site = os.path.relpath(self._site, self._path)
        folder, _, name = path.rpartition("/")
        if not path.startswith(f"{site}/") or "venvship" in name:
            return False
        return not (folder.endswith(".dist-info") and name in WRITTEN)

    def copied_from(self, other: Tree) -> set[str]:
        """The paths of files that both list with the same contents, and that are two files."""
        same = {path for path, digest in self._listed.items() if other._listed.get(path) == digest}
        return {path for path in same if self.found[path].st_ino != other.found[path].st_ino}

    @cached_property
    def _listed(self) -> dict[str, str]:
        rows = json.loads((self._path / ".venvship" / "files.json").read_text())["files"]
        return {path: value for path, kind, _, _, value in rows if kind == "file"}


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
