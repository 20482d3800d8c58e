"""The journal's events: their names, and one line of the journal as a value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from venvship.model.release import State
from venvship.model.spelling import FORMAT, format_time, parse_time


class EventName(StrEnum):
    """The journal's events. Part of the contract; `docs/reference` lists them with their keys."""

    SEALED = "sealed"
    FOUND = "found"
    BUILD_FAILED = "build-failed"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"
    CHECKED = "checked"
    RESTARTED = "restarted"
    LOCKFILE_WRITTEN = "lockfile-written"
    ABANDONED = "abandoned"
    OBSERVED = "observed"
    HELD = "held"
    REFUSED = "refused"
    UNHELD = "unheld"
    PACKAGE_HELD = "package-held"
    PACKAGE_UNHELD = "package-unheld"
    SEARCHED = "searched"
    RELOCATED = "relocated"
    PINNED = "pinned"
    UNPINNED = "unpinned"
    PRUNED = "pruned"
    TRUST_CHANGED = "trust-changed"


_VISIBLE: Final = frozenset(
    {
        EventName.SEALED,
        EventName.PROMOTED,
        EventName.LOCKFILE_WRITTEN,
        EventName.OBSERVED,
        EventName.HELD,
        EventName.UNHELD,
        EventName.PACKAGE_HELD,
        EventName.PACKAGE_UNHELD,
        EventName.PINNED,
        EventName.UNPINNED,
        EventName.RELOCATED,
        EventName.PRUNED,
        EventName.TRUST_CHANGED,
    }
)

RECOVERED: Final = "recovered after an interruption"
"""The reason of an outcome that a recovery recorded, where the operator gave none."""

HOLDING_FACTS: Final = ("manual", "turned_back")
"""Facts of the end of a rollback that a person asked for: the root is held after it."""


def is_visible(event: EventName, facts: Mapping[str, object]) -> bool:
    """Whether a later command can see a difference after an event.

    The difference is in the current release, the set of releases, the holds, the pins, the trusted users, or
    a file written for the user. A promotion that went back without a verdict leaves none.

    Args:
        event: The event.
        facts: Its facts.
    """
    if event in {EventName.ROLLED_BACK, EventName.ROLLBACK_FAILED}:
        held = event == EventName.ROLLED_BACK and facts.get("verdict") == State.BAD
        return held or any(facts.get(name) for name in HOLDING_FACTS)
    return event in _VISIBLE


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
        if release is not None and not (isinstance(release, str) and _can_be_a_name(release)):
            raise TypeError(f"not a release: {release!a:.80}")
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
        """A fact, if it is text that can be a name; `None` if it is missing, or is anything else."""
        value = self.facts.get(key)
        return value if isinstance(value, str) and _can_be_a_name(value) else None

    def texts(self, key: str) -> dict[str, str]:
        """A fact that is an object of texts; what is anything else counts as missing."""
        value = self.facts.get(key)
        found = value.items() if isinstance(value, dict) else ()
        return {name: text for name, text in found if isinstance(text, str)}


def _can_be_a_name(text: str) -> bool:
    """Whether the kernel takes this for a name: without NUL, and the file system's encoding can spell it."""
    if text.isascii():
        return "\0" not in text
    try:
        return b"\0" not in text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
