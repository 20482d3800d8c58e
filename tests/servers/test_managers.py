"""Each web server in two slots, under systemd and supervisord, from what `venvship service` prints.

No request fails while it is restarted through the other slot, not even one that the old slot has in hand when
it is told to end. A server that HUP ends, or that is killed, is started again by the manager. On TCP it is
another story.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.deployed import MANAGERS, REDIS, Deployed, reason_to_skip
from tests.support.processes import script_at
from tests.support.roots import command
from tests.support.serving import SECONDS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "docs" / "_ext"))

from server_facts import SERVERS, ServerFacts

pytestmark = pytest.mark.network

LONG = 3.0
"""Seconds of a long request."""

CONTROL = """\
#!/bin/sh
while [ "$1" = stop ] && [ -e {base}/hold-$2 ]; do sleep 0.1; done
exec {command}
"""
COMMANDS = {"systemd": 'systemctl "$1" "shop@$2.service"', "supervisor": 'supervisorctl "$1" "shop-$2"'}
SETTINGS = """\
[env]
SHOP_NOTES = "{notes}"
{env}
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
class Visited:
    """The shop in two slots, and what its customers get.

    Attributes:
        deployed: The shop.
        manager: Who runs it.
        failed: Requests that failed, and why.
        answered: The processes that answered, one for each request.
    """

    deployed: Deployed
    manager: str
    failed: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self, app: str, *, drain: float, env: str = "") -> Iterator[None]:
        """Install what is printed for a server, and have it up in one of the slots.

        While there is the file `hold-a` beside the root, slot a is not stopped, and b likewise.
        """
        deployed = self.deployed
        text = CONTROL.format(base=deployed.base, command=COMMANDS[self.manager])
        control, notes = script_at(deployed.base / "control", text), deployed.base / "notes"
        notes.mkdir(exist_ok=True)
        deployed.configure(SETTINGS.format(control=control, notes=notes, drain=drain, env=env))
        deployed.install(self.manager, app)
        deployed.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/venvship-shop.conf")
        with deployed.running(self.manager):
            try:
                deployed.venvship("handover", "ensure", "--wait", "300")  # supervisord's own may be at it
                yield
            finally:
                for slot in "ab":
                    deployed.host.run(str(control), "stop", slot)

    @property
    def name(self) -> str:
        """The unit or the section of the slot that customers are led to."""
        slot = os.readlink(self.deployed.there("/run/shop/live.sock")).removesuffix(".sock")
        return f"shop{'@' if self.manager == 'systemd' else '-'}{slot}"

    def there(self) -> set[str]:
        """All processes of the host."""
        return set(self.deployed.run("ps", "-e", "-o", "pid=").split())

    def main_pid(self) -> str:
        """The first process of the live slot."""
        return self.deployed.main_pid(self.manager, self.name)

    def kill_all(self) -> None:
        """Kill all processes of the live slot, as for want of memory."""
        processes = self.deployed.processes(self.manager, self.name)
        self.deployed.host.run("kill", "-9", *processes)  # one of them may just have ended

    def wait_for_another(self, known: set[str]) -> None:
        """Wait until a process answers that is not among some."""

        def another() -> bool:
            self.ask()
            return not known.issuperset(self.answered[-1:])

        self.deployed.wait(another, f"nothing is started in its place: {self.failed[-3:]}")

    def ask(self, path: str = "/") -> None:
        """Ask what customers ask, over a connection of its own, and count."""
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(SECONDS)
                sock.connect(str(self.deployed.there("/run/shop/live.sock")))
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


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize("facts", SERVERS.values(), ids=SERVERS)
def test_no_request_fails_at_a_restart_and_what_hup_or_a_kill_ends_comes_back(
    deployed: Deployed, manager: str, facts: ServerFacts, record_property: Callable[[str, object], None]
) -> None:
    if reason := reason_to_skip(manager):
        pytest.skip(reason)
    shop = Visited(deployed, manager)
    # With a drain that is shorter than a request, the old slot has requests in hand when it is told to end.
    with shop.running(facts.app, drain=1.0 if facts.finishes else LONG + 3):
        with shop.customers():
            deployed.venvship("restart", "--wait", "300")
        assert shop.failed == []
        assert len(set(shop.answered)) > 1, "no other process has answered"
        record_property("cases", len(shop.answered))
        there, began = shop.there(), shop.main_pid()
        deployed.signal(manager, shop.name, "HUP")
        shop.wait_for_another(there)
        assert (shop.main_pid() == began) == (facts.hup != "ends")
        there = shop.there()
        shop.kill_all()
        shop.wait_for_another(there)


def test_both_slots_have_their_database_connections_until_the_old_one_stops(deployed: Deployed) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("there is no redis-cli: apt-get install redis-server")
    shop = Visited(deployed, "systemd")

    def connections() -> int:
        clients = deployed.run("redis-cli", "-s", REDIS, "client", "list").splitlines()
        return sum(f" name={current} " in line for line in clients)

    current = os.path.basename(os.readlink(deployed.shop.path / "current"))
    with (
        deployed.redis(),
        shop.running("gunicorn shop:wsgi --workers 4", drain=0, env=f'SHOP_DATABASE = "unix://{REDIS}"'),
    ):
        deployed.wait(lambda: connections() == 4, "not one connection for each worker")
        before = shop.name
        hold = deployed.base / f"hold-{before[-1]}"
        hold.touch()
        restart = deployed.host.command(command(), "-C", str(deployed.shop.path), "restart")
        with subprocess.Popen(restart, stdin=subprocess.DEVNULL) as switching:
            try:
                deployed.wait(lambda: shop.name != before, "no switch")
                deployed.wait(lambda: connections() == 8, "not the connections of both slots")
            finally:
                hold.unlink()
        assert switching.returncode == 0
        assert connections() == 4


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
