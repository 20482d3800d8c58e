"""What stands around a service in two slots: nginx in front, and a manager that starts and stops the slots.

The application is a small server that names its version and its release in every answer.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.roots import Site, make_site
from tests.support.service import BEHAVIOURS, Slots
from tests.support.wheels import build_wheel
from tests.torture.lab import Lab

GOOD = ("1.0", "1.1", "1.2")
BROKEN = ("2.0", "2.1", "2.2", "2.3")
"""Versions that answer 503, that cannot be imported, that end, and that hang."""

_WEB = """\
import asyncio, os, signal, sys

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


async def main():
    over, serving = asyncio.Event(), set()

    async def begin(reader, writer):
        serving.add(asyncio.current_task())
        await serve(reader, writer)
        serving.discard(asyncio.current_task())

    server = await asyncio.start_unix_server(begin, sys.argv[1], backlog=512)
    os.chmod(sys.argv[1], 0o666)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await asyncio.sleep(0.05)
    server.close()
    if serving and not HANGS:
        await asyncio.wait(set(serving))
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
"""

_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    upstream web {{ server unix:{folder}/live.sock; }}
    server {{
        listen unix:{folder}/www.sock;
        location / {{ proxy_pass http://web; }}
        location ~ ^/static/(.+)$ {{ root {folder}; try_files /a/generated/$1 /b/generated/$1 =404; }}
    }}
}}
"""

_SUPERVISOR = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
{user}
[unix_http_server]
file={folder}/supervisor.sock
[supervisorctl]
serverurl=unix://{folder}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """\
[program:web-{slot}]
command={folder}/{slot}/bin/python -m web {folder}/{slot}.sock
directory=/
autostart=false
autorestart=true
startsecs=0
stopwaitsecs=20
redirect_stderr=true
"""


@dataclass
class Host:
    """A root whose service nginx stands before.

    Attributes:
        site: The root.
        slots: Its slots.
        start: The command that starts a slot.
        stop: The command that stops one.
        revives: Whether the manager starts again what has died.
    """

    site: Site
    slots: Slots
    start: list[str]
    stop: list[str]
    revives: bool

    @property
    def folder(self) -> Path:
        """The folder of the slots."""
        return self.slots.folder

    @property
    def front(self) -> str:
        """The socket of nginx."""
        return f"{self.folder}/www.sock"

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


def reason_to_skip(manager: str) -> str:
    """Why the part cannot be run with a manager; `""` if it can."""
    missing = [name for name in ("nginx", *NEEDS[manager]) if _program(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    return ""


NEEDS = {"plain": (), "supervisor": ("supervisord", "supervisorctl")}
"""The managers, and the programs that they consist of."""


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
    slots = Slots(site, folder)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(_kill_all, folder)
        start, stop = stack.enter_context(_managed(manager, slots))
        host = Host(site, slots, start, stop, revives=manager != "plain")
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, user=user))
        command = [
            _found("nginx"),
            "-e",
            f"{folder}/nginx.log",
            "-p",
            str(folder),
            "-c",
            f"{folder}/nginx.conf",
        ]
        stack.enter_context(_running(command, f"{folder}/www.sock", signal.SIGQUIT))
        yield host


@contextmanager
def _managed(manager: str, slots: Slots) -> Iterator[tuple[list[str], list[str]]]:
    folder = slots.folder
    if manager == "plain":
        command = [sys.executable, "-I", "-S", str(slots.manager), str(folder)]
        yield [*command, "start", "{slot}"], [*command, "stop", "{slot}"]
        return
    configuration = folder / "supervisord.conf"
    user = "user=root" if os.geteuid() == 0 else ""
    text = _SUPERVISOR.format(folder=folder, user=user)
    configuration.write_text(text + "".join(_PROGRAM.format(folder=folder, slot=slot) for slot in "ab"))
    with _running([_found("supervisord"), "-c", str(configuration)], f"{folder}/supervisor.sock"):
        command = [_found("supervisorctl"), "-c", str(configuration)]
        yield [*command, "start", "web-{slot}"], [*command, "stop", "web-{slot}"]


@contextmanager
def _running(command: list[str], path: str, how: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """Run a server until its socket is there, and end it afterwards."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + 60
            while not os.path.exists(path):
                assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
                assert time.monotonic() < until, f"{command[0]} made no {path}"
                time.sleep(0.05)
            yield
        finally:
            server.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                server.wait(30)
            server.kill()


def _kill_all(folder: Path) -> None:
    """Kill what runs in the slots of a folder, by whoever started it."""
    marks = tuple(f"{folder}/{slot}.sock".encode() for slot in "ab")
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().rstrip(b"\0").endswith(marks):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _found(name: str) -> str:
    found = _program(name)
    assert found is not None, f"there is no {name}"
    return found
