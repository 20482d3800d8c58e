"""A service in two slots: a small web application of real wheels, and a manager that starts and stops it.

The application is `web`, in several versions that behave differently (`BEHAVIOURS`). It serves HTTP on a Unix
socket, names its version and its release in every answer, and finishes what it has begun when it is ended.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.roots import Site
from tests.support.wheels import Distribution, build_wheel

BEHAVIOURS: Mapping[str, str] = {
    "1.0": "",
    "1.1": "",
    "1.2": "",
    "2.0": "STATUS = 503",
    "2.1": "raise ImportError('no such thing')",
    "2.2": "raise SystemExit(3)",
    "2.3": "HANGS = True",
    "2.4": "NAMES_RELEASE = False",
}
"""What each version of the application does; those of 1 and 2.4 are healthy."""

_WEB = """\
import os, signal, socketserver, sys, threading, time
from http.server import BaseHTTPRequestHandler

VERSION = {version!r}
STATUS, HANGS, NAMES_RELEASE = 200, False, True
{behaviour}
STATUS = int(os.environ.get("WEB_STATUS", STATUS))
RELEASE = os.path.basename(sys.prefix)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if HANGS:
            time.sleep(600)
        if "slow" in self.path:
            time.sleep(float(self.path.partition("=")[2]))
        release = RELEASE if NAMES_RELEASE else "-"
        body = f"{{VERSION}} {{release}} {{os.getpid()}}".encode()
        self.send_response(STATUS)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def address_string(self):
        return "client"

    def log_message(self, *arguments):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 128


def main():
    path = sys.argv[1]
    if os.path.exists(path):
        os.unlink(path)
    server = Server(path, Handler)
    os.chmod(path, 0o666)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
"""

_MANAGER = """\
import os, signal, subprocess, sys, time

folder, action, slot = sys.argv[1:]
pid_file = f"{folder}/{slot}.pid"


def running():
    try:
        pid = int(open(pid_file).read())
        os.kill(pid, 0)
        return pid if open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z" else None
    except (OSError, ValueError):
        return None


with open(f"{folder}/manager.log", "a") as log:
    told = os.environ.get("VENVSHIP_RELEASE") or "-"
    print(action, slot, os.path.basename(os.path.realpath(f"{folder}/{slot}")), told, file=log)
if action == "start" and running() is None:
    argv = [f"{folder}/{slot}/bin/python", "-m", "web", f"{folder}/{slot}.sock"]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
    open(pid_file, "w").write(str(child.pid))
if action == "stop" and (pid := running()) is not None:
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 20
    while running() is not None and time.monotonic() < until:
        time.sleep(0.02)
    if running() is not None:
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
"""


def build_web(directory: Path, versions: Iterable[str] = BEHAVIOURS) -> dict[str, Distribution]:
    """Build the application's wheels, by version; `dep` is there for `Site.lock`."""
    directory.mkdir(parents=True, exist_ok=True)
    built = {"dep": build_wheel(directory, "dep", "1.0", files={"dep.py": "NAME = 'dep'\n"})}
    for version in versions:
        text = _WEB.format(version=version, behaviour=BEHAVIOURS[version])
        built[version] = build_wheel(directory, "web", version, files={"web.py": text})
    return built


class Slots:
    """The service of a root: its settings, and what it answers.

    Args:
        site: The root.
        folder: The folder of the slots; short, since the path of a socket is.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.manager = site.path / "manager.py"
        self.manager.write_text(_MANAGER)

    def write_settings(
        self, text: str = "", *, top: str = "", drain: float = 0.2, timeout: float = 5
    ) -> None:
        """Write the settings, with the service; `text` comes after it, `top` before."""
        command = f'"{sys.executable}", "-I", "{self.manager}", "{self.folder}"'
        (self.site.path / "venvship.toml").write_text(
            f'name = "web"\nsyslog = false\n{top}\n'
            f'[service]\nsocket_dir = "{self.folder}"\nhealth = "/healthz"\n'
            f'start = [{command}, "start", "{{slot}}"]\nstop = [{command}, "stop", "{{slot}}"]\n'
            f"drain = {drain}\ntimeout = {timeout}\n{text}"
        )

    def refusing(self, version: str) -> str:
        """Settings with a live check that one version does not pass."""
        script = f"import web, sys; sys.exit(web.VERSION == {version!r})"
        return f"[[check]]\nname = 'no'\ndeadline = 0\ncommand = ['python', '-c', \"{script}\"]\n"

    def ask(self, path: str = "/", *, name: str = "live.sock") -> tuple[int, str]:
        """The status and the body of an answer; customers ask `live.sock`."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.folder / name))
            connection = http.client.HTTPConnection("localhost")
            connection.sock = sock
            connection.request("GET", path, headers={"Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def wait_for(self, condition: Callable[[], object], *, seconds: float = 60) -> None:
        """Wait until something is so."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it never was"
            time.sleep(0.02)

    def version(self) -> str:
        """The version that customers get."""
        return self.ask()[1].split()[0]

    def accepts(self, slot: str) -> bool:
        """Whether a slot answers at all."""
        with suppress(OSError):
            self.ask(name=f"{slot}.sock")
            return True
        return False

    @property
    def live(self) -> str:
        """The slot that customers are led to."""
        return os.readlink(self.folder / "live.sock").removesuffix(".sock")

    def pid(self, slot: str) -> int | None:
        """The process that runs in a slot."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / f"{slot}.pid").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return None if state == "Z" else pid
        return None

    @property
    def up(self) -> list[str]:
        """The slots in which a process runs."""
        return [slot for slot in ("a", "b") if self.pid(slot) is not None]

    @property
    def log(self) -> list[str]:
        """The calls of the manager: `start a RELEASE TOLD`, by the slot's link, and as it was told."""
        return (self.folder / "manager.log").read_text().splitlines()

    def close(self) -> None:
        """Kill what runs."""
        for slot in ("a", "b"):
            pid = self.pid(slot)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
