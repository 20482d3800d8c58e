"""The journal's lines: what one looks like, which ones count, and what they say together. No file is touched.

A line counts once its newline is there and its checksum is right. A torn last line is what a crash leaves of
an append. Damage anywhere else means that something other than a crash happened: `Reading.damage` says where.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from venvship.errors import FormatError
from venvship.model.history import Event, History, fold
from venvship.model.history_snapshot import resume
from venvship.model.release import FORMAT, canonical_json


class Events(Sequence[Event]):
    """Events of which most are parsed only if somebody asks for them.

    Args:
        raw: A journal. The lines at its beginning are vouched for by a snapshot, byte by byte.
        size: How many bytes these take.
        count: How many they are.
        later: What follows them, parsed.
    """

    def __init__(self, raw: bytes, size: int, count: int, later: tuple[Event, ...] = ()) -> None:
        self._raw = raw  # and not only the beginning: it is large, and to copy it takes a while
        self._size = size
        self._count = count
        self._later = later
        self._earlier: tuple[Event, ...] | None = None

    def __len__(self) -> int:
        """How many there are; parses nothing."""
        return self._count + len(self._later)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, index: int | slice) -> Event | tuple[Event, ...]:
        """As of a tuple; what lies after the covered lines costs nothing."""
        places = range(len(self))[index]
        if isinstance(places, int):
            return self._later[places - self._count] if places >= self._count else self._all()[places]
        if not places or min(places[0], places[-1]) >= self._count:
            return tuple(self._later[place - self._count] for place in places)
        return self._all()[index]

    def __iter__(self) -> Iterator[Event]:
        """From the first one on."""
        return iter(self._all())

    def __reversed__(self) -> Iterator[Event]:
        """From the last one back; parses no more than are taken."""
        yield from reversed(self._later)
        if self._earlier is not None:
            yield from reversed(self._earlier)
            return
        end = self._size - 1
        while end >= 0:
            start = self._raw.rfind(b"\n", 0, end) + 1
            yield Event.from_json(json.loads(self._raw[start:end]))
            end = start - 1

    def with_later(self, more: Sequence[Event]) -> Events:
        """The same and some more."""
        events = Events(self._raw, self._size, self._count, (*self._later, *more))
        events._earlier = self._earlier
        return events

    def _all(self) -> tuple[Event, ...]:
        if self._earlier is None:
            # Each was parsed and its checksum found right before the snapshot was made of these very bytes.
            lines = self._raw[: self._size].split(b"\n")[:-1]
            self._earlier = tuple(Event.from_json(json.loads(line)) for line in lines)
        return self._earlier + self._later


class Reading(NamedTuple):
    """What a journal holds.

    Attributes:
        events: The good lines, in order. After damage in the middle, only those before it.
        torn: Whether bytes follow the last good line, as an interrupted append leaves them.
        damage: What is wrong and where, or `""`.
        size: Bytes up to the end of the last good line.
        snapshot: What the first `snapshot.seq` events fold to, without what snapshots forget; not to be
            changed.
    """

    events: Sequence[Event]
    torn: bool
    damage: str
    size: int
    snapshot: History | None = None

    def history(self) -> History:
        """Fold. The result may have forgotten what `history_snapshot` says; `History.whole` tells."""
        found = resume(self.snapshot, self.events[self.snapshot.seq :]) if self.snapshot else None
        return found if found is not None else fold(self.events)


def checksum(data: Mapping[str, Any]) -> str:
    """The checksum of a journal line: the first 16 digits of the SHA-256 of all its other keys."""
    return _sum(canonical_json({key: value for key, value in data.items() if key != "sum"}))


def _sum(rest: bytes) -> str:
    return hashlib.sha256(rest).hexdigest()[:16]


def parse(raw: bytes, *, path: str = "journal.jsonl", known: Reading | None = None) -> Reading:
    """Read a journal's bytes.

    Args:
        raw: All of them, or all that follow the first `known.size`.
        path: For messages.
        known: What those were found to be.

    Raises:
        FormatError: A line is of a newer format.
    """
    offset = known.size if known else 0
    before = len(known.events) if known else 0
    events: list[Event] = []
    torn, damage = False, ""
    lines = raw.split(b"\n")
    for index, line in enumerate(lines[:-1], start=1):
        number = before + index
        event = _parse_line(line, path=path, number=number)
        if event is None:
            # The last line may be complete and wrong: a torn write whose newline reached the disk first.
            torn = not any(lines[index:])
            damage = "" if torn else f"{path}, line {number}"
            break
        if event.seq != number:
            # The line is as it was written, so no crash did this: others are missing, or it is there twice.
            damage = f"{path}, line {number}: number {event.seq} where {number} belongs"
            break
        events.append(event)
        offset += len(line) + 1
    else:
        torn = bool(lines[-1])  # what follows the last newline: nothing, or an append that did not finish
    return Reading(
        _joined(known, events),
        torn=torn,
        damage=damage,
        size=offset,
        snapshot=known.snapshot if known else None,
    )


def _joined(known: Reading | None, more: list[Event]) -> Sequence[Event]:
    if known is None:
        return tuple(more)
    if not more:
        return known.events  # the same object: what was folded of it is not folded again
    return known.events.with_later(more) if isinstance(known.events, Events) else (*known.events, *more)


def _parse_line(line: bytes, *, path: str, number: int) -> Event | None:
    try:
        data = json.loads(line)
        if not isinstance(data, dict) or not _is_as_written(line, data):
            return None
        if data.get("format", 0) > FORMAT:
            raise FormatError(
                f"{path}, line {number}, is of format {data['format']}; this venvship knows up to {FORMAT}",
                hint="use the newer venvship that wrote it",
            )
        return Event.from_json(data)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _is_as_written(line: bytes, data: dict[str, Any]) -> bool:
    """Whether a line's checksum is right."""
    expected = data.get("sum")
    if not isinstance(expected, str):
        return False
    # A line is written as `canonical_json`, so without `sum` its bytes are what the checksum was taken of. To
    # spell them anew takes longer than all the rest, and only lines that others have written need it.
    rest = line.replace(b',"sum":"%b"' % expected.encode(errors="replace"), b"", 1)
    return _sum(rest) == expected or checksum(data) == expected
