"""Linking files of the store into a release."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.releases import digest_of
from venvship.building.tree.link import link_stored, stamp_of
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
    done, stamp = link_stored(str(stored), str(tmp_path / "x.py"), described(), how)

    assert (tmp_path / "x.py").samefile(stored)
    assert stamp == stamp_of(stored.lstat())
    assert done == "hardlink"


def test_a_copy_is_another_file_with_the_same_contents_and_mode(stored: Path, tmp_path: Path) -> None:
    done, _ = link_stored(str(stored), str(tmp_path / "x.py"), described(), "copy")

    copy = tmp_path / "x.py"
    assert not copy.samefile(stored)
    assert copy.read_bytes() == DATA
    assert stat.S_IMODE(copy.stat().st_mode) == 0o444
    assert done == "copy"


def test_auto_copies_what_it_cannot_link(tmp_path: Path, stored: Path) -> None:
    elsewhere = other_file_system(tmp_path)
    try:
        done, _ = link_stored(str(stored), str(elsewhere / "x.py"), described(), "auto")

        assert done in {"reflink", "copy"}
        assert (elsewhere / "x.py").read_bytes() == DATA
        assert not (elsewhere / "x.py").samefile(stored)
    finally:
        for path in elsewhere.iterdir():
            path.unlink()
        elsewhere.rmdir()


def test_hardlink_is_not_silently_something_else(tmp_path: Path, stored: Path) -> None:
    elsewhere = other_file_system(tmp_path)
    try:
        with pytest.raises(OSError, match="cross-device"):
            link_stored(str(stored), str(elsewhere / "x.py"), described(), "hardlink")
    finally:
        elsewhere.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="FICLONE is Linux's")
def test_reflink_makes_a_clone_or_says_that_it_cannot(tmp_path: Path, stored: Path) -> None:
    try:
        done, _ = link_stored(str(stored), str(tmp_path / "x.py"), described(), "reflink")
    except OSError:
        assert not (tmp_path / "x.py").exists()
    else:
        assert (tmp_path / "x.py").read_bytes() == DATA
        assert done == "reflink"


def test_a_stored_file_of_another_size_is_damage(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match="bytes instead of"):
        link_stored(str(stored), str(tmp_path / "x.py"), described(DATA + b"more"), "auto")


def test_a_stored_file_of_another_mode_is_damage(stored: Path, tmp_path: Path) -> None:
    stored.chmod(0o644)

    with pytest.raises(StoreDamagedError, match="mode is 0644 instead of 0444"):
        link_stored(str(stored), str(tmp_path / "x.py"), described(), "auto")


def test_damage_comes_with_the_command_that_removes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError) as caught:
        link_stored("/store/wheels/ab/data/site/x.py", str(tmp_path / "x.py"), described(), "auto")

    assert "rm -r /store/wheels/ab;" in str(caught.value.hint)


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_stored_file_that_is_gone_is_damage(tmp_path: Path, how: str) -> None:
    with pytest.raises(StoreDamagedError, match="it is gone"):
        link_stored(str(tmp_path / "missing.py"), str(tmp_path / "x.py"), described(), how)


def test_a_stored_file_that_became_a_link_is_damage(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(stored)

    with pytest.raises(StoreDamagedError):
        link_stored(str(tmp_path / "link.py"), str(tmp_path / "x.py"), described(), "auto")


def test_a_name_that_is_taken_is_left_alone(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("mine")

    with pytest.raises(FileExistsError):
        link_stored(str(stored), str(tmp_path / "x.py"), described(), "auto")

    assert (tmp_path / "x.py").read_text() == "mine"
