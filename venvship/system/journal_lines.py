"""The journal's lines: how one is spelled, and which ones count. No file is touched.

A line counts once its newline is there and its checksum is right. A torn last line is what a crash leaves of
an append. Damage anywhere else means that something other than a crash happened: `Reading.damage` says where.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from venvship.errors import FormatError
from venvship.model.event import Event
from venvship.model.spelling import FORMAT, canonical_json

CHUNK: Final = 1 << 16
"""Bytes of whole lines that are decoded at once, as one array: its objects share their keys, which takes less
time and memory than to decode them one by one."""

SUM: Final = b',"sum":"'
SUM_DIGITS: Final = 16


class Reading(NamedTuple):
    """The contents of a journal.

    Attributes:
        events: The good lines, in order. After damage in the middle, only those before it.
        torn: Whether bytes follow the last good line, as an interrupted append leaves them.
        damage: The path and the line that is damaged, and why; `""` for a sound journal.
        size: Bytes up to the end of the last good line.
    """

    events: tuple[Event, ...]
    torn: bool
    damage: str
    size: int


def checksum(data: Mapping[str, Any]) -> str:
    """The checksum of a journal line: the first 16 digits of the SHA-256 of all its other keys."""
    return _sum(canonical_json({key: value for key, value in data.items() if key != "sum"}))


def _sum(rest: bytes) -> str:
    return sha256(rest).hexdigest()[:SUM_DIGITS]


NOTHING: Final = Reading((), torn=False, damage="", size=0)


def parse(raw: bytes, *, path: str = "journal.jsonl", known: Reading = NOTHING) -> Reading:
    """Read a journal's bytes.

    Args:
        raw: All of them.
        path: For messages.
        known: The reading of bytes with which these begin; only the bytes after its good lines are parsed.

    Raises:
        FormatError: A line is of a newer format.
    """
    events = list(known.events)
    size = known.size
    for number, (line, data) in enumerate(_decoded(raw, size), start=len(events) + 1):
        event = _event(line, data, path, number)
        end = size + len(line) + 1
        if event is None:
            # The last line may be complete and wrong: a torn write whose newline reached the disk first.
            torn = not raw[end:].strip(b"\n")
            damage = "" if torn else f"{path}, line {number}"
            return Reading(tuple(events), torn=torn, damage=damage, size=size)
        if event.seq != number:
            # The line is as it was written, so no crash did this: others are missing, or it is there twice.
            damage = f"{path}, line {number}: number {event.seq} where {number} belongs"
            return Reading(tuple(events), torn=False, damage=damage, size=size)
        events.append(event)
        size = end
    # The bytes after the last newline are an append that did not finish.
    return Reading(tuple(events), torn=size < len(raw), damage="", size=size)


def _decoded(raw: bytes, start: int) -> Iterator[tuple[bytes, Any]]:
    """Each line from `start` on, with the value that it is the JSON of; `None` for a line that is not JSON.

    The first one of several lines that are JSON only together gets a value, but `_is_as_written` refuses it.
    """
    while True:
        # As many whole lines as a chunk holds, or one that is longer.
        end = raw.rfind(b"\n", start, start + CHUNK)
        if end < 0:
            end = raw.find(b"\n", start)
            if end < 0:
                return
        chunk = raw[start:end]
        lines = chunk.split(b"\n")
        values = _json(b"[%b]" % chunk.replace(b"\n", b","))
        if values is None or len(values) != len(lines):
            values = [_json(line) for line in lines]
        yield from zip(lines, values, strict=True)
        start = end + 1


def _json(text: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _event(line: bytes, data: Any, path: str, number: int) -> Event | None:  # noqa: ANN401
    """The event of a line; `None` if its checksum is wrong, or a value has another type.

    Raises:
        FormatError: The line is of a newer format.
    """
    try:
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
    # A line is written as `canonical_json`, so without `sum` its bytes are those that the checksum was taken
    # of. To spell them anew takes longer than all the rest, and only lines of other writers need it.
    before, _, after = line.rpartition(SUM)
    found = _sum(before + after[SUM_DIGITS + 1 :])
    return found == expected or (checksum(data) == expected and _json(line) is not None)
