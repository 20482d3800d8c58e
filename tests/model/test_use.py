"""Which releases a process may use that does not show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvship.model.use import CLOCKS, OLDER_PROCESSES, Live, may_use, was_live

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def day(number: float) -> datetime:
    return NOON + timedelta(days=number)


@pytest.mark.parametrize(
    ("started", "now", "named", "used"),
    [
        (15, 300, False, True),  # while it was live
        (20.00005, 300, False, True),  # the clocks of a start and of a journal differ a little
        (20.1, 21, True, False),  # after it was live
        (5, 26.9, False, True),  # before
        (5, 27.1, False, False),
        (5, 300, True, True),
        (None, 26.9, False, True),
        (None, 27.1, False, False),
        (None, 300, True, True),
    ],
)
def test_a_release_that_was_live_from_day_10_to_day_20(
    started: float | None, now: float, named: bool, used: bool
) -> None:
    start = None if started is None else day(started)
    assert may_use(Live(day(10), day(20)), start, day(now), named=named) is used


days = st.floats(0, 1000).map(day)


@given(days, days, st.one_of(st.none(), days), days, st.booleans())
def test_only_a_later_start_or_a_week_frees_a_release(
    first: datetime, until: datetime, started: datetime | None, now: datetime, named: bool
) -> None:
    first, until = sorted((first, until))
    live = Live(first, until)
    used = may_use(live, started, now, named=named)
    assert may_use(Live(first, None), started, now, named=named), "what is live is used"
    later = started is not None and started > until + CLOCKS
    assert used or later or now - until >= OLDER_PROCESSES
    assert not (used and later)
    assert may_use(live, started, now, named=True) >= used


@pytest.mark.parametrize(
    ("started", "used"),
    [(9.9, False), (9.99995, True), (10, True), (15, True), (20, True), (20.00005, True), (20.1, False)],
)
def test_a_process_that_was_started_through_current_uses_what_was_live_then(
    started: float, used: bool
) -> None:
    assert was_live(Live(day(10), day(20)), day(started)) is used
    assert was_live(Live(day(10), None), day(started)) is (started > 9.99)
    assert was_live(Live(day(10), day(20)), None), "unknown is in doubt"
