"""A few rounds of eight processes on one root."""

from __future__ import annotations

import json
from pathlib import Path

from tests.torture import races
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_eight_processes_on_one_root_tell_one_story(tmp_path: Path) -> None:
    tally = races.run(Lab(tmp_path / "lab"), Scale(points=2))
    assert tally.violations == []
    counts = json.loads(tally.notes[0])
    assert counts["reads"] > 0
    assert counts.get("rollback 0", 0) > 0


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
