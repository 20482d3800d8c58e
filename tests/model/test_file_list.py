"""The list of a release's files: one format, read whole or in parts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvship.model import file_list
from venvship.model.release import FileEntry

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda name: {"", ".", ".."}.isdisjoint(name.split("/"))
)
ENTRIES = st.one_of(
    NAMES.map(lambda name: FileEntry(name, "dir", 0o555)),
    st.tuples(NAMES, st.integers(0, 1 << 40)).map(lambda t: FileEntry(t[0], "file", 0o444, t[1], "a" * 64)),
    st.tuples(NAMES, NAMES).map(lambda t: FileEntry(t[0], "link", 0o777, target=t[1])),
)


def in_parts(data: bytes, number: int) -> list[FileEntry]:
    rows = [row for part in file_list.parts(data, number) for row in file_list.rows_of(part)]
    return list(map(FileEntry.from_json, rows))


@given(st.lists(ENTRIES), st.integers(1, 70))
def test_what_was_written_is_read_back_whole_and_in_parts(entries: list[FileEntry], number: int) -> None:
    data = b"".join(file_list.chunks(entries))

    assert [FileEntry.from_json(row) for row in file_list.rows(data)] == entries
    assert in_parts(data, number) == entries
    assert len(file_list.parts(data, number)) <= number


@pytest.mark.parametrize("number", [0, 1, 999, 1000, 1001, 2000])
def test_a_long_list_is_written_in_pieces_that_make_one_list(number: int) -> None:
    entries = [FileEntry(f"a/{each}", "file", 0o444, each, "f" * 64) for each in range(number)]
    pieces = list(file_list.chunks(iter(entries)))
    assert max(map(len, pieces)) < 100_000
    assert list(file_list.entries(b"".join(pieces))) == entries
    assert json.loads(b"".join(pieces))["format"] == 1


def test_it_is_json_with_a_row_to_a_line() -> None:
    entries = (FileEntry("a\nb", "dir", 0o555), FileEntry("a\nb/é", "file", 0o444, 3, "f" * 64))

    data = b"".join(file_list.chunks(entries))

    rows = [["a\nb", "dir", "0555", 0, ""], ["a\nb/é", "file", "0444", 3, "f" * 64]]
    assert json.loads(data) == {"files": rows, "format": 1}
    assert len(data.splitlines()) == len(entries) + 2


@pytest.mark.parametrize("indent", [None, 2])
def test_another_layout_of_the_same_is_read_too(indent: int | None) -> None:
    entries = [FileEntry("a", "dir", 0o555), FileEntry("a/b", "file", 0o444, 3, "f" * 64)]
    data = json.dumps(json.loads(b"".join(file_list.chunks(entries))), indent=indent).encode()

    assert in_parts(data, 64) == entries


@pytest.mark.parametrize("data", [b"", b"\0", b"{}", b"[]", b'{"files": 1}', b'{"files":[\n', b"[" * 100_000])
def test_what_is_no_such_list_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a list of files"):
        file_list.rows(data)
    with pytest.raises(ValueError, match="not a list of files"):
        in_parts(data, 64)


def test_a_row_that_is_no_json_is_refused_in_its_part() -> None:
    data = b"".join(file_list.chunks([FileEntry("a", "dir", 0o555), FileEntry("b", "dir", 0o555)]))

    with pytest.raises(ValueError, match="not a list of files"):
        in_parts(data.replace(b'"b"', b"b"), 2)


def test_a_list_of_an_older_format_is_still_cut_into_parts() -> None:
    entries = [FileEntry(f"a{number:04}", "dir", 0o555) for number in range(500)]
    data = b"".join(file_list.chunks(entries)).replace(b'"format":1', b'"format":0')

    assert len(file_list.parts(data, 64)) > 32
    assert in_parts(data, 64) == entries
