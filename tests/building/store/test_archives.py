"""The files of wheels in the store: kept as they came, and removed with their wheel."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.wheels import Distribution, build_wheel
from venvship.building.store.cleaning import drop, paths_of, sweep, wheel_entry
from venvship.building.store.intake import importing, prepare
from venvship.building.store.store import Store
from venvship.model.wheel import WheelFile


@pytest.fixture
def store(tmp_path: Path) -> Store:
    one = Store(str(tmp_path / "store"))
    prepare(one)
    return one


def kept(store: Store, wheel: Distribution, *, ours: bool) -> Path:
    file = WheelFile(str(wheel.path), wheel.sha256)
    with importing(store) as batch:
        batch.add([file])
        batch.keep(file, ours=ours)
    return Path(store.archive_path(wheel.sha256))


@pytest.mark.parametrize("ours", [True, False])
def test_the_file_of_a_wheel_is_kept_as_it_came(store: Store, wheelhouse: Path, ours: bool) -> None:
    wheel = build_wheel(wheelhouse, "six", files={"six.py": "X = 1\n"})
    data = wheel.path.read_bytes()

    path = kept(store, wheel, ours=ours)

    assert path.read_bytes() == data
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert (path.stat().st_ino == wheel.path.stat().st_ino) == ours
    assert kept(store, wheel, ours=ours) == path


def test_a_file_of_the_user_keeps_its_mode(store: Store, wheelhouse: Path) -> None:
    wheel = build_wheel(wheelhouse, "six", files={"six.py": "X = 1\n"})
    os.chmod(wheel.path, 0o640)
    kept(store, wheel, ours=False)
    assert stat.S_IMODE(wheel.path.stat().st_mode) == 0o640


def test_nothing_is_kept_of_an_import_that_fails(store: Store, wheelhouse: Path) -> None:
    wheel = build_wheel(wheelhouse, "six", files={"six.py": "X = 1\n"})

    def fail() -> None:
        with importing(store) as batch:
            batch.keep(WheelFile(str(wheel.path), wheel.sha256), ours=False)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(store.archives_folder) == []


def test_the_file_goes_with_its_wheel(store: Store, wheelhouse: Path) -> None:
    wheel = build_wheel(wheelhouse, "six", files={"six.py": "X = 1\n"})
    path = kept(store, wheel, ours=False)
    entry = wheel_entry(wheel.sha256)
    assert paths_of(store, entry) == [store.wheel_path(wheel.sha256), str(path)]
    assert drop(store, [entry], between=lambda: None) == (entry,)
    assert not path.exists()


def test_a_file_whose_wheel_is_gone_is_swept(store: Store, wheelhouse: Path) -> None:
    wheel = build_wheel(wheelhouse, "six", files={"six.py": "X = 1\n"})
    path = kept(store, wheel, ours=False)
    other = build_wheel(wheelhouse, "seven", files={"seven.py": ""})
    Path(store.archive_path(other.sha256)).write_bytes(b"left by a crash")
    assert sweep(store) == 1
    assert path.exists()
