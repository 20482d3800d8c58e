"""One line of the journal as a value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from tests.support.journals import START, journals
from venvship.model.event import Event

ROW = Event(seq=1, at=START, event="promoted", release="A", actor="alice", facts={"from": None}).to_json()


@settings(deadline=None, max_examples=50)
@given(journals())
def test_events_survive_their_json(events: list[Event]) -> None:
    for event in events:
        if repr(event.facts).find("nan") == -1:
            assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"seq": "first"}, ValueError),
        ({"seq": None}, TypeError),
        ({"at": "yesterday"}, ValueError),
        ({"at": "2026-11-22T09:00:00"}, ValueError),
        ({"at": 5}, TypeError),
        ({"release": 5}, TypeError),
        ({"release": ["A"]}, TypeError),
    ],
)
def test_an_event_of_another_form_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Event.from_json(ROW | change)


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"])
def test_what_can_be_no_name_is_neither_a_release_nor_a_fact(name: str) -> None:
    with pytest.raises(TypeError, match="not a release"):
        Event.from_json(ROW | {"release": name})
    assert Event.from_json(ROW | {"from": name}).text("from") is None
    assert Event.from_json(ROW | {"from": "\udcff"}).text("from") == "\udcff"


@pytest.mark.parametrize("key", ["seq", "at", "event", "release", "actor"])
def test_an_event_without_one_of_its_keys_is_refused(key: str) -> None:
    with pytest.raises(KeyError):
        Event.from_json({name: value for name, value in ROW.items() if name != key})


def test_a_fact_is_text_or_missing() -> None:
    event = Event(seq=1, at=START, event="promoted", release="A", actor="alice", facts={"a": "x", "b": 1})
    assert [event.text(key) for key in "abc"] == ["x", None, None]
