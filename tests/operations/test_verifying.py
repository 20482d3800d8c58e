"""Files are compared with their entries by several processes, with the same result as by one."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from venvship.errors import InterruptedByError
from venvship.model.release import FileEntry
from venvship.operations.retention.verifying import compare

FILES = 2_100
"""So many are worth a copy of the process, where there is a second processor."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[FileEntry]]:
    base = tmp_path_factory.mktemp("release")
    entries = []
    for number in range(FILES):
        data = b"%04d" % number
        (base / f"{number:04}").write_bytes(data)
        (base / f"{number:04}").chmod(0o444)
        entries.append(FileEntry(f"{number:04}", "file", 0o444, len(data), hashlib.sha256(data).hexdigest()))
    return str(base), entries


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


@pytest.mark.parametrize("copies", [0, 2, None], ids=["alone", "with copies", "as many as are worth while"])
def test_every_process_finds_what_differs_in_its_part(
    tree: tuple[str, list[FileEntry]], tmp_path: Path, copies: int | None
) -> None:
    base, entries = tree
    owners = frozenset({os.getuid()})
    assert compare(base, entries, owners, lambda: None, copies=copies) == []

    wrong = ("0000", "0249", "0250", "0777", "2099")
    before = {name: Path(base, name).read_bytes() for name in wrong}
    try:
        for name in wrong:
            rewrite(Path(base, name), b"else")
        found = compare(base, entries, owners, lambda: None, copies=copies)
    finally:
        for name in wrong:
            rewrite(Path(base, name), before[name])
    assert tuple(one.path for one in found) == wrong, "in the order of the entries"
    assert {one.problem for one in found} == {"its contents have changed"}


@pytest.mark.parametrize("copies", [0, 2], ids=["alone", "with copies"])
def test_a_signal_ends_it(tree: tuple[str, list[FileEntry]], copies: int) -> None:
    base, entries = tree

    calls = 0

    def interrupted() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise InterruptedByError(signal.SIGTERM)

    with pytest.raises(InterruptedByError):
        compare(base, entries, frozenset({os.getuid()}), interrupted, copies=copies)


def test_a_signal_is_heard_between_large_files(tmp_path: Path) -> None:
    entries = []
    for name in "abc":
        with open(tmp_path / name, "wb") as file:
            file.truncate(33 << 20)
        digest = hashlib.sha256(bytes(33 << 20)).hexdigest()
        entries.append(FileEntry(name, "file", 0o644, 33 << 20, digest))
        (tmp_path / name).chmod(0o644)
    calls: list[None] = []

    assert compare(str(tmp_path), entries, frozenset({os.getuid()}), lambda: calls.append(None)) == []
    assert len(calls) >= 3
