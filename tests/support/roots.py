"""A root with a small application, for tests that release it through the command line or the API.

The application is two wheels: `app`, in several versions, and `dep`, which never changes. They lie in a
directory that the lockfile names with `--find-links`, so nothing asks an index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.terminals import Shown, Terminal
from tests.support.wheels import Distribution, build_wheel, lockfile_text
from venvship.api import Root, default_runtime
from venvship.system.signals import Signals
from venvship.workspace.runtime import Runtime

VERSIONS = ("1.0", "1.1", "1.2", "1.3")


def command() -> str:
    """The `venvship` under test: `VENVSHIP_COMMAND`, or the one beside this interpreter."""
    return os.environ.get("VENVSHIP_COMMAND") or str(Path(sys.executable).parent / "venvship")


def build_application(directory: Path) -> dict[str, Distribution]:
    """Build the application's wheels; the keys are `dep` and the versions of `app`."""
    directory.mkdir(parents=True, exist_ok=True)
    built = {"dep": build_wheel(directory, "dep", "1.0", files={"dep.py": "NAME = 'dep'\n"})}
    for version in VERSIONS:
        source = (
            f"VERSION = {version!r}\ndef main():\n    import dep, late\n    print(VERSION, late.VERSION)\n"
        )
        built[version] = build_wheel(
            directory,
            "app",
            version,
            files={"app.py": source, "late.py": f"VERSION = {version!r}\n"},
            scripts={"app": "app:main"},
        )
    return built


def plain_environment(home: Path) -> dict[str, str]:
    """An environment for children that has nothing of this machine but its PATH, and no network."""
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "VENVSHIP_SYSLOG": "",  # what tests do is no news of this host
    }


def refuses(version: str) -> str:
    """Settings with a live check that one version of the application does not pass."""
    script = f"import app, sys; sys.exit(app.VERSION == {version!r})"
    return f"[[check]]\nname = 'not-{version}'\ndeadline = 0\ncommand = ['python', '-c', \"{script}\"]\n"


@dataclass(frozen=True)
class Finished:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The envelope: exactly one object on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def data(self) -> dict[str, Any]:
        """The envelope's data."""
        found = self.json["data"]
        assert isinstance(found, dict)
        return found


