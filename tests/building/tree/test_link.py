"""Linking files of the store into a release."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.releases import digest_of
from venvship.building.tree.link import Linker, stamp_of
from venvship.errors import StoreDamagedError
from venvship.model.wheel import StoredFile

DATA = b"print('hello')\n"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "stored.py"
    path.write_bytes(DATA)
    path.chmod(0o444)
    return path


def described(data: bytes = DATA, *, executable: bool = False) -> StoredFile:
    return StoredFile(path="site/x.py", size=len(data), sha256=digest_of(data), executable=executable)


def other_file_system(tmp_path: Path) -> Path:
    """A directory on a file system that cannot be hard-linked to from `tmp_path`."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    directory = shared / f"venvship-{os.getpid()}-{tmp_path.name}"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("how", ["auto", "hardlink"])
def test_a_file_is_a_second_name_of_the_stored_one(stored: Path, tmp_path: Path, how: str) -> None:
    linker = Linker(how)

    stamp = linker.link(str(stored), str(tmp_path / "x.py"), described())

    assert (tmp_path / "x.py").samefile(stored)
    assert stamp == stamp_of(stored.lstat())
    assert linker.counts == {"hardlink": 1, "reflink": 0, "copy": 0}


def test_a_copy_is_another_file_with_the_same_contents_and_mode(stored: Path, tmp_path: Path) -> None:
    linker = Linker("copy")

    linker.link(str(stored), str(tmp_path / "x.py"), described())

    copy = tmp_path / "x.py"
    assert not copy.samefile(stored)
    assert copy.read_bytes() == DATA
    assert stat.S_IMODE(copy.stat().st_mode) == 0o444
    assert linker.counts["copy"] == 1


def test_auto_copies_what_it_cannot_link_and_asks_only_once(tmp_path: Path, stored: Path) -> None:
    elsewhere = other_file_system(tmp_path)
    try:
        linker = Linker("auto")
        linker.link(str(stored), str(elsewhere / "1.py"), described())
        # From here on nothing is linked, even where it could be: the way was settled by the first file.
        linker.link(str(stored), str(tmp_path / "2.py"), described())

        assert linker.counts["hardlink"] == 0
        assert sum(linker.counts.values()) == 2
        assert (elsewhere / "1.py").read_bytes() == (tmp_path / "2.py").read_bytes() == DATA
        assert not (tmp_path / "2.py").samefile(stored)
    finally:
        for path in elsewhere.iterdir():
            path.unlink()
        elsewhere.rmdir()


def test_hardlink_is_not_silently_something_else(tmp_path: Path, stored: Path) -> None:
    elsewhere = other_file_system(tmp_path)
    try:
        with pytest.raises(OSError, match="cross-device"):
            Linker("hardlink").link(str(stored), str(elsewhere / "x.py"), described())
    finally:
        elsewhere.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="FICLONE is Linux's")
def test_reflink_makes_a_clone_or_says_that_it_cannot(tmp_path: Path, stored: Path) -> None:
    linker = Linker("reflink")
    try:
        linker.link(str(stored), str(tmp_path / "x.py"), described())
    except OSError:
        assert linker.counts == {"hardlink": 0, "reflink": 0, "copy": 0}
    else:
        assert (tmp_path / "x.py").read_bytes() == DATA
        assert linker.counts["reflink"] == 1


def test_a_stored_file_of_another_size_is_damage(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match="bytes instead of"):
        Linker("auto").link(str(stored), str(tmp_path / "x.py"), described(DATA + b"more"))


def test_a_stored_file_of_another_mode_is_damage(stored: Path, tmp_path: Path) -> None:
    stored.chmod(0o644)

    with pytest.raises(StoreDamagedError, match="mode is 0644 instead of 0444"):
        Linker("auto").link(str(stored), str(tmp_path / "x.py"), described())


def test_damage_comes_with_the_command_that_removes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError) as caught:
        Linker("auto").link("/store/wheels/ab/data/site/x.py", str(tmp_path / "x.py"), described())

    assert "rm -r /store/wheels/ab;" in str(caught.value.hint)


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_stored_file_that_is_gone_is_damage(tmp_path: Path, how: str) -> None:
    with pytest.raises(StoreDamagedError, match="it is gone"):
        Linker(how).link(str(tmp_path / "missing.py"), str(tmp_path / "x.py"), described())


def test_a_stored_file_that_became_a_link_is_damage(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(stored)

    with pytest.raises(StoreDamagedError):
        Linker("auto").link(str(tmp_path / "link.py"), str(tmp_path / "x.py"), described())


def test_a_name_that_is_taken_is_left_alone(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("mine")

    with pytest.raises(FileExistsError):
        Linker("auto").link(str(stored), str(tmp_path / "x.py"), described())

    assert (tmp_path / "x.py").read_text() == "mine"
