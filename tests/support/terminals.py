"""A pseudo-terminal to run programs in, and what they wrote there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shown:
    """How a program ended, and all that it wrote, escape sequences included."""

    code: int
    text: str


class Terminal:
    """A program on a pseudo-terminal of its own.

    Args:
        argv: The program and its arguments.
        env: Its whole environment.
        cwd: Where it runs.
        columns: The terminal's width.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, columns: int = 80, rows: int = 40
    ) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)  # a background job may have inherited "ignore"
                os.chdir(cwd)
                os.execvpe(argv[0], list(argv), dict(env))
            finally:
                os._exit(127)
        self.written = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def read_until(self, text: str, *, seconds: float = 50) -> None:
        """Read until a text was written since the last call."""
        start = len(self.written)
        end = time.monotonic() + seconds
        while text not in self.written[start:]:
            assert time.monotonic() < end, f"{text!r} never came: {self.written[start:]!r}"
            assert self._read(0.2) or text in self.written[start:], f"it ended: {self.written[start:]!r}"

    def finish(self, *, seconds: float = 60) -> Shown:
        """Read to the end."""
        end = time.monotonic() + seconds
        while self._read(0.2):
            assert time.monotonic() < end, f"it does not end: {self.written[-2000:]!r}"
        os.close(self._fd)
        _, status = os.waitpid(self._pid, 0)
        return Shown(os.waitstatus_to_exitcode(status), self.written.replace("\r\n", "\n"))

    def close(self) -> None:
        """End it, whatever it is doing."""
        os.kill(self._pid, signal.SIGKILL)
        self.finish()

    def _read(self, seconds: float) -> bool:
        """Read what there is; false at the end."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        data = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            data = os.read(self._fd, 1 << 16)
        self.written += data.decode(errors="replace")
        return bool(data)
