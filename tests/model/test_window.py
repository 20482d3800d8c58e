"""The windows of `[update] window`: their forms, midnight, and the days on which the clock is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvship.errors import SettingsError
from venvship.model.settings_form import settings_toml
from venvship.model.settings_reading import parse_settings
from venvship.model.window import DAYS, is_open, next_opening, parse_window

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the host's time zone, as `TZ` of the process."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    set_zone("UTC")
    yield set_zone
    monkeypatch.undo()
    time.tzset()


def opens(window: str, day: str, clock: str) -> bool:
    """Whether a window is open at a time of a day in a week in which the zone is UTC."""
    hour, minute, second = (int(part) for part in (clock + ":00").split(":")[:3])
    now = MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute, seconds=second)
    return is_open([window], now)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (
            "Mon-Fri 09:00-16:00",
            ["Mon 09:00", "Fri 15:59:59", "Wed 12:00"],
            ["Mon 08:59:59", "Fri 16:00", "Sat 12:00", "Sun 09:00"],
        ),
        ("09:00-16:00", ["Sat 09:00", "Sun 15:59"], ["Sun 16:00", "Mon 08:59"]),
        ("Sat,Sun 10:00-12:00", ["Sat 10:00", "Sun 11:59"], ["Fri 11:00", "Mon 11:00"]),
        ("sat-mon 1:00-2:00", ["Sat 01:00", "Sun 01:30", "Mon 01:59"], ["Tue 01:30", "Fri 01:30"]),
        ("Fri 22:00-04:00", ["Fri 22:00", "Fri 23:59", "Sat 00:00", "Sat 03:59"], ["Sat 04:00", "Fri 03:00"]),
        ("Sun 22:00-04:00", ["Sun 23:00", "Mon 03:59"], ["Sun 03:00", "Mon 04:00", "Tue 01:00"]),
        ("Mon 20:00-24:00", ["Mon 23:59:59"], ["Tue 00:00", "Mon 19:59"]),
        ("Mon 20:00-00:00", ["Mon 23:59:59"], ["Tue 00:00", "Mon 00:00"]),
        ("Tue 00:00-24:00", ["Tue 00:00", "Tue 23:59:59"], ["Mon 23:59", "Wed 00:00"]),
        ("Mon,Wed-Fri 09:00-10:00", ["Mon 09:30", "Thu 09:30"], ["Tue 09:30", "Sat 09:30"]),
    ],
)
def test_a_window_is_open_from_its_begin_to_before_its_end(
    zone: Callable[[str], None], window: str, inside: list[str], outside: list[str]
) -> None:
    assert [moment for moment in inside if not opens(window, *moment.split())] == []
    assert [moment for moment in outside if opens(window, *moment.split())] == []


def test_of_several_windows_any_may_be_open_and_without_one_it_always_is(zone: Callable[[str], None]) -> None:
    windows = ["Mon 09:00-10:00", "Tue 09:00-10:00"]
    assert is_open(windows, MONDAY + timedelta(hours=33, minutes=30))
    assert not is_open(windows, MONDAY + timedelta(hours=57, minutes=30))
    assert is_open([], MONDAY)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "Mon",
            "Mon-Fri",
            "Mo 09:00-16:00",
            "Monday 09:00-16:00",
            "Mon- 09:00-16:00",
            "Mon, 09:00-16:00",
        ),
        *("Mon-Tue-Wed 09:00-16:00", "Mon 09:00", "Mon 09:00-", "Mon 9-16", "Mon 09:00-09:00", "24:00-01:00"),
        *("Mon 09:00-24:01", "Mon 09:60-16:00", "Mon 09:00-16:00 Tue", "Mon 09:0-16:00", "Mon ٠٩:00-16:00"),
        *("09:00 - 16:00", "Mon 009:00-16:00", "Mon -9:00-16:00"),
    ],
    ids=repr,
)
def test_what_is_no_window_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as|whole day"):
        parse_window(text)
    with pytest.raises(SettingsError) as caught:
        parse_settings(
            f'[update]\nwindow = ["09:00-16:00", "{text}"]\n', path="venvship.toml", folder_name="shop"
        )
    assert caught.value.data["problems"][0]["key"] == "update.window[1]"  # type: ignore[index]


def test_the_settings_take_one_window_or_several_and_keep_them() -> None:
    one = parse_settings('[update]\nwindow = "Mon-Fri 09:00-16:00"\n', path="v", folder_name="shop")
    assert one.update.window == ("Mon-Fri 09:00-16:00",)
    several = parse_settings(
        '[update]\nwindow = ["Mon 09:00-16:00", "22:00-04:00"]\n', path="v", folder_name="s"
    )
    assert several.update.window == ("Mon 09:00-16:00", "22:00-04:00")
    assert parse_settings(settings_toml(several), path="v", folder_name="s") == several
    assert parse_settings("", path="v", folder_name="s").update.window == ()


def test_the_time_on_the_wall_decides_in_summer_and_in_winter(zone: Callable[[str], None]) -> None:
    zone("Europe/Berlin")
    window = ["09:00-16:00"]
    for month, opening in ((7, 7), (12, 8)):
        day = datetime(2026, month, 1, tzinfo=UTC)
        assert not is_open(window, day.replace(hour=opening - 1, minute=59))
        assert is_open(window, day.replace(hour=opening))
    zone("America/New_York")
    assert not is_open(window, datetime(2026, 12, 1, 13, 59, tzinfo=UTC))
    assert is_open(window, datetime(2026, 12, 1, 14, 0, tzinfo=UTC))


def test_an_hour_that_is_left_out_has_no_window_and_one_that_comes_twice_has_two(
    zone: Callable[[str], None],
) -> None:
    zone("Europe/Berlin")
    window = ["Sun 02:00-03:00"]
    spring = [datetime(2026, 3, 29, 0, 0, tzinfo=UTC) + timedelta(minutes=n) for n in range(0, 240, 10)]
    assert not any(is_open(window, moment) for moment in spring)
    autumn = [datetime(2026, 10, 24, 22, 0, tzinfo=UTC) + timedelta(minutes=n) for n in range(0, 360, 10)]
    assert sum(is_open(window, moment) for moment in autumn) == 12, "twice sixty minutes"
    over = ["Sat 23:00-04:00"]
    assert is_open(over, datetime(2026, 3, 29, 1, 59, tzinfo=UTC)), "03:59, an hour shorter"
    assert not is_open(over, datetime(2026, 3, 29, 2, 0, tzinfo=UTC))


def test_the_next_opening_is_the_nearest_begin_after_now(zone: Callable[[str], None]) -> None:
    windows = ["Mon-Fri 09:00-16:00", "Sat 22:00-04:00"]
    assert next_opening(windows, MONDAY) == MONDAY + timedelta(hours=9)
    assert next_opening(windows, MONDAY + timedelta(hours=9)) == MONDAY + timedelta(days=1, hours=9)
    assert next_opening(windows, MONDAY + timedelta(days=4, hours=17)) == MONDAY + timedelta(days=5, hours=22)
    assert next_opening(["Mon 09:00-10:00"], MONDAY + timedelta(hours=12)) == MONDAY + timedelta(
        days=7, hours=9
    )
    zone("Europe/Berlin")
    left_out = next_opening(["Sun 02:30-05:00"], datetime(2026, 3, 28, tzinfo=UTC))
    assert left_out == datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "03:30, when 02:30 would have been"


texts = st.builds(
    "{}-{} {:02}:{:02}-{:02}:{:02}".format,
    st.sampled_from(DAYS),
    st.sampled_from(DAYS),
    *(st.integers(0, 23), st.integers(0, 59)) * 2,
)


@given(texts, st.integers(0, 7 * 24 * 60))
def test_where_a_window_is_closed_the_next_opening_opens_it_and_nothing_before(
    text: str, minutes: int
) -> None:
    """In whatever zone the tests run."""
    try:
        parse_window(text)
    except ValueError:
        return
    now = MONDAY + timedelta(minutes=minutes)
    if is_open([text], now):
        return
    opening = next_opening([text], now)
    assert opening is not None
    assert is_open([text], opening)
    assert not is_open([text], opening - timedelta(seconds=1))
