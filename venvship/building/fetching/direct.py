"""Direct downloads, past pip, which asks and downloads one file after the other and takes long to start.

They are tried wherever pip's settings are understood. A file that does not come costs a little time: pip
fetches it, and reports why it cannot be had. `downloader.py` is the process that downloads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from packaging.version import Version

from venvship._version import __version__
from venvship.building.fetching.fetch_session import Session
from venvship.building.fetching.listed_file import ListedFile, listed_file
from venvship.building.fetching.pip_settings import NotPlainError, every_index, expanded, plain_sources
from venvship.building.fetching.sources import Sources
from venvship.errors import BuildError, DiskFullError, TooLargeError
from venvship.model import bounds
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.wheel import WheelFile
from venvship.system.files import make_directory
from venvship.system.process import Program, run
from venvship.system.signals import Signals

if TYPE_CHECKING:
    from venvship.building.fetching.download_task import Report, Task, Wanted

WORTH_TAKING: Final = 16 << 20
"""Bytes of wheels below which more of them are waited for: taking some costs two syncs of the file system."""

_DOWNLOADER: Final = os.path.join(os.path.dirname(__file__), "downloader.py")
_OUTPUT_BYTES: Final = 16 << 20

_LOOK: Final = 30.0
"""Seconds for a look at the pages of one index, after a fetch that has failed, if the fetch has more left."""

TOO_LARGE_HINT: Final = (
    "ask who runs the index; a file elsewhere can be pinned by its URL, as NAME @ https://… --hash=…"
)
"""The remedy for an answer that is too large: no setting allows more."""

MALLOC: Final = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}
"""Variables of the downloader, for glibc: the memory of a large page goes back before the next is read."""

_ROOM_HINT: Final = "free some space (`venvship prune --dry-run` shows what could go), then try again"


def fetch_directly(
    requirements: Sequence[Requirement],
    session: Session,
    *,
    came: Callable[[int], None],
    arrived: Callable[[Mapping[str, WheelFile]], None],
) -> dict[str, WheelFile]:
    """Fetch the wheels that can be had without pip.

    Crash: `direct` in the session's directory holds downloads, in part or whole.

    Args:
        requirements: The requirements to fetch; no name twice, no local paths.
        session: The fetch that this is a part of.
        came: Told how many have come.
        arrived: As for `fetch`.

    Returns:
        The wheels that came, by the name of the requirement.

    Raises:
        FetchTimeoutError: The time was over. Nothing is left running.
        TooLargeError: An answer of the index was beyond its bound. Nothing is left running.
        DiskFullError: There is no room for a download.
        InterruptedByError: A signal came. Nothing is left running.
        OSError: The downloader could not be started.
    """
    if not requirements:
        return {}
    folder = os.path.join(session.directory, "direct")
    make_directory(folder, 0o700)
    # `pip --python` runs in the interpreter's own prefix, and reads its pip.conf.
    prefixes = (os.path.dirname(os.path.dirname(session.interpreter.path)),)
    try:
        sources = plain_sources(session.options, session.environ, prefixes, session.cwd)
    except NotPlainError as error:
        _leave_to_pip([str(error)], session)
        return {}
    wanted, problems = _wanted(requirements, sources, session.environ)
    arrivals = _Arrivals(requirements, session, came, arrived)
    timed_out = bool(wanted) and _download(_task(wanted, folder, sources, session), arrivals)
    _leave_to_pip([*problems, *arrivals.problems], session)
    if timed_out:
        raise session.too_slow([r for r in requirements if r.name not in arrivals.fetched])
    return arrivals.fetched


class Place(Protocol):
    """Where a pip runs, and for whom: a fetch, or a run of pip-compile."""

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter that files are for."""

    @property
    def options(self) -> Sequence[str]:
        """The option lines of the lockfile."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables of the pip."""

    @property
    def cwd(self) -> str:
        """The directory that it runs in."""

    @property
    def directory(self) -> str:
        """A directory of the caller's."""

    @property
    def signals(self) -> Signals:
        """Signals that end it."""


def look_at_pages(
    requirements: Sequence[Requirement], place: Place, *, until: float
) -> dict[str, tuple[ListedFile, ...]]:
    """See which files every index lists for some pins, as evidence for a diagnosis; best effort.

    For a pip whose settings only pip understands, and that has fetched alone. Its log has no hashes of what
    it saw.

    Args:
        requirements: Pins whose files an index knows.
        place: Where the pip ran that has failed.
        until: When the look must be over, by `time.monotonic`.

    Returns:
        By name, the files of the pinned version.

    Raises:
        InterruptedByError: A signal came. Nothing is left running.
        OSError: The downloader could not be started.
    """
    seen: dict[str, tuple[ListedFile, ...]] = {}
    prefixes = (os.path.dirname(os.path.dirname(place.interpreter.path)),)
    sources = every_index(place.options, place.environ, prefixes, place.cwd)
    wanted, _ = _wanted([r for r in requirements if r.url is None], sources, place.environ)
    for index in sources.indexes if wanted else ():
        one = sources._replace(indexes=(index,))
        task: Task = {**_task(wanted, place.directory, one, place), "only_look": True}
        left = min(_LOOK, until - time.monotonic())
        if left <= 0:
            break
        result = run(_program(task, place), timeout=left, signals=place.signals)
        for line in result.stdout.splitlines() if result.returncode == 0 else ():
            report: Report = json.loads(line)
            seen[report["name"]] = (*seen.get(report["name"], ()), *_listed(report))
    return seen


