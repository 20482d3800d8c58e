"""The managers that start and stop the slots of a service, with the files that venvship prints for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support import systemd
from tests.support.daemons import found, program, supervisord
from tests.support.systemd import Systemd

if TYPE_CHECKING:
    from tests.torture.hosting import Host

NEEDS = {"plain": (), "supervisor": ("supervisord", "supervisorctl"), "systemd": ()}
"""The managers, and the programs that they consist of; the first is there for hosts without any."""


def reason_to_skip(manager: str) -> str:
    """Why a manager cannot be run here behind nginx; `""` if it can."""
    missing = [name for name in ("nginx", *NEEDS[manager]) if program(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    return systemd.reason_to_skip() if manager == "systemd" else ""


@contextmanager
def managed(manager: str, host: Host) -> Iterator[None]:
    """Run a manager for a host, whose settings name it from then on."""
    with {"plain": _plain, "supervisor": _supervisor, "systemd": _systemd}[manager](host):
        yield


@contextmanager
def _plain(host: Host) -> Iterator[None]:
    host.control([sys.executable, "-I", "-S", str(host.slots.manager), str(host.folder)], "{slot}")
    yield


@contextmanager
def _supervisor(host: Host) -> Iterator[None]:
    folder = host.folder
    configuration = folder / "supervisord.conf"
    control = [found("supervisorctl"), "-c", str(configuration)]
    host.control(control, "web-{slot}")
    (sections,) = (text for path, text in host.printed("supervisor").items() if "/supervisor/" in path)
    configuration.write_text(supervisord(folder, sections, as_root=os.geteuid() == 0))
    with running([found("supervisord"), "-c", str(configuration)], f"{folder}/supervisor.sock"):
        until = time.monotonic() + 60
        while "EXITED" not in _output(*control, "status", "web-handover"):  # it brings up what is live
            assert time.monotonic() < until, "web-handover does not end"
            time.sleep(0.2)
        yield


@contextmanager
def _systemd(host: Host) -> Iterator[None]:
    machine = Systemd(host.folder / "systemd")
    try:
        machine.boot()
        host.control([*machine.enter(), "systemctl"], "web@{slot}.service")
        machine.install_printed(host.printed("systemd"))
        machine.control("daemon-reload")
        yield
    finally:
        machine.cut()


@contextmanager
def running(command: list[str], path: str, how: signal.Signals = signal.SIGTERM) -> Iterator[None]:
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


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
