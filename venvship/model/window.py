"""The windows of `[update] window`: spans of the week, by the clock on the wall of the host.

A window such as `Mon-Fri 09:00-16:00` begins on each of its days, and ends before the second time: on the
next day, if that is not later than the first. Without days it begins on every day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final, NamedTuple

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""The days of a week, in the order of `datetime.weekday`."""

FORM: Final = 'such as "Mon-Fri 09:00-16:00", "Sat,Sun 10:00-12:00" or "22:00-04:00"'

_DAY: Final = 24 * 60


class Window(NamedTuple):
    """A span of some days.

    Attributes:
        days: On which it begins; as `datetime.weekday` has them.
        begin: Minutes after midnight.
        minutes: How long it is, by the clock on the wall.
    """

    days: frozenset[int]
    begin: int
    minutes: int


def parse_window(text: str) -> Window:
    """Read a window.

    Raises:
        ValueError: It is none; the message continues "must be".
    """
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise ValueError(f"days and times, {FORM}, not {text!r}")
    begin, dash, end = words[-1].partition("-")
    first, last = _minutes(begin), _minutes(end)
    if not dash or first is None or last is None or first == _DAY:
        raise ValueError(f"times from 00:00 to 24:00 with a hyphen between, {FORM}, not {words[-1]!r}")
    if first == last:
        raise ValueError(f'of some length, not {words[-1]!r}; a whole day is "00:00-24:00"')
    days = _days(words[0]) if len(words) == 2 else frozenset(range(len(DAYS)))
    return Window(days, first, (last - first) % _DAY or _DAY)


def is_open(windows: Sequence[str], now: datetime) -> bool:
    """Whether one of the windows is open, or none is set.

    Args:
        windows: As `parse_window` takes them.
        now: The time; aware. Its time on the wall is that of this host.
    """
    return not windows or any(_is_open(parse_window(text), _on_the_wall(now)) for text in windows)


def next_opening(windows: Sequence[str], now: datetime) -> datetime | None:
    """The time, in UTC, at which the next window begins; `None` if none does within eight days.

    A begin that the clock leaves out, as summer time begins, comes as much later.
    """
    today = _on_the_wall(now).date()
    begins = [
        datetime.combine(today + timedelta(days), time(window.begin // 60, window.begin % 60))
        for window in map(parse_window, windows)
        for days in range(9)
        if (today + timedelta(days)).weekday() in window.days
    ]
    openings = map(_when_shown, begins)
    return min((each for each in openings if each > now and is_open(windows, each)), default=None)


def _when_shown(wall: datetime) -> datetime:
    """The time, in UTC, at which the clock on the wall shows a time; as much later if it leaves that out."""
    found = wall.astimezone(UTC)
    return found + max(wall - _on_the_wall(found), timedelta(0))


def _on_the_wall(now: datetime) -> datetime:
    return now.astimezone().replace(tzinfo=None)


def _is_open(window: Window, wall: datetime) -> bool:
    minute = wall.hour * 60 + wall.minute
    since = minute - window.begin
    if since >= 0 and wall.weekday() in window.days:
        return since < window.minutes
    # It began yesterday, and lasts over midnight.
    return (wall.weekday() - 1) % len(DAYS) in window.days and since + _DAY < window.minutes


def _minutes(text: str) -> int | None:
    """Minutes after midnight; `None` for no time of day."""
    hour, colon, minute = text.partition(":")
    digits = f"{hour}{minute}"
    if not (colon and len(hour) in {1, 2} and len(minute) == 2 and digits.isascii() and digits.isdigit()):
        return None
    count = int(hour) * 60 + int(minute)
    return count if int(minute) < 60 and count <= _DAY else None


def _days(text: str) -> frozenset[int]:
    """The days of a list of days and spans of them; a span may go over Sunday.

    Raises:
        ValueError: One is no day.
    """
    found: set[int] = set()
    for part in text.split(","):
        ends = [_day(name) for name in part.split("-")]
        if not 1 <= len(ends) <= 2:
            raise ValueError(f"one day or a span of two, {FORM}, not {part!r}")
        count = (ends[-1] - ends[0]) % len(DAYS)
        found |= {(ends[0] + more) % len(DAYS) for more in range(count + 1)}
    return frozenset(found)


def _day(name: str) -> int:
    short = name.capitalize()
    if short not in DAYS:
        raise ValueError(f"days by their first three letters, {', '.join(DAYS)}, {FORM}, not {name!r}")
    return DAYS.index(short)
