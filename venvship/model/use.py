"""Which releases a process may use that does not show them: pure functions of times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

OLDER_PROCESSES: Final = timedelta(days=7)
"""A release that was live only after the start of such a process counts as used for this time after it was
live. Longer, and a daemon that has run since the host was started would keep every release until the next
start: most hosts have some."""

CLOCKS: Final = timedelta(seconds=10)
"""The start of a process is known to about a second, and by a clock that is corrected now and then."""


class Live(NamedTuple):
    """When a release was live.

    Attributes:
        first: The earliest time at which it can have been live; aware.
        until: The time at which it stopped being live for the last time; aware. `None` if it is live.
    """

    first: datetime
    until: datetime | None


def may_use(live: Live, started: datetime | None, now: datetime, *, named: bool) -> bool:
    """Whether a process that hides its files may use a release: one that was live at or after its start.

    Args:
        live: The times of the release.
        started: The start of the process; `None` where that is hidden too.
        now: The time.
        named: Whether its command line names the root.

    Returns:
        True for a release that was live before the start and after it, and where the process names the root.
        A process that is older than the release can have come to it later: true for `OLDER_PROCESSES`.
    """
    if live.until is None:
        return True
    if started is not None and live.until + CLOCKS < started:
        return False
    if named or (started is not None and live.first - CLOCKS <= started):
        return True
    return now - live.until < OLDER_PROCESSES


def was_live(live: Live, started: datetime | None) -> bool:
    """Whether a release may have been live when a process started: then `current` led to it.

    Args:
        live: The times of the release.
        started: The start of the process; `None` where that is unknown.

    Returns:
        True also between two times when it was live, and for a start that is unknown.
    """
    if started is None:
        return True
    return live.first - CLOCKS <= started and (live.until is None or started <= live.until + CLOCKS)
