"""The JSON examples of the reference are what the commands print."""

from __future__ import annotations

import json
from typing import Any

import command_parts
from reference_texts import EVENTS

from scripts import docs_examples

EXAMPLES = docs_examples.EXAMPLES
STORED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in EXAMPLES.glob("*.json")}


def shape(value: Any) -> Any:
    """The keys of a value; of a list, those of all its items together."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [
            json.loads(text) for text in sorted({json.dumps(shape(item), sort_keys=True) for item in value})
        ]
    return "…"


def test_the_examples_have_the_keys_that_the_commands_print_now(recording: Any) -> None:
    recorded, _, _ = recording

    assert recorded.keys() == STORED.keys()
    for name, printed in recorded.items():
        assert shape(printed) == shape(STORED[name]), f"{name}: run scripts/docs-examples"


def test_there_is_an_example_for_every_command() -> None:
    assert command_parts.command_tree().keys() - {"run"} <= {e["command"] for e in STORED.values()}


def test_what_differs_from_run_to_run_is_replaced(recording: Any) -> None:
    recorded, journal, place = recording

    texts = docs_examples.stable(place, recorded, journal)

    assert set(texts) == set(recorded)
    for name, text in texts.items():
        assert str(place) not in text, name
        assert not [e["release"] for e in journal if e["release"] and e["release"] in text], name
        assert not [e["at"] for e in journal if e["at"] in text], name
        assert json.loads(text)["exit_code"] == recorded[name]["exit_code"]


def test_events_have_the_keys_that_the_reference_lists(recording: Any) -> None:
    _, journal, _ = recording
    everywhere = {"actor", "at", "event", "format", "reason", "release", "seq", "sum"}

    assert {event["event"] for event in journal} >= {"sealed", "promoted", "rolled-back", "held", "pruned"}
    for event in journal:
        assert event.keys() - everywhere <= set(EVENTS[event["event"]][2]), event["event"]
