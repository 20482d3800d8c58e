"""Times and canonical JSON: one spelling for one value."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from venvship.model.spelling import (
    canonical_json,
    digest,
    digest_of_list,
    format_time,
    not_before,
    parse_time,
)

MOMENT = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_times_survive_writing_to_the_second(moment: datetime) -> None:
    text = format_time(moment)

    assert text.endswith("Z")
    assert parse_time(text) == moment.astimezone(UTC).replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "now", "2026-11-22T09:41:43", "2026-11-22"])
def test_a_time_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, it is about the time
        parse_time(text)


def test_a_time_in_another_zone_is_read_as_utc() -> None:
    assert parse_time("2026-11-22T10:41:43+01:00") == MOMENT


# -- canonical JSON -----------------------------------------------------------------------------------------


def test_one_value_has_one_spelling() -> None:
    assert canonical_json({"b": [1, 2], "a": "é"}) == '{"a":"é","b":[1,2]}'.encode()
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})


@settings(deadline=None, max_examples=60)
@example("orders fail \udcff")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
)
def test_every_value_reads_back_also_text_that_is_no_unicode(value: object) -> None:
    """`-m` may hold bytes that are no UTF-8; they come as lone surrogates (PEP 383)."""
    written = canonical_json(value)

    assert json.loads(written) == value
    assert b"\n" not in written
    written.decode()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "10:00"), (0.000_001, "10:01"), (1, "10:01"), (59.9, "10:01"), (60, "10:01"), (61, "10:02")],
)
def test_a_time_that_is_waited_for_is_never_earlier_than_it_is(seconds: float, text: str) -> None:
    moment = datetime(2026, 11, 22, 10, 0, tzinfo=UTC) + timedelta(seconds=seconds)
    assert not_before(moment) == f"2026-11-22 {text} UTC"


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2500])
def test_the_digest_of_a_long_list_is_that_of_the_list(length: int) -> None:
    rows = [(f"a/{number}", number, None, "é") for number in range(length)]
    assert digest_of_list(rows) == digest(rows)
