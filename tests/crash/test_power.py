"""A few power cuts on each file system; `scripts/torture` makes many. And the cuts are shown to bite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture import powercuts
from tests.torture.filesystems import KINDS
from tests.torture.lab import Lab
from tests.torture.powercuts import Bench, until_caught
from tests.torture.tally import Scale


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, known_python: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("power"), known_python)


@pytest.fixture(scope="module", params=KINDS)
def bench(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Bench]:
    reason = powercuts.reason_to_skip(request.param)
    if reason:
        pytest.skip(reason)
    with powercuts.bench(lab, request.param) as made:
        yield made


two_are_enough = pytest.mark.parametrize("bench", ["ext4-writeback", "xfs"], indirect=True)


def test_a_power_cut_breaks_nothing_that_was_acknowledged(bench: Bench) -> None:
    points = list(powercuts.random_cuts(bench, Scale(points=2), ("release", "promote")))
    assert [wrong for _, wrong in points] == [[], []], points


def test_what_a_command_says_is_true_after_a_power_cut(bench: Bench) -> None:
    points = list(powercuts.cuts_afterwards(bench, Scale(points=2), ("release", "promote")))
    assert [wrong for _, wrong in points] == [[], []], points


@two_are_enough
@pytest.mark.parametrize("mutant", ["no_syncfs", "directory_fsync_only"])
def test_a_release_whose_contents_are_not_synced_is_caught_by_the_first_cut(
    bench: Bench, mutant: str
) -> None:
    points = powercuts.cuts_afterwards(bench, Scale(points=1), ("release",), mutant=mutant)
    assert until_caught(points, most=1) == 1


@two_are_enough
def test_a_manifest_that_has_its_name_before_the_sync_is_caught(bench: Bench) -> None:
    points = powercuts.effect_cuts(
        bench, Scale(), ("release",), mutant="manifest_before_sync", effects=("syncfs",)
    )
    assert until_caught(points, most=3) is not None
