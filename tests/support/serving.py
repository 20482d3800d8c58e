"""An application that real servers and workers run, in two releases of a root, and what it is asked.

`shop` has a WSGI and an ASGI application, tasks for celery, rq and dramatiq, a daemon and a job. Each tells
which release it is of, and notes in the folder `SHOP_NOTES` that something began or ended. With
`SHOP_DATABASE`, the URL of a redis, each process that serves has one connection to it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.network import environment
from tests.support.roots import command, finish
from tests.support.wheels import build_wheel, lockfile_text
from venvship.model.programs import read_program

LOCK: Final = Path(__file__).resolve().parent.parent.parent / "scripts" / "servers-requirements.txt"

SECONDS: Final = 600.0
"""Only a hang takes as long."""

_UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

_SHOP: Final = '''\
"""A shop that tells which release it is of."""

import asyncio
import os
import sys
import time

VERSION = {version!r}
RELEASE = os.path.basename(sys.prefix)

if "SHOP_DATABASE" in os.environ:  # a connection for each process that serves
    import redis

    DATABASE = redis.from_url(os.environ["SHOP_DATABASE"], client_name=RELEASE)
    DATABASE.ping()


def note(name):
    path = os.path.join(os.environ["SHOP_NOTES"], f"{{name}}-{{time.monotonic_ns()}}-{{os.getpid()}}")
    with open(f"{{path}}.new", "w") as file:
        file.write(RELEASE)
    os.rename(f"{{path}}.new", path)


def work(seconds):
    note("begun")
    time.sleep(seconds)
    note("done")


def hold():
    note("held")
    while not os.path.exists(os.path.join(os.environ["SHOP_NOTES"], "go")):
        time.sleep(0.05)
    note("let-go")


def body():
    return f"{{VERSION}} {{RELEASE}} {{os.getpid()}}".encode()


def wsgi(environ, start_response):
    if environ["QUERY_STRING"]:
        note("begun")
        time.sleep(float(environ["QUERY_STRING"]))
    answer = body()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({{"type": "lifespan.startup.complete"}})
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        await send({{"type": "websocket.send", "bytes": body()}})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if scope["query_string"]:
        note("begun")
        await asyncio.sleep(float(scope["query_string"]))
    answer = body()
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": answer}})
'''

_TASKS: Final = {
    "shop_celery.py": """\
import os

from celery import Celery

import shop

app = Celery("shop", broker=os.environ.get("SHOP_BROKER"))
app.conf.worker_soft_shutdown_timeout = float(os.environ.get("SHOP_SOFT", 0))
app.conf.task_acks_late = os.environ.get("SHOP_LATE") == "1"
app.conf.worker_enable_soft_shutdown_on_idle = False
app.conf.beat_schedule = {"tick": {"task": "shop_celery.tick", "schedule": 1.0}}


@app.task
def work(seconds):
    shop.work(seconds)


@app.task
def hold():
    shop.hold()


@app.task
def tick():
    shop.note("tick")
""",
    "shop_dramatiq.py": """\
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

import shop

dramatiq.set_broker(RedisBroker(url=os.environ.get("SHOP_BROKER")))


@dramatiq.actor(max_retries=3)
def work(seconds):
    shop.work(seconds)


@dramatiq.actor(max_retries=3)
def hold():
    shop.hold()
""",
    "shop_daemon.py": """\
import os
import signal
import sys
import time

import shop


def end(*_):
    shop.note("ended")
    sys.exit(0)


if "--handles" in sys.argv:
    signal.signal(signal.SIGTERM, end)
shop.note("begun")
while not os.path.exists(os.path.join(os.environ["SHOP_NOTES"], "go")):
    time.sleep(0.05)
import shop_late

with open(os.path.join(os.environ["SHOP_NOTES"], "late"), "w") as file:
    file.write(shop_late.VERSION)
shop.note("done")
while "--once" not in sys.argv:
    time.sleep(0.05)
""",
}


@dataclass
class Shop:
    """A root with two releases of the shop, and all servers in both.

    Attributes:
        path: The root.
        releases: The ids of the releases, the older one first.
    """

    path: Path
    releases: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Of venvship: a user's, with a package index."""
        return {**environment(network=True), "HOME": str(self.path.parent / "home")}

    def venvship(self, *arguments: str, exits: int = 0) -> str:
        """Run a command on the root; returns its output."""
        done = finish(
            command(),
            "-C",
            self.path,
            *arguments,
            cwd=self.path.parent,
            env=self.environment,
            timeout=SECONDS,
        )
        assert done.code == exits, done.out + done.err
        return done.out

    def release(self, version: str) -> None:
        """Release a version of the shop."""
        wheels = self.path.parent / "wheels"
        files = {"shop.py": _SHOP.format(version=version), "shop_late.py": f"VERSION = {version!r}\n"}
        wheel = build_wheel(wheels, "shop", version, files=files | _TASKS)
        own = lockfile_text(wheel, options=[f"--find-links {wheels}"])
        (self.path / "requirements.txt").write_text(own + LOCK.read_text())
        self.venvship("release")
        self.releases.append(os.path.basename(os.readlink(self.path / "current")))


