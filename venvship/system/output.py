"""Keep the output of a program, within bounds: it may print for ever."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from venvship.model.redaction import StreamRedactor

MEBIBYTE: Final = 1 << 20

_LEFT_OUT: Final = b"\n[... output left out ...]\n"


class Tail:
    """The last bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data
        if len(self._data) > 2 * self._limit:  # not at every write: moving memory costs
            del self._data[: -self._limit]

    @property
    def value(self) -> bytes:
        """The last `limit` bytes."""
        return bytes(self._data[-self._limit :])


class Head:
    """The first bytes of a stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self.truncated = False

    def write(self, data: bytes) -> None:
        """Take the next bytes, as far as there is room."""
        room = self._limit - len(self._data)
        self.truncated = self.truncated or len(data) > room
        self._data += data[:room]

    @property
    def value(self) -> bytes:
        """The first `limit` bytes; `truncated` says whether there were more."""
        return bytes(self._data)


class CappedLog:
    """A log file that never stays larger than a cap: beyond it, the middle is left out.

    Best effort by design. A rollback must work on a full disk, so output that cannot be logged is lost
    silently; the part that matters is in the result as well.

    Crash: the log holds the output so far; a crash while it is cut down may lose it. Nothing depends on it.

    Args:
        path: The file; made with mode 0600 if it is missing, else written on. Its directory must exist.
        cap: Its largest size, in bytes.
        heading: Written first, to tell one run's output from the next one's.

    Attributes:
        fd: The descriptor, appending (`O_APPEND`); `None` once something could not be written.
    """

    def __init__(self, path: str | None, *, cap: int = MEBIBYTE, heading: bytes = b"") -> None:
        self._cap = cap
        self._path = path
        self._redactor: StreamRedactor | None = None
        self._masked = 0
        self.fd: int | None = None
        if path is None:
            return
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            self.fd = os.open(path, flags, 0o600)
        self.write(heading)

    def mask(self, secrets: Sequence[str]) -> None:
        """Mask secrets in what another process appends from now on, at each `trim`; best effort.

        Crash: what came since the last `trim`, a fiftieth of a second, stands in the log as it was printed.
        """
        if secrets:
            from venvship.model.redaction import StreamRedactor  # late: `status` starts no hook

            self._redactor, self._masked = StreamRedactor(secrets), self.size

    def _mask_new(self) -> None:
        """Write over the secrets that have come, in their place: the other process appends meanwhile."""
        if self.fd is None or self._redactor is None or self._path is None or self.size <= self._masked:
            return
        # Not `self.fd`: what is written on a descriptor that appends goes to the end (pwrite(2)).
        fd = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # From before the end of what was looked at: a secret may have come in two pieces.
            begin = max(self._masked - self._redactor.longest, 0)
            data = os.pread(fd, self.size - begin, begin)
            for start, end in self._redactor.found(data):
                os.pwrite(fd, b"*" * (end - start), begin + start)
            self._masked = begin + len(data)
        finally:
            os.close(fd)

    @property
    def size(self) -> int:
        """How large the file is now."""
        return 0 if self.fd is None else os.fstat(self.fd).st_size

    def write(self, data: bytes) -> None:
        """Append, and cut down if need be."""
        if self.fd is None:
            return
        try:
            while data:
                data = data[os.write(self.fd, data) :]
            self.trim()
        except OSError:
            self.close()

    def trim(self) -> None:
        """Mask what has come, and cut the file down to its beginning and its end if it is over the cap.

        Also for a file that another process appends to. Its output during the cut is lost, and it goes on at
        the new end, since both descriptors append.

        Raises:
            OSError: It could not be rewritten.
        """
        self._mask_new()
        if self.fd is None or self.size <= self._cap:
            return
        self._masked = 0
        head = os.pread(self.fd, self._cap // 8, 0)
        tail = self.tail(self._cap // 2)
        os.ftruncate(self.fd, 0)
        data = head + _LEFT_OUT + tail
        while data:
            data = data[os.write(self.fd, data) :]

    def tail(self, limit: int, *, since: int = 0) -> bytes:
        """The last bytes of the file.

        Args:
            limit: How many at most.
            since: An offset not to go back beyond, as far as it still means something after a `trim`.

        Raises:
            OSError: It could not be read.
        """
        if self.fd is None:
            return b""
        size = self.size
        start = max(size - limit, min(since, size), 0)
        return os.pread(self.fd, size - start, start)

    def close(self) -> None:
        """Close the file. Output that is written later is lost."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
