"""A few rounds of eight processes on one root."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture import races
from tests.torture.lab import Lab
from tests.torture.tally import Scale, Tally


def test_eight_processes_on_one_root_tell_one_story(tmp_path: Path, filled: Path) -> None:
    tally = races.run(Lab(tmp_path / "lab", filled), Scale(points=2))
    assert tally.violations == []
    counts = json.loads(tally.notes[0])
    assert counts["reads"] > 0
    assert counts.get("rollback 0", 0) > 0


@pytest.mark.parametrize("part", [races.watched, races.overtaken])
def test_what_is_switched_by_steps_is_seen_as_it_is(
    tmp_path: Path, filled: Path, part: Callable[[Lab, Scale], Tally]
) -> None:
    tally = part(Lab(tmp_path / "lab", filled), Scale())
    assert tally.violations == []
    assert tally.points >= 3


PROMOTING = {"seq": 1, "event": "promoting", "release": "B", "from": "A"}
PROMOTED = {"seq": 2, "event": "promoted", "release": "B", "from": "A", "reason": "call", "actor": "me"}


def test_a_story_with_a_gap_is_seen() -> None:
    assert list(races.tells_one_story([PROMOTING, PROMOTED], "A")) == []
    assert list(races.tells_one_story([PROMOTING, PROMOTED], "C")) != []
    assert list(races.tells_one_story([PROMOTING], "A")) != []
    assert list(races.tells_one_story([PROMOTED], "A")) != []


def test_an_answer_without_its_event_is_seen() -> None:
    answer = races.Answer("call", "promote", 0, {"outcome": "promoted", "release": {"id": "B"}})
    assert list(races.keeps_what_was_answered([PROMOTED], [[answer]])) == []
    assert list(races.keeps_what_was_answered([], [[answer]])) != []
    assert list(races.keeps_what_was_answered([PROMOTED, PROMOTED], [[answer]])) != []
    refused = races.Answer("call", "promote", 31, {})
    assert list(races.keeps_what_was_answered([PROMOTED], [[refused]])) != []