def open_shop(folder: Path) -> Shop:
    """Make the root, and release twice."""
    (folder / "home").mkdir(parents=True)
    (folder / "wheels").mkdir()
    shop = Shop(folder / "shop")
    shop.venvship("init")
    with (shop.path / "venvship.toml").open("a") as settings:
        settings.write("syslog = false\n")
    for version in ("1.0", "2.0"):
        shop.release(version)
    return shop


@dataclass
class Place:
    """Where one program of the shop runs: a link to a release, a socket, and the notes.

    Attributes:
        shop: The root.
        folder: Short, since the path of a socket is.
        variables: For the program.
    """

    shop: Shop
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "notes").mkdir()
        self.lead(0)

    @property
    def address(self) -> Path:
        """The socket of a server."""
        return self.folder / "a.sock"

    def lead(self, number: int) -> None:
        """Point the link, `current` of the programs, to a release."""
        new = self.folder / "new"
        new.symlink_to(self.shop.path / "releases" / self.shop.releases[number])
        new.rename(self.folder / "current")

    def argv(self, app: str) -> list[str]:
        """The command line that `venvship service` prints for a program."""
        program = read_program(app, slots=True)
        gunicorn = program.server is not None and program.server.program == "gunicorn"
        extra = ("--no-control-socket",) if gunicorn else ()
        return program.argv(f"{self.folder}/current", socket=str(self.address), extra=extra)

    @contextlib.contextmanager
    def running(self, app: str | Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program as a service manager does, and kill all of it afterwards."""
        variables = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "SHOP_NOTES": f"{self.folder}/notes"}
        argv = self.argv(app) if isinstance(app, str) else list(app)
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                cwd="/",
                env=variables | self.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait(self, condition: Callable[[], object], what: str, *, seconds: float = SECONDS) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"{what}: {self.log}"
            time.sleep(0.05)

    @property
    def log(self) -> str:
        """The output of the programs."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def notes(self, kind: str) -> list[str]:
        """The releases that have noted something, in order."""
        found = sorted((self.folder / "notes").glob(f"{kind}-*[0-9]"))
        return [path.read_text() for path in found]

    def ask(self, path: str = "/") -> list[str]:
        """Version, release and process of an answer.

        Raises:
            OSError, http.client.HTTPException: There is none.
        """
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(str(self.address))
            connection = http.client.HTTPConnection("localhost")
            connection.sock = sock
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise ConnectionError(f"{answer.status}: {text}")
            return text.split()

    def answers(self) -> bool:
        """Whether there is an answer."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self.ask())
        return False

    def wait_for(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a server that was started answers."""
        self.wait(lambda: process.poll() is not None or self.answers(), "no answer")
        assert process.poll() is None, f"it has ended with {process.returncode}: {self.log}"

    @contextlib.contextmanager
    def begun(self, count: int, seconds: float) -> Iterator[list[Future[list[str]]]]:
        """Requests that the application has begun, and that take so long."""
        with ThreadPoolExecutor(count) as pool:
            before = len(self.notes("begun"))
            asked = [pool.submit(self.ask, f"/?{seconds}") for _ in range(count)]
            self.wait(lambda: len(self.notes("begun")) == before + count, "requests do not begin")
            yield asked

    @contextlib.contextmanager
    def websocket(self) -> Iterator[socket.socket]:
        """An open websocket (RFC 6455), after its first message was received."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(str(self.address))
            sock.sendall(_UPGRADE)
            data = b""
            while b"\r\n\r\n\x82" not in data:
                more = sock.recv(4096)
                assert more, f"no websocket: {data!r} {self.log}"
                data += more
            yield sock


def close_code(sock: socket.socket) -> int:
    """Wait until the server ends a websocket; returns the code that it gives, 0 for none."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := sock.recv(4096):
            data += more
            _, found, rest = data.partition(b"\x88\x02")  # a close frame with nothing but its code
            if found and len(rest) >= 2:
                return int.from_bytes(rest[:2], "big")
    return 0


def outcome(asked: Future[list[str]]) -> str:
    """The release that has answered; `""` for a request that failed."""
    try:
        return asked.result(SECONDS)[1]
    except (OSError, http.client.HTTPException):
        return ""


def members(process: subprocess.Popen[bytes]) -> set[str]:
    """The processes of a program that was started by `Place.running`."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[2] == str(process.pid):  # its group
                found.add(path.parent.name)
    return found
