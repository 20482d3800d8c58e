"""The system's log: what is sent, and that nothing comes of it when nobody listens."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from venvship.system.syslog import send

AT = datetime(2026, 11, 5, 9, 41, 43, tzinfo=UTC)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a short path: the address of a socket has 108 bytes."""
    with tempfile.TemporaryDirectory(prefix="vs-") as folder:
        yield Path(folder)


@pytest.fixture
def listener(place: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(place / "log"))
        server.settimeout(5)
        yield server


def test_a_line_looks_as_syslog_3_sends_it(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        send(listener.getsockname(), 4, "shop: held by deploy: café", AT)
    finally:
        monkeypatch.undo()
        time.tzset()
    said = listener.recv(2048).decode()
    assert said == f"<12>Nov  5 10:41:43 venvship[{os.getpid()}]: shop: held by deploy: café"


@pytest.mark.parametrize(("severity", "priority"), [(3, 11), (4, 12), (6, 14)])
def test_the_priority_is_that_of_a_program_of_users(
    listener: socket.socket, severity: int, priority: int
) -> None:
    send(listener.getsockname(), severity, "x", AT)
    assert re.match(rf"<{priority}>\w", listener.recv(2048).decode())


def test_bytes_that_are_no_text_do_not_matter(listener: socket.socket) -> None:
    send(listener.getsockname(), 6, "\udcff", AT)
    assert listener.recv(2048).endswith(rb": \udcff")


def test_where_nobody_listens_nothing_happens(place: Path) -> None:
    send(str(place / "nothing"), 6, "x", AT)
    (place / "file").touch()
    send(str(place / "file"), 6, "x", AT)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as dead:
        dead.bind(str(place / "dead"))
    send(str(place / "dead"), 6, "x", AT)
    send(str(place / ("far" * 100)), 6, "x", AT)


def test_a_stream_socket_is_left_alone(place: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as server:
        server.bind(str(place / "stream"))
        server.listen()
        send(str(place / "stream"), 6, "x", AT)