def _listed(report: Report) -> tuple[ListedFile, ...]:
    """The files of the wanted version that the downloader has seen."""
    files = [
        listed_file(filename, hashes=hashes, requires_python=python)
        for filename, hashes, python in report["listed"]
    ]
    return tuple(file for file in files if file is not None)


@dataclass(slots=True)
class _Arrivals:
    """The reports of the downloader, as they come. A URL in one of the `problems` may have a password."""

    requirements: Sequence[Requirement]
    session: Session
    came: Callable[[int], None]
    arrived: Callable[[Mapping[str, WheelFile]], None]
    fetched: dict[str, WheelFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _waiting: dict[str, WheelFile] = field(default_factory=dict)
    _rest: bytes = b""

    def listen(self, data: bytes) -> None:
        """Take the next bytes of the downloader's output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        self.came(len(self.fetched))
        size = sum(os.path.getsize(file.path) for file in self._waiting.values())
        if len(self.fetched) < len(self.requirements) and size >= WORTH_TAKING:
            some, self._waiting = self._waiting, {}
            self.arrived(some)

    def _take(self, report: Report) -> None:
        name, path, sha256 = report["name"], report["path"], report["sha256"]
        if report["final"] is not None:
            raise self._final(report)
        if path is None or sha256 is None:
            self.session.listed[name] = _listed(report)
            self.problems.append(f"{name}: {report['problem']}")
            return
        self.fetched[name] = self._waiting[name] = WheelFile(path, sha256)

    def _final(self, report: Report) -> BuildError:
        """The error that ends the fetch: pip shall not try this requirement."""
        requirement = next(r for r in self.requirements if r.name == report["name"])
        problem = self.session.redact(report["problem"] or "")
        self.session.keep_output(f"{report['name']}: {problem}\n")
        if report["final"] == "room":
            return self.session.error(DiskFullError, requirement, problem, hint=_ROOM_HINT)
        return self.session.error(TooLargeError, requirement, problem, hint=TOO_LARGE_HINT)


def _download(task: Task, arrivals: _Arrivals) -> bool:
    """Run the downloader to its end; returns whether it took too long."""
    session = arrivals.session
    result = run(
        _program(task, session),
        timeout=session.time_left(arrivals.requirements),
        signals=session.signals,
        listener=arrivals.listen,
    )
    if result.output:
        arrivals.problems.append(result.output.decode(errors="replace").strip())
    return result.timed_out


def _program(task: Task, place: Place) -> Program:
    return Program(
        # -P: no module from beside the script, or from the current directory.
        [sys.executable, "-P", _DOWNLOADER],
        env={**place.environ, **MALLOC},
        cwd=place.cwd,
        stdin=json.dumps(task).encode(),
        output_cap=_OUTPUT_BYTES,
        separate_stderr=True,
        memory=bounds.MEMORY,
    )


def _task(wanted: list[Wanted], folder: str, sources: Sources, place: Place) -> Task:
    return {
        "folder": folder,
        # As pip compares it: 3.13.0rc1, and 3.13.0+ of a checkout, count as 3.13.0.
        "python": Version(place.interpreter.version.rstrip("+")).base_version,
        "tags": list(place.interpreter.tags),
        "user_agent": f"venvship/{__version__}",
        "sources": sources._asdict(),
        "wanted": wanted,
        "only_look": False,
    }


def _wanted(
    requirements: Sequence[Requirement], sources: Sources, environ: Mapping[str, str]
) -> tuple[list[Wanted], list[str]]:
    """The wheels that the downloader can ask for, and why the others are left to pip."""
    wanted: list[Wanted] = []
    problems: list[str] = []
    for requirement in requirements:
        url = None if requirement.url is None else expanded(requirement.url, environ)
        if requirement.version is None:
            problems.append(f"{requirement.name}: its URL is that of source")
        elif url is not None and (problem := sources.refusal(url)):
            problems.append(f"{requirement.name}: its URL {problem}")
        else:
            wanted.append({
                "name": requirement.name,
                "version": requirement.version,
                "hashes": list(requirement.hashes),
                "url": url,
            })  # fmt: skip
    return wanted, problems


def _leave_to_pip(problems: Sequence[str], session: Session) -> None:
    if problems:
        lines = ["venvship leaves to pip:", *(f"  {problem}" for problem in problems), ""]
        session.keep_output(session.redact("\n".join(lines)))
