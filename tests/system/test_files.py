"""Effects on the file system: whole or not at all, and only what was asked for."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import signal
import stat
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from venvship.system import files


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Make every write past `size` bytes of a file fail with EFBIG, as a quota would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def another_device(tmp_path: Path) -> Iterator[Path]:
    """A directory on another file system than `tmp_path`."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or os.stat(shm).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("/dev/shm is no other file system here")
    with tempfile.TemporaryDirectory(dir=shm) as directory:
        yield Path(directory)


def unprivileged(act: Callable[[Path], None], prepare: Callable[[Path], None]) -> None:
    """Run both as an ordinary user, in a directory of that user's: root passes every permission check."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chmod(directory, 0o755)
    if os.geteuid() == 0:
        os.chown(directory, 65534, 65534)
    try:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                prepare(directory)
                act(directory)
                code = 0
            except BaseException:  # noqa: BLE001 - or the child would go on as a second test run
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the traceback on stderr"
    finally:
        files.remove_tree(directory)


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

    assert not files.rename_unless_taken(tmp_path / "a", tmp_path / "b")
    assert os.listdir(tmp_path / "a") == ["a"]
    assert os.listdir(tmp_path / "b") == ["b"]

    assert files.rename_unless_taken(tmp_path / "a", tmp_path / "c")
    assert os.listdir(tmp_path / "c") == ["a"]
    with pytest.raises(FileNotFoundError):
        files.rename_unless_taken(tmp_path / "a", tmp_path / "c")


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    files.make_link("dangling", tmp_path / "link")

    files.remove_name(tmp_path / "link")
    files.remove_name(tmp_path / "link")

    assert os.listdir(tmp_path) == []


# -- link_file ----------------------------------------------------------------------------------------------


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

    assert files.link_file(str(source), str(target), how) == "hardlink"
    assert os.path.samefile(source, target)


def test_a_copy_is_another_file_with_the_same_contents_and_mode(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"

    with umask(0o077):
        assert files.link_file(str(source), str(target), "copy") == "copy"

    assert not os.path.samefile(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert mode_of(target) == 0o555


def test_a_reflink_is_made_or_refused_but_never_replaced_by_a_copy(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if reflinks(tmp_path):
        assert files.link_file(str(source), str(target), "reflink") == "reflink"
        assert target.read_bytes() == source.read_bytes()
        assert mode_of(target) == 0o555
    else:
        with pytest.raises(OSError):  # noqa: PT011 - which one is the file system's choice
            files.link_file(str(source), str(target), "reflink")
        assert not os.path.lexists(target)


def test_across_file_systems_auto_copies_and_hardlink_refuses(source: Path, another_device: Path) -> None:
    target = another_device / "target"

    with pytest.raises(OSError, match="cross-device") as caught:
        files.link_file(str(source), str(target), "hardlink")
    assert caught.value.errno == errno.EXDEV
    with pytest.raises(OSError):  # noqa: PT011 - EXDEV or "not supported"
        files.link_file(str(source), str(target), "reflink")
    assert os.listdir(another_device) == []

    assert files.link_file(str(source), str(target), "auto") == "copy"
    assert target.read_bytes() == source.read_bytes()
    assert mode_of(target) == 0o555


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_target_that_exists_is_never_replaced(source: Path, tmp_path: Path, how: str) -> None:
    target = tmp_path / "target"
    target.write_text("mine")

    with pytest.raises(FileExistsError):
        files.link_file(str(source), str(target), how)

    assert target.read_text() == "mine"


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_source_that_is_gone_is_an_error_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    with pytest.raises(FileNotFoundError):
        files.link_file(str(tmp_path / "gone"), str(tmp_path / "target"), how)

    assert os.listdir(tmp_path) == []


def test_a_copy_without_room_leaves_nothing(source: Path, tmp_path: Path) -> None:
    with limited_file_size(1000), pytest.raises(OSError, match="too large"):
        files.link_file(str(source), str(tmp_path / "target"), "copy")

    assert os.listdir(tmp_path) == ["source"]


# -- remove_tree --------------------------------------------------------------------------------------------


def sealed_tree(base: Path) -> None:
    """A read-only tree, as a release is, with one directory that cannot even be listed."""
    deep = base / "tree" / "lib" / "site"
    deep.mkdir(parents=True)
    (deep / "module.py").write_text("x = 1")
    (deep / "module.py").chmod(0o444)
    (base / "tree" / "empty").mkdir()
    (base / "tree" / "closed").mkdir()
    (base / "tree" / "closed" / "file").touch()
    (base / "tree" / "closed").chmod(0o000)
    for directory in (deep, base / "tree" / "lib", base / "tree" / "empty", base / "tree"):
        directory.chmod(0o555)


def test_a_read_only_tree_is_removed_by_its_owner() -> None:
    def remove(base: Path) -> None:
        with pytest.raises(PermissionError):
            os.unlink(base / "tree" / "lib" / "site" / "module.py")
        files.remove_tree(base / "tree")
        assert os.listdir(base) == []

    unprivileged(remove, sealed_tree)


def test_names_in_a_sealed_directory_can_be_made_removable() -> None:
    def remove(base: Path) -> None:
        files.make_removable(base / "tree" / "lib" / "site")
        files.remove_name(base / "tree" / "lib" / "site" / "module.py")
        files.make_removable(base / "not there")
        files.make_removable(base / "tree" / "lib" / "site" / "nor" / "there")

    unprivileged(remove, sealed_tree)


def test_links_inside_are_removed_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "precious").write_text("keep me")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "directory").symlink_to(outside)
    (tree / "file").symlink_to(outside / "precious")
    (tree / "dangling").symlink_to("nowhere")
    (tree / "up").symlink_to("..")

    files.remove_tree(tree)

    assert os.listdir(tmp_path) == ["outside"]
    assert (outside / "precious").read_text() == "keep me"
    assert mode_of(outside) == 0o755


def test_a_link_instead_of_a_tree_is_removed_and_not_followed(tmp_path: Path) -> None:
    """Somebody moved a release to a larger disk and left a link; it must not cost what is there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("keep me")
    (tmp_path / ".trash-1").symlink_to("outside")

    files.remove_tree(tmp_path / ".trash-1")

    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(tmp_path / "outside") == ["precious"]


