"""Which entries go from a store, and when, whatever happens to the clock."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from venvship.model.unreferenced import UNREFERENCED_GRACE, Notes, decide_unreferenced

START = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
ENTRIES = ("wheels/a", "wheels/b", "bytecode/a/x")
DAY = 86_400

quickly = settings(deadline=None, max_examples=150)


@dataclass(frozen=True)
class Visit:
    """One clean-up: how much time has really passed, what the clock was set by, and what it found."""

    seconds: int
    set_by: int
    there: frozenset[str]
    referenced: frozenset[str]


SPANS = st.integers(0, 3 * DAY) | st.sampled_from(
    [0, DAY, int(UNREFERENCED_GRACE.total_seconds()), 400 * DAY]
)
SEEN = [frozenset(ENTRIES)] * 5 + [frozenset(ENTRIES[:1]), frozenset()]
VISITS = st.lists(
    st.builds(
        Visit,
        seconds=SPANS,
        set_by=st.sampled_from([0, 0, 0, 0, 0, 0, -60, -DAY, -400 * DAY]),
        there=st.sampled_from(SEEN),
        referenced=st.sampled_from([frozenset()] * 5 + [frozenset(ENTRIES[1:])]),
    ),
    min_size=1,
    max_size=30,
)
LEAPS = st.tuples(st.integers(0, 8), st.sampled_from([DAY, 8 * DAY, 400 * DAY, 20_000 * DAY]))


@quickly
@given(VISITS, LEAPS, st.booleans())
def test_nothing_goes_early_though_the_clock_is_set_back_often_and_forward_once(
    visits: list[Visit], leap: tuple[int, int], through_json: bool
) -> None:
    """No referenced or missing entry goes; and each one that goes has really waited since it was seen."""
    passed, offset, notes = 0, 0, Notes()
    waiting: dict[str, int] = {}
    for number, visit in enumerate(visits):
        passed += visit.seconds
        offset += visit.set_by + (leap[1] if number == leap[0] else 0)
        unreferenced = visit.there - visit.referenced
        waiting = {entry: waiting.get(entry, passed) for entry in unreferenced}

        now = START + timedelta(seconds=passed + offset)
        goes, notes = decide_unreferenced(visit.there, visit.referenced, notes, now)

        assert goes.keys() <= unreferenced
        assert goes.keys() | notes.unreferenced.keys() == unreferenced
        assert not goes.keys() & notes.unreferenced.keys()
        for entry in goes:
            assert timedelta(seconds=passed - waiting[entry]) >= UNREFERENCED_GRACE, entry
            del waiting[entry]
        if through_json:
            notes = Notes.from_json(json.loads(json.dumps(notes.to_json())))


@quickly
@given(st.lists(st.integers(1, DAY), min_size=1, max_size=60), st.integers(1, 30 * DAY))
def test_an_unreferenced_entry_goes_once_a_week_has_passed_without_the_longest_stretch(
    steps: list[int], longest: int
) -> None:
    passed, seen, notes = 0, [0], Notes()
    _, notes = decide_unreferenced(ENTRIES[:1], (), notes, START)
    for step in [longest, *steps, *[DAY] * 9]:
        passed += step
        seen.append(passed)
        goes, notes = decide_unreferenced(ENTRIES[:1], (), notes, START + timedelta(seconds=passed))
        due = passed - max(b - a for a, b in itertools.pairwise(seen)) >= UNREFERENCED_GRACE.total_seconds()
        assert bool(goes) == due
        if due:
            assert goes == {ENTRIES[0]: START}
            return
    raise AssertionError("it never went")


@quickly
@given(VISITS)
def test_a_reference_in_between_begins_the_wait_anew(visits: list[Visit]) -> None:
    notes = Notes()
    now = START
    for visit in visits:
        now += timedelta(seconds=visit.seconds)
        goes, notes = decide_unreferenced(ENTRIES, visit.referenced, notes, now)
        for entry in visit.referenced:
            assert entry not in goes
            assert entry not in notes.unreferenced


def test_a_host_that_boots_with_a_clock_of_long_ago_every_day_drops_nothing_early() -> None:
    """A board without a clock of its own: each boot is in 1970, until the network says the time."""
    notes = Notes()
    for day in range(6):
        for now in (datetime(1970, 1, 1, tzinfo=UTC), START + timedelta(days=day)):
            goes, notes = decide_unreferenced(ENTRIES, (), notes, now)
            assert not goes


def test_a_clock_that_was_a_year_ahead_for_an_hour_makes_entries_wait_and_not_for_ever() -> None:
    hours = [0, 1, 365 * 24, 2, *range(26, 11 * 24, 24)]
    notes, went = Notes(), {}
    for hour in hours:
        goes, notes = decide_unreferenced(ENTRIES, (), notes, START + timedelta(hours=hour))
        went[hour] = bool(goes)
    assert [hour for hour, gone in went.items() if gone] == [2 + 8 * 24]
