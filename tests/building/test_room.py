"""Whether there is room is asked before anything is built."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.releases import request_for, wheel_value
from venvship.building.room import require_room
from venvship.building.store.store import Store
from venvship.errors import BuildError, DiskFullError
from venvship.model.wheel import StoredFile

HUGE = 4 << 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_wheel_that_would_not_fit_unpacked_is_refused_with_both_figures(
    tmp_path: Path, store: Store
) -> None:
    wheel = tmp_path / "huge.whl"
    with open(wheel, "wb") as file:
        file.truncate(HUGE)
    with pytest.raises(DiskFullError) as caught:
        require_room(request_for(tmp_path, []), store, [], [str(wheel)])
    needed = 3 * HUGE / 2**20
    assert f"needs about {needed:.1f}"[:20] in caught.value.message
    assert "are free. Nothing that is live was touched" in caught.value.message
    assert caught.value.exit_code == 20


def test_what_is_in_the_store_takes_no_room_unless_it_is_copied(tmp_path: Path, store: Store) -> None:
    wheel = replace(wheel_value("huge", {}), files=(StoredFile("site/huge.py", HUGE, ""),))
    require_room(request_for(tmp_path, []), store, [wheel], [__file__])
    with pytest.raises(DiskFullError):
        require_room(request_for(tmp_path, [], link="copy"), store, [wheel], [])


def test_a_file_that_is_not_there_is_an_error_of_the_build(tmp_path: Path, store: Store) -> None:
    with pytest.raises(BuildError, match="look how much room there is"):
        require_room(request_for(tmp_path, []), store, [], [os.path.join(tmp_path, "missing.whl")])
