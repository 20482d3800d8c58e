"""The journal: `state/journal.jsonl`, append-only, one checksummed JSON object a line.

The only writer of that file. A torn last line was never acknowledged, so readers pass over it, and recovery
or the next append sets it aside. A journal that is damaged anywhere else is never appended to.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from venvship.model.event import Event
from venvship.model.spelling import canonical_json
from venvship.system import effects, files
from venvship.system.journal_lines import Reading, checksum
from venvship.system.journal_reader import JournalReader, damaged_journal_error
from venvship.system.mutex import Mutex

TORN_SUFFIX = ".torn"
"""Bytes set aside from the end of a journal are appended to `journal.jsonl.torn`."""


class Journal(JournalReader):
    """The journal of one root, to be read and appended to.

    Args:
        path: `state/journal.jsonl`.
        mutex: `journal.mutex`, the innermost of all: held for one append.
        clock: The time, aware.
        ask: Called before the file is changed, with its path and its `fstat`; raises an error of ours if
            others can write it.
    """

    def __init__(
        self,
        path: str,
        mutex: Mutex,
        clock: Callable[[], datetime],
        ask: Callable[[str, os.stat_result], None] = lambda _path, _found: None,
    ) -> None:
        super().__init__(path)
        self._mutex = mutex
        self._clock = clock
        self._ask = ask

    def append(
        self,
        event: str,
        *,
        release: str | None,
        actor: str,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Event:
        """Append one event, durably. When this returns, a power cut does not undo it.

        Crash: the line is whole, missing, or a torn end that the next append sets aside.

        Returns:
            The event as written, with its `seq`.

        Raises:
            BusyError: The mutex was not free within ten seconds, though it is only ever held for an append.
            FormatError: A newer venvship wrote the journal.
            StateError: It is damaged in the middle; nothing was appended.
            UntrustedError: Others can write it.
            OSError: It could not be written; ENOSPC among others.
        """
        with self._mutex.hold(wait=10):
            reading = self.read()
            if reading.damage:
                raise damaged_journal_error(reading)
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
            self._write(line, reading)
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
            effects.reach("open", self._path)
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                self._ask(self._path, os.fstat(fd))
                self._set_aside(fd, os.fstat(fd).st_size, reading)
                files.fsync_file(fd, self._path)
            finally:
                os.close(fd)
            return True

    def _set_aside(self, fd: int, size: int, reading: Reading) -> None:
        files.append_file(self._path + TORN_SUFFIX, os.pread(fd, size - reading.size, reading.size) + b"\n")
        files.truncate(fd, reading.size, self._path)

    def _write(self, line: bytes, reading: Reading) -> None:
        effects.reach("open", self._path)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            found = os.fstat(fd)
            self._ask(self._path, found)
            size = found.st_size
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
                with contextlib.suppress(OSError):
                    files.truncate(fd, reading.size, self._path)
                raise
        finally:
            os.close(fd)
        if reading.size == 0:
            files.fsync_directory(os.path.dirname(self._path))