def finish(
    *argv: str | Path, cwd: Path, env: Mapping[str, str], timeout: float = 120, **options: Any
) -> Finished:
    """Run a program to its end, without an input.

    Args:
        argv: The program and its arguments.
        cwd: Its working directory.
        env: All of its environment.
        timeout: In seconds.
        options: For `subprocess.run`.
    """
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class Site:
    """A root, its application, and how to work with it."""

    path: Path
    wheels: Mapping[str, Distribution]
    environment: dict[str, str]
    store: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    program: str = field(default_factory=command)

    def lock(self, *versions: str, name: str = "requirements.txt", comment: str = "") -> Path:
        """Write a lockfile of `dep` and one version of `app`."""
        wheels = [self.wheels["dep"], *(self.wheels[version] for version in versions)]
        path = self.path / name
        text = lockfile_text(*wheels, options=[f"--find-links {self.wheels['dep'].path.parent}"])
        path.write_text(f"# {comment}\n{text}" if comment else text)
        # A minute ago: `update` leaves alone for a while what has just been written.
        then = path.stat().st_mtime - 60
        os.utime(path, (then, then))
        return path

    def settings(self, text: str = "") -> None:
        """Write `venvship.toml`."""
        (self.path / "venvship.toml").write_text(f'name = "shop"\nstore = "{self.store}"\n{text}')

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        cwd: Path | None = None,
    ) -> Finished:
        """Run the installed command in the root, to its end."""
        env = {**self.environment, **(env or {})}
        return finish(self.program, *arguments, cwd=cwd or self.path, env=env, timeout=timeout)

    def type(self, *arguments: str, columns: int = 200) -> Shown:
        """Run the installed command at a terminal in the root, to its end, as a person does."""
        argv = [self.program, *arguments]
        return Terminal(argv, env=self.environment, cwd=self.path, columns=columns).finish()

    def run_as_cron(self, *arguments: str) -> Finished:
        """Run the installed command with nothing in its environment but what cron gives, from elsewhere."""
        env = {"PATH": "/usr/bin:/bin", "HOME": self.environment["HOME"]}
        return finish(self.program, "-C", self.path, *arguments, cwd=Path("/"), env=env)

    def shell(self, line: str, **variables: str) -> Finished:
        """Run a line of bash in the root, to its end."""
        return finish("bash", "-c", line, cwd=self.path, env={**self.environment, **variables})

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the installed command in the root, and leave it running."""
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.path,
            env={**self.environment, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def runtime(self, **changes: Any) -> Runtime:
        """The world for the API: the test's environment, its clock where it sets one, and a person."""
        arguments: dict[str, Any] = {
            "environ": self.environment,
            "actor": "tester",
            "signals": Signals(),
            "person": True,
            "executable": str(self.path / "venvship" / "bin" / "python"),  # and no uv beside it
        }
        arguments.update(changes)
        return default_runtime(**arguments)

    def open(self, **changes: Any) -> Root:
        """The root, through the API."""
        return Root.open(self.path, runtime=self.runtime(**changes))

    def release(self, *versions: str, **options: Any) -> str:
        """Release a version through the API; returns the release's id."""
        self.lock(*versions)
        result = self.open().release(**options)
        assert result.release is not None
        return result.release.id

    def later(self, **span: float) -> Callable[[], datetime]:
        """A clock that is ahead by so much: `later(hours=2)`."""
        return lambda: datetime.now(UTC) + timedelta(**span)

    @property
    def current(self) -> str | None:
        """What `current` names."""
        return self._named("current")

    @property
    def previous(self) -> str | None:
        """What `previous` names."""
        return self._named("previous")

    def _named(self, link: str) -> str | None:
        try:
            return os.path.basename(os.readlink(self.path / link))
        except FileNotFoundError:
            return None

    def journal(self) -> list[dict[str, Any]]:
        """The journal's lines, in order."""
        lines = (self.path / "state" / "journal.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def events(self) -> list[str]:
        """The names of the journal's events, in order."""
        return [line["event"] for line in self.journal()]

    def debris(self) -> list[str]:
        """What a finished command must not leave: trash, half-built candidates, armed links, scratch."""
        found = [name for name in os.listdir(self.path) if name.startswith((".to.", ".back."))]
        releases = self.path / "releases"
        if releases.is_dir():
            found += [
                name
                for name in os.listdir(releases)
                if name.startswith(".") or not (releases / name / ".venvship" / "manifest.json").exists()
            ]
        state = self.path / "state"
        if state.is_dir():
            found += [name for name in os.listdir(state) if name.startswith((".", "scratch"))]
        return found


NewSite = Callable[[str], Site]
"""Makes a root of a name that shares the session's store; the fixture `new_site`."""


def copy_store(store: Path, copy: Path) -> Path:
    """Copy a store without its roots: what other tests do to theirs is not to be seen by its clean-up."""
    shutil.copytree(store, copy, ignore=shutil.ignore_patterns("roots", "*.mutex", "unnamed.json"))
    return copy


def fill(folder: Path, wheels: Mapping[str, Distribution], work: Path) -> None:
    """Make the folder that roots begin with: their stores and their interpreter, from real releases.

    Args:
        folder: Made whole or not at all. It gets `store` with all versions, `two`, a store with the first
            two, and `python.json`, as a first release writes it: to find the interpreter again takes time.
        wheels: From `build_application`.
        work: An empty directory on the same file system.
    """
    site = make_site(work / "root", wheels, work / "store", work / "home", None)
    for number, version in enumerate(VERSIONS, start=1):
        site.release(version)
        if number == 2:
            copy_store(site.store, work / "filled" / "two")
    copy_store(site.store, work / "filled" / "store")
    os.rename(site.path / "state" / "python.json", work / "filled" / "python.json")
    os.rename(work / "filled", folder)


def make_site(
    path: Path, wheels: Mapping[str, Distribution], store: Path, home: Path, python: Path | None
) -> Site:
    """Make a root with settings and a lockfile of the first version.

    Args:
        path: The root; made.
        wheels: From `build_application`.
        store: A store to share.
        home: The HOME of children.
        python: A `python.json` to begin with: finding the interpreter again in every test takes time.
    """
    path.mkdir(parents=True)
    site = Site(path=path, wheels=wheels, environment=plain_environment(home), store=store)
    site.settings()
    site.lock(VERSIONS[0])
    if python is not None:
        (path / "state").mkdir(mode=0o755)
        shutil.copy(python, path / "state" / "python.json")
    return site


def make_removable(tree: Path) -> None:
    """Make the directories of a sealed tree writable, for its removal."""
    for path, _, _ in os.walk(tree):
        os.chmod(path, 0o700)
