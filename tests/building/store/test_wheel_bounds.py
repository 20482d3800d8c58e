"""Wheels whose metadata is larger, longer or deeper than any wheel's is refused, and takes no memory."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.releases import LINUX, pinned
from tests.support.wheels import EPOCH, build_wheel
from venvship.building.store.unpack import unpack
from venvship.building.tree.dependencies import refuse_other_pythons, unmet_dependencies
from venvship.errors import InvalidWheelError
from venvship.model import bounds
from venvship.model.wheel import StoredWheel
from venvship.system.files import hash_file

INFO = "some-1.0.dist-info"
METADATA = f"{INFO}/METADATA"
HEAD = "Metadata-Version: 2.1\nName: some\nVersion: 1.0\n"
MIB = 1 << 20


def rewritten(folder: Path, changed: Mapping[str, bytes]) -> Path:
    """A wheel with other contents of some members, and a RECORD that is right for the others."""
    wheel = build_wheel(folder / "built", "some", scripts={"some": "some:main"})
    path = folder / wheel.filename
    with zipfile.ZipFile(wheel.path) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            target.writestr(info, changed.get(info.filename, source.read(info)), zipfile.ZIP_DEFLATED)
    return path


def taken(path: Path, folder: Path, *, check_record: bool = True) -> StoredWheel:
    return unpack(
        str(path),
        str(folder / "unpacked"),
        sha256=hash_file(path),
        check_record=check_record,
        data=str(folder / "unpacked"),
        between=lambda: None,
    )


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Python's own memory stays small inside of the block."""
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * MIB


REFUSED = {
    "requirement": (METADATA, f"{HEAD}Requires-Dist: x>={'9' * 6000}\n", "Requires-Dist has more than"),
    "marker": (
        METADATA,
        f"{HEAD}Requires-Dist: x; python_version >= '{'9' * 6000}'\n",
        "Requires-Dist has more than",
    ),
    "python": (METADATA, f"{HEAD}Requires-Python: >={'9' * 6000}\n", "Requires-Python has more than"),
    "version": (METADATA, f"{HEAD.replace('1.0', '9' * 6000)}", "Version has more than"),
    "name": (METADATA, f"{HEAD.replace('some', 's' * 6000)}", "Name has more than"),
    "extra": (METADATA, f"{HEAD}Provides-Extra: {'x' * 6000}\n", "Provides-Extra has more than"),
    "lines": (METADATA, HEAD + "Requires-Dist: x\n" * (bounds.HEADERS + 1), "header has more than"),
    "returns": (METADATA, HEAD + "X: x\r" * (bounds.HEADERS + 1), "header has more than"),
    "metadata": (METADATA, HEAD + "\n" + "x" * bounds.METADATA, "more than 8,388,608 bytes"),
    "wheel": (f"{INFO}/WHEEL", "Wheel-Version: 1.0\n" + "Tag: x\n" * (bounds.HEADERS + 1), "header has more"),
    "entry points": (
        f"{INFO}/entry_points.txt",
        "[console_scripts]\n" + "".join(f"a{n} = a:a\n" for n in range(bounds.HEADERS + 1)),
        "more than 50,000 lines",
    ),
    "record": (f"{INFO}/RECORD", "x,,\n" * (2 * bounds.MEMBERS + 1), "more than 200,000 lines"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_metadata_beyond_its_bounds_is_refused(tmp_path: Path, kind: str, little_memory: None) -> None:
    member, text, reason = REFUSED[kind]
    with pytest.raises(InvalidWheelError) as caught:
        taken(rewritten(tmp_path, {member: text.encode()}), tmp_path)
    assert reason in caught.value.message
    assert len(caught.value.message) < 2000


def test_a_long_description_and_a_thousand_requirements_are_taken(tmp_path: Path) -> None:
    head = HEAD + "".join(f"Requires-Dist: pkg-{n}>=1.0\n" for n in range(3000))
    wheel = taken(
        rewritten(tmp_path, {METADATA: f"{head}\n{'description ' * 100_000}".encode()}),
        tmp_path,
        check_record=False,
    )
    assert len(wheel.requires) == 3000


def test_a_description_in_the_header_and_line_ends_of_windows_are_read_as_ever(tmp_path: Path) -> None:
    head = (
        HEAD
        + "Description: one\n        two\n        \n        three\nRequires-Python: >=3.8,\n  <4\n\nName: x\n"
    )
    path = rewritten(tmp_path, {METADATA: head.replace("\n", "\r\n").encode()})
    wheel = taken(path, tmp_path, check_record=False)
    assert (wheel.name, wheel.requires_python) == ("some", ">=3.8, <4")


@pytest.mark.parametrize("member", [METADATA, f"{INFO}/WHEEL", f"{INFO}/RECORD", f"{INFO}/entry_points.txt"])
def test_a_member_that_decompresses_to_more_than_it_declares_takes_no_memory(
    tmp_path: Path, member: str, little_memory: None
) -> None:
    """`ZipFile.read` decompresses all of it, and cuts it off afterwards."""
    path = rewritten(tmp_path, {member: b"\n" * (80 * MIB)})
    with zipfile.ZipFile(path) as archive:
        info, start = archive.getinfo(member), archive.start_dir
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, info.header_offset + 22, 100)
    struct.pack_into("<I", data, data.index(member.encode(), start) - 46 + 24, 100)
    path.write_bytes(data)
    tracemalloc.reset_peak()

    with pytest.raises(InvalidWheelError):
        taken(path, tmp_path)


def test_the_directory_of_an_archive_is_not_read_beyond_its_bound(
    tmp_path: Path, little_memory: None
) -> None:
    path = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(bounds.DIRECTORY // 60_000 + 1):
            info = zipfile.ZipInfo(f"some/{number}", EPOCH)
            info.comment = bytes(60_000)
            archive.writestr(info, b"")
    with pytest.raises(InvalidWheelError, match="its directory has more than 16,777,216 bytes"):
        taken(path, tmp_path)


def test_a_wheel_that_an_older_venvship_took_into_a_store_ends_no_build_with_a_bug() -> None:
    digits = "9" * 6000
    wheel = StoredWheel(
        sha256="0" * 64,
        filename="some-1.0-py3-none-any.whl",
        name="some",
        version=digits,
        dist_info=INFO,
        root_is_purelib=True,
        requires=(f"x>={digits}", f"x; python_version >= '{digits}'", f"some>={digits}", "some>=1"),
        provides_extra=(),
        requires_python=f">={digits}",
        scripts=(),
        files=(),
        data="/nowhere",
    )
    selected = [pinned(replace(wheel, version="1.0"))]
    refuse_other_pythons(selected, {"some": wheel}, LINUX)
    assert [
        warning["slug"] for warning in unmet_dependencies(selected, {"some": wheel}, LINUX, closed=False)
    ] == ["unmet-dependency"]
