"""Decide which store entries that no release refers to go: a pure function of what was noted and the time.

An entry goes only after it has been unreferenced for a while, since the next release often needs an entry of
the last one again. Operators and programs set clocks. So the time is measured between clean-ups, and an odd
measure does not count:

* The clock went back. All waits begin anew.
* The clock may have been set forward. That makes one long stretch between two clean-ups, so the longest
  stretch that an entry has waited through does not count.

No entry goes early then, unless a clock is set forward twice within a few days and never back. In return
every entry waits for one more clean-up: eight days with a clean-up every day, two weeks with one a week.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from venvship.model.spelling import FORMAT, format_time, parse_time

UNREFERENCED_GRACE: Final = timedelta(days=7)
"""How long an entry must have been unreferenced, without the longest stretch between two clean-ups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """How long one entry has been unreferenced.

    Attributes:
        since: The clean-up that first found it unreferenced; aware, to the second.
        longest: The longest stretch between two clean-ups that it has waited through.
    """

    since: datetime
    longest: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Notes that one clean-up leaves for the next.

    Attributes:
        seen: The time of that clean-up; aware, to the second. `None` before the first one.
        unreferenced: The entries that it found unreferenced and left.
    """

    seen: datetime | None = None
    unreferenced: Mapping[str, Note] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The JSON form that `from_json` reads; stretches are in seconds."""
        return {
            "format": FORMAT,
            "seen": format_time(self.seen) if self.seen else None,
            "unnamed": {
                entry: {"since": format_time(note.since), "longest": int(note.longest.total_seconds())}
                for entry, note in self.unreferenced.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Notes:
        """Read the JSON form; the caller has checked `format`.

        Raises:
            KeyError: A key is missing.
            TypeError: A value has the wrong type.
            ValueError: A time has the wrong form.
            OverflowError: A stretch is longer than time.
        """
        return cls(
            seen=None if data["seen"] is None else parse_time(data["seen"]),
            unreferenced={
                str(entry): Note(
                    since=parse_time(note["since"]), longest=timedelta(seconds=int(note["longest"]))
                )
                for entry, note in dict(data["unnamed"]).items()
            },
        )


def decide_unreferenced(
    entries: Collection[str], referenced: Collection[str], noted: Notes, now: datetime
) -> tuple[dict[str, datetime], Notes]:
    """Decide which entries go.

    Args:
        entries: All entries of the store.
        referenced: Entries that a release refers to; the store may lack some of them.
        noted: The notes of the last clean-up.
        now: The time; aware. Its fraction of a second is left out.

    Returns:
        The entries that go, each with the time since when it was found unreferenced; and the notes for the
        next clean-up.
    """
    now = now.replace(microsecond=0)
    stretch = now - noted.seen if noted.seen else timedelta()
    before = noted.unreferenced if stretch >= timedelta() else {}
    goes: dict[str, datetime] = {}
    stays: dict[str, Note] = {}
    for entry in sorted(set(entries) - set(referenced)):
        old = before.get(entry)
        note = Note(since=old.since, longest=max(old.longest, stretch)) if old else Note(since=now)
        if now - note.since - note.longest >= UNREFERENCED_GRACE:
            goes[entry] = note.since
        else:
            stays[entry] = note
    return goes, Notes(seen=now, unreferenced=stays)
