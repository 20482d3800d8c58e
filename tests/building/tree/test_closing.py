"""The last look before the seal: every change since the assembly is found, whoever looks at its directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from venvship.building.tree.assembled import Assembled
from venvship.building.tree.closing import closing
from venvship.building.tree.link import stamp_of
from venvship.errors import BuildError
from venvship.model.release import FileEntry
from venvship.system.trees import walk

PYTHON = "/usr/bin/python3.11"

ALONE_AND_WITH_COPIES = pytest.mark.parametrize("copies", [0, 2], ids=["alone", "with copies"])


class Release(NamedTuple):
    """A small assembled release: a linked module, a written script, a link, and the folder of the seal."""

    path: Path
    assembled: Assembled

    def close(self, copies: int) -> None:
        with closing(str(self.path), self.assembled, copies=copies) as directories:
            directories.join_in(lambda: None)
            directories.results(lambda: None)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    path, stored = tmp_path / "release", tmp_path / "stored.py"
    for folder in ("bin", "lib/pkg", ".venvship"):
        (path / folder).mkdir(parents=True)
    stored.write_text("x = 1\n")
    stored.chmod(0o444)
    os.utime(stored, (0, 0))  # a write in the same tick of the clock would leave another time as it is
    os.link(stored, path / "lib/pkg/module.py")
    for name, mode in (("bin/tool", 0o555), (".venvship/lockfile", 0o444)):
        (path / name).write_text("text")
        (path / name).chmod(mode)
    (path / "bin/python").symlink_to(PYTHON)
    entries = (
        FileEntry(".venvship", "dir", 0o555),
        FileEntry(".venvship/lockfile", "file", 0o444, 4),
        FileEntry("bin", "dir", 0o555),
        FileEntry("bin/python", "link", 0o777, target=PYTHON),
        FileEntry("bin/tool", "file", 0o555, 4),
        FileEntry("lib", "dir", 0o555),
        FileEntry("lib/pkg", "dir", 0o555),
        FileEntry("lib/pkg/module.py", "file", 0o444, 6),
    )
    assembled = Assembled(
        entries=entries,
        tree_digest="",
        packages=(),
        wheels={},
        warnings=(),
        stamps={"lib/pkg/module.py": stamp_of(stored.lstat())},
        linked={},
    )
    return Release(path, assembled)


def write_to(path: Path) -> None:
    """Other contents of the same size, through any of its names."""
    path.chmod(0o644)
    path.write_text("y = 2\n")
    path.chmod(0o444)


def replace(path: Path) -> None:
    """Another file with the same contents, mode and time."""
    data, status = path.read_bytes(), path.stat()
    path.unlink()
    path.write_bytes(data)
    path.chmod(stat.S_IMODE(status.st_mode))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def lengthen(path: Path) -> None:
    path.chmod(0o755)
    path.write_text("longer")
    path.chmod(0o555)


def point_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(f"{PYTHON}x")


def make_a_file(path: Path) -> None:
    path.unlink()
    path.write_text("")


@ALONE_AND_WITH_COPIES
def test_a_release_as_it_was_assembled_becomes_read_only_but_for_the_folder_of_the_seal(
    release: Release, copies: int
) -> None:
    release.close(copies)

    folders = {path: found.st_mode for path, found in walk(release.path) if stat.S_ISDIR(found.st_mode)}
    writable = {path for path, mode in folders.items() if stat.S_IMODE(mode) != 0o555}
    assert writable == {".venvship"}
    assert stat.S_IMODE(release.path.stat().st_mode) == 0o555


@ALONE_AND_WITH_COPIES
@pytest.mark.parametrize(
    ("name", "tamper", "problem"),
    [
        ("lib/pkg/module.py", write_to, "replaced or written to since it came from the store"),
        ("lib/pkg/module.py", replace, "replaced or written to since it came from the store"),
        ("lib/pkg/module.py", Path.unlink, "missing"),
        ("lib/pkg/extra.py", Path.touch, "not part of the release"),
        ("lib64", Path.mkdir, "not part of the release"),
        ("bin/tool", lengthen, "6 bytes instead of 4"),
        ("bin/tool", lambda path: path.chmod(0o755), "mode 0755 instead of 0555"),
        ("bin/python", point_elsewhere, f"points to {PYTHON}x instead of {PYTHON}"),
        ("bin/python", make_a_file, "a file instead of a link"),
        (".venvship/lockfile", Path.unlink, "missing"),
    ],
)
def test_a_change_since_the_assembly_is_named(
    release: Release, name: str, tamper: Callable[[Path], object], problem: str, copies: int
) -> None:
    tamper(release.path / name)

    with pytest.raises(BuildError) as caught:
        release.close(copies)

    assert f"changed while it was built: {release.path / name}: {problem}." in f"{caught.value.message}."
