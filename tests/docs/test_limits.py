"""The page of limits has every bound, as the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from venvship.building.store.archive import MAX_RATIO, MAX_UNPACKED
from venvship.model import bounds

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "limits.md").read_text()
NOT_FOR_USERS = {"STARTUP"}
BOUNDS = {name: value for name, value in vars(bounds).items() if name.isupper() and name not in NOT_FOR_USERS}


@pytest.mark.parametrize("name", BOUNDS)
def test_the_page_of_limits_has_every_bound(name: str) -> None:
    value = BOUNDS[name]
    shown = f"{value:,}"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if value >= size and value % size == 0:
            shown = f"{value // size} {unit}"
            break
    assert re.search(rf"(?<![\d,]){re.escape(shown)}\b", PAGE)


def test_the_page_of_limits_has_the_bounds_of_unpacked_wheels() -> None:
    assert f"{MAX_UNPACKED >> 30} GiB, or {MAX_RATIO} times" in PAGE
