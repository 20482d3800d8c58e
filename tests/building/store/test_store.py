"""The store takes in good wheels whole, and hostile ones not at all."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import random
import re
import stat
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.support.releases import LINUX, pinned, wheel_value
from tests.support.wheels import EPOCH, Distribution, build_wheel
from venvship.building.store.archive import MAX_UNPACKED, unpacked_limit
from venvship.building.store.cleaning import sweep
from venvship.building.store.intake import adding_bytecode, importing, prepare
from venvship.building.store.store import Store, selection_key
from venvship.building.store.unpack import unpack
from venvship.errors import (
    BuildError,
    FormatError,
    HashMismatchError,
    InvalidWheelError,
    RootError,
    StoreDamagedError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.wheel import StoredWheel, WheelFile
from venvship.printable import removal_line
from venvship.system.faults import build_faults


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(os.fspath(tmp_path / "store"))
    prepare(store)
    return store


def imported(store: Store, wheel: Distribution, *, check_record: bool = True) -> StoredWheel:
    with importing(store) as batch:
        return batch.add([WheelFile(os.fspath(wheel.path), wheel.sha256, check_record=check_record)])[0]


def record_selection(store: Store, key: str, sha256: str) -> None:
    with importing(store) as batch:
        batch.select(key, sha256, {"name": "some"})


def refused(store: Store, wheel: Distribution, *, check_record: bool = True) -> InvalidWheelError:
    """Import a wheel that must be refused, and see that nothing of it stays."""
    before = names(Path(store.path))
    with pytest.raises(InvalidWheelError) as caught:
        imported(store, wheel, check_record=check_record)
    assert names(Path(store.path)) == before
    assert not store.has(wheel.sha256)
    assert wheel.filename in caught.value.message
    assert caught.value.hint
    return caught.value


def names(path: Path) -> set[str]:
    return {os.fspath(p.relative_to(path)) for p in path.rglob("*")}


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x", EPOCH)
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    return info


def patched(wheel: Distribution, old: bytes, new: bytes, count: int = -1) -> Distribution:
    """Change bytes of the archive itself, as no zip library would write it."""
    data = wheel.path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    wheel.path.write_bytes(data.replace(old, new, count))
    return wheel


# -- good wheels ------------------------------------------------------------------------------------------


def test_a_wheel_is_unpacked_by_scheme_and_described(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(
        tmp_path,
        "Some.Thing",
        "1.2",
        files={"pkg/__init__.py": "x = 1\n", "pkg/data é.txt": "e", "pkg/tool.so": "ELF"},
        data={
            "scripts/tool": "#!python\n",
            "headers/tool.h": "#define X\n",
            "data/share/x": "share",
            "platlib/native.py": "",
            "purelib/pure.py": "",
        },
        executable=("pkg/tool.so",),
        scripts={"thing": "pkg:main"},
        gui_scripts={"thing-gui": "pkg.gui:App.main"},
        requires=["other>=1"],
        extras={"fast": ["quick"]},
        pycache=True,
    )

    stored = imported(store, wheel)

    assert (stored.name, stored.version, stored.sha256) == ("some-thing", "1.2", wheel.sha256)
    assert stored.dist_info == "Some_Thing-1.2.dist-info"
    assert stored.root_is_purelib
    assert stored.requires == ("other>=1", 'quick; extra == "fast"')
    assert stored.provides_extra == ("fast",)
    assert stored.scripts == (
        ("thing", "pkg", "main", "console"),
        ("thing-gui", "pkg.gui", "App.main", "gui"),
    )
    assert [file.path for file in stored.files] == [
        "data/share/x",
        "headers/tool.h",
        "scripts/tool",
        "site/Some_Thing-1.2.dist-info/METADATA",
        "site/Some_Thing-1.2.dist-info/WHEEL",
        "site/Some_Thing-1.2.dist-info/entry_points.txt",
        "site/native.py",
        "site/pkg/__init__.py",
        "site/pkg/data é.txt",
        "site/pkg/tool.so",
        "site/pure.py",
    ]
    for file in stored.files:
        contents = Path(stored.data, file.path).read_bytes()
        assert (len(contents), hashlib.sha256(contents).hexdigest()) == (file.size, file.sha256)
    assert {file.path for file in stored.files if file.executable} == {"scripts/tool", "site/pkg/tool.so"}
    assert store.wheel(wheel.sha256) == stored


def test_everything_in_a_stored_wheel_is_read_only_whatever_the_umask(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", data={"scripts/tool": "#!python\n"})
    before = os.umask(0)
    try:
        stored = imported(store, wheel)
    finally:
        os.umask(before)

    folder = Path(stored.data).parent
    for path in [folder, *folder.rglob("*")]:
        executable = path.is_dir() or path.name == "tool"
        assert stat.S_IMODE(path.lstat().st_mode) == (0o555 if executable else 0o444), path


def test_what_says_how_a_wheel_was_installed_is_left_out(store: Store, tmp_path: Path) -> None:
    info = "some-1.0.dist-info"
    names = ["INSTALLER", "REQUESTED", "direct_url.json"]
    wheel = build_wheel(
        tmp_path,
        "some",
        files={**{f"{info}/{name}": "x" for name in names}, f"{info}/licenses/LICENSE": "MIT"},
    )

    stored = imported(store, wheel)

    assert [file.path for file in stored.files] == [
        f"site/{info}/METADATA",
        f"site/{info}/WHEEL",
        f"site/{info}/licenses/LICENSE",
    ]


def test_importing_a_wheel_twice_gives_the_same(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some")
    assert imported(store, wheel) == imported(store, wheel)


def test_a_batch_appears_when_it_ends(store: Store, tmp_path: Path) -> None:
    wheels = [build_wheel(tmp_path, name) for name in ("one", "two")]
    key = "ab" * 32
    with importing(store) as batch:
        for wheel in [*wheels, wheels[0]]:
            batch.add([WheelFile(os.fspath(wheel.path), wheel.sha256)])
        batch.select(key, wheels[0].sha256, {"name": "one"})
        assert not any(store.has(wheel.sha256) for wheel in wheels)
        assert store.selection(key) is None

    assert [store.wheel(wheel.sha256).name for wheel in wheels] == ["one", "two"]
    assert store.selection(key) == wheels[0].sha256
    assert sweep(store) == 0


@pytest.mark.parametrize("copies", [0, 2])
def test_the_store_is_the_same_however_many_processes_unpack(tmp_path: Path, copies: int) -> None:
    wheels = [build_wheel(tmp_path, f"some{n}", files={f"m{n}.py": "x" * n * 1000}) for n in range(9)]
    incoming = [WheelFile(os.fspath(wheel.path), wheel.sha256) for wheel in wheels]
    here, there = (Store(os.fspath(tmp_path / name)) for name in ("here", "there"))
    begun: list[int] = []
    for store in (here, there):
        prepare(store)
    with importing(here, copies=copies) as batch:
        found = batch.add(incoming, lambda done, _total: begun.append(done))
    assert [wheel.name for wheel in found] == [wheel.name for wheel in wheels]
    for wheel in wheels:
        imported(there, wheel)
    assert names(Path(here.path)) == names(Path(there.path))
    assert begun == sorted(begun)


@pytest.mark.parametrize("copies", [0, 2])
def test_one_bad_wheel_of_many_is_named_and_none_gets_in(store: Store, tmp_path: Path, copies: int) -> None:
    wheels = [build_wheel(tmp_path, f"some{n}") for n in range(5)]
    incoming = [WheelFile(os.fspath(wheel.path), wheel.sha256) for wheel in wheels]
    incoming[3] = WheelFile(os.fspath(wheels[3].path), wheels[4].sha256)
    before = names(Path(store.path))
    with pytest.raises(HashMismatchError, match="some3"), importing(store, copies=copies) as batch:
        batch.add(incoming[:4])
    assert names(Path(store.path)) == before


def test_a_batch_that_fails_leaves_nothing(store: Store, tmp_path: Path) -> None:
    good = build_wheel(tmp_path, "good")
    before = names(Path(store.path))
    with pytest.raises(KeyboardInterrupt), importing(store) as batch:  # noqa: PT012
        batch.add([WheelFile(os.fspath(good.path), good.sha256)])
        raise KeyboardInterrupt
    assert names(Path(store.path)) == before


def test_an_import_can_be_interrupted_between_files(store: Store, tmp_path: Path) -> None:
    def between() -> None:
        raise KeyboardInterrupt

    wheel = build_wheel(tmp_path, "some")
    with pytest.raises(KeyboardInterrupt), importing(store, between) as batch:
        batch.add([WheelFile(os.fspath(wheel.path), wheel.sha256)])
    assert os.listdir(os.path.join(store.path, "wheels")) == []


def test_of_two_imports_at_once_the_second_drops_its_own_copy(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some")
    with importing(store) as slow:
        slow.add([WheelFile(os.fspath(wheel.path), wheel.sha256)])
        imported(store, wheel)
        inode = os.stat(store.wheel_path(wheel.sha256)).st_ino

    assert os.stat(store.wheel_path(wheel.sha256)).st_ino == inode
    assert os.listdir(os.path.join(store.path, "wheels")) == [wheel.sha256]


def test_the_second_of_two_imports_at_once_notices_that_the_first_is_damaged(
    store: Store, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, "some")
    with pytest.raises(StoreDamagedError), importing(store) as batch:  # noqa: PT012
        batch.add([WheelFile(os.fspath(wheel.path), wheel.sha256)])
        Path(store.wheel_path(wheel.sha256)).mkdir()
        Path(store.wheel_path(wheel.sha256), "wheel.json").write_text("{")
    assert os.listdir(os.path.join(store.path, "wheels")) == [wheel.sha256]


KILLED = """
import os, signal, sys
from venvship.building.store.intake import importing
from venvship.building.store.store import Store
from venvship.model.wheel import WheelFile
store = Store(sys.argv[1])
count = [0]
def between():
    count[0] += 1
    if count[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
with importing(store, between) as batch:
    batch.add([WheelFile(sys.argv[2], sys.argv[3])])
"""


def test_a_killed_import_leaves_temporary_names_only_and_sweep_removes_them(
    store: Store, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, "some")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, store.path, wheel.path, wheel.sha256],
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert killed.returncode == -9
    left = os.listdir(os.path.join(store.path, "wheels"))
    assert [name.startswith(".new-") for name in left] == [True]
    assert not store.has(wheel.sha256)

    assert sweep(store) == 1
    assert os.listdir(os.path.join(store.path, "wheels")) == []
    imported(store, wheel)


def test_sweep_removes_left_overs_everywhere_and_nothing_else(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some")
    imported(store, wheel)
    record_selection(store, "ab" * 32, wheel.sha256)
    with adding_bytecode(store, "tag") as batch:
        batch.finish(batch.stage(wheel.sha256), wheel.sha256, {})
    before = names(Path(store.path))
    Path(store.path, "wheels/.new-1/data").mkdir(parents=True)
    Path(store.path, "bytecode", wheel.sha256, ".new-2").mkdir()
    Path(store.path, "bytecode/.new-3").mkdir()
    Path(store.path, "selections/ab/.new-4").write_text("{")

    assert sweep(store) == 4
    assert names(Path(store.path)) == before


# -- hostile wheels ---------------------------------------------------------------------------------------


def test_a_file_with_another_hash_is_not_opened(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "some-1.0-py3-none-any.whl"
    path.write_bytes(b"not a wheel")
    with pytest.raises(HashMismatchError, match="expected 0000"), importing(store) as batch:
        batch.add([WheelFile(os.fspath(path), "0" * 64)])
    assert os.listdir(os.path.join(store.path, "wheels")) == []


@pytest.mark.parametrize(
    "name",
    [
        "/etc/cron.d/x",
        "../../escape.py",
        "pkg/../../escape.py",
        "pkg//x.py",
        "pkg/./x.py",
        "pkg\\x.py",
        "pkg/new\nline.py",
        "pkg/\x7f.py",
        "pkg/" + "n" * 256,
        "/".join(["deep"] * 300),
        "some-1.0.data/data/../../../escape",
        "some-1.0.data/unknown/x",
        "some-1.0.data/x",
        "other-1.0.data/purelib/x.py",
        # what belongs to the release, to venvship, or to the interpreter
        "sitecustomize.py",
        "sitecustomize/__init__.py",
        "sitecustomize.cpython-311-x86_64-linux-gnu.so",
        "!venvship.pth",
        "~venvship.start",
        "_venvship.py",
        "other-2.0.dist-info/METADATA",
        "some-1.0.data/purelib/sitecustomize.py",
        "some-1.0.data/data/pyvenv.cfg",
        "some-1.0.data/data/.venvship/manifest.json",
        "some-1.0.data/data/bin/python",
        "some-1.0.data/data/lib/python3.11/site-packages/sitecustomize.py",
        "some-1.0.data/data/lib64/python3.12/site-packages/~venvship.pth",
        "some-1.0.data/scripts/python",
        "some-1.0.data/scripts/python3",
        "some-1.0.data/scripts/python3.11",
        "some-1.0.data/scripts/Python3.13t",
        "some-1.0.data/scripts/pythonw",
        "some-1.0.data/scripts/pypy3",
        "some-1.0.data/scripts/python.exe",
    ],
)
def test_a_member_of_such_a_name_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    error = refused(store, build_wheel(tmp_path, "some", raw_members=[(member(name), b"x")]))
    assert repr(name) in error.message or name.partition("/")[0].endswith(".dist-info")


@pytest.mark.parametrize(
    "name",
    [
        "some-1.0.data/scripts/python-argcomplete-tcsh",
        "some-1.0.data/scripts/python3-config",
        "some-1.0.data/scripts/pythonic",
        "pkg/sitecustomize.py",
        "some-1.0.data/data/etc/pyvenv.cfg",
        "some-1.0.data/data/bin/tool",
        "..hidden.py",
        "a b.py",
        "venvship/__init__.py",
    ],
)
def test_a_member_of_such_a_name_is_taken(store: Store, tmp_path: Path, name: str) -> None:
    stored = imported(store, build_wheel(tmp_path, "some", raw_members=[(member(name), b"x")]))
    assert name.rpartition("/")[2] in {file.path.rpartition("/")[2] for file in stored.files}


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o020644, 0o140755, 0o040755])
def test_links_and_special_files_are_refused(store: Store, tmp_path: Path, mode: int) -> None:
    wheel = build_wheel(tmp_path, "some", raw_members=[(member("pkg/x", mode), b"/etc/passwd")])
    assert "link or another special file" in refused(store, wheel).message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("some-1.0.dist-info/RECORD", "some-1.0.dist-info/RECORD"),
        ("some-1.0.dist-info/direct_url.json", "some-1.0.dist-info/direct_url.json"),
        ("pkg/x", "pkg/x/y.py"),
        ("pkg/x", "pkg/x/"),
        ("pkg/x/y/z.py", "some-1.0.data/purelib/pkg/x"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_for_one_place_are_refused(store: Store, tmp_path: Path, first: str, second: str) -> None:
    members = [(member(name), b"" if name.endswith("/") else b"x") for name in (first, second)]
    error = refused(store, build_wheel(tmp_path, "some", raw_members=members))
    assert "two members" in error.message or "a directory elsewhere" in error.message


TWINS = [("x.py", "purelib/x.py"), ("x.py", "platlib/x.py"), ("pkg/x.py", "purelib/pkg/x.py")]


@pytest.mark.parametrize(("place", "again"), TWINS)
def test_the_same_bytes_twice_for_one_place_are_one_file(
    store: Store, tmp_path: Path, place: str, again: str
) -> None:
    wheel = build_wheel(
        tmp_path, "some", files={place: "x = 1\n"}, data={again: "x = 1\n"}, executable=[again]
    )
    stored = imported(store, wheel)
    (file,) = [file for file in stored.files if file.path == f"site/{place}"]
    assert (file.sha256, file.executable) == (hashlib.sha256(b"x = 1\n").hexdigest(), True)
    assert os.access(os.path.join(stored.data, file.path), os.X_OK)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_in_the_archive_is_one_file_if_the_bytes_are_the_same(
    store: Store, tmp_path: Path
) -> None:
    def twice(first: bytes, second: bytes) -> Distribution:
        members = [(member("pkg/x.py"), contents) for contents in (first, second)]
        return build_wheel(tmp_path, "some", raw_members=members)

    assert "two members" in refused(store, twice(b"x = 1\n", b"x = 22\n")).message
    assert "two members" in refused(store, twice(b"plumless", b"buckeroo"), check_record=False).message
    stored = imported(store, twice(b"x = 1\n", b"x = 1\n"))
    assert [file.path for file in stored.files].count("site/pkg/x.py") == 1


@pytest.mark.parametrize(("place", "again"), TWINS)
@pytest.mark.parametrize("contents", ["x = 2\n", "x = 10\n"])
def test_other_bytes_for_one_place_are_refused(
    store: Store, tmp_path: Path, place: str, again: str, contents: str
) -> None:
    wheel = build_wheel(tmp_path, "some", files={place: "x = 1\n"}, data={again: contents})
    for check_record in (True, False):
        assert "two members for this place" in refused(store, wheel, check_record=check_record).message


def test_an_equal_checksum_does_not_make_equal_bytes(store: Store, tmp_path: Path) -> None:
    one, other = b"plumless", b"buckeroo"
    assert zlib.crc32(one) == zlib.crc32(other)
    wheel = build_wheel(tmp_path, "some", files={"x.py": one}, data={"purelib/x.py": other})
    assert "two members for this place" in refused(store, wheel).message


def test_the_second_of_two_equal_members_is_held_against_record_too(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", files={"x.py": "x"}, data={"purelib/x.py": "x"})
    record = "some-1.0.dist-info/RECORD"
    rows = zipfile.ZipFile(wheel.path).read(record)
    rewritten(wheel, record, re.sub(rb"(?m)^(some-1.0.data/.*),sha256=...", rb"\1,sha256=aaa", rows))
    assert "not the one in RECORD" in refused(store, wheel).message


def test_names_that_differ_in_case_are_two_files(store: Store, tmp_path: Path) -> None:
    stored = imported(store, build_wheel(tmp_path, "some", files={"pkg/A.py": "1", "pkg/a.py": "2"}))
    assert len([file for file in stored.files if file.path.startswith("site/pkg/")]) == 2


def test_a_name_that_is_not_utf8_is_refused(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", files={"pkg/é.py": "x"})
    refused(store, patched(wheel, "é".encode(), b"\xff\xfe"))


def test_a_name_that_is_not_marked_as_utf8_is_refused(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", files={"pkg/a.py": "x"})
    error = refused(store, patched(wheel, b"pkg/a.py", b"pkg/\xe9.py"))
    assert "not marked as UTF-8" in error.message


def test_a_member_without_a_name_is_refused(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", files={"pkg/a.py": "x", "pkg/bb.py": "x"})
    data = bytearray(wheel.path.read_bytes())
    entry = data.rindex(b"pkg/bb.py") - 46
    data[entry + 28 : entry + 34] = struct.pack("<HHH", 0, 0, len("pkg/bb.py"))  # the name becomes a comment
    wheel.path.write_bytes(data)
    assert "a member has no name" in refused(store, wheel).message


def test_a_name_with_a_null_byte_is_refused(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", files={"pkg/a.py": "x", "pkg/bb.py": "x"})
    assert "differently" in refused(store, patched(wheel, b"pkg/bb.py", b"pkg/b\0.py")).message


def sizes(wheel: Distribution, name: str, declared: int) -> Distribution:
    """Let the archive's directory and the member's own header declare another size."""
    with zipfile.ZipFile(wheel.path) as archive:
        info = archive.getinfo(name)
        start = archive.start_dir
    data = bytearray(wheel.path.read_bytes())
    struct.pack_into("<I", data, info.header_offset + 22, declared)
    position = data.index(name.encode(), start) - 46
    struct.pack_into("<I", data, position + 24, declared)
    wheel.path.write_bytes(data)
    return wheel


@pytest.mark.parametrize("declared", [0, 5, 999_999, 1_000_001])
@pytest.mark.parametrize("stored", [True, False])
def test_a_member_that_lies_about_its_size_is_refused(
    store: Store, tmp_path: Path, declared: int, stored: bool
) -> None:
    """`zipfile` alone would read what is declared, and say nothing if the checksum fits that."""
    info = member("pkg/x.bin")
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    wheel = build_wheel(tmp_path, "some", raw_members=[(info, b"x" * 1_000_000)])
    sizes(wheel, "pkg/x.bin", declared)
    # RECORD is not the one that has to notice: it is switched off here.
    with pytest.raises(InvalidWheelError, match=r"pkg/x\.bin"):
        imported(store, wheel, check_record=False)
    assert os.listdir(os.path.join(store.path, "wheels")) == []


def test_a_cut_member_with_the_right_checksum_is_refused(store: Store, tmp_path: Path) -> None:
    contents = b"import os\n" * 100
    info = member("pkg/x.py")
    wheel = build_wheel(tmp_path, "some", raw_members=[(info, contents)])
    patched(
        sizes(wheel, "pkg/x.py", 10),
        struct.pack("<I", zlib.crc32(contents)),
        struct.pack("<I", zlib.crc32(contents[:10])),
    )
    with zipfile.ZipFile(wheel.path) as archive:
        assert archive.read("pkg/x.py") == contents[:10]
    with pytest.raises(InvalidWheelError, match=r"pkg/x\.py"):
        imported(store, wheel, check_record=False)


def test_a_zip_bomb_is_refused_before_anything_is_written(store: Store, tmp_path: Path) -> None:
    members = [(member(f"pkg/{n}.bin"), b"x") for n in range(3)]
    wheel = build_wheel(tmp_path, "some", raw_members=members)
    for info, _ in members:
        sizes(wheel, info.filename, MAX_UNPACKED // 2)
    assert "attack" in refused(store, wheel).message


def test_a_library_for_gpus_is_no_bomb() -> None:
    """One of 3 GB unpacks to 12; a bomb of that size, to a thousand times as much."""
    assert 12 << 30 < unpacked_limit(3 << 30) < 300 << 30


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(store: Store, tmp_path: Path, method: int) -> None:
    info = member("pkg/x")
    info.compress_type = method
    assert (
        "stored nor deflated"
        in refused(store, build_wheel(tmp_path, "some", raw_members=[(info, b"x")])).message
    )


@pytest.mark.parametrize("record", ["missing", "wrong-hash", "unlisted", "no-hash"])
def test_a_wrong_record_is_refused_unless_it_is_known_to_be(
    store: Store, tmp_path: Path, record: str
) -> None:
    wheel = build_wheel(tmp_path, "some", record=record)
    error = refused(store, wheel)
    assert error.hint is not None
    assert '"some" to "bad_record"' in error.hint

    stored = imported(store, wheel, check_record=False)
    assert "site/some/__init__.py" in {file.path for file in stored.files}


def test_a_record_may_list_what_is_not_there(store: Store, tmp_path: Path) -> None:
    stored = imported(store, build_wheel(tmp_path, "some", record="extra"))
    assert "site/some/__init__.py" in {file.path for file in stored.files}


@pytest.mark.parametrize("written", [b"%s=", b"plain base64 of %s"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_record_may_have_its_digests_in_plain_base64(
    store: Store, tmp_path: Path, algorithm: str, written: bytes
) -> None:
    # Contents whose digest has both of the letters in which the alphabets differ.
    for number in itertools.count():
        text = f"x = {number}\n".encode()
        digest = base64.b64encode(hashlib.new(algorithm, text).digest())
        if b"+" in digest and b"/" in digest:
            break
    wheel = build_wheel(tmp_path, "some", files={"x.py": text})
    if written == b"%s=":
        digest = base64.urlsafe_b64encode(base64.b64decode(digest))
    assert digest.endswith(b"=")
    row = b"x.py,%s=%s,%d" % (algorithm.encode(), digest, len(text))
    record = "some-1.0.dist-info/RECORD"
    rewritten(wheel, record, re.sub(rb"(?m)^x\.py,.*$", row, zipfile.ZipFile(wheel.path).read(record)))
    imported(store, wheel)
    rewritten(wheel, "x.py", text + b"#")
    assert "hash is not the one in RECORD" in refused(store, wheel).message.replace("size or ", "")


def rewritten(wheel: Distribution, name: str, contents: bytes) -> Distribution:
    with zipfile.ZipFile(wheel.path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(wheel.path, "w") as archive:
        for info, old in members:
            archive.writestr(info, contents if info.filename == name else old)
    return wheel


@pytest.mark.parametrize(("algorithm", "taken"), [("sha512", True), ("md5", False), ("shake_128", False)])
def test_a_record_may_have_other_hashes_if_they_are_good(
    store: Store, tmp_path: Path, algorithm: str, taken: bool
) -> None:
    wheel = build_wheel(tmp_path, "some", files={"x.py": "x"})
    record = "some-1.0.dist-info/RECORD"
    with zipfile.ZipFile(wheel.path) as archive:
        rows = archive.read(record).decode().splitlines()
    digest = hashlib.sha512(b"x").digest() if taken else b"x"
    rows[0] = f"x.py,{algorithm}={base64.urlsafe_b64encode(digest).decode().rstrip('=')},1"
    rewritten(wheel, record, "\n".join(rows).encode())
    if taken:
        imported(store, wheel)
        rows[0] = rows[0].replace("=", "=A", 1)
        rewritten(wheel, record, "\n".join(rows).encode())
    refused(store, wheel)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (hashlib.sha256(b"x").hexdigest(), "its sha256 digest in RECORD is malformed: it is hexadecimal"),
        ("!!!!", "malformed: '!!!!' is no base64 of 32 bytes"),
        (base64.urlsafe_b64encode(b"short").decode(), "is no base64 of 32 bytes"),
        (base64.urlsafe_b64encode(hashlib.sha256(b"y").digest()).decode(), "it was changed after the wheel"),
    ],
    ids=["hexadecimal", "letters", "short", "of other contents"],
)
def test_a_digest_that_no_file_has_is_malformed_and_no_sign_of_a_change(
    store: Store, tmp_path: Path, value: str, said: str
) -> None:
    wheel = build_wheel(tmp_path, "some", files={"x.py": "x"})
    record = "some-1.0.dist-info/RECORD"
    with zipfile.ZipFile(wheel.path) as archive:
        rows = archive.read(record).decode().splitlines()
    rows[0] = f"x.py,sha256={value},1"
    error = refused(store, rewritten(wheel, record, "\n".join(rows).encode()))
    assert said in error.message
    assert ("changed" in error.message) == ("changed" in said)
    assert '"bad_record"' in (error.hint or "")


def test_an_archive_that_leads_before_its_beginning_is_malformed(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some")
    data = wheel.path.read_bytes()
    end = data.rindex(b"PK\5\6")
    size = struct.pack("<I", len(data))  # of the directory, which so would begin before the file does
    wheel.path.write_bytes(data[: end + 12] + size + data[end + 16 :])
    assert "malformed" in refused(store, wheel).message or "cannot be read" in refused(store, wheel).message
    wheel.path.write_bytes(data)
    with zipfile.ZipFile(wheel.path) as archive:
        offset = archive.getinfo("some/__init__.py").header_offset
    directory = data.index(b"PK\1\2")
    shifted = struct.pack("<I", struct.unpack_from("<I", data, end + 16)[0] + 5000)
    assert offset < 5000 < directory + 5000
    wheel.path.write_bytes(data[: end + 16] + shifted + data[end + 20 :])
    error = refused(store, wheel)
    assert "Invalid argument" not in error.message
    assert "malformed" in error.message or "cannot be read" in error.message


@pytest.mark.parametrize(
    "metadata",
    [
        "Name: other\nVersion: 1.0\n",
        "Name: some\nVersion: 1.1\n",
        "Name: some\nVersion: one\n",
        "Name: some\n",
        "",
    ],
)
def test_metadata_must_be_that_of_the_file_name(store: Store, tmp_path: Path, metadata: str) -> None:
    refused(store, build_wheel(tmp_path, "some", metadata=metadata))


def test_metadata_of_an_unknown_encoding_is_read(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", metadata="Name: some\nVersion: 1.0\nAuthor: ~~\n")
    rewritten(wheel, "some-1.0.dist-info/METADATA", b"Name: some\nVersion: 1.0\nAuthor: Andr\xe9\n")
    assert imported(store, wheel, check_record=False).name == "some"


@pytest.mark.parametrize(("version", "taken"), [("1.0", True), ("1.9", True), ("2.0", False), ("", False)])
def test_only_wheels_of_version_1_are_known(store: Store, tmp_path: Path, version: str, taken: bool) -> None:
    wheel = build_wheel(tmp_path, "some", wheel_version=version)
    if taken:
        imported(store, wheel)
    else:
        assert "Wheel-Version" in refused(store, wheel).message


@pytest.mark.parametrize("name", ["../evil", "a/b", "python3", "pypy", "..", "a\\b", "python3.12"])
def test_an_entry_point_of_such_a_name_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    error = refused(store, build_wheel(tmp_path, "some", scripts={name: "pkg:main"}))
    assert repr(name) in error.message


@pytest.mark.parametrize(
    "target", ["pkg", "pkg:main; import os", "pkg:", "os.system('x')", "1a:b", "a..b:c", "%(x)s:m"]
)
def test_an_entry_point_that_is_no_function_is_refused(store: Store, tmp_path: Path, target: str) -> None:
    refused(store, build_wheel(tmp_path, "some", scripts={"tool": target}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x.y]\nalpha = a:b\nbeta = c:d\nalpha = e:f\n", "alpha stands twice in [x.y], .* in line 4"),
        ("[x]\na = b\n[console_scripts]\nt = p:m\n[x]\n", "the section [x] stands twice, .* in line 5"),
        ("t = p:m\n", "line 1 stands before the first section: 't = p:m'"),
        ("[console_scripts]\nt\n", "line 2 is no 'name = value': "),
        ("[gui_scripts]\nt = pkg\n", "in [gui_scripts], t = pkg names no function: it must be t = "),
        ("[console_scripts]\nt = 1a:b\n", "in [console_scripts], t = 1a:b is no module:function of Python"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_entry_points_is_named_with_its_place(
    store: Store, tmp_path: Path, text: str, said: str
) -> None:
    wheel = build_wheel(tmp_path, "some", scripts={"tool": "pkg:main"})
    where = "some-1.0.dist-info/entry_points.txt"
    found = refused(store, rewritten(wheel, where, text.encode())).message
    assert where in found
    assert re.search(re.escape(said).replace(r"\.\*", ".*"), found), found


def test_entry_points_with_extras_and_percent_signs_are_read(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some", scripts={"tool": "pkg.cli : main [web]", "100%": "pkg:x.y"})
    assert imported(store, wheel).scripts == (
        ("100%", "pkg", "x.y", "console"),
        ("tool", "pkg.cli", "main", "console"),
    )


@pytest.mark.parametrize(
    "name", ["some-1.0.whl", "some.whl", "some-1.0-py3-none.whl", "some-x-py3-none-any.whl"]
)
def test_a_file_name_that_is_no_wheels_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    wheel = build_wheel(tmp_path, "some")
    moved = Distribution(wheel.path.rename(tmp_path / name), "some", "1.0")
    refused(store, moved)


@pytest.mark.parametrize("keep", [0, 1, 30, -30, -1])
def test_a_file_that_is_no_archive_is_refused(store: Store, tmp_path: Path, keep: int) -> None:
    wheel = build_wheel(tmp_path, "some")
    wheel.path.write_bytes(wheel.path.read_bytes()[: keep or None] if keep else b"")
    refused(store, wheel)


def test_a_broken_archive_is_unpacked_or_refused(tmp_path: Path) -> None:
    """Bytes changed at random, always the same ones. Without the store, which syncs the disk each time."""
    chance = random.Random(20)
    wheel = build_wheel(tmp_path, "some", scripts={"tool": "some:main"})
    good = wheel.path.read_bytes()
    refused = 0
    for number in range(300):
        data = bytearray(good)
        for _ in range(chance.choice([1, 1, 2, 8])):
            data[chance.randrange(len(data))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        wheel.path.write_bytes(data)
        target = os.fspath(tmp_path / str(number))
        check = chance.random() < 0.5
        try:
            # zipfile seeks to offsets of the archive, which the kernel may refuse: the import wraps that.
            with build_faults("import", target):
                unpack(
                    os.fspath(wheel.path),
                    target,
                    sha256=wheel.sha256,
                    check_record=check,
                    data="",
                    between=lambda: None,
                )
        except BuildError:
            refused += 1
    assert 0 < refused < 300


# -- what is read back ------------------------------------------------------------------------------------


def damage(path: str, contents: str | None) -> None:
    os.chmod(os.path.dirname(path), 0o755)
    os.unlink(path)
    if contents is not None:
        Path(path).write_text(contents)


@pytest.mark.parametrize(
    "contents", [None, "", "[]", "{}", '{"format": 1}', "[" * 100_000, '{"format": true}']
)
def test_a_damaged_index_is_reported_with_the_way_out(
    store: Store, tmp_path: Path, contents: str | None
) -> None:
    wheel = build_wheel(tmp_path, "some")
    imported(store, wheel)
    path = os.path.join(store.wheel_path(wheel.sha256), "wheel.json")
    damage(path, contents)

    with pytest.raises(StoreDamagedError) as caught:
        store.wheel(wheel.sha256)
    assert path in caught.value.message
    assert removal_line(store.wheel_path(wheel.sha256)) in (caught.value.hint or "")
    with pytest.raises(StoreDamagedError):
        imported(store, wheel)


def test_what_an_older_index_does_not_tell_is_read_from_the_wheel(store: Store, tmp_path: Path) -> None:
    stored = imported(store, build_wheel(tmp_path, "some", requires_python=">=3.9,<4"))
    assert stored.requires_python == ">=3.9,<4"
    index = Path(store.wheel_path(stored.sha256), "wheel.json")
    index.chmod(0o644)
    index.write_text(
        json.dumps({k: v for k, v in json.loads(index.read_text()).items() if k != "requires_python"})
    )
    assert Store(store.path).wheel(stored.sha256) == stored


def test_an_index_of_a_newer_format_is_refused(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some")
    imported(store, wheel)
    path = os.path.join(store.wheel_path(wheel.sha256), "wheel.json")
    damage(path, json.dumps({"format": 2}))
    with pytest.raises(FormatError, match="format 2"):
        store.wheel(wheel.sha256)


def test_a_selection_counts_only_while_its_wheel_is_there(store: Store, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "some")
    key = "cd" * 32
    record_selection(store, key, wheel.sha256)
    assert store.selection(key) is None
    imported(store, wheel)
    assert store.selection(key) == wheel.sha256
    assert json.loads(Path(store.selection_path(key)).read_text())["format"] == 1


@pytest.mark.parametrize("contents", ["", "{}", '{"format": 1, "key": "x", "sha256": "y"}'])
def test_a_damaged_selection_is_reported(store: Store, contents: str) -> None:
    key = "cd" * 32
    record_selection(store, key, "0" * 64)
    Path(store.selection_path(key)).write_text(contents)
    with pytest.raises(StoreDamagedError) as caught:
        store.selection(key)
    assert f"rm {store.selection_path(key)}" in (caught.value.hint or "")


def test_the_key_of_a_selection_covers_what_decides_it() -> None:
    def key(
        name: str = "some", tags: tuple[str, ...] = LINUX.tags, sdist: bool = False, **changes: str
    ) -> str:
        facts = {**LINUX.to_json(), **changes, "tags": list(tags)}
        return selection_key(pinned(wheel_value(name, {})), Interpreter.from_json(facts), sdist)

    keys = [key(), key(name="other"), key(tags=("py3-none-any",)), key(sdist=True), key(soabi="cpython-313")]
    folder = pinned(wheel_value("some", {}), subdirectory="python")
    keys.append(selection_key(folder, Interpreter.from_json(LINUX.to_json()), False))
    assert len(set(keys)) == len(keys)
    assert key(path="/opt/python3.12", version="3.12.9") == key()


def test_names_that_are_no_hashes_never_become_paths(store: Store) -> None:
    for name in ("../../etc", "", "A" * 64, "0" * 63):
        with pytest.raises(ValueError, match="SHA-256"):
            store.has(name)
        with pytest.raises(ValueError, match="SHA-256"):
            store.selection(name)


def test_a_store_whose_path_has_a_newline_is_refused() -> None:
    with pytest.raises(RootError):
        Store("/tmp/new\nline")


def test_prepare_needs_the_parent_directory(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="missing/store"):
        prepare(Store(os.fspath(tmp_path / "missing/store")))
