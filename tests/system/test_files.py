"""Effects on the file system: whole or not at all, and only what was asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.limits import limited_file_size, umask
from venvship.system import files


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


# -- write_file ---------------------------------------------------------------------------------------------


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.json"

    files.write_file(path, b"one")
    files.write_file(str(path), b"two")

    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o444])
def test_a_file_has_the_mode_that_was_asked_for_whatever_the_umask(
    tmp_path: Path, mask: int, mode: int
) -> None:
    with umask(mask):
        files.write_file(tmp_path / "written", b"", mode=mode)
        files.create_file(tmp_path / "created", b"", mode=mode)
        files.create_from_chunks(tmp_path / "chunks", [], mode=mode)
        files.write_json(tmp_path / "json", {}, mode=mode)

    assert {name: mode_of(tmp_path / name) for name in os.listdir(tmp_path)} == dict.fromkeys(
        ["written", "created", "chunks", "json"], mode
    )


def test_a_reader_who_opened_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    files.write_file(path, b"old")
    with open(path, "rb") as reader:
        files.write_file(path, b"new, and longer")
        assert reader.read() == b"old"


def test_the_old_contents_stay_and_nothing_else_when_there_is_no_room(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    files.write_file(path, b"old")

    with limited_file_size(1000), pytest.raises(OSError, match="too large"):
        files.write_file(path, b"x" * 5000)

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_nothing_is_left_beside_a_target_that_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(IsADirectoryError):
        files.write_file(tmp_path / "taken", b"new")

    assert os.listdir(tmp_path) == ["taken"]


def test_a_file_in_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.write_file(tmp_path / "missing" / "file", b"")


def test_a_link_is_replaced_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    (tmp_path / "link").symlink_to("precious")

    files.write_file(tmp_path / "link", b"new")

    assert (tmp_path / "precious").read_text() == "keep me"
    assert not (tmp_path / "link").is_symlink()


def test_readers_see_the_old_or_the_new_contents_and_never_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "state"
    contents = [bytes([65 + n]) * 20_000 for n in range(2)]
    files.write_file(path, contents[0])
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            for n in range(10_000):
                files.write_file(path, contents[n % 2])
        os._exit(0)
    try:
        seen = set()
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            seen.add(path.read_bytes())
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    assert seen == set(contents)
    assert path.read_bytes() in contents, "nor does SIGKILL leave one"


def test_json_is_for_people_and_programs(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": 1, "a": "é", "odd": "\udcff"})

    text = (tmp_path / "a.json").read_text("utf-8")
    assert text == '{\n  "a": "é",\n  "b": 1,\n  "odd": "\\udcff"\n}\n'


# -- creating -----------------------------------------------------------------------------------------------


def test_creating_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.create_file(path, b"first")

    with pytest.raises(FileExistsError):
        files.create_file(path, b"second")
    with pytest.raises(FileExistsError):
        files.create_from_chunks(path, [b"second"])
    with pytest.raises(FileExistsError):
        files.make_link("elsewhere", path)

    assert path.read_bytes() == b"first"


def test_chunks_are_written_in_order_and_their_errors_pass_through(tmp_path: Path) -> None:
    files.create_from_chunks(tmp_path / "whole", [b"a", b"", b"bc"], mode=0o555)
    assert (tmp_path / "whole").read_bytes() == b"abc"

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise EOFError("the archive ends here")

    with pytest.raises(EOFError):
        files.create_from_chunks(tmp_path / "partial", broken())


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_a_directory_has_exactly_its_mode_and_an_existing_one_keeps_its_own(
    tmp_path: Path, mask: int
) -> None:
    (tmp_path / "there").mkdir(mode=0o711)
    with umask(mask):
        files.make_directory(tmp_path / "new", 0o755)
        files.make_directory(tmp_path / "there", 0o755)

    assert mode_of(tmp_path / "new") == 0o755
    assert mode_of(tmp_path / "there") == 0o711 & ~os.umask(os.umask(0o022))
    with pytest.raises(FileNotFoundError):
        files.make_directory(tmp_path / "no" / "parent")


def test_appending_adds_at_the_end(tmp_path: Path) -> None:
    files.append_file(tmp_path / "log", b"one\n")
    files.append_file(tmp_path / "log", b"two\n")

    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


# -- renaming -----------------------------------------------------------------------------------------------


def test_a_rename_takes_the_place_of_a_link(tmp_path: Path) -> None:
    files.make_link("releases/a", tmp_path / "current")
    files.make_link("releases/b", tmp_path / ".to.1")

    files.rename(tmp_path / ".to.1", tmp_path / "current")

    assert os.readlink(tmp_path / "current") == "releases/b"
    assert os.listdir(tmp_path) == ["current"]


def test_a_name_that_is_taken_stays_taken(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()

    assert not files.rename_unless(files.TAKEN, tmp_path / "a", tmp_path / "b")
    assert os.listdir(tmp_path / "a") == ["a"]
    assert os.listdir(tmp_path / "b") == ["b"]

    assert files.rename_unless(files.TAKEN, tmp_path / "a", tmp_path / "c")
    assert os.listdir(tmp_path / "c") == ["a"]
    with pytest.raises(FileNotFoundError):
        files.rename_unless(files.TAKEN, tmp_path / "a", tmp_path / "c")


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    files.make_link("dangling", tmp_path / "link")

    files.remove_name(tmp_path / "link")
    files.remove_name(tmp_path / "link")

    assert os.listdir(tmp_path) == []


def test_hashing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100_000)

    assert files.hash_file(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()


# -- durability ---------------------------------------------------------------------------------------------


def test_a_file_system_and_a_directory_can_be_synced(tmp_path: Path) -> None:
    fd = files.open_directory(tmp_path)
    try:
        (tmp_path / "file").write_text("x")
        files.sync_filesystem(fd)
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)
    files.fsync_directory(tmp_path)


def test_a_sync_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    fd = files.open_directory(tmp_path)
    os.close(fd)

    with pytest.raises(OSError, match="Bad file descriptor"):
        files.sync_filesystem(fd)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        files.open_directory(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        files.fsync_directory(tmp_path / "gone")


def test_writing_at_an_offset_writes_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with open(tmp_path / "file", "r+b") as file:
        files.write_at(file.fileno(), b"ab" * 10, 5, file.name)
        files.write_at(file.fileno(), b"", 0, file.name)

    assert (tmp_path / "file").read_bytes() == b"01234" + b"ab" * 10


def test_a_write_that_fails_half_way_is_cut_back_by_its_caller(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w+b", buffering=0) as file:
        with limited_file_size(100), pytest.raises(OSError, match="too large"):
            files.write_at(file.fileno(), b"x" * 1000, 50, file.name)
        assert os.fstat(file.fileno()).st_size == 100, "a short write was continued until it failed"
        files.truncate(file.fileno(), 50, file.name)
        assert os.fstat(file.fileno()).st_size == 50