def test_hard_linked_files_elsewhere_keep_their_contents_and_modes(tmp_path: Path) -> None:
    store, tree = tmp_path / "store", tmp_path / "tree"
    store.mkdir()
    (tree / "bin").mkdir(parents=True)
    for name, mode in (("module.py", 0o444), ("script", 0o555)):
        (store / name).write_text(name)
        (store / name).chmod(mode)
        os.link(store / name, tree / "bin" / name)
    (tree / "bin").chmod(0o555)

    files.remove_tree(tree)

    assert not tree.exists()
    assert {name: (mode_of(store / name), (store / name).read_text()) for name in os.listdir(store)} == {
        "module.py": (0o444, "module.py"),
        "script": (0o555, "script"),
    }


def test_several_may_remove_one_tree_at_the_same_time(tmp_path: Path) -> None:
    for number in range(20):
        tree = tmp_path / f"tree-{number}"
        for folder in range(10):
            (tree / str(folder) / "deep").mkdir(parents=True)
            for name in range(10):
                (tree / str(folder) / "deep" / str(name)).touch()
            (tree / str(folder) / "deep").chmod(0o555)
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(files.remove_tree, tree) for _ in range(4)]:
                done.result()
        assert not tree.exists()


def test_removing_nothing_a_file_or_what_is_below_a_file(tmp_path: Path) -> None:
    files.remove_tree(tmp_path / "nothing")
    (tmp_path / "file").write_text("")

    files.remove_tree(tmp_path / "file")

    assert os.listdir(tmp_path) == []


# -- looking ------------------------------------------------------------------------------------------------


def test_room_is_given_back_by_what_has_no_name_elsewhere(tmp_path: Path) -> None:
    """Of a file with several names only with the last of them, and once."""

    def blocks(*paths: Path) -> int:
        return sum(path.lstat().st_blocks * 512 for path in paths)

    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    for name in ("a/own", "a/shared", "a/kept"):
        (tmp_path / name).write_bytes(bytes(10_000))
    os.link(tmp_path / "a/shared", tmp_path / "b/shared")
    os.link(tmp_path / "a/kept", tmp_path / "c/kept")
    a, b, c = (tmp_path / name for name in "abc")

    assert files.own_bytes([a]) == blocks(a, a / "own")
    assert files.own_bytes([b]) == blocks(b)
    assert files.own_bytes([a, b]) == blocks(a, b, a / "own", a / "shared")
    assert files.own_bytes([a, b, c]) == blocks(a, b, c, a / "own", a / "shared", a / "kept")
    assert files.own_bytes([a / "own"]) == blocks(a / "own")
    assert files.own_bytes([tmp_path / "nothing"]) == 0


def test_walking_gives_every_name_parents_first_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "file").write_text("12345")
    (tmp_path / "a").symlink_to("b")

    found = dict(files.walk(tmp_path))

    assert sorted(found) == ["a", "b", "b/c", "b/c/file"]
    names = list(found)
    assert names.index("b") < names.index("b/c") < names.index("b/c/file")
    assert stat.S_ISLNK(found["a"].st_mode)
    assert found["b/c/file"].st_size == 5
    with pytest.raises(FileNotFoundError):
        list(files.walk(tmp_path / "gone"))


def test_hashing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100_000)

    assert files.hash_file(tmp_path / "file") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert (
        files.hash_file(tmp_path / "file", hashlib.blake2b) == hashlib.blake2b(b"abc" * 100_000).hexdigest()
    )


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
        files.truncate_quietly(file.fileno(), 50, file.name)
        assert os.fstat(file.fileno()).st_size == 50
        fd = file.fileno()
    files.truncate_quietly(fd, 0, "file")  # closed: nothing to be done, nothing said


def test_what_means_no_room() -> None:
    assert {errno.ENOSPC, errno.EDQUOT} == files.FULL_DISK_ERRNOS
