"""Each web server in two slots, under systemd and supervisord, from what `venvship service` prints.

No request fails while it is restarted through the other slot, not even one that the old slot has in hand when
it is told to end. A server that is killed is started again by the manager. On TCP it is another story.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import whole_host
from tests.support.roots import command
from tests.support.serving import SECONDS, Shop
from tests.support.whole_host import Host

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "docs" / "_ext"))

from server_facts import SERVERS, ServerFacts

pytestmark = pytest.mark.network

LONG = 3.0
"""Seconds of a long request."""

CONTROL = {
    "systemd": '#!/bin/sh\nexec /usr/bin/systemctl "$1" "shop@$2.service"\n',
    "supervisor": '#!/bin/sh\nexec supervisorctl -c /run/supervisord.conf "$1" "shop-$2"\n',
}
SUPERVISOR = """\
[supervisord]
pidfile=/run/supervisord.pid
user=root
[unix_http_server]
file=/run/supervisor.sock
[supervisorctl]
serverurl=unix:///run/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files=/etc/supervisor/conf.d/shop.conf
"""
SETTINGS = """\
name = "shop"
syslog = false
[env]
SHOP_NOTES = "{notes}"
[service]
start = ["{control}", "start", "{{slot}}"]
stop = ["{control}", "stop", "{{slot}}"]
health = "/"
socket_dir = "/run/shop"
timeout = 300
drain = {drain}
[hooks]
timeout = 120
"""


@dataclass
class Deployed:
    """The shop on a host of its own.

    Attributes:
        shop: The root.
        host: The host.
        failed: Requests that failed, and why.
        answered: The processes that answered, one for each request.
    """

    shop: Shop
    host: Host
    failed: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)

    @property
    def base(self) -> Path:
        """The folder of the root and of what belongs to it."""
        return self.shop.path.parent

    def there(self, path: str) -> Path:
        """A file of the host, as it is called here."""
        return Path(f"/proc/{self.host.pid}/root{path}")

    def venvship(self, *arguments: str) -> None:
        """Run a command on the root, on the host."""
        done = self.host.run(command(), "-C", str(self.shop.path), *arguments, timeout=SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr

    def configure(self, manager: str, app: str, *, drain: float) -> None:
        """Install what is printed for a server, and bring it up."""
        control = self.base / "control"
        control.write_text(CONTROL[manager])
        control.chmod(0o755)
        notes = self.base / "notes"
        notes.mkdir(exist_ok=True)
        text = SETTINGS.format(control=control, notes=notes, drain=drain)
        self.shop.path.joinpath("venvship.toml").write_text(text)
        printed = self.host.run(command(), "-C", str(self.shop.path), "service", manager, "--app", app, "-q")
        assert printed.returncode == 0, printed.stderr
        (self.base / "printed").write_text(printed.stdout)
        split = "awk '/^# \\/etc\\// {file = $2} {print > file}' " + str(self.base / "printed")
        assert self.host.run("sh", "-c", split).returncode == 0
        if manager == "systemd":
            self.host.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/venvship-shop.conf")
            assert self.host.run("systemctl", "daemon-reload").returncode == 0
        else:
            self.there("/run/shop").mkdir(exist_ok=True)
            self.there("/run/shop").chmod(0o1775)
            self.there("/run/supervisord.conf").write_text(SUPERVISOR)
            started = self.host.run("supervisord", "-c", "/run/supervisord.conf")
            assert started.returncode == 0, started.stderr
        self.venvship("handover", "ensure", "--wait", "300")  # supervisord's own may be at it

    def kill(self, manager: str) -> None:
        """Kill the first process of the live slot, as the kernel does when memory ends."""
        slot = os.readlink(self.there("/run/shop/live.sock")).removesuffix(".sock")
        asked = {
            "systemd": ["systemctl", "show", "--value", "-p", "MainPID", f"shop@{slot}.service"],
            "supervisor": ["supervisorctl", "-c", "/run/supervisord.conf", "pid", f"shop-{slot}"],
        }[manager]
        assert self.host.run("kill", "-9", self.host.run(*asked).stdout.strip()).returncode == 0

    def wait_for_another(self) -> None:
        """Wait until a process answers that has not answered yet."""
        known = set(self.answered)
        until = time.monotonic() + SECONDS
        while set(self.answered) == known:
            assert time.monotonic() < until, f"nothing is started in its place: {self.failed[-3:]}"
            self.ask()
            time.sleep(0.1)

    def stop(self, manager: str) -> None:
        """Stop both slots, and the manager if it is not the host's."""
        for slot in "ab":
            self.host.run(str(self.base / "control"), "stop", slot)
        if manager == "supervisor":
            self.host.run("supervisorctl", "-c", "/run/supervisord.conf", "shutdown")
            until = time.monotonic() + SECONDS
            while self.there("/run/supervisord.pid").exists():
                assert time.monotonic() < until, "supervisord does not end"
                time.sleep(0.1)

    def ask(self, path: str = "/") -> None:
        """Ask what customers ask, over a connection of its own, and count."""
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(SECONDS)
                sock.connect(str(self.there("/run/shop/live.sock")))
                connection = http.client.HTTPConnection("localhost")
                connection.sock = sock
                connection.request("GET", path, headers={"Connection": "close"})
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status == 200:
                    self.answered.append(text.split()[2])
                else:
                    self.failed.append(f"{answer.status}: {text}")
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(f"{path}: {error!r}")

    @contextlib.contextmanager
    def customers(self) -> Iterator[None]:
        """Customers who ask one page after the other, and two who ask for what takes long."""
        over = threading.Event()

        def asking(path: str, pause: float) -> Callable[[], None]:
            def ask() -> None:
                while not over.wait(pause):
                    self.ask(path)

            return ask

        targets = [asking("/", 0.02), asking("/", 0.02), *[asking(f"/?{LONG}", 0.02)] * 2]
        threads = [threading.Thread(target=target) for target in targets]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


