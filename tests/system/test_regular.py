"""Files that are read whole: at once, up to a bound, and no other kind of file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.support.irregular import IRREGULAR
from venvship.system.regular import IrregularFileError, hash_regular, open_regular, read_regular


def go_on() -> None:
    pass


def test_a_file_is_read_with_the_status_of_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"contents")
    path.chmod(0o640)

    found = read_regular(path, 8)

    assert found.data == b"contents"
    assert (found.status.st_ino, found.status.st_mode & 0o777) == (path.stat().st_ino, 0o640)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"contents")
    (tmp_path / "link").symlink_to("file")

    assert read_regular(str(tmp_path / "link"), 100).data == b"contents"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1 << 20])
def test_a_file_may_have_as_many_bytes_as_the_bound_and_no_more(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))

    assert read_regular(path, size).data == path.read_bytes()
    if size:
        with pytest.raises(IrregularFileError, match=f"more than {size - 1:,} bytes"):
            read_regular(path, size - 1)


def test_a_file_that_grows_while_it_is_read_is_refused_at_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "file", os.read
    path.write_bytes(b"12345")

    def read_what_has_grown(fd: int, size: int) -> bytes:
        with open(path, "ab") as file:
            file.write(b"and more")
        return read(fd, size)

    monkeypatch.setattr(os, "read", read_what_has_grown)
    with pytest.raises(IrregularFileError, match="more than 8 bytes"):
        read_regular(path, 8)


@pytest.mark.parametrize("kind", IRREGULAR)
def test_nothing_but_a_regular_file_is_read_and_none_is_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input"
    IRREGULAR[kind](path)

    with pytest.raises(OSError) as caught:  # noqa: PT011 - the kernel may have its own reason
        read_regular(path, 1 << 20)

    # In a container, /proc/kmsg may not be opened, and there may be no terminal.
    assert isinstance(caught.value, IrregularFileError) or kind in {"terminal", "file of /proc that blocks"}
    assert caught.value.filename == str(path)
    assert caught.value.strerror


@pytest.mark.parametrize("kind", ["FIFO", "link to a FIFO", "socket", "directory", "endless device"])
def test_nothing_but_a_regular_file_is_hashed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "input"
    IRREGULAR[kind](path)

    with pytest.raises(IrregularFileError):
        hash_regular(path, {"sha256"}, go_on)


def test_a_file_is_hashed_in_one_pass_and_a_caller_may_end_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 << 20))
    asked: list[int] = []

    def too_slow() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise TimeoutError

    found = hash_regular(path, {"sha256", "sha512"}, go_on)
    assert found == {name: hashlib.new(name, bytes(3 << 20)).hexdigest() for name in ("sha256", "sha512")}
    with pytest.raises(TimeoutError):
        hash_regular(path, {"sha256"}, too_slow)


def test_a_file_that_is_replaced_by_a_fifo_after_the_look_at_its_name_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stat = tmp_path / "input", os.stat
    path.write_bytes(b"x")

    def stat_and_replace(name: Path) -> os.stat_result:
        found = stat(name)
        path.unlink()
        os.mkfifo(path)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", stat_and_replace)
        with pytest.raises(IrregularFileError, match="it is a FIFO"):
            read_regular(path, 10)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    for kind, make in IRREGULAR.items():
        make(tmp_path / kind.replace("/", "-"))

    for name in os.listdir(tmp_path):
        with pytest.raises(OSError):  # noqa: PT011 - each has its own
            read_regular(tmp_path / name, 4)
    fd, status = open_regular(tmp_path / "file")
    os.close(fd)

    assert status.st_size == 5
    assert (os.listdir("/proc/self/fd") if before else []) == before
