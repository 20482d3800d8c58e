"""The system's log: syslogd, or journald, which listens in the same place.

The standard library's `syslog` waits while the socket is full, for as long as whoever should read it hangs,
and a rollback must not hang with it. So the datagram is sent here, or dropped.
"""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import datetime
from typing import Final

from venvship.printable import printable

SOCKET: Final = "/var/run/syslog" if sys.platform == "darwin" else "/dev/log"
"""Where a system listens that does."""

_USER: Final = 1
"""The facility of programs that have none of their own; see RFC 5424, section 6.2.1."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def send(path: str, severity: int, line: str, at: datetime) -> None:
    """Send a line, in the form in which syslog(3) does (RFC 3164 without a host).

    Best effort, and never waits: where nobody listens, or cannot keep up, the line is lost.

    Args:
        path: The socket's.
        severity: From 0, the worst, to 7.
        line: Sent as one printable line, whatever is in it.
        at: When; aware.
    """
    if not os.path.exists(path):
        return
    import socket  # here: `status` and `list` tell nobody anything, and are not to wait for it

    local = at.astimezone()
    stamp = f"{_MONTHS[local.month - 1]} {local.day:>2} {local:%H:%M:%S}"
    packet = f"<{_USER * 8 + severity}>{stamp} venvship[{os.getpid()}]: {printable(line)}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(packet.encode(), path)
