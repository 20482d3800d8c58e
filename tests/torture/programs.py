"""Programs that run from a release as services do, for rounds of prune with such processes.

Each of them writes its number into the folder `TALK`, asked for by SIGUSR1 imports a module late, and runs
until it is killed. The folder is named in the environment, where nothing looks for users of a release.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.roots import Site
from tests.support.users import NOBODY
from tests.support.wheels import Distribution, build_wheel
from tests.torture import children

APP = '''\
"""Processes as servers and workers start them."""
import importlib, os, signal, socket, sys

VERSION = {version!r}
TALK = os.environ.get("TALK", "")


def answer(*_):
    sys.modules.pop("late", None)
    late = importlib.import_module("late")
    with open(f"{{TALK}}/{{os.getpid()}}.part", "w") as file:
        file.write(late.VERSION)
    os.rename(f"{{TALK}}/{{os.getpid()}}.part", f"{{TALK}}/{{os.getpid()}}.answer")


def serve():
    signal.signal(signal.SIGUSR1, answer)
    with open(f"{{TALK}}/{{os.getpid()}}", "w"):
        pass
    while True:
        signal.pause()


def workers(master):
    """Load the application, bind, fork: as gunicorn with --preload and uwsgi do."""
    listener = socket.create_server(("127.0.0.1", 0))
    for _ in range(2):
        if os.fork() == 0:
            serve()
    if master:
        serve()
    os._exit(0)  # as if it were killed


def daemon():
    """Fork twice and close every descriptor: as celery and python-daemon do."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.closerange(0, 4096)
    os.open(os.devnull, os.O_RDWR)
    os.dup2(0, 1)
    os.dup2(0, 2)


def main():
    import dep

    way = sys.argv[1]
    if way in ("detached", "closed"):
        daemon()
    if way == "detached":  # celery worker --detach
        os.execv(sys.executable, [sys.executable, "-m", "app", "plain"])
    if way in ("workers", "orphans"):
        workers(master=way == "workers")
    serve()


if __name__ == "__main__":
    main()
