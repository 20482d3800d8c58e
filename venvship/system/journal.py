"""The journal: `state/journal.jsonl`, append-only, one checksummed JSON object a line.

The only writer of that file. A line counts once its newline is on disk and its checksum is right. A torn
last line is what a crash leaves of an append; it was never acknowledged, so readers pass over it, and
recovery or the next append moves it aside. Damage anywhere else means that something other than a crash
happened, and nobody should build on what is left: `Reading.damage` says where.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from venvship.errors import FormatError, StateError
from venvship.model.history import Event
from venvship.model.release import FORMAT, canonical_json
from venvship.system import failpoints, files
from venvship.system.mutex import Mutex

TORN_SUFFIX = ".torn"
"""Bytes set aside from the end of a journal are appended to `journal.jsonl.torn`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a journal holds.

    Attributes:
        events: The good lines, in order. After damage in the middle, only those before it.
        torn: Whether bytes follow the last good line, as an interrupted append leaves them.
        damage: What is wrong and where, or `""`.
        size: Bytes up to the end of the last good line.
    """

    events: tuple[Event, ...]
    torn: bool
    damage: str
    size: int


def checksum(data: Mapping[str, Any]) -> str:
    """The checksum of a journal line: the first 16 digits of the SHA-256 of all its other keys."""
    rest = {key: value for key, value in data.items() if key != "sum"}
    return hashlib.sha256(canonical_json(rest)).hexdigest()[:16]


def parse(raw: bytes, *, path: str = "journal.jsonl", known: Reading | None = None) -> Reading:
    """Read a journal's bytes.

    Args:
        raw: All of them.
        path: For messages.
        known: What the first `known.size` of these bytes were found to be before; they are not parsed again.

    Raises:
        FormatError: A line is of a newer format.
    """
    events: list[Event] = list(known.events) if known else []
    offset = known.size if known else 0
    lines = raw[offset:].split(b"\n")
    before = len(events)
    for index, line in enumerate(lines, start=1):
        number = before + index
        if index == len(lines):
            # What follows the last newline: nothing, or an append that did not finish.
            return Reading(tuple(events), torn=bool(line), damage="", size=offset)
        event = _parse_line(line, path=path, number=number)
        if event is None:
            if not any(lines[index:]):
                # The last line is complete but wrong: a torn write whose newline reached the disk first.
                return Reading(tuple(events), torn=True, damage="", size=offset)
            return Reading(tuple(events), torn=False, damage=f"{path}, line {number}", size=offset)
        if event.seq != len(events) + 1:
            # The line is as it was written, so no crash did this: others are missing, or it is there twice.
            where = f"{path}, line {number}: number {event.seq} where {len(events) + 1} belongs"
            return Reading(tuple(events), torn=False, damage=where, size=offset)
        events.append(event)
        offset += len(line) + 1
    raise AssertionError("split() gives at least one piece")


def _parse_line(line: bytes, *, path: str, number: int) -> Event | None:
    try:
        data = json.loads(line)
        if not isinstance(data, dict) or data.get("sum") != checksum(data):
            return None
        if data.get("format", 0) > FORMAT:
            raise FormatError(
                f"{path}, line {number}, is of format {data['format']}; this venvship knows up to {FORMAT}",
                hint="use the newer venvship that wrote it",
            )
        return Event.from_json(data)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def damaged_journal(reading: Reading) -> StateError:
    """The refusal of whoever would have to decide on, or add to, a journal that is damaged in the middle."""
    return StateError(
        f"the journal is damaged: {reading.damage}",
        hint="`venvship rollback` still works; for the rest, restore state/journal.jsonl from a backup",
    )


def lost_journal(current: str) -> StateError:
    """The refusal of a journal that is whole, as far as it goes, and has never heard of what is live."""
    return StateError(
        f"the journal is damaged: it does not know {current}, which is live; it was lost, or is an old copy",
        hint="restore state/journal.jsonl from a backup; without one, `venvship recover` takes up the "
        "releases that are intact",
    )


class Journal:
    """The journal of one root.

    Args:
        path: `state/journal.jsonl`.
        mutex: `journal.mutex`, the innermost of all: held for one append.
        clock: The time, aware.
    """

    def __init__(self, path: str, mutex: Mutex, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._mutex = mutex
        self._clock = clock
        self._prefix = b""
        self._known: Reading | None = None

    def read(self) -> Reading:
        """Read it all. Never writes; a torn end is passed over.

        Raises:
            FormatError: It was written by a newer venvship.
            StateError: It exists and cannot be read.
        """
        try:
            with open(self._path, "rb") as file:
                raw = file.read()
        except FileNotFoundError:
            raw = b""
        except OSError as error:
            raise StateError(f"cannot read {self._path}: {error.strerror}") from error
        # It only grows, so what was parsed once is compared, which is fast, and not parsed again.
        if self._known is not None and raw == self._prefix:
            return self._known
        known = self._known if raw.startswith(self._prefix) else None
        reading = parse(raw, path=self._path, known=known)
        if not reading.damage:
            self._prefix, self._known = raw[: reading.size], reading
        return reading

    def append(
        self,
        event: str,
        *,
        release: str | None,
        actor: str,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Event:
        """Append one event, durably. When this returns, a power cut does not take it back.

        Crash: the line is whole, missing, or a torn end that the next append sets aside.

        Returns:
            The event as written, with its `seq`.

        Raises:
            BusyError: The mutex was not free within ten seconds, though it is only ever held for an append.
            FormatError: A newer venvship wrote the journal.
            StateError: It is damaged in the middle; nothing was appended.
            OSError: It could not be written; ENOSPC among others.
        """
        with self._mutex.hold(wait=10):
            reading = self.read()
            if reading.damage:
                raise damaged_journal(reading)
            written = Event(
                seq=reading.events[-1].seq + 1 if reading.events else 1,
                at=self._clock().replace(microsecond=0),
                event=event,
                release=release,
                actor=actor,
                reason=reason,
                facts=dict(facts or {}),
            )
            data = written.to_json()
            data["sum"] = checksum(data)
            self._write(canonical_json(data) + b"\n", reading)
            return written

    def mend(self) -> bool:
        """Set a torn end aside, as the next append would. Damage in the middle is left as it is.

        Crash: the end is still there, or set aside, or both; it never counts.

        Returns:
            Whether there was one.

        Raises:
            BusyError: As with `append`.
            FormatError: As with `append`.
            OSError: It could not be set aside.
        """
        with self._mutex.hold(wait=10):
            reading = self.read()
            if reading.damage or not reading.torn:
                return False
            failpoints.reach("open", self._path)
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            try:
                self._set_aside(fd, os.fstat(fd).st_size, reading)
                files.fsync_file(fd, self._path)
            finally:
                os.close(fd)
            return True

    def _set_aside(self, fd: int, size: int, reading: Reading) -> None:
        files.append_file(self._path + TORN_SUFFIX, os.pread(fd, size - reading.size, reading.size) + b"\n")
        files.truncate(fd, reading.size, self._path)

    def _write(self, line: bytes, reading: Reading) -> None:
        failpoints.reach("open", self._path)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(fd).st_size
            if size == 0:
                os.fchmod(fd, 0o644)  # whatever the umask: status is for everybody
            if size > reading.size:
                self._set_aside(fd, size, reading)
            try:
                files.write_at(fd, line, reading.size, self._path)
                files.fsync_file(fd, self._path)
            except OSError:
                # Half a line would be set aside by the next append anyway; taking it back now keeps the
                # journal clean when the disk is full. If this fails too, the torn line stays, harmless.
                files.truncate_quietly(fd, reading.size, self._path)
                raise
        finally:
            os.close(fd)
        if reading.size == 0:
            files.fsync_directory(os.path.dirname(self._path))
