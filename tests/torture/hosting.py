"""What stands around a service in two slots: nginx in front, and a manager that starts and stops the slots.

The application is a small server that names its version and its release in every answer.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.daemons import found, nginx
from tests.support.roots import Site, make_site
from tests.support.service import BEHAVIOURS, Slots
from tests.support.wheels import build_wheel
from tests.torture.lab import Lab
from tests.torture.managers import managed, running
from venvship.operations.service.printing import Kind

APP = "python -m web {socket}"
"""The application's command line, for `venvship service`."""

GOOD = ("1.0", "1.1", "1.2")
BROKEN = ("2.0", "2.1", "2.2", "2.3")
"""Versions that answer 503, that cannot be imported, that end, and that hang."""

_WEB = """\
import asyncio, os, signal, socket, sys

VERSION = {version!r}
STATUS, HANGS = 200, False
{behaviour}
RELEASE = os.path.basename(sys.prefix)
HEAD = f"HTTP/1.1 {{STATUS}} Yes\\r\\nConnection: close\\r\\nContent-Length: "


async def serve(reader, writer):
    try:
        head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode("latin-1")
        length = head.lower().partition("content-length:")[2].partition("\\r")[0]
        sent = await reader.readexactly(int(length or 0))
        if HANGS:
            await asyncio.sleep(600)
        if "/slow=" in head:
            await asyncio.sleep(float(head.partition("=")[2].split()[0]))
        body = f"{{VERSION}} {{RELEASE}} {{os.getpid()}} {{len(sent)}}"
        writer.write(f"{{HEAD}}{{len(body)}}\\r\\n\\r\\n{{body}}".encode())
        await writer.drain()
    except (OSError, EOFError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def main(listener, master):
    loop, over, serving = asyncio.get_running_loop(), asyncio.Event(), set()

    async def begin(sock):
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
        await serve(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    def accept():
        try:
            task = loop.create_task(begin(listener.accept()[0]))
        except BlockingIOError:
            return  # the other worker was faster
        serving.add(task)
        task.add_done_callback(serving.discard)

    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.add_reader(listener, accept)
    while not over.is_set() and os.getppid() == master:
        try:
            await asyncio.wait_for(over.wait(), 0.1)
        except asyncio.TimeoutError:
            pass
    await asyncio.sleep(0.05)
    loop.remove_reader(listener)
    listener.close()
    if serving and not HANGS:
        await asyncio.wait(set(serving))
    os._exit(0)


def run(path):
    # A master and two workers, as most servers are: the workers end after the master, however it ended.
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(512)
    listener.setblocking(False)
    os.chmod(path, 0o666)
    master, workers = os.getpid(), []
    signal.signal(signal.SIGTERM, lambda *_: [os.kill(pid, signal.SIGTERM) for pid in workers])
    for _ in range(2):
        if not (pid := os.fork()):
            asyncio.run(main(listener, master))
        workers.append(pid)
    listener.close()
    for pid in workers:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    run(sys.argv[1])
"""


@dataclass
class Host:
    """A root whose service nginx stands before.

    Attributes:
        site: The root.
        slots: Its slots.
        revives: Whether the manager starts again what has died.
        start: The command that starts a slot.
        stop: The command that stops one.
    """

    site: Site
    slots: Slots
    revives: bool
    start: list[str] = field(default_factory=list)
    stop: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The folder of the slots."""
        return self.slots.folder

    @property
    def front(self) -> str:
        """The socket of nginx."""
        return f"{self.folder}/www.sock"

    def control(self, command: list[str], unit: str) -> None:
        """Have slots started and stopped by a command of a manager, which is there from now on."""
        self.start, self.stop = ([*command, verb, unit] for verb in ("start", "stop"))
        self.write_settings()

    def printed(self, kind: Kind) -> dict[str, str]:
        """The files that venvship prints for a manager or a web server, by path."""
        app = [] if kind == "nginx" else ["--app", APP]
        done = self.site.run("service", kind, *app, "--json", timeout=300)
        assert done.code == 0, done.err
        return {file["path"]: file["content"] for file in done.data["files"]}

    def write_settings(self, *, timeout: float = 30, drain: float = 1.0) -> None:
        """Write the settings; `timeout` is for a slot to answer."""
        generate = 'printf x >"$VENVSHIP_GENERATED/$VENVSHIP_RELEASE.css"'
        self.site.path.joinpath("venvship.toml").write_text(
            f'name = "web"\nsyslog = false\nkeep = 30\nstore = "{self.site.store}"\n'
            f"[hooks]\ngenerate = {json.dumps(['/bin/sh', '-c', generate])}\n"
            f'[service]\nsocket_dir = "{self.folder}"\nhealth = "/healthz"\n'
            f"start = {json.dumps(self.start)}\nstop = {json.dumps(self.stop)}\n"
            f"drain = {drain}\ntimeout = {timeout}\n"
        )

    def listener(self, slot: str) -> int | None:
        """The process that listens in a slot."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(f"{self.folder}/{slot}.sock")
            return int.from_bytes(
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder
            )
        return None

    def problems(self) -> Iterator[str]:
        """What is wrong once a command has ended: one slot has to be up, and lead to what is current."""
        up = [slot for slot in "ab" if self.listener(slot) is not None]
        if len(up) != 1:
            yield f"{up} are up, not one slot"
        try:
            live, answer = self.slots.live, self.slots.ask()[1].split()
        except OSError as error:
            yield f"live.sock leads to no answer: {error}"
            return
        if [live] != up:
            yield f"live.sock leads to {live}, and {up} are up"
        if answer[1:2] != [self.site.current]:
            yield f"customers get {answer}, and {self.site.current} is current"


@contextmanager
def hosted(lab: Lab, manager: str, name: str) -> Iterator[Host]:
    """Make a root of a name with its service, and run nginx before it."""
    folder = Path(tempfile.mkdtemp(prefix="vs-"))  # the path of a socket is short

    wheels = {"dep": build_wheel(lab.path / "wheels", "dep", "1.0", files={"dep.py": "NAME = 'dep'\n"})}
    for version in (*GOOD, *BROKEN):
        text = _WEB.format(version=version, behaviour=BEHAVIOURS[version])
        wheels[version] = build_wheel(lab.path / "wheels", "web", version, files={"web.py": text})
    assert lab.filled is not None
    root = lab.path / name
    site = make_site(root, wheels, root / "store", lab.path / "home", lab.filled / "python.json")
    host = Host(site, Slots(site, folder), revives=manager != "plain")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(_kill_all, folder)
        stack.enter_context(managed(manager, host))
        (block,) = host.printed("nginx").values()
        text = nginx(folder, block, user="root" if os.geteuid() == 0 else "")
        (folder / "nginx.conf").write_text(text.replace("listen 80;", f"listen unix:{host.front};"))
        log = f"{folder}/nginx.log"
        command = [found("nginx"), "-e", log, "-p", str(folder), "-c", f"{folder}/nginx.conf"]
        stack.enter_context(running(command, host.front, signal.SIGQUIT))
        yield host


def _kill_all(folder: Path) -> None:
    """Kill what runs in the slots of a folder, by whoever started it."""
    marks = tuple(f"{folder}/{slot}.sock".encode() for slot in "ab")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().rstrip(b"\0").endswith(marks):
                os.kill(int(path.parent.name), signal.SIGKILL)
