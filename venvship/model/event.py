"""The journal's events: their names, and one line of the journal as a value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from venvship.model.spelling import FORMAT, format_time, parse_time


class EventName(StrEnum):
    """The journal's events. Part of the contract; `docs/reference` lists them with their keys."""

    SEALED = "sealed"
    BUILD_FAILED = "build-failed"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"
    LOCKFILE_WRITTEN = "lockfile-written"
    ABANDONED = "abandoned"
    OBSERVED = "observed"
    HELD = "held"
    REFUSED = "refused"
    UNHELD = "unheld"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    PRUNED = "pruned"


class Event(NamedTuple):
    """One line of the journal.

    Attributes:
        seq: Its place in the only order of events. The clock may be set back, `seq` may not.
        at: The time of writing, by the clock of that moment.
        event: One of `EventName`; a name from a newer venvship is kept and ignored.
        release: The release of the event: of a switch, the one that it makes current.
        actor: The user who asked, and whether the command was unattended.
        reason: The reason, for people; may be empty.
        facts: The further keys of this kind of event.
    """

    seq: int
    at: datetime
    event: str
    release: str | None
    actor: str
    reason: str = ""
    facts: Mapping[str, object] = MappingProxyType({})

    def to_json(self) -> dict[str, object]:
        """Return the JSON form, without the checksum, which is the journal's."""
        return {
            **self.facts,
            "format": FORMAT,
            "seq": self.seq,
            "at": format_time(self.at),
            "event": self.event,
            "release": self.release,
            "actor": self.actor,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Event:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            TypeError: A value has the wrong type.
            ValueError: The time has the wrong form.
        """
        facts = dict(data)
        take = facts.pop
        release = take("release")
        if release is not None and not isinstance(release, str):
            raise TypeError(f"not a release: {release!r}")
        take("format", None)
        take("sum", None)
        return cls(
            int(take("seq")),
            parse_time(take("at")),
            str(take("event")),
            release,
            str(take("actor")),
            str(take("reason", "")),
            facts,
        )

    def text(self, key: str) -> str | None:
        """A fact, if it is text; `None` if it is missing, or has another type."""
        value = self.facts.get(key)
        return value if isinstance(value, str) else None
