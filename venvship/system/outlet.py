"""Standard output and standard error, written so that their reader decides nothing.

A reader may stop reading for ever: a frozen CI agent, Ctrl-S, a stalled ssh. A write(2) to a full pipe waits
for it, and with the write would wait the operation, its mutexes, and the way back of a release on trial.
Therefore there are two ways to write:

* An impatient outlet drops what cannot be written at once. An operation under way has one.
* A patient outlet waits for its reader, as any program does. A signal ends the wait.

A write that fails never raises: the operation is what counts, and `Outlet.problem` keeps the failure.

O_NONBLOCK is not set on an inherited descriptor. It would belong to the open file description, which the
shell and the other writers of the pipe share. A pipe or a terminal is opened once more through /proc instead.
Where that is refused (after `su`, the terminal is another user's), poll(2) goes first: a pipe that is ready
takes PIPE_BUF bytes, a terminal takes one.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

PIPE_BUF: Final = 4096
"""Bytes that a pipe takes without waiting where poll(2) reports it ready; see pipe(7)."""

TICK: Final = 0.1
"""Seconds between two looks of a wait at the signals that came."""

GRACE: Final = 1.0
"""Seconds for which a patient outlet waits for its reader once a signal came."""

_MOST_KEPT: Final = 1 << 16
"""Bytes of a begun text that are kept to be completed."""


def open_again(fd: int) -> int | None:
    """A non-blocking descriptor of the same pipe or terminal, of this process alone; `None` for none."""
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or os.isatty(fd):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        pass
    return None


class Outlet(io.RawIOBase):
    """One output stream of this process. Threads may share it.

    Args:
        fd: The descriptor, open.
        urged: Whether a signal asked this process to end.
        open_again: Opens the same pipe or terminal once more; see `open_again`.

    Attributes:
        patient: Whether a write waits for the reader.
        problem: Why the output could not be written; `None` if it could, or if its reader has gone, such as
            `| head`. After a failure all further output is dropped.
        dropped: Whether something was not written because the reader had stopped reading.
    """

    def __init__(
        self,
        fd: int,
        urged: Callable[[], bool],
        open_again: Callable[[int], int | None] = open_again,
    ) -> None:
        super().__init__()
        self.patient = True
        self.problem: str | None = None
        self.dropped = False
        self._fd = fd
        self._urged = urged
        self._terminal = os.isatty(fd)
        self._own = open_again(fd)
        self._rest = b""
        self._until: float | None = None
        self._lost = False
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """The descriptor that this process was started with."""
        return self._fd

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Close its own descriptor; the inherited one stays open."""
        if self._own is not None:
            os.close(self._own)
            self._own = None
        super().close()

    def write(self, data: Any) -> int:  # noqa: ANN401 - bytes, or anything that has them
        """Write, or drop what cannot be written. Returns the number of bytes, as if all had been written."""
        text = bytes(data)
        with self._lock:
            if not self._lost:
                try:
                    self._write(text)
                except OSError as error:
                    self._lost = True
                    if error.errno != errno.EPIPE:
                        self.problem = error.strerror or str(error)
        return len(text)

    def _write(self, text: bytes) -> None:
        if self.patient:
            self._wait(self._rest + text)
            self._rest = b""
            return
        # A terminal may have taken half a line: it is completed before another one begins.
        self._rest = self._send(self._rest)
        left = text if self._rest else self._send(text)
        if len(left) < len(text):
            self._rest = left[:_MOST_KEPT]
        elif text:
            self.dropped = True

    def _send(self, data: bytes) -> bytes:
        """Write as much as can be written at once. Returns the rest."""
        while data:
            try:
                if self._own is not None:
                    count = self._put(self._own, data[:PIPE_BUF])
                elif self._is_ready(0):
                    count = self._put(self._fd, data[: 1 if self._terminal else PIPE_BUF])
                else:
                    break
            except BlockingIOError:
                break
            data = data[count:]
        return data

    def _put(self, fd: int, data: bytes) -> int:
        if not self._terminal:
            return os.write(fd, data)
        # A background job would be stopped by `stty tostop`, mutexes and all.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        try:
            return os.write(fd, data)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _wait(self, data: bytes) -> None:
        while data := self._send(data):
            if self._urged():
                self._until = self._until or time.monotonic() + GRACE
                if time.monotonic() >= self._until:
                    self._lost = True
                    return
            self._is_ready(TICK)

    def _is_ready(self, seconds: float) -> bool:
        """Whether a write would not wait; an error counts as ready, so that the write reports it."""
        poll = select.poll()
        poll.register(self._fd if self._own is None else self._own, select.POLLOUT)
        return bool(poll.poll(seconds * 1000))


class Outlets:
    """Standard output and standard error, as `sys.stdout` and `sys.stderr` while `installed` is entered.

    Args:
        urged: Whether a signal asked this process to end.
    """

    def __init__(self, urged: Callable[[], bool]) -> None:
        self._urged = urged
        self._outlets: dict[str, Outlet] = {}

    @contextlib.contextmanager
    def installed(self, streams: Any) -> Iterator[Outlets]:  # noqa: ANN401 - the module `sys`
        """Put outlets in the place of the streams until the block ends.

        A stream without a descriptor, such as that of a test, is left alone.

        Args:
            streams: The object with `stdout` and `stderr`: the module `sys`.
        """
        before = {name: getattr(streams, name) for name in ("stdout", "stderr")}
        for fd, (name, stream) in enumerate(before.items(), start=1):
            if stream is None or _descriptor(stream) == fd:
                self._outlets[name] = outlet = Outlet(fd, self._urged)
                encoding = getattr(stream, "encoding", None) or "utf-8"
                text = io.TextIOWrapper(
                    outlet,  # type: ignore[type-var]  # a raw stream that takes all of a write, as `python -u`
                    encoding=encoding,
                    errors="replace",  # no traceback where an arrow cannot be shown
                    line_buffering=name == "stderr",
                )
                if stream is not None:
                    stream.flush()
                setattr(streams, name, text)
        try:
            yield self
        finally:
            for name, outlet in self._outlets.items():
                getattr(streams, name).flush()
                setattr(streams, name, before[name])
                outlet.close()

    def be_patient(self, patient: bool) -> None:
        """Choose whether further output waits for its reader."""
        for outlet in self._outlets.values():
            outlet.patient = patient

    def dropped(self, name: str) -> bool:
        """Whether something for `stdout` or `stderr` was dropped because its reader had stopped reading."""
        outlet = self._outlets.get(name)
        return outlet is not None and outlet.dropped

    def problem(self, name: str) -> str | None:
        """Why `stdout` or `stderr` could not be written; `None` if it could."""
        outlet = self._outlets.get(name)
        return None if outlet is None else outlet.problem


def _descriptor(stream: Any) -> int | None:  # noqa: ANN401 - whatever stands for the stream
    try:
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None


def open_missing_descriptors() -> None:
    """Open /dev/null for standard streams that the caller has closed.

    Else the next file that is opened, such as the journal, gets the number 1, and all output.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is `fd`.
            os.open(os.devnull, os.O_RDONLY if fd == 0 else os.O_WRONLY)
            os.set_inheritable(fd, True)