@pytest.fixture(scope="module")
def deployed(shop: Shop) -> Iterator[Deployed]:
    if reason := whole_host.reason_to_skip():
        pytest.skip(reason)
    srv = shop.path.parent / "srv"
    srv.mkdir(exist_ok=True)
    with whole_host.host(shop.path.parent, srv) as host:
        yield Deployed(shop, host)


@pytest.mark.parametrize("manager", CONTROL)
@pytest.mark.parametrize("facts", SERVERS.values(), ids=SERVERS)
def test_no_request_fails_at_a_restart_and_a_killed_server_comes_back(
    deployed: Deployed, manager: str, facts: ServerFacts, record_property: Callable[[str, object], None]
) -> None:
    if manager == "supervisor" and shutil.which("supervisord") is None:
        pytest.skip("there is no supervisord: apt-get install supervisor")
    deployed.failed.clear()
    deployed.answered.clear()
    # With a drain that is shorter than a request, the old slot has requests in hand when it is told to end.
    deployed.configure(manager, facts.app, drain=1.0 if facts.finishes else LONG + 3)
    try:
        with deployed.customers():
            deployed.venvship("restart", "--wait", "300")
        assert deployed.failed == []
        assert len(set(deployed.answered)) > 1, "no other process has answered"
        record_property("cases", len(deployed.answered))
        deployed.kill(manager)
        deployed.wait_for_another()
    finally:
        deployed.stop(manager)


# -- on TCP -------------------------------------------------------------------------------------------------

TCP = {
    "plain": {
        "tcp.service": (
            "[Unit]\nStartLimitIntervalSec=0\n"  # systemd allows five starts in ten seconds
            "[Service]\n{env}ExecStart={gunicorn} --bind 127.0.0.1:8000 shop:wsgi --threads 4\n"
        ),
    },
    "socket-unit": {
        "tcp.socket": "[Socket]\nListenStream=127.0.0.1:8000\n",
        "tcp.service": (
            "[Unit]\nRequires=tcp.socket\nStartLimitIntervalSec=0\n"
            "[Service]\n{env}ExecStart={gunicorn} shop:wsgi --threads 4\n"
        ),
    },
}
VISIT = """\
while [ ! -e {stop} ]; do
    curl --silent --output {folder}/page --write-out '%{{http_code}}\\n' 'http://127.0.0.1:8000/[1-50]'
done
"""
RESTARTS = 5


@pytest.mark.parametrize("kind", TCP)
def test_requests_over_tcp_fail_at_a_restart_but_for_a_socket_unit(
    deployed: Deployed, kind: str, record_property: Callable[[str, object], None]
) -> None:
    gunicorn = f"{deployed.shop.path}/current/bin/gunicorn --no-control-socket"
    for name, text in TCP[kind].items():
        unit = text.format(gunicorn=gunicorn, env=f"Environment=SHOP_NOTES={deployed.base}\n")
        deployed.there(f"/etc/systemd/system/{name}").write_text(unit)
    assert deployed.host.run("systemctl", "daemon-reload").returncode == 0
    started = next(iter(TCP[kind]))
    assert deployed.host.run("systemctl", "start", started).returncode == 0
    try:
        ready = "until curl --silent --output /dev/null http://127.0.0.1:8000/; do sleep 0.2; done"
        assert deployed.host.run("sh", "-c", ready, timeout=SECONDS).returncode == 0
        stop, answers = deployed.base / "stop", deployed.base / f"answers-{kind}"
        stop.unlink(missing_ok=True)
        visit = VISIT.format(stop=stop, folder=deployed.base)
        with (
            answers.open("wb") as output,
            subprocess.Popen(
                deployed.host.command("sh", "-c", visit), stdout=output, stdin=subprocess.DEVNULL
            ) as visitor,
        ):
            try:
                for _ in range(RESTARTS):
                    assert deployed.host.run("systemctl", "restart", "tcp.service").returncode == 0
                    assert deployed.host.run("sh", "-c", ready, timeout=SECONDS).returncode == 0
            finally:
                stop.touch()
            visitor.wait(SECONDS)
        statuses = answers.read_text().split()
        failed = len([status for status in statuses if status != "200"])
        print(f"{kind}: {RESTARTS} restarts, {len(statuses)} requests, {failed} failed")
        record_property("cases", len(statuses))
        assert (failed > 0) == (kind == "plain")
    finally:
        deployed.host.run("systemctl", "stop", *TCP[kind])
        for name in TCP[kind]:
            deployed.there(f"/etc/systemd/system/{name}").unlink()
