"""After a boot `handover ensure` serves what is current, before the web server asks, wherever it was cut off.

Under a real systemd with the units that venvship prints, where owner, service and web server are three users;
and under supervisord, without root.
"""

from __future__ import annotations

import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import systemd
from tests.support.daemons import found, nginx, program, supervisord
from tests.support.processes import eventually
from tests.support.roots import Finished, Site, finish, make_removable, make_site
from tests.support.second_user import command_for_others
from tests.support.service import build_web
from tests.support.systemd import UNITS, Systemd

APP = "python -m web {socket}"
OWNER, SERVICE, WEB = "nobody", "daemon", "bin"
"""Three users that every Linux has."""

QUICK = {("stopped", "a"), ("switched", "b")}
ENDS = pytest.mark.parametrize(
    ("moment", "slot"),
    [
        pytest.param(moment, slot, marks=() if (moment, slot) in QUICK else pytest.mark.slow)
        for moment in ("stopped", "idle", "proving", "switched", "draining")
        for slot in ("a", "b")
    ],
)
"""Where the host ends, cleanly, by a cut while nothing happens, and in a promotion; and the live slot."""


def ask(path: Path) -> list[str]:
    """The words of an answer: its status, and of the application's its version and release."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(path))
        connection = http.client.HTTPConnection("localhost")
        connection.sock = sock
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        return [str(answer.status), *answer.read().decode(errors="replace").split()]


@dataclass
class Shop:
    """A root of a service whose host can be ended and booted.

    Attributes:
        site: The root.
        owner: Whose it is, and who runs venvship.
        start: The settings `start` and `stop`, of which `VERB` is the verb.
        users: More settings of the service.
        slots: The folder of the slots, as the host sees it.
        enter: The beginning of a command line that runs something on the host.
    """

    site: Site
    owner: str
    start: list[str]
    users: str
    slots: str
    enter: Callable[[], list[str]] = list
    front: Callable[[], Path] = Path
    releases: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.site.path.parent

    def configure(self, *, drain: float = 0.2) -> None:
        """Write the settings. While there is the file `hold`, the live check waits."""
        start, stop = (
            [verb if word == "VERB" else word for word in self.start] for verb in ("start", "stop")
        )
        check = f"while [ -e {self.folder}/hold ]; do sleep 0.05; done"
        self.site.path.joinpath("venvship.toml").write_text(
            f'name = "web"\nsyslog = false\nstore = "{self.site.store}"\n'
            f'[service]\nsocket_dir = "{self.slots}"\nhealth = "/healthz"\n{self.users}'
            f"start = {json.dumps(start)}\nstop = {json.dumps(stop)}\ndrain = {drain}\ntimeout = 60\n"
            f'[[check]]\nname = "waits"\ntimeout = 600\ncommand = {json.dumps(["/bin/sh", "-c", check])}\n'
        )

    def as_owner(self, *arguments: str) -> list[str]:
        """The command line with which the owner runs venvship on the host."""
        variables = [f"{name}={value}" for name, value in self.site.environment.items()]
        command = [self.site.program, "-C", str(self.site.path), *arguments]
        return [*self.enter(), *become(self.owner), "/usr/bin/env", "-i", *variables, *command]

    def run(self, *arguments: str) -> Finished:
        """Run venvship as the owner, on the host."""
        return finish(
            *self.as_owner(*arguments), cwd=Path("/"), env={"PATH": os.environ["PATH"]}, timeout=300
        )

    def accepted(self, *arguments: str) -> Finished:
        """Run what is to succeed."""
        done = self.run(*arguments)
        assert done.code == 0, done.err
        return done

    def printed(self, kind: str) -> dict[str, str]:
        """The files that venvship prints, by path; the settings are those that go with them."""
        app = [] if kind == "nginx" else ["--app", APP]
        data = self.accepted("service", kind, *app, "--json").data
        assert data["settings"] == ""
        return {file["path"]: file["content"] for file in data["files"]}

    def release_all(self) -> None:
        """Release two versions, and build one that never answers."""
        self.configure()
        for version in ("1.0", "1.1", "2.3"):
            self.site.lock(version)
            done = self.accepted("release", "--json", *["--no-promote"] * (version == "2.3"))
            self.releases[version] = done.data["release"]["id"]

    def have_live(self, slot: str) -> str:
        """Have what is current in a slot; returns it."""
        self.configure()
        data = self.accepted("handover", "status", "--json").data
        if data["live"] != slot:
            data = self.accepted("restart", "--json").data
            data = self.accepted("handover", "status", "--json").data
        assert data["live"] == slot
        return str(self.site.current)

    def switch_until(self, moment: str, end: Callable[[], None]) -> str:
        """Begin to promote another release, end the host at a moment of it, and return what is to be live.

        Args:
            moment: One of `ENDS`, in a promotion.
            end: Ends the host.
        """
        before = str(self.site.current)
        other = next(one for one in (self.releases["1.0"], self.releases["1.1"]) if one != before)
        wanted = self.releases["2.3"] if moment == "proving" else other
        self.configure(drain=600 if moment == "draining" else 0.2)
        hold = self.folder / "hold"
        if moment == "switched":
            hold.touch()
        with subprocess.Popen(
            self.as_owner("promote", "--force", wanted), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as command:
            there = {
                "proving": lambda: self.answering(wanted) is not None,
                "switched": lambda: self.site.current == wanted,
                "draining": lambda: self.site.previous == before,
            }[moment]
            try:
                assert eventually(lambda: there() or command.poll() is not None, seconds=120)
                assert command.poll() is None, command.communicate()[0]
                end()
            finally:
                command.kill()
        hold.unlink(missing_ok=True)
        assert self.site.current == (before if moment == "proving" else wanted)
        self.configure()
        return wanted if moment == "draining" else before

    def answering(self, release_id: str) -> str | None:
        """The slot that accepts connections for a release."""
        for slot in ("a", "b"):
            place = (
                self.front().parent / self.slots.removeprefix("/run/") if self.enter() else Path(self.slots)
            )
            with suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                if os.path.basename(os.readlink(place / slot)) == release_id:
                    sock.connect(str(place / f"{slot}.sock"))
                    return slot
        return None

    def assert_one_slot(self) -> None:
        """Exactly one slot is up, and customers are led to it."""
        data = self.accepted("handover", "status", "--json").data
        up = [slot for slot in data["slots"] if slot["answers"]]
        assert [(slot["live"], slot["release"]) for slot in up] == [(True, self.site.current)]
        assert ask(self.front())[:1] + ask(self.front())[2:3] == ["200", self.site.current]


def become(user: str) -> list[str]:
    """The beginning of a command line that runs the rest as a user."""
    entry = pwd.getpwnam(user)
    if os.geteuid() == entry.pw_uid:
        return []
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def make_shop(folder: Path, owner: str, start: list[str], users: str, slots: str) -> Shop:
    """Make the root of a user, in a folder that all can enter."""
    folder.chmod(0o755)
    wheels = build_web(folder / "wheels", ("1.0", "1.1", "2.3"))
    root = folder / "root"
    site = make_site(root, wheels, root / "store", folder / "home", None)
    entry = pwd.getpwnam(owner)
    if os.geteuid() != entry.pw_uid:
        site.program = command_for_others(folder)
        for path in (root, *root.iterdir(), folder / "home", folder):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    return Shop(site, owner, start, users, slots)


# -- systemd -------------------------------------------------------------------------------------------------


class Booting:
    """A host with systemd, nginx as a unit, and a shop."""

    def __init__(self, folder: Path) -> None:
        control = ["/usr/bin/sudo", "-n", "/usr/bin/systemctl", "VERB", "web@{slot}.service"]
        users = f'user = "{SERVICE}"\nweb_user = "{WEB}"\n'
        self.machine = Systemd(folder / "systemd")
        self.shop = make_shop(folder, OWNER, control, users, "/run/web")
        self.shop.configure()
        self.machine.install_printed(self.shop.printed("systemd"))
        self.shop.enter = self.machine.enter
        self.shop.front = self._front
        self.machine.want("venvship-handover-web.service")

    def boot(self, wait: Callable[[], bool] | None = None) -> None:
        """Boot, and be sure that nothing of /run was there before."""
        self.machine.boot(wait=wait)

    def add_nginx(self) -> None:
        """From the next boot on, nginx is started too."""
        folder = self.shop.folder
        (block,) = self.shop.printed("nginx").values()
        block = block.replace("listen 80;", "listen unix:/run/www.sock;")
        (folder / "nginx.conf").write_text(nginx("/run", block, user=f"{WEB} {WEB}"))
        command = f"{found('nginx')} -e /run/nginx.log -c {folder}/nginx.conf"
        self.machine.install(f"{UNITS}/nginx.service", f"[Service]\nExecStart={command}\n")
        self.machine.want("nginx.service")

    def _front(self) -> Path:
        return Path(f"/proc/{self.machine.pid}/root/run/www.sock")

    def first_answers(self) -> list[list[str]]:
        """Boot, and ask nginx from the first moment on; returns its first answers."""
        answers: list[list[str]] = []

        def enough() -> bool:
            with suppress(FileNotFoundError, ConnectionRefusedError):  # it does not run yet
                answers.append(ask(self._front()))
            return len(answers) >= 5

        self.boot(enough)
        return answers


@pytest.fixture(scope="module")
def booting() -> Iterator[Booting]:
    """A host whose service has two releases."""
    if reason := systemd.reason_to_skip():
        pytest.skip(reason)
    for name in ("nginx", "sudo", "setpriv"):
        if program(name) is None:
            pytest.skip(f"there is no {name}")
    folder = Path(tempfile.mkdtemp(prefix="boot-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(make_removable, folder)
        host = Booting(folder)
        stack.callback(host.machine.cut)
        host.boot()
        host.shop.release_all()
        host.add_nginx()
        host.machine.control("daemon-reload")
        host.machine.control("start", "nginx.service")
        yield host


@ENDS
def test_after_a_boot_the_web_server_finds_what_is_current(booting: Booting, moment: str, slot: str) -> None:
    shop, machine = booting.shop, booting.machine
    current = shop.have_live(slot)
    if moment == "stopped":
        machine.shut_down()
    elif moment == "idle":
        machine.cut()
    else:
        current = shop.switch_until(moment, machine.cut)
    answers = booting.first_answers()
    assert [answer[:1] + answer[2:3] for answer in answers] == [["200", current]] * 5
    assert shop.site.current == current
    shop.assert_one_slot()
    ended = int(machine.property("venvship-handover-web.service", "ExecMainExitTimestampMonotonic"))
    asked = int(machine.property("nginx.service", "ExecMainStartTimestampMonotonic"))
    assert 0 < ended < asked


def test_owner_service_and_web_server_are_three_users(booting: Booting) -> None:
    shop, machine = booting.shop, booting.machine
    for slot in "ba":
        shop.have_live(slot)
    run = Path(f"/proc/{machine.pid}/root/run/web")
    found = {path.name: pwd.getpwuid(path.lstat().st_uid).pw_name for path in (run, *run.iterdir())}
    assert found.pop("a.sock") == SERVICE
    found.pop("b.sock", None)  # a server may leave it behind
    assert found == dict.fromkeys(("web", "a", "b", "live.sock"), OWNER)
    assert run.stat().st_mode & 0o7777 == 0o1775
    workers = machine.run("ps", "-o", "user=", "-C", "nginx").split()
    assert sorted(workers) == sorted(["root", *[WEB] * (len(workers) - 1)])
    assert len(workers) > 1
    (pid,) = ask(shop.front())[3:4]
    assert machine.run("ps", "-o", "user=", "-p", pid) == SERVICE


# -- supervisord, without root -------------------------------------------------------------------------------


class Rootless:
    """supervisord, nginx and a shop of one user, who is not root."""

    def __init__(self, folder: Path) -> None:
        owner = OWNER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.file = folder / "supervisord.conf"
        control = ["/usr/bin/supervisorctl", "-c", str(self.file), "VERB", "web-{slot}"]
        self.shop = make_shop(folder, owner, control, "", f"{folder}/run")
        self.shop.front = lambda: folder / "www.sock"
        self.shop.configure()
        self._processes: list[subprocess.Popen[bytes]] = []

    def install(self) -> None:
        """Write the files of supervisord and nginx."""
        folder = self.shop.folder
        app = self.shop.accepted("service", "supervisor", "--app", APP, "--json").data["files"]
        (sections,) = (file["content"] for file in app if "/supervisor/" in file["path"])
        self.file.write_text(supervisord(folder, sections))
        (block,) = self.shop.printed("nginx").values()
        block = block.replace("listen 80;", f"listen unix:{folder}/www.sock;")
        (folder / "nginx.conf").write_text(nginx(folder, block))

    def boot(self) -> None:
        """Start supervisord, have venvship bring up what is current, and start nginx after that."""
        shutil.rmtree(self.shop.slots, ignore_errors=True)
        for left in ("www.sock", "supervisor.sock"):  # a killed server leaves its socket
            (self.shop.folder / left).unlink(missing_ok=True)
        self._start(found("supervisord"), "-c", str(self.file))
        assert eventually((self.shop.folder / "supervisor.sock").exists)
        self.shop.accepted("--wait", "100", "handover", "ensure", "--boot")
        folder = self.shop.folder
        self._start(found("nginx"), "-e", f"{folder}/nginx.log", "-c", f"{folder}/nginx.conf")
        assert eventually(self.shop.front().exists)

    def stop(self) -> None:
        """End both as a shut-down does."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(60)
        self._processes.clear()

    def cut(self) -> None:
        """Kill all that runs from the folder, at once."""
        mark = os.fsencode(self.shop.folder)
        for _ in range(3):  # what was just about to be started
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    if mark in path.read_bytes() and int(path.parent.name) != os.getpid():
                        os.kill(int(path.parent.name), signal.SIGKILL)
            time.sleep(0.05)
        for process in self._processes:
            process.wait(60)
        self._processes.clear()

    def _start(self, *argv: str) -> None:
        command = [*become(self.shop.owner), *argv]
        null = subprocess.DEVNULL
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self._processes.append(
            subprocess.Popen(command, cwd="/", stdin=null, stdout=null, stderr=null, env=environment)
        )


@pytest.fixture(scope="module")
def rootless() -> Iterator[Rootless]:
    """A user's own host, with two releases."""
    for name in ("nginx", "supervisord", "setpriv"):
        if program(name) is None:
            pytest.skip(f"there is no {name}")
    folder = Path(tempfile.mkdtemp(prefix="boot-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(make_removable, folder)
        host = Rootless(folder)
        stack.callback(host.cut)
        host.install()
        host.boot()
        host.shop.release_all()
        yield host


@ENDS
def test_without_root_what_is_current_is_served_after_a_boot(
    rootless: Rootless, moment: str, slot: str
) -> None:
    shop = rootless.shop
    current = shop.have_live(slot)
    if moment == "stopped":
        rootless.stop()
    elif moment == "idle":
        rootless.cut()
    else:
        current = shop.switch_until(moment, rootless.cut)
    rootless.boot()
    assert ask(shop.front())[:1] + ask(shop.front())[2:3] == ["200", current]
    assert shop.site.current == current
    shop.assert_one_slot()
