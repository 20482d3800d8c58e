"""The interval of an unattended update, and the crontab line for it.

`model/systemd_units.py` writes the same for systemd. Both take the same intervals, so that a schedule can
move from one to the other: intervals after which a clock shows the same every hour or every day.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from venvship.errors import UsageError
from venvship.printable import is_plain

SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH in which hooks and checks find their programs under cron. systemd sets it too; cron's own is only
/usr/bin and /bin."""

MOST_JITTER: Final = 600
"""Longest random delay of a run, in seconds, so that many hosts do not ask an index at the same moment."""

GRAMMAR: Final = (
    "minutes that divide an hour (5m), hours that divide a day (6h), 1d, or a time of day (04:30)"
)

_COUNTED: Final = re.compile(r"(\d{1,4})([mhd])", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"(\d{1,2}):(\d\d)", re.ASCII)
_MINUTES: Final = {"m": 1, "h": 60, "d": 1440}
_HOUR: Final = 60
_DAY: Final = 1440


@dataclass(frozen=True, slots=True)
class Every:
    """The interval of a run, by the host's clock.

    Attributes:
        minutes: Between two runs: up to 60 a divisor of 60, above a multiple of 60 that divides a day.
        offset: Minutes after midnight of the first run of a day.
    """

    minutes: int
    offset: int = 0

    @property
    def is_daily(self) -> bool:
        """Whether it is once a day."""
        return self.minutes == _DAY

    @property
    def time_of_day(self) -> str:
        """The time of the first run of a day."""
        return f"{self.offset // _HOUR:02}:{self.offset % _HOUR:02}"

    @property
    def jitter(self) -> int:
        """Longest random delay in seconds: a fifth of the interval, and ten minutes at most."""
        return min(self.minutes * 60 // 5, MOST_JITTER)

    def cron(self) -> str:
        """The five fields of a crontab; see crontab(5)."""
        if self.minutes < _HOUR:
            return f"{_step(self.minutes)} * * * *"
        if self.minutes < _DAY:
            return f"0 {_step(self.minutes // _HOUR)} * * *"
        return f"{self.offset % _HOUR} {self.offset // _HOUR} * * *"

    def calendar(self) -> str:
        """The same for `OnCalendar=`; see systemd.time(7)."""
        if self.minutes < _HOUR:
            return f"*-*-* *:0/{self.minutes}:00"
        if self.minutes < _DAY:
            return f"*-*-* 0/{self.minutes // _HOUR}:00:00"
        return f"*-*-* {self.time_of_day}:00"


def _step(count: int) -> str:
    return "*" if count == 1 else f"*/{count}"


def parse_every(text: str) -> Every:
    """Read an interval: `5m`, `6h`, `1d`, or a time of day such as `04:30`.

    Raises:
        UsageError: It is none of these, or no crontab can say it: seven minutes do not divide an hour.
    """
    if found := _TIME_OF_DAY.fullmatch(text):
        hour, minute = int(found[1]), int(found[2])
        if hour < 24 and minute < 60:
            return Every(_DAY, hour * _HOUR + minute)
    elif found := _COUNTED.fullmatch(text):
        minutes = int(found[1]) * _MINUTES[found[2]]
        if minutes and (_HOUR % minutes == 0 or (minutes % _HOUR == 0 and _DAY % minutes == 0)):
            return Every(minutes)
        raise UsageError(f"--every {text}: a crontab cannot express this exactly", hint=f"take {GRAMMAR}")
    raise UsageError(f"--every {text}: not an interval", hint=f"take {GRAMMAR}")


def crontab(every: Every, command: Sequence[str], *, title: str) -> str:
    """Write the line of a crontab, below a comment.

    Args:
        every: The interval.
        command: An argument list, without `--jitter`.
        title: The text of the comment, one line.

    Raises:
        UsageError: An argument cannot stand in a crontab.
    """
    words = " ".join(_cron_word(word) for word in command)
    return (
        f"# {title}\n"
        "# Its output is mailed to the owner of this crontab, or to the MAILTO= of a line above.\n"
        f"{every.cron()} PATH={SEARCH_PATH} {words} --jitter {every.jitter}\n"
    )


def _cron_word(word: str) -> str:
    r"""Quote an argument for sh and for cron, which takes a bare `%` for the end of the line.

    Of two backslashes some crons keep one and others both, so no argument may hold any. `\%` stays outside of
    quotes: there sh makes a `%` of it if the cron has not (busybox's does not).
    """
    if "\\" in word:
        raise UsageError(
            f"a crontab cannot name {word!r}: crons do not agree on what a backslash means",
            hint="venvship schedule systemd can",
        )
    refuse_unwritable(word)
    return r"\%".join(shlex.quote(part) if part else "" for part in word.split("%")) or "''"


def refuse_unwritable(word: str) -> None:
    """Refuse an argument that no line of text could carry, or that a reader of the line could not see.

    Raises:
        UsageError: It holds a character that is not printable, or bytes that are not UTF-8.
    """
    if not is_plain(word):
        raise UsageError(f"no line of a file can name {word!r}: it is no printable text")
