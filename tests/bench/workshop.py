"""One run of the bench: a directory, the programs, and how each of them is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.bench.inputs import PYTHON, REPOSITORY, Inputs, Peer, call
from tests.bench.measure import Command, run

KEEP = 10_000
"""Releases to keep: what has to be deleted is deleted after the last round, since file systems give inodes
out slowly for a while after many were freed."""

LONG_AGO = 1_600_000_000
"""When lockfiles were written: `update` leaves alone for a while what has just been written."""


@dataclass
class Workshop:
    """What the parts work with.

    Attributes:
        path: The directory of this run. Everything that is written lies below it, on one file system.
        inputs: The lockfile and its wheels.
        index: The URL of the index of them.
        venvship: The command that is measured.
        uv: The uv to measure against.
        rounds: How many rounds to measure.
        quick: Whether this only tries the bench itself.
    """

    path: Path
    inputs: Inputs
    index: str
    venvship: Path
    uv: Peer
    rounds: int
    quick: bool = False

    # -- environments -------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Of every program that is measured: nothing of this shell, and nowhere to fetch from."""
        home = self.path / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.defpath,
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.inputs.wheels),
            "UV_CACHE_DIR": str(self.path / "uv-cache"),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "VENVSHIP_SYSLOG": "",  # what is only measured is no news of this host
        }

    def with_index(self, home: Path) -> dict[str, str]:
        """The same, but with the index instead of the folder, and with caches of its own, still empty."""
        home.mkdir(parents=True)
        env = self.environment
        del env["PIP_NO_INDEX"], env["PIP_FIND_LINKS"]
        return env | {"HOME": str(home), "PIP_INDEX_URL": self.index, "UV_CACHE_DIR": str(home / "uv")}

    # -- venvship -----------------------------------------------------------------------------------------

    def root(self, name: str, *, store: Path | None = None, lockfile: str | None = None) -> Path:
        """Make a root that nothing has been released in.

        Args:
            name: Its name.
            store: The store; by default one of its own.
            lockfile: The lockfile's text; by default that of the inputs.
        """
        root = self.path / name
        root.mkdir(parents=True)
        shared = f'store = "{store}"\n' if store else ""
        (root / "venvship.toml").write_text(f'python = "{PYTHON}"\nkeep = {KEEP}\n{shared}')
        self.lock(root, self.inputs.text if lockfile is None else lockfile)
        return root

    @staticmethod
    def lock(root: Path, text: str) -> None:
        """Write a root's lockfile, long ago."""
        path = root / "requirements.txt"
        path.write_text(text)
        os.utime(path, (LONG_AGO, LONG_AGO))

    def command(self, root: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Command:
        """A command of venvship on a root."""
        return Command(((str(self.venvship), *arguments),), env or self.environment, root)

    @cached_property
    def warm(self) -> Path:
        """A root in which the lockfile is released, so that its store has everything."""
        root = self.root("warm")
        run(self.command(root, "release"))
        return root

    def in_the_past(self, root: Path, days: float, what: str) -> None:
        """Release or prune with the clock so many days back, in a process of its own.

        Raises:
            InputError: It failed.
        """
        call(sys.executable, "-m", "tests.bench.in_the_past", root, str(days), what)

    @property
    def python(self) -> str:
        """The interpreter of the environment that venvship runs from."""
        return str(self.venvship.parent / "python")

    # -- peers --------------------------------------------------------------------------------------------

    @property
    def without(self) -> dict[str, str]:
        """Which peers cannot be had, and why, for `alternate`."""
        return {"uv": self.uv.problem, "uv with bytecode": self.uv.problem} if self.uv.problem else {}

    def uv_environment(
        self, name: str, *, bytecode: bool, lockfile: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Command:
        """`uv venv` and `uv pip sync` into a new environment.

        Args:
            name: The environment's.
            bytecode: Whether it compiles.
            lockfile: The lockfile; by default the inputs'.
            env: With `PIP_INDEX_URL`, from that index and what pip's other variables name; by default from
                the folder of wheels, offline.
        """
        env = dict(env or self.environment)
        index = env.pop("PIP_INDEX_URL", "")
        links = env.pop("PIP_FIND_LINKS", "").split()
        where = ["--index-url", index] if index else ["--offline", "--no-index"]
        if further := env.pop("PIP_EXTRA_INDEX_URL", ""):
            where += ["--extra-index-url", further]
        where += [word for link in links for word in ("--find-links", link)]
        target = self.path / name
        python = ("--python", str(target / "bin" / "python"))
        compiling = ("--compile-bytecode",) if bytecode else ()
        source = str(lockfile or self.lockfile)
        sync = (self.uv.path, "pip", "sync", *python, "--require-hashes", *compiling, *where, source)
        return Command(((self.uv.path, "venv", "--python", PYTHON, str(target)), sync), env, self.path)

    def pip_environment(self, name: str) -> Command:
        """`python -m venv` and `pip install` into a new environment, from the folder of wheels."""
        target = self.path / name
        pip = (str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps")
        steps = (
            (PYTHON, "-m", "venv", str(target)),
            (*pip, "--require-hashes", "-r", str(self.lockfile)),
        )
        return Command(steps, self.environment, self.path)

    def pip_sync(self, lockfile: Path, env: Mapping[str, str] | None = None) -> Command:
        """`pip-sync` of an environment that is there, in place."""
        target = ("--python-executable", str(self.synced / "bin" / "python"))
        sync = (self.python, "-m", "piptools", "sync", "--quiet", *target, "--pip-args", "--no-deps")
        return Command(((*sync, str(lockfile)),), env or self.environment, self.path)

    @cached_property
    def lockfile(self) -> Path:
        """The lockfile as the peers get it."""
        path = self.path / "requirements.txt"
        path.write_text(self.inputs.text)
        return path

    @cached_property
    def synced(self) -> Path:
        """An environment for pip-sync, as pip has left it."""
        run(self.pip_environment("synced"))
        return self.path / "synced"


def filesystem(path: Path) -> str:
    """What kind of file system a path is on, as the kernel names it; `"unknown"` where it does not say."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.split(" - ")[1].split()[0] for line in lines if line.split()[2] == wanted), "unknown")


def commit() -> str:
    """Which version of the source this is."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "an unknown commit"
