"""Linking files of the store into a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.releases import digest_of
from venvship.building.store.owners import StoreOwners
from venvship.building.tree.link import link_stored, stamp_of
from venvship.errors import StoreDamagedError
from venvship.model.wheel import StoredFile
from venvship.printable import removal_line

DATA = b"print('hello')\n"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "stored.py"
    path.write_bytes(DATA)
    path.chmod(0o444)
    return path


def described(data: bytes = DATA, *, executable: bool = False) -> StoredFile:
    return StoredFile(path="site/x.py", size=len(data), sha256=digest_of(data), executable=executable)


@pytest.mark.parametrize(("how", "used"), [("auto", "hardlink"), ("hardlink", "hardlink"), ("copy", "copy")])
def test_a_file_is_linked_in_the_way_that_was_asked_for(
    stored: Path, tmp_path: Path, how: str, used: str
) -> None:
    """`tests/system/test_linking.py` has what each way does."""
    target = tmp_path / "x.py"

    done, stamp = link_stored(str(stored), str(target), described(), how, StoreOwners())

    assert done == used
    assert target.samefile(stored) == (used == "hardlink")
    assert stamp == stamp_of(target.lstat())


def test_a_stored_file_of_another_size_is_damage(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError, match="bytes instead of"):
        link_stored(str(stored), str(tmp_path / "x.py"), described(DATA + b"more"), "auto", StoreOwners())


def test_a_stored_file_of_another_mode_is_damage(stored: Path, tmp_path: Path) -> None:
    stored.chmod(0o644)

    with pytest.raises(StoreDamagedError, match="mode is 0644 instead of 0444"):
        link_stored(str(stored), str(tmp_path / "x.py"), described(), "auto", StoreOwners())


def test_damage_comes_with_the_command_that_removes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreDamagedError) as caught:
        link_stored(
            "/store/wheels/ab/data/site/x.py", str(tmp_path / "x.py"), described(), "auto", StoreOwners()
        )

    assert f"{removal_line('/store/wheels/ab')};" in str(caught.value.hint)


@pytest.mark.parametrize("how", ["auto", "hardlink", "reflink", "copy"])
def test_a_stored_file_that_is_gone_is_damage(tmp_path: Path, how: str) -> None:
    with pytest.raises(StoreDamagedError, match="it is gone"):
        link_stored(str(tmp_path / "missing.py"), str(tmp_path / "x.py"), described(), how, StoreOwners())


def test_a_stored_file_that_became_a_link_is_damage(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(stored)

    with pytest.raises(StoreDamagedError):
        link_stored(str(tmp_path / "link.py"), str(tmp_path / "x.py"), described(), "auto", StoreOwners())