'''
VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")

SHELL = ': >"$TALK/$$"; while :; do kill -STOP $$; done'
"""A shell that has nothing but what it inherited, and waits without a child."""

WAIT = 30.0
"""Seconds in which a process must have started, answered or ended."""


def build_application(directory: Path) -> dict[str, Distribution]:
    """Build wheels as `tests.support.roots.build_application` does, with these programs in them.

    `bin/waiter` is an ELF program that a wheel brings: a copy of sleep(1).
    """
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = Path(sleep).read_bytes()
    assert program.startswith(b"\x7fELF")
    built = {"dep": build_wheel(directory, "dep", "1.0", files={"dep.py": "NAME = 'dep'\n"})}
    for version in VERSIONS:
        built[version] = build_wheel(
            directory,
            "app",
            version,
            files={"app.py": APP.format(version=version), "late.py": f"VERSION = {version!r}\n"},
            scripts={"app": "app:main"},
            data={"scripts/waiter": program},
        )
    return built


@dataclass(frozen=True)
class Program:
    """A way to run from a release.

    Attributes:
        argv: The command, where it is started; `{current}` stands for the link, `{release}` for the release.
        processes: How many processes there are of it.
        user: Who runs it; `None` for the owner of the root.
        python: Whether its processes answer.
        run: Whether it is started by `venvship run`.
        by_time: Whether it shows nothing but when it was started, through `current`.
    """

    argv: tuple[str, ...]
    processes: int = 1
    user: int | None = None
    python: bool = True
    run: bool = False
    by_time: bool = False


PROGRAMS: dict[str, Program] = {
    "Python of current/bin": Program(("{current}/bin/python", "-m", "app", "plain")),
    "script of current/bin": Program(("{current}/bin/app", "plain")),
    "workers, forked with the application loaded": Program(
        ("{current}/bin/python", "-m", "app", "workers"), processes=3
    ),
    "workers whose master is gone": Program(("{current}/bin/app", "orphans"), processes=2),
    "worker --detach, forked twice and executed": Program(("{current}/bin/python", "-m", "app", "detached")),
    "daemon that closed its descriptors": Program(
        ("{current}/bin/python", "-m", "app", "closed"), by_time=True
    ),
    "ELF program of a wheel": Program(("{current}/bin/waiter", "900"), python=False),
    "shell of venvship run": Program(("sh", "-c", SHELL), python=False, run=True),
    "another user's ELF program": Program(("{current}/bin/waiter", "900"), user=NOBODY, python=False),
    "another user's Python": Program(("{current}/bin/python", "-m", "app", "plain"), user=NOBODY),
    "another user's workers": Program(
        ("{current}/bin/python", "-m", "app", "workers"), processes=3, user=NOBODY
    ),
}
"""How a process may run from a release. `current` leads to the release when the process is started, as
after a promotion, and to another one when prune comes."""


@dataclass
class Running:
    """The processes of one program.

    Attributes:
        name: Of `PROGRAMS`.
        release: What they run from.
        pids: Their numbers.
    """

    name: str
    release: str
    pids: list[int] = field(default_factory=list)

    def wrong(self, talk: Path, version: str) -> list[str]:
        """Which of the processes do not go on as if nothing had happened."""
        program, wrong = PROGRAMS[self.name], []
        for pid in self.pids:
            if not _alive(pid):
                wrong.append(f"process {pid} of {self.name} has ended")
            elif os.readlink(f"/proc/{pid}/exe").endswith(" (deleted)"):
                wrong.append(f"the program of process {pid} of {self.name} is gone")
            elif program.python:
                os.kill(pid, signal.SIGUSR1)
                answer = talk / f"{pid}.answer"
                _within(lambda: answer.exists() or not _alive(pid))  # noqa: B023 - called here alone
                if not answer.exists() or answer.read_text() != version:
                    wrong.append(f"process {pid} of {self.name} could not import late")
        return wrong

    def end(self) -> None:
        """Kill them all, and wait until they are gone."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in self.pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            assert _within(lambda: not _alive(pid))  # noqa: B023 - called here alone


def start(name: str, site: Site, release: str, talk: Path) -> Running:
    """Start a program from a release, which is live just then, and wait for its processes."""
    program = PROGRAMS[name]
    before = set(os.listdir(talk))
    current = site.path / "current"
    live = os.readlink(current)
    _point(current, f"releases/{release}")
    try:
        argv = [part.format(current=current) for part in program.argv]
        child = _start(site, argv, {**site.environment, "TALK": str(talk)}, program)
        found = Running(name, release)
        if program.python or program.run:
            _within(lambda: len(set(os.listdir(talk)) - before) >= program.processes)
            found.pids = sorted(map(int, set(os.listdir(talk)) - before))
        else:
            _within(lambda: os.readlink(f"/proc/{child}/exe").endswith("/bin/waiter"))
            found.pids = [child]
        if child not in found.pids:
            os.waitpid(child, 0)
    finally:
        _point(current, live)
    assert len(found.pids) == program.processes, f"{name}: {found.pids}"
    return found


def can_start(name: str, site: Site, release: str) -> bool:
    """Whether a program can be run here: root can become another user, who must reach the interpreter."""
    program = PROGRAMS[name]
    if program.user is None:
        return True
    if os.geteuid() != 0:
        return False
    python = site.path / "releases" / release / "bin" / ("python" if program.python else "waiter")
    argv = [str(python), *(["-c", ""] if program.python else ["0"])]
    try:
        done = subprocess.run(
            argv, cwd="/", user=program.user, group=program.user, extra_groups=[], env={}, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


def talk_folder() -> Path:
    """Make a folder that every user can write into."""
    folder = Path(tempfile.mkdtemp(prefix="talk-"))
    folder.chmod(0o777)
    return folder


def _start(site: Site, argv: list[str], environment: dict[str, str], program: Program) -> int:
    from venvship.cli.main import run as run_command

    def run() -> int:
        os.chdir("/")
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if program.user is not None:
            os.setgroups([])
            os.setgid(program.user)
            os.setuid(program.user)
        if program.run:
            return run_command(["-C", str(site.path), "run", "--", *argv])
        os.execv(argv[0], argv)
        raise AssertionError("never reached")

    null = os.open(os.devnull, os.O_WRONLY)
    try:
        return children.start(run, null)
    finally:
        os.close(null)


def _point(link: Path, target: str) -> None:
    armed = link.with_name(".to.test")
    armed.symlink_to(target)
    armed.rename(link)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _within(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; returns whether it came."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if condition():
                return True
        time.sleep(0.003)
    return False
