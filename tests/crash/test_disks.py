"""Full file systems of each kind: the most important things to do there; `scripts/torture` does them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import disks
from tests.torture.lab import Lab
from tests.torture.tally import Scale


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("disks"), filled)


@pytest.mark.parametrize("filesystem", disks.FULL)
def test_a_full_disk_stops_neither_a_rollback_nor_a_prune(lab: Lab, filesystem: str) -> None:
    reason = disks.reason_to_skip(filesystem)
    if reason:
        pytest.skip(reason)
    tally = disks.full_disks(lab, filesystem, Scale(points=3))
    assert tally.points
    assert tally.violations == []
