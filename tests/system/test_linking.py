"""A further name or a copy of a file: in exactly the way that was asked for, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.limits import limited_file_size, umask
from venvship.system import linking


@pytest.fixture
def another_device(tmp_path: Path) -> Iterator[Path]:
    """A directory on another file system than `tmp_path`."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or os.stat(shm).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("/dev/shm is no other file system here")
    with tempfile.TemporaryDirectory(dir=shm) as directory:
        yield Path(directory)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"contents" * 1000)
    path.chmod(0o555)
    return path


def reflinks(directory: Path) -> bool:
    """Whether the file system shares blocks, found out without our code."""
    import fcntl

    (directory / "probe").write_bytes(b"x" * 4096)
    try:
        with open(directory / "probe", "rb") as reader, open(directory / "probe2", "wb") as writer:
            fcntl.ioctl(writer.fileno(), 0x40049409, reader.fileno())
    except OSError:
        return False
    return True


@pytest.mark.parametrize("how", ["hardlink", "auto"])
def test_a_hard_link_is_another_name_of_the_same_file(source: Path, tmp_path: Path, how: str) -> None:
    target = tmp_path / "target"

    assert linking.link_file(str(source), str(target), how)[0] == "hardlink"
    assert os.path.samefile(source, target)


def test_a_copy_is_another_file_with_the_same_contents_and_mode(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"

    with umask(0o077):
        assert linking.link_file(str(source), str(target), "copy")[0] == "copy"

    assert not os.path.samefile(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.lstat().st_mode) == 0o555


def test_a_reflink_is_made_or_refused_but_never_replaced_by_a_copy(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if reflinks(tmp_path):
        assert linking.link_file(str(source), str(target), "reflink")[0] == "reflink"
        assert target.read_bytes() == source.read_bytes()
        assert stat.S_IMODE(target.lstat().st_mode) == 0o555
    else:
        with pytest.raises(OSError):  # noqa: PT011 - which one is the file system's choice
            linking.link_file(str(source), str(target), "reflink")
        assert not os.path.lexists(target)


def test_across_file_systems_auto_copies_and_hardlink_refuses(source: Path, another_device: Path) -> None:
    target = another_device / "target"

    with pytest.raises(OSError, match="cross-device") as caught:
        linking.link_file(str(source), str(target), "hardlink")
    assert caught.value.errno == errno.EXDEV
    with pytest.raises(OSError):  # noqa: PT011 - EXDEV or "not supported"
        linking.link_file(str(source), str(target), "reflink")
    assert os.listdir(another_device) == []

    assert linking.link_file(str(source), str(target), "auto")[0] == "copy"
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.lstat().st_mode) == 0o555


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_target_that_exists_is_never_replaced(source: Path, tmp_path: Path, how: str) -> None:
    target = tmp_path / "target"
    target.write_text("mine")

    with pytest.raises(FileExistsError):
        linking.link_file(str(source), str(target), how)

    assert target.read_text() == "mine"


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_source_that_is_gone_is_an_error_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    with pytest.raises(FileNotFoundError):
        linking.link_file(str(tmp_path / "gone"), str(tmp_path / "target"), how)

    assert os.listdir(tmp_path) == []


def test_a_copy_without_room_leaves_nothing(source: Path, tmp_path: Path) -> None:
    with limited_file_size(1000), pytest.raises(OSError, match="too large"):
        linking.link_file(str(source), str(tmp_path / "target"), "copy")

    assert os.listdir(tmp_path) == ["source"]
