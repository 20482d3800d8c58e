"""Fetching a lockfile's wheels in a test, and what to look for afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.index import LocalIndex
from tests.support.releases import request_for
from tests.support.wheels import Distribution, build_wheel, lockfile_text
from venvship.building.fetching.fetch import fetch
from venvship.building.fetching.fetch_session import Session
from venvship.errors import VenvshipError
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import read_lockfile
from venvship.model.lockfiles.requirements_txt import RequirementsTxt
from venvship.model.settings import BuildSettings
from venvship.model.wheel import WheelFile
from venvship.system.signals import Signals

SECRET = "s3cr3t-pa55word"
ZEROS = "0" * 64


@dataclass
class Fetcher:
    """Fetches a lockfile into a directory, and remembers where it put things."""

    root: Path
    interpreter: Interpreter
    environ: Mapping[str, str]
    runs: list[Path] = field(default_factory=list)
    cwd: Path | None = None

    def __call__(
        self,
        text: str,
        *,
        sdists: Collection[str] = (),
        timeout: float = 60,
        signals: Signals | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> list[WheelFile]:
        session = self.session(text, sdists=sdists, timeout=timeout, signals=signals, environ=environ)
        requirements = session.request.environment.selected
        fetched = fetch(requirements, session)
        assert list(fetched) == [requirement.name for requirement in requirements]
        return list(fetched.values())

    def session(
        self,
        text: str,
        *,
        sdists: Collection[str] = (),
        timeout: float = 60,
        signals: Signals | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Session:
        """Begin a fetch of everything in a lockfile, and fetch nothing yet."""
        folder = self.root / f"run{len(self.runs)}"
        folder.mkdir()
        self.runs.append(folder)
        path = (self.cwd or folder) / "requirements.txt"
        path.write_text(text)
        lockfile = read_lockfile([str(path)], read=lambda name: Path(name).read_bytes(), sdists=sdists)
        (folder / "scratch").mkdir()
        assert isinstance(lockfile.parsed, RequirementsTxt)
        requirements = lockfile.parsed.requirements
        environment = Environment(lockfile, requirements, self.interpreter, digest="", inputs="")
        build = BuildSettings(sdists=tuple(sdists), timeout=timeout)
        return Session.begin(
            replace(request_for(folder, []), environment=environment, build=build),
            directory=str(folder / "scratch"),
            environ={**self.environ, **(environ or {})},
            log=str(folder / "fetch.txt"),
            signals=signals or Signals(),
        )

    @property
    def log(self) -> Path:
        return self.runs[-1] / "fetch.txt"


def pins(*distributions: Distribution, options: Iterable[str] = ()) -> str:
    return lockfile_text(*distributions, options=options)


def names(fetched: Iterable[WheelFile]) -> list[str]:
    return [os.path.basename(one.path) for one in fetched]


def numbered(wheelhouse: Path, build: str) -> Distribution:
    """One of several builds of a version, each with other contents."""
    return build_wheel(wheelhouse, "app", build=build, files={"app.py": f"build = {build}\n"})


def without_pip(fetcher: Fetcher) -> bool:
    """Whether the last fetch started no pip: each would have a folder of its own."""
    return sorted(os.listdir(fetcher.runs[-1] / "scratch")) == ["direct", "tmp"]


def pin_with_hash(name: str, version: str, sha256: str) -> str:
    return f"{name}=={version} --hash=sha256:{sha256}\n"


def processes_in(folder: Path) -> list[str]:
    """The current directories of other processes, as far as they are in a folder."""
    if sys.platform != "linux":
        return []
    found = []
    for pid in Path("/proc").iterdir():
        if pid.name.isdigit() and pid.name != str(os.getpid()):
            try:
                found.append(os.readlink(pid / "cwd"))
            except OSError:
                continue
    return [path for path in found if Path(path).is_relative_to(folder)]


def command_lines() -> Iterator[str]:
    for pid in Path("/proc").iterdir():
        if pid.name.isdigit():
            try:
                yield (pid / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue


def everything_said(fetcher: Fetcher, error: VenvshipError | None) -> str:
    said = fetcher.log.read_text() if fetcher.log.exists() else ""
    if error is not None:
        said += f"{error.message}\n{error.hint}\n{error.data}\n{error!r}"
    return said


def with_credentials(index: LocalIndex) -> None:
    index.credentials = ("deploy", SECRET)


def by_environment(fetcher: Fetcher, index: LocalIndex) -> tuple[str, dict[str, str]]:
    return "", {"PIP_INDEX_URL": index.url_with("deploy", SECRET)}


def by_configuration(fetcher: Fetcher, index: LocalIndex) -> tuple[str, dict[str, str]]:
    path = fetcher.root / "pip.conf"
    path.write_text(f"[global]\nindex-url = {index.url_with('deploy', SECRET)}\n")
    return "", {"PIP_CONFIG_FILE": str(path), "PIP_INDEX_URL": ""}


def by_netrc(fetcher: Fetcher, index: LocalIndex) -> tuple[str, dict[str, str]]:
    netrc = Path(fetcher.environ["HOME"]) / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login deploy password {SECRET}\n")
    netrc.chmod(0o600)
    return "", {}


def by_lockfile_variable(fetcher: Fetcher, index: LocalIndex) -> tuple[str, dict[str, str]]:
    url = index.url.replace("://", "://deploy:${INDEX_PASSWORD}@")
    return f"--index-url {url}\n", {"INDEX_PASSWORD": SECRET}


Way = Callable[[Fetcher, LocalIndex], tuple[str, dict[str, str]]]
WAYS: list[Way] = [by_environment, by_configuration, by_netrc, by_lockfile_variable]
