"""The journal: `state/journal.jsonl`, append-only, one checksummed JSON object a line.

The only writer of that file, and of the snapshot beside it. A torn last line was never acknowledged, so
readers pass over it, and recovery or the next append moves it aside. On a journal that is damaged anywhere
else nobody should build.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from io import FileIO
from typing import Any, TypeAlias

from venvship.errors import StateError
from venvship.model.history import Event
from venvship.model.history_snapshot import forget
from venvship.model.release import canonical_json
from venvship.system import failpoints, files
from venvship.system.journal_lines import Events, Reading, checksum, parse
from venvship.system.journal_snapshot import EVERY, NAME, read_snapshot, write_snapshot
from venvship.system.mutex import Mutex

TORN_SUFFIX = ".torn"
"""Bytes set aside from the end of a journal are appended to `journal.jsonl.torn`."""

CHUNK = 1 << 18
"""So many bytes are compared at once."""


_Version: TypeAlias = tuple[int, int, int, int, int]
"""What tells a file from what it was before somebody wrote to it, or put another in its place (stat(2)).

Not if it is as long as before and was written to twice within a tick of the kernel's clock, which is some
milliseconds. Only a torn end can be replaced by as many bytes, so a file with one is compared in any case.
"""


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
        self._snapshot_path = os.path.join(os.path.dirname(path), NAME)
        self._mutex = mutex
        self._clock = clock
        self._known: Reading | None = None
        self._pieces: list[bytes] = []  # the bytes of which `_known` was read
        self._seen: _Version | None = None  # of the file, when it held just these
        self._snapshot_seq = 0  # the last line of the snapshot that was used, or that was tried to be written

    def read(self) -> Reading:
        """Read it all. Never writes; a torn end is passed over.

        Raises:
            FormatError: It was written by a newer venvship.
            StateError: It exists and cannot be read.
        """
        # Before the journal: then it is not ahead of what is read of that, whoever appends meanwhile.
        snapshot = read_snapshot(self._snapshot_path) if self._known is None else None
        try:
            with open(self._path, "rb", buffering=0) as file:
                seen = _version(file.fileno())  # before its bytes: with more of them it will be another
                known = self._known
                if known is not None and seen == self._seen and not known.torn:
                    return known
                if known is not None and self._begins_as_known(file):
                    return self._go_on(known, file.readall(), seen)
                file.seek(0)
                raw = file.readall()
        except FileNotFoundError:
            raw, seen = b"", None
        except OSError as error:
            raise StateError(f"cannot read {self._path}: {error.strerror}") from error
        self._known, self._pieces = None, []
        if snapshot is not None and snapshot.covers(raw):
            seq = self._snapshot_seq = snapshot.history.seq
            events = Events(raw, snapshot.size, seq)
            known = Reading(events, torn=False, damage="", size=snapshot.size, snapshot=snapshot.history)
            reading = parse(raw[snapshot.size :], path=self._path, known=known)
        else:
            reading = parse(raw, path=self._path)
        if not reading.damage:
            self._known, self._pieces, self._seen = reading, [raw[: reading.size]], seen
        return reading

    def _begins_as_known(self, file: FileIO) -> bool:
        """Whether the file begins with all that is known, after which it is left standing.

        It only grows, so what was parsed once is compared, which is fast, and not parsed again. Piece by
        piece, as that takes a third of the time of reading it whole. A file that nobody has written to
        since is not even compared.
        """
        for piece in self._pieces:
            place = 0
            while place < len(piece):
                chunk = file.read(min(CHUNK, len(piece) - place))
                if not chunk or not piece.startswith(chunk, place):
                    return False
                place += len(chunk)
        return True

    def _go_on(self, known: Reading, later: bytes, seen: _Version) -> Reading:
        if not later and not known.torn:
            self._seen = seen
            return known
        reading = parse(later, path=self._path, known=known)
        if not reading.damage:
            self._known, self._seen = reading, seen
            self._pieces += [later[: reading.size - known.size]] if reading.size > known.size else []
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

        Crash: the line is whole, missing, or a torn end that the next append sets aside. Every `EVERY` lines
        the snapshot is made anew; see `write_snapshot`.

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
            line = canonical_json(data) + b"\n"
            self._go_on(reading, line, self._write(line, reading))
            if written.seq - self._snapshot_seq >= EVERY:
                self._snapshot_seq = written.seq
                # The line is on disk, and nothing depends on this: not even a warning if it fails.
                with contextlib.suppress(OSError, StateError):
                    self._make_snapshot()
            return written

    def _make_snapshot(self) -> None:
        """Of the journal as it is now."""
        reading = self.read()
        if not reading.damage and not reading.torn:
            write_snapshot(self._snapshot_path, b"".join(self._pieces), forget(reading.history()))

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

    def _write(self, line: bytes, reading: Reading) -> _Version:
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
                written = _version(fd)
            except OSError:
                # Half a line would be set aside by the next append anyway; taking it back now keeps the
                # journal clean when the disk is full. If this fails too, the torn line stays, harmless.
                files.truncate_quietly(fd, reading.size, self._path)
                raise
        finally:
            os.close(fd)
        if reading.size == 0:
            files.fsync_directory(os.path.dirname(self._path))
        return written


def _version(fd: int) -> _Version:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
