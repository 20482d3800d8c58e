"""What to drop of a store that no release names: a pure function from what is seen to what goes.

A thing goes only after it has been without a name for a while, since what one release leaves the next often
wants again. Whether a while has passed is told by clocks that people and programs set. So the time is taken
between clean-ups, and not trusted where it looks odd:

* Time that went back says nothing. All counts begin anew.
* Time that went on may have been the clock, set forward. That makes one long stretch between two clean-ups.
  So the longest stretch that a thing has waited through does not count.

Nothing goes early then, unless a clock is set forward twice within a few days and never back. The price is
that things wait for one clean-up more: a week of clean-ups every day takes eight days, and clean-ups once a
week take two weeks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from venvship.model.spelling import FORMAT, format_time, parse_time

GRACE: Final = timedelta(days=7)
"""So long a thing has to be without a name, the longest stretch between two clean-ups left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is remembered of a thing that no release names.

    Attributes:
        since: When a clean-up first found it so; aware, to the second.
        longest: The longest stretch between two clean-ups that it has waited through.
    """

    since: datetime
    longest: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What one clean-up leaves for the next.

    Attributes:
        seen: When that clean-up was; aware, to the second. `None` before the first one.
        unnamed: By thing, what it found without a name and left.
    """

    seen: datetime | None = None
    unnamed: Mapping[str, Note] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The JSON form that `from_json` reads; stretches are in seconds."""
        return {
            "format": FORMAT,
            "seen": format_time(self.seen) if self.seen else None,
            "unnamed": {
                thing: {"since": format_time(note.since), "longest": int(note.longest.total_seconds())}
                for thing, note in self.unnamed.items()
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
            unnamed={
                str(thing): Note(
                    since=parse_time(note["since"]), longest=timedelta(seconds=int(note["longest"]))
                )
                for thing, note in dict(data["unnamed"]).items()
            },
        )


def decide_unnamed(
    there: Collection[str], named: Collection[str], noted: Notes, now: datetime
) -> tuple[dict[str, datetime], Notes]:
    """Decide what goes.

    Args:
        there: All things that there are.
        named: Those that are named, and maybe some that are not there.
        noted: What the last clean-up left.
        now: The time; aware. Its fraction of a second is left out.

    Returns:
        What goes, each with the time since when it was found without a name; and what to note for the next
        clean-up.
    """
    now = now.replace(microsecond=0)
    stretch = now - noted.seen if noted.seen else timedelta()
    before = noted.unnamed if stretch >= timedelta() else {}
    goes: dict[str, datetime] = {}
    stays: dict[str, Note] = {}
    for thing in sorted(set(there) - set(named)):
        old = before.get(thing)
        note = Note(since=old.since, longest=max(old.longest, stretch)) if old else Note(since=now)
        if now - note.since - note.longest >= GRACE:
            goes[thing] = note.since
        else:
            stays[thing] = note
    return goes, Notes(seen=now, unnamed=stays)
