"""What listens on the socket of a slot: nothing, a process, something unknown, or that cannot be told."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.limits import no_more_descriptors
from tests.support.users import NOBODY
from venvship.root import RootLayout
from venvship.workspace.slots import UNKNOWN, Slots


@pytest.fixture
def slots() -> Iterator[Slots]:
    """Slots of no root, in a folder that all may enter; the path of a socket is short."""
    folder = Path(tempfile.mkdtemp(prefix="vs-", dir="/tmp"))
    folder.chmod(0o755)
    yield Slots(RootLayout(folder), str(folder))
    shutil.rmtree(folder)


def told(slots: Slots) -> tuple[int | None, bool, bool, int]:
    """All that is told of slot a."""
    return slots.peer("a"), slots.accepts("a"), slots.surely_accepts("a"), slots.listener("a")


def test_a_listener_is_named_and_a_socket_file_proves_nothing(slots: Slots) -> None:
    assert told(slots) == (None, False, False, 0)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(slots.socket("a"))
        assert told(slots) == (None, False, False, 0)
        server.listen()
        assert told(slots) == (os.getpid(), True, True, os.getpid())
    assert slots.is_socket("a")
    assert told(slots) == (None, False, False, 0)


def test_a_server_whose_queue_is_full_is_there(slots: Slots) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(slots.socket("a"))
        server.listen(0)
        while True:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect(slots.socket("a"))
            except BlockingIOError:
                break
        assert told(slots) == (0, True, True, 0)


def test_without_descriptors_it_cannot_be_told(slots: Slots) -> None:
    with no_more_descriptors():
        assert told(slots) == (UNKNOWN, True, False, 0)


@pytest.mark.parametrize("runs", [True, False], ids=["listens", "stale"])
def test_of_a_socket_that_is_closed_to_this_user_it_cannot_be_told(slots: Slots, runs: bool) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(slots.socket("a"))
        if runs:
            server.listen()
        os.chmod(slots.socket("a"), 0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            assert told(slots) == (UNKNOWN, True, False, 0)
        finally:
            os.seteuid(user)
