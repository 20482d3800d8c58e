"""Bytecode that is not part of a release, told apart from other files, and removed by the command for it."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from venvship.operations.retention.stray import is_stray, removal

OWN = [
    "bin/app",
    "lib/app.py",
    "lib/__pycache__/app.cpython-311.pyc",
    "lib/a.b.py",
    "lib/__pycache__/a.b.cpython-311.pyc",
    "lib/data/x.opt-1.pyc",
    "lib/data/y.nbi",
]


@pytest.mark.parametrize(
    ("path", "mode", "expected"),
    [
        ("lib/__pycache__", stat.S_IFDIR, True),
        ("lib/__pycache__/app.cpython-311.opt-1.pyc", stat.S_IFREG, True),
        ("__pycache__/test_app.cpython-311-pytest-8.3.4.pyc", stat.S_IFREG, True),
        ("lib/__pycache__/app.cpython-311.pyc.140234866", stat.S_IFREG, True),
        ("lib/__pycache__/app.add-12.py311.nbi", stat.S_IFREG, True),
        ("lib/__pycache__/evil.py", stat.S_IFREG, False),
        ("lib/__pycache__/evil.so", stat.S_IFREG, False),
        ("lib/__pycache__/evil.pyc.py", stat.S_IFREG, False),
        ("lib/__pycache__/app.cpython-312.pyc", stat.S_IFLNK, False),
        ("lib/__pycache__/app.cpython-312.pyc", stat.S_IFIFO, False),
        ("lib/__pycache__/app.cpython-312.pyc", stat.S_IFDIR, False),
        ("lib/__pycache__/below", stat.S_IFDIR, False),
        ("lib/__pycache__/below/app.cpython-312.pyc", stat.S_IFREG, False),
        ("lib/app.pyc", stat.S_IFREG, False),
        ("lib/my__pycache__/app.pyc", stat.S_IFREG, False),
    ],
)
def test_bytecode_is_a_file_of_its_kind_directly_in_its_folder(path: str, mode: int, expected: bool) -> None:
    assert is_stray(path, mode) == expected


def touch(base: Path, paths: Iterable[str]) -> None:
    for path in paths:
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).touch()


def names(base: Path) -> set[str]:
    return {str(path.relative_to(base)) for path in base.rglob("*")}


@pytest.mark.parametrize("release", ["release", "with [a] 'b'*\\", "__pycache__/release"])
@pytest.mark.parametrize(
    "stray",
    [
        ["lib/__pycache__/app.cpython-311.opt-1.pyc", "lib/__pycache__/a.b.cpython-311.opt-1.pyc"],
        ["lib/__pycache__/app.cpython-312.pyc", "bin/__pycache__/tool.cpython-312.pyc"],
        # As those of the release end: for each its name.
        ["lib/__pycache__/late.cpython-311.pyc", "bin/__pycache__/[a]?*.cpython-311.pyc"],
        ["lib/__pycache__/app.add-12.py311.nbi", "lib/__pycache__/app.add-12.py311.1.nbc"],
        ["lib/__pycache__/app.cpython-311.pyc.1402", "lib/__pycache__/t.cpython-311-pytest-8.4.pyc"],
        ["bin/__pycache__/deep.cpython-311.opt-2.pyc", "bin/__pycache__/deep.pyc"],
    ],
)
def test_the_command_removes_what_is_stray_and_nothing_else(
    tmp_path: Path, release: str, stray: list[str]
) -> None:
    base = tmp_path / release
    touch(base, OWN)
    before = names(base)
    touch(base, stray)
    os.utime(base / stray[0], (0, 0))
    found = sorted(names(base) - before)
    assert all(is_stray(path, (base / path).lstat().st_mode) for path in found)
    subprocess.run(["sh", "-c", removal(str(base), found, OWN)], check=True)
    assert names(base) == before


def test_an_empty_folder_alone_is_removed(tmp_path: Path) -> None:
    touch(tmp_path, OWN)
    (tmp_path / "bin" / "__pycache__").mkdir()
    subprocess.run(["sh", "-c", removal(str(tmp_path), ["bin/__pycache__"], OWN)], check=True)
    assert not (tmp_path / "bin" / "__pycache__").exists()
    assert (tmp_path / "lib" / "__pycache__").exists()


def test_thousands_of_files_make_no_long_command(tmp_path: Path) -> None:
    stray = [f"lib/__pycache__/m{number}.cpython-311.opt-1.pyc" for number in range(3000)]
    assert len(removal("/srv/shop", stray, OWN)) < 200
    alike = [f"lib/__pycache__/m{number}.cpython-311.pyc" for number in range(3000)]
    assert removal("/srv/shop", alike, OWN).count("-path") == 50
