"""The shop of `serving` on a host of its own, with what `venvship service` prints installed there.

The host has the managers that run it: systemd is its process 1, supervisord is started in it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.daemons import supervisord
from tests.support.roots import command
from tests.support.serving import SECONDS, Shop
from tests.support.whole_host import Host

MANAGERS: Final = ("systemd", "supervisor")

REDIS: Final = "/run/redis.sock"
"""The socket of a redis on the host."""


def reason_to_skip(manager: str) -> str:
    """Why a host has no such manager; `""` if it has."""
    if manager == "supervisor" and shutil.which("supervisord") is None:
        return "there is no supervisord: apt-get install supervisor"
    return ""


@dataclass
class Deployed:
    """The shop on a host of its own.

    Attributes:
        shop: The root.
        host: The host.
    """

    shop: Shop
    host: Host

    @property
    def base(self) -> Path:
        """The folder of the root and of what belongs to it; the same on the host."""
        return self.shop.path.parent

    def there(self, path: str) -> Path:
        """A file of the host, as it is called here."""
        return Path(f"/proc/{self.host.pid}/root{path}")

    def run(self, *argv: str) -> str:
        """The output of a command on the host that must not fail."""
        done = self.host.run(*argv, timeout=SECONDS)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def venvship(self, *arguments: str) -> str:
        """Run a command on the root, on the host; returns its output."""
        return self.run(command(), "-C", str(self.shop.path), *arguments)

    def configure(self, text: str) -> None:
        """Write the settings, below the application's name."""
        self.shop.path.joinpath("venvship.toml").write_text(f'name = "shop"\nsyslog = false\n{text}')

    def install(self, manager: str, app: str, *options: str) -> dict[str, Any]:
        """Install the files that are printed for a program; returns `data` of `service --json`."""
        printed = self.venvship("service", manager, "--app", app, *options, "--json")
        data: dict[str, Any] = json.loads(printed)["data"]
        for file in data["files"]:
            self.there(file["path"]).write_text(file["content"])
        if manager == "systemd":
            self.run("systemctl", "daemon-reload")
        return data

    @contextmanager
    def running(self, manager: str) -> Iterator[None]:
        """Run a manager, unless it is the host's own, with what is installed for it; end it afterwards."""
        if manager == "systemd":
            yield
            return
        include = "[include]\nfiles=/etc/supervisor/conf.d/*.conf\n"
        text = supervisord("/run", include, as_root=True, foreground=False)
        self.there("/etc/supervisor/supervisord.conf").write_text(text)
        self.run("supervisord", "-c", "/etc/supervisor/supervisord.conf")
        try:
            yield
        finally:
            self.host.run("supervisorctl", "shutdown")
            self.wait(lambda: not self.there("/run/supervisord.pid").exists(), "supervisord does not end")
            for file in self.there("/etc/supervisor/conf.d").iterdir():
                file.unlink()

    @contextmanager
    def redis(self) -> Iterator[None]:
        """Run a redis on the host, at `REDIS`."""
        options = ["--port", "0", "--unixsocket", REDIS, "--save", ""]
        self.run("systemd-run", "--quiet", "--collect", "--unit=broker", "redis-server", *options)
        try:
            self.wait(self.there(REDIS).exists, "no redis")
            yield
        finally:
            self.run("systemctl", "stop", "broker")

    def main_pid(self, manager: str, name: str) -> str:
        """The first process of a unit or a section, as the host calls it; `"0"` if it does not run."""
        asked = {
            "systemd": ("systemctl", "show", "--value", "-p", "MainPID", f"{name}.service"),
            "supervisor": ("supervisorctl", "pid", name),
        }[manager]
        return self.host.run(*asked).stdout.strip()

    def processes(self, manager: str, name: str) -> set[str]:
        """All processes of a unit or a section, as the host calls them."""
        first = self.main_pid(manager, name)
        rows = [line.split() for line in self.run("ps", "-e", "-o", "pid=,ppid=").splitlines()]
        found = {first} - {"0", ""}
        while more := {pid for pid, parent in rows if parent in found} - found:
            found |= more
        return found

    def signal(self, manager: str, name: str, signal: str) -> None:
        """Send a signal to the first process of a unit or a section."""
        self.run("kill", "-s", signal, self.main_pid(manager, name))

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        until = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < until, what
            time.sleep(0.1)
