"""Every mutant of venvship is found by the part of the torture that is there to find such mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import hostile, model
from tests.torture.hunts import HUNTS, Hunt
from tests.torture.lab import Lab
from tests.torture.mutants import MUTANTS


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("mutants") / "lab", filled)


@pytest.mark.parametrize("hunt", HUNTS, ids=lambda hunt: hunt.name)
def test_a_mutant_is_found(lab: Lab, hunt: Hunt) -> None:
    if hunt.skipped:
        pytest.skip(hunt.skipped)
    assert hunt.run(lab).violations == []


@pytest.mark.parametrize("story", model.STORIES)
def test_a_story_finds_nothing_where_nothing_is_broken(lab: Lab, story: str) -> None:
    assert model.tell(Lab(lab.path / f"story-{story}", lab.filled), story).violations == []


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_hostile_journal_finds_nothing_where_nothing_is_broken(lab: Lab, damage: str) -> None:
    assert hostile.release_with(Lab(lab.path / damage, lab.filled), damage).violations == []


def test_every_mutant_is_hunted() -> None:
    assert {hunt.mutant for hunt in HUNTS} == set(MUTANTS)
