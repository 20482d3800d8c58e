"""Two commands, a server and the slots at once: what one has started, no other stops or leads astray."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.roots import build_application, make_site
from tests.support.service import Slots
from venvship.errors import BusyError
from venvship.operations.service.asking import never
from venvship.operations.service.proof import find_running, prove
from venvship.operations.service.retiring import retire
from venvship.operations.service.slots import SlotsHeld, hold_slots, lead_to
from venvship.root import RootLayout
from venvship.system import proc
from venvship.workspace.slots import read_notes, started_slots
from venvship.workspace.workspace import Workspace


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Slots]:
    """A root with a service, and nothing released."""
    folder = Path(tempfile.mkdtemp(prefix="slots-"))  # the path of a socket is short
    wheels = build_application(tmp_path / "wheels")
    site = make_site(tmp_path / "root", wheels, tmp_path / "store", tmp_path / "home", None)
    slots = Slots(site, folder)
    slots.write_settings()
    (slots.site.path / "state").mkdir(exist_ok=True)
    yield slots
    shutil.rmtree(folder)


def listening(service: Slots, slot: str, queue: int = 0) -> socket.socket:
    """A server in a slot, which answers nothing."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(f"{service.folder}/{slot}.sock")
    sock.listen(queue)
    return sock


class Answering(threading.Thread):
    """A server that has an answer for each request, and none for a mere connection."""

    def __init__(self, server: socket.socket, body: str, answers: list[str]) -> None:
        super().__init__(daemon=True)
        self.left = answers
        self._server = server
        self._body = body

    def run(self) -> None:
        """Answer until there is nothing left to say."""
        while self.left:
            connection = self._server.accept()[0]
            with connection:
                if connection.recv(1000):
                    text = f"HTTP/1.0 {self.left.pop(0)}\r\nContent-Length: {len(self._body)}\r\n\r\n"
                    connection.sendall(f"{text}{self._body}".encode())


def note(service: Slots, *started: str, trying: str | None = None, pid: int = 0, since: str = "") -> None:
    """Write slots.json."""
    entry = {"trying": {"slot": trying, "pid": pid, "since": since}} if trying else {}
    data = {"format": 1, "started": list(started), **entry}
    RootLayout.at(service.site.path).slots_file.write_text(json.dumps(data))


def workspace_of(service: Slots) -> Workspace:
    """The root, as a command has it."""
    return Workspace(RootLayout.at(service.site.path), service.site.runtime())


@contextmanager
def held(service: Slots) -> Iterator[SlotsHeld]:
    """The slots, as a command holds them."""
    workspace = workspace_of(service)
    workspace.open_for_writing()
    with hold_slots(workspace, workspace.settings()) as found:
        yield found


def test_a_server_that_is_too_busy_to_accept_is_there(service: Slots) -> None:
    with held(service) as slots, ExitStack() as stack:
        stack.enter_context(listening(service, "a"))
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(f"{service.folder}/a.sock")  # and fills its queue
        assert slots.slots.accepts("a")
        assert slots.slots.listener("a") == 0


def test_customers_are_not_led_to_a_socket_that_its_server_has_left_behind(service: Slots) -> None:
    with held(service) as slots:
        with listening(service, "a"):
            assert lead_to(slots, "a") == ""
        listening(service, "b").close()
        assert "nothing accepts connections" in lead_to(slots, "b")
        assert service.live == "a"


def test_what_another_command_tries_is_neither_stopped_nor_taken(service: Slots) -> None:
    me, parent = os.getpid(), os.getppid()
    layout = RootLayout.at(service.site.path)
    with held(service) as slots, listening(service, "a"), listening(service, "b"):
        lead_to(slots, "a")
        workspace, settings = slots.workspace, slots.settings
        context = workspace.context(
            "20260101T000000Z-0000000", workspace.variables(settings), previous=None, event=""
        )
        note(service, "a", "b", trying="b", pid=parent, since=proc.start_ticks(parent))
        assert read_notes(layout).tried_by("b") == parent
        assert read_notes(layout).tried_by("a") == 0
        with pytest.raises(BusyError, match="another command"):
            prove(slots, context.release_id, context, stop=never, yields=True)
    retire(workspace, settings)
    assert not (service.folder / "manager.log").exists()
    # Of a command that was killed, and of this one, it is left up.
    for pid, since in ((parent, "1"), (me, proc.start_ticks(me))):
        note(service, "a", "b", trying="b", pid=pid, since=since)
        assert read_notes(layout).tried_by("b") == 0
        retire(workspace, settings)
        assert service.log.pop().split()[:2] == ["stop", "b"]
        assert started_slots(layout) == {"a"}


def test_a_slot_that_is_up_unknown_to_the_notes_is_stopped_too(service: Slots) -> None:
    with held(service) as slots, listening(service, "a"), listening(service, "b") as server:
        lead_to(slots, "a")
        workspace, settings = slots.workspace, slots.settings
        note(service, "a")
        server.shutdown(socket.SHUT_RDWR)
    with listening(service, "c"):
        (service.folder / "b.sock").unlink()
        (service.folder / "c.sock").rename(service.folder / "b.sock")
        retire(workspace, settings._replace(service=settings.service._replace(drain=0.0)))
    assert service.log[-1].split()[:2] == ["stop", "b"]


def test_a_slot_that_fails_once_under_load_is_not_started_anew(service: Slots) -> None:
    release_id = "20260101T000000Z-0000000"
    with held(service) as slots, listening(service, "a", 8) as server:
        (service.folder / "a").symlink_to(service.site.path / "releases" / release_id)
        variables = slots.workspace.variables(slots.settings)
        context = slots.workspace.context(release_id, variables, previous=None, event="")
        answering = Answering(server, release_id, ["503 No", "200 Yes"])
        answering.start()
        found = find_running(slots, release_id, context, stop=never)
        assert found is not None
        assert (found.slot, found.started, answering.left) == ("a", False, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"format": 1, "started": 1, "trying": 2}',
        '{"format": 1, "started": [["a"]]}',
        '{"format": 1, "trying": {"slot": "b", "pid": "x"}}',
    ],
)
def test_damaged_notes_keep_nobody_from_anything(service: Slots, text: str) -> None:
    layout = RootLayout.at(service.site.path)
    layout.slots_file.write_text(text)
    assert read_notes(layout).tried_by("b") == 0
    with held(service) as slots, listening(service, "a"):
        assert lead_to(slots, "a") == ""
        assert "a" in started_slots(layout)
