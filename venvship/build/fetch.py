"""Getting the files that a lockfile pins: directly where that can be done, else with pip, several at once.

pip has the last word in the network part, because people's index, proxy, certificate and keyring settings
live there. What it brings is not taken on trust: every file is hashed here again, and it is the hash that
decides which requirement a file is for. Nothing that is fetched is imported or run; only names in `[build]
sdists` are built, after their hash was checked.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from venvship.build.direct import Arrived, download_directly
from venvship.build.faults import build_faults
from venvship.build.pip_diagnosis import Failure, build_output, describe, diagnose, facts
from venvship.build.pip_environment import pip_environment
from venvship.build.redaction import Redactor
from venvship.errors import (
    BuildError,
    DistributionNotFoundError,
    FetchTimeoutError,
    HashMismatchError,
    InvalidWheelError,
    NoCompatibleWheelError,
    SourceOnlyError,
    VenvshipError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.lockfile import Requirement
from venvship.model.progress import Advance, unmeasured
from venvship.system.files import create_file, hash_file, make_directory
from venvship.system.output import CappedLog
from venvship.system.process import run
from venvship.system.signals import Signals

MOST_JOBS: Final = 4
"""More pips than this at once gain nothing and annoy an index."""

_WORTH_A_PIP: Final = 4
"""Requirements below which another pip costs more (its start, a connection) than it saves."""

WORTH_TAKING: Final = 16 << 20
"""Bytes of wheels below which more of them are waited for: taking some costs two syncs of the file system."""

_DEBUG_BYTES: Final = 16 << 20
_OUTPUT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A wheel that was fetched or built, with a hash that the lockfile allows.

    Attributes:
        requirement: What it is for.
        path: The wheel file, absolute. A wheel that the lockfile names by a local path is left there.
        sha256: Of the wheel, hexadecimal.
        source_sha256: Of the source distribution that it was built from; that is the hash the lockfile
            allows then. `None`: it was fetched as a wheel.
    """

    requirement: Requirement
    path: str
    sha256: str
    source_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """What one pip fetches, and whether it may bring sources."""

    requirements: tuple[Requirement, ...]
    options: tuple[str, ...]
    sources: bool
    folder: str


@dataclass(slots=True, kw_only=True)
class _Session:
    """What all parts of one fetch share. `already` is how many wheels were there before the first pip."""

    interpreter: Interpreter
    tags: frozenset[str]
    cwd: str
    env: Mapping[str, str]
    seconds: float
    until: float
    clock: Callable[[], float]
    redact: Redactor
    log: str
    signals: Signals
    cancelled: threading.Event
    log_mutex: threading.Lock
    temporary: str
    count: int
    advance: Advance
    already: int = 0

    def go_on(self) -> None:
        """Raise `_CancelledError` if another part of the fetch has failed."""
        if self.cancelled.is_set():
            raise _CancelledError

    def watch(self) -> None:
        """Say how many files have come, then `go_on`."""
        self.advance(min(self.already + _arrived(self.temporary), self.count), self.count)
        self.go_on()


class _CancelledError(Exception):
    """Ends what is pointless by now; never leaves this module."""


def _wait_for_the_rest(_: Sequence[Fetched]) -> None:
    pass


def fetch(
    requirements: Sequence[Requirement],
    *,
    options: Sequence[str],
    interpreter: Interpreter,
    sdists: Collection[str],
    directory: str,
    cwd: str,
    environ: Mapping[str, str],
    timeout: float,
    jobs: int,
    log: str,
    signals: Signals,
    clock: Callable[[], float] = time.monotonic,
    advance: Advance = unmeasured,
    arrived: Callable[[Sequence[Fetched]], None] = _wait_for_the_rest,
) -> list[Fetched]:
    """Bring one wheel for each requirement.

    Crash: `directory` holds downloads, in part or whole; the caller owns and sweeps it. Nothing else is
    written but pip's own cache and the log.

    Args:
        requirements: What to fetch; no name twice.
        options: Option lines of the lockfile: indexes, links, trusted hosts.
        interpreter: For which interpreter; it also runs pip's second half and builds.
        sdists: Normalised names that may be built from source; `"*"` allows all.
        directory: An empty directory of the caller's, on a file system with room.
        cwd: Where pip runs.
        environ: The user's environment. What in it says where packages come from stays in force.
        timeout: Seconds for the whole fetch, builds included.
        jobs: How many pips may run at once; at most four do.
        log: A file that gets pip's output, redacted; mode 0600.
        signals: Signals that end the fetch.
        clock: Seconds that only go forward.
        advance: Told how many files have come, some ten times a second.
        arrived: Gets wheels that have come, some MiB of them at a time, while others are still on their way;
            not necessarily all. The time that it takes counts. What it raises ends the fetch, and passes
            through.

    Returns:
        In the order of `requirements`.

    Raises:
        HashMismatchError: A file has none of the allowed hashes. Nothing of it was imported or run.
        DistributionNotFoundError: The index has no such package, or not this version.
        NoCompatibleWheelError: There are wheels, none of them for this interpreter.
        SourceOnlyError: There is only a source distribution, and `sdists` does not allow it.
        IndexUnreachableError: An index refused, failed, or wanted other credentials.
        FetchTimeoutError: It took longer than `timeout`. No pip is left running.
        InvalidWheelError: A wheel's file name says that it is something else.
        DiskFullError: There is no room in `directory`.
        BuildError: A source distribution does not build, or pip failed in another way.
        InterruptedByError: A signal came. No pip is left running.
    """
    if not requirements:
        return []
    with build_faults("fetch packages", directory):
        temporary = os.path.join(directory, "tmp")
        make_directory(temporary, 0o700)
        session = _Session(
            interpreter=interpreter,
            tags=frozenset(interpreter.tags),
            cwd=cwd,
            env=pip_environment(environ, temporary=temporary),
            seconds=timeout,
            until=clock() + timeout,
            clock=clock,
            redact=Redactor(environ, [*options, *(r.text for r in requirements)]),
            log=log,
            signals=signals,
            cancelled=threading.Event(),
            log_mutex=threading.Lock(),
            temporary=temporary,
            count=len(requirements),
            advance=_forward_only(advance),
        )
        local = [r for r in requirements if r.url is not None and os.path.isabs(r.url)]
        remote = [r for r in requirements if r.url is None or not os.path.isabs(r.url)]
        fetched = {r.name: _take_local(r, session) for r in local}
        fetched |= _fetch_directly(remote, options, directory, session, arrived)
        rest = [r for r in remote if r.name not in fetched]
        session.already = len(fetched)
        shards = _shards(rest, options, sdists, directory, min(max(jobs, 1), MOST_JOBS))
        for results in _at_once([_fetch_job(shard, session) for shard in shards], session):
            fetched |= {one.requirement.name: one for one in results}
        return [fetched[requirement.name] for requirement in requirements]


def _fetch_directly(
    requirements: Sequence[Requirement],
    options: Sequence[str],
    directory: str,
    session: _Session,
    arrived: Callable[[Sequence[Fetched]], None],
) -> dict[str, Fetched]:
    """Fetch what does not take pip; by name."""
    if not requirements:
        return {}
    folder = os.path.join(directory, "direct")
    make_directory(folder, 0o700)
    left = session.until - session.clock()
    if left <= 0:
        raise _too_slow(requirements, session)
    by_name = {requirement.name: requirement for requirement in requirements}
    fetched: dict[str, Fetched] = {}
    waiting: list[Fetched] = []

    def take(new: Mapping[str, Arrived]) -> None:
        for name, file in new.items():
            _check_wheel(file.path, by_name[name], session)
            fetched[name] = Fetched(requirement=by_name[name], path=file.path, sha256=file.sha256)
            waiting.append(fetched[name])
        session.advance(len(fetched), session.count)
        if len(fetched) < len(requirements) and _size(waiting) >= WORTH_TAKING:
            some = waiting.copy()
            waiting.clear()
            arrived(some)

    direct = download_directly(
        requirements,
        options=options,
        interpreter=session.interpreter,
        folder=folder,
        cwd=session.cwd,
        env=session.env,
        timeout=left,
        signals=session.signals,
        arrived=take,
    )
    if direct.problems:
        lines = ["venvship leaves to pip:", *(f"  {problem}" for problem in direct.problems), ""]
        _keep_output(session.redact("\n".join(lines)), session)
    if direct.timed_out:
        raise _too_slow([r for r in requirements if r.name not in fetched], session)
    return fetched


def _size(fetched: Iterable[Fetched]) -> int:
    return sum(os.path.getsize(one.path) for one in fetched)


def _forward_only(advance: Advance) -> Advance:
    """Never go back: a pip that ends clears up, and so would the count."""
    furthest = 0

    def forward(done: int, total: int) -> None:
        nonlocal furthest
        furthest = max(furthest, done)
        advance(furthest, total)

    return forward


def _arrived(temporary: str) -> int:
    """How many distributions have come so far: they lie in temporary folders of pip until the end."""
    count = 0
    with contextlib.suppress(OSError):  # folders come and go
        for folder in os.listdir(temporary):
            if folder.startswith("pip-unpack-"):
                names = os.listdir(os.path.join(temporary, folder))
                count += sum(name.endswith((".whl", ".tar.gz", ".zip")) for name in names)
    return count


def _shards(
    requirements: Sequence[Requirement],
    options: Sequence[str],
    sdists: Collection[str],
    directory: str,
    jobs: int,
) -> list[_Shard]:
    """Deal the requirements out to pips.

    Names that may be built from source go to pips of their own: `--only-binary :all:` and "a wheel, or else
    the source" cannot be said of two names in one run (`--no-binary NAME` would refuse the wheel).
    """
    groups: dict[bool, list[Requirement]] = {}
    for requirement in requirements:
        groups.setdefault("*" in sdists or requirement.name in sdists, []).append(requirement)
    shards: list[_Shard] = []
    for sources, group in groups.items():
        count = min(jobs, -(-len(group) // _WORTH_A_PIP))
        shards += [
            _Shard(
                requirements=tuple(group[start::count]),
                options=tuple(options),
                sources=sources,
                folder=os.path.join(directory, f"{len(shards) + start}"),
            )
            for start in range(count)
        ]
    return shards


def _at_once(jobs: Sequence[Callable[[], list[Fetched]]], session: _Session) -> Iterable[list[Fetched]]:
    """Run jobs in threads; the first failure ends the others.

    Raises:
        VenvshipError: The first failure.
    """
    results: list[list[Fetched]] = []
    failure: VenvshipError | OSError | None = None
    with ThreadPoolExecutor(max_workers=MOST_JOBS, thread_name_prefix="venvship-fetch") as pool:
        try:
            for future in as_completed([pool.submit(job) for job in jobs]):
                try:
                    results.append(future.result())
                except _CancelledError:
                    pass
                except (VenvshipError, OSError) as error:
                    failure = failure or error
                    session.cancelled.set()
        finally:
            # Also for an exception out of this thread's wait: the pool's threads are joined after this.
            session.cancelled.set()
    if failure is not None:
        raise failure
    return results


def _fetch_job(shard: _Shard, session: _Session) -> Callable[[], list[Fetched]]:
    return lambda: _fetch_shard(shard, session)


def _fetch_shard(shard: _Shard, session: _Session) -> list[Fetched]:
    """Download with one pip, check what it brought, and build what came as source."""
    downloads = os.path.join(shard.folder, "downloads")
    make_directory(shard.folder, 0o700)
    make_directory(downloads, 0o700)
    # ":none:" takes back what a configuration file may say.
    formats = (
        ["--only-binary", ":none:", "--no-binary", ":none:"] if shard.sources else ["--only-binary", ":all:"]
    )
    _pip(
        ["download", *formats, "--dest", downloads],
        lines=[*shard.options, *(r.text for r in shard.requirements)],
        requirements=shard.requirements,
        folder=shard.folder,
        session=session,
    )
    brought = {hash_file(entry.path): entry.path for entry in os.scandir(downloads) if entry.is_file()}
    fetched = []
    for requirement in shard.requirements:
        path, sha256 = _match(requirement, brought, session)
        if path.endswith(".whl"):
            _check_wheel(path, requirement, session)
            fetched.append(Fetched(requirement=requirement, path=path, sha256=sha256))
        elif shard.sources:
            fetched.append(_build(requirement, path, sha256, shard, session))
        else:
            raise _source_only(requirement, session)
    return fetched


def _pip(
    arguments: Sequence[str],
    *,
    lines: Sequence[str],
    requirements: Sequence[Requirement],
    folder: str,
    session: _Session,
) -> None:
    """Run one pip to its end.

    The requirements go through a file: that is where the lockfile's own lines, hashes and `${VAR}`s mean
    what they mean, and no argument list of ours shows an index with its password.

    Number and pause of retries stay pip's (5, some 8 s against a refused connection) or the user's: an index
    that restarts must not fail a nightly update, and one that never answers is bounded by the time-out.
    """
    where = os.path.join(folder, arguments[0])
    # pip decodes the file by the locale unless its first line says how.
    text = "\n".join(["# -*- coding: utf-8 -*-", *lines, ""])
    create_file(f"{where}.txt", text.encode(), mode=0o600)
    # -P: a file pip.py where we happen to stand is not pip.
    argv = [sys.executable, "-P", "-m", "pip", "--python", session.interpreter.path, *arguments]
    argv += ["--no-deps", "--require-hashes", "--requirement", f"{where}.txt", "--log", f"{where}.log"]
    argv += ["--no-input", "--disable-pip-version-check"]
    if arguments[0] == "download":
        argv += ["--progress-bar", "off"]
    left = session.until - session.clock()
    session.go_on()
    if left <= 0:
        raise _too_slow(requirements, session)
    result = run(
        argv,
        env=session.env,
        cwd=session.cwd,
        timeout=left,
        signals=session.signals,
        keep=_OUTPUT_BYTES,
        poll=session.watch,
    )
    output = session.redact(result.output.decode(errors="replace"))
    _keep_output(output, session)
    if result.timed_out:
        raise _too_slow(requirements, session)
    if result.returncode != 0:
        debug = session.redact(_read_end(f"{where}.log"))
        _keep_output(build_output(debug), session)
        raise diagnose(
            Failure(
                output=output,
                debug=debug,
                requirements=requirements,
                interpreter=session.interpreter,
                log=session.log,
            )
        )


def _build(requirement: Requirement, source: str, sha256: str, shard: _Shard, session: _Session) -> Fetched:
    """Build a wheel from a source distribution whose hash was checked by us.

    What the build itself requires comes from the index, unpinned: that is what allowing a source means.
    """
    folder = os.path.join(shard.folder, requirement.name)
    wheels = os.path.join(folder, "wheels")
    make_directory(folder, 0o700)
    make_directory(wheels, 0o700)
    _pip(
        # No cache: a wheel that was once built from this source for another purpose is not this build.
        [
            "wheel",
            "--no-cache-dir",
            "--only-binary",
            ":none:",
            "--no-binary",
            ":none:",
            "--wheel-dir",
            wheels,
        ],
        lines=[*shard.options, f"{requirement.name} @ {Path(source).as_uri()} --hash=sha256:{sha256}"],
        requirements=[requirement],
        folder=folder,
        session=session,
    )
    built = [entry.path for entry in os.scandir(wheels) if entry.name.endswith(".whl")]
    if len(built) != 1:
        raise BuildError(
            f"{describe(requirement)}: building it from source gave {len(built)} wheels, not one",
            log=session.log,
            **facts(requirement),
        )
    _check_wheel(built[0], requirement, session)
    return Fetched(requirement=requirement, path=built[0], sha256=hash_file(built[0]), source_sha256=sha256)


def _take_local(requirement: Requirement, session: _Session) -> Fetched:
    """Check a wheel that the lockfile names by its path."""
    path = requirement.url or ""
    if not path.endswith(".whl"):
        raise _source_only(requirement, session)
    try:
        sha256 = hash_file(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DistributionNotFoundError(
            f"{describe(requirement)}: there is no file {path}",
            hint="paths in a lockfile are relative to it",
            path=path,
            **facts(requirement),
        ) from error
    if f"sha256:{sha256}" not in requirement.hashes:
        raise _mismatch(requirement, path, sha256, session)
    _check_wheel(path, requirement, session)
    return Fetched(requirement=requirement, path=path, sha256=sha256)


def _match(requirement: Requirement, brought: Mapping[str, str], session: _Session) -> tuple[str, str]:
    """Find the file for a requirement by its hash; names decide nothing here."""
    for sha256, path in brought.items():
        if f"sha256:{sha256}" in requirement.hashes:
            return path, sha256
    for sha256, path in brought.items():
        if canonicalize_name(os.path.basename(path)).startswith(f"{requirement.name}-"):
            raise _mismatch(requirement, path, sha256, session)
    raise BuildError(
        f"{describe(requirement)}: pip ended well, but brought no file for it",
        hint=f"pip's output is in {session.log}",
        log=session.log,
        **facts(requirement),
    )


def _check_wheel(path: str, requirement: Requirement, session: _Session) -> None:
    """See that a wheel is what was asked for, by its file name, and runs on the interpreter."""
    filename = os.path.basename(path)
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise InvalidWheelError(
            f"{describe(requirement)}: {error}", path=path, **facts(requirement)
        ) from error
    # By PEP 440 a pin 1.0 is met by 1.0+cpu.
    if name != requirement.name or not SpecifierSet(f"=={requirement.version}").contains(
        version, prereleases=True
    ):
        raise InvalidWheelError(
            f"{describe(requirement)}: the file is {filename}, which is something else",
            hint="the name and version of the pin and of the file must agree",
            path=path,
            **facts(requirement),
        )
    if session.tags.isdisjoint(str(tag) for tag in tags):
        interpreter = session.interpreter
        raise NoCompatibleWheelError(
            f"{describe(requirement)}: {filename} does not run on CPython {interpreter.version}, "
            f"{interpreter.platform}",
            hint=f"lock again for Python {interpreter.minor} on this platform "
            f"(`venvship lock -P {requirement.name}`)",
            path=path,
            **facts(requirement),
        )


def _mismatch(requirement: Requirement, path: str, sha256: str, session: _Session) -> HashMismatchError:
    return HashMismatchError(
        f"{describe(requirement)}: {path} has none of the hashes in the lockfile; its sha256 is {sha256}. "
        "Nothing of it was imported or run.",
        hint="if the file was replaced on purpose, lock again; otherwise find out who changed it",
        path=path,
        got=[sha256],
        log=session.log,
        **facts(requirement),
    )


def _source_only(requirement: Requirement, session: _Session) -> SourceOnlyError:
    return SourceOnlyError(
        f"{describe(requirement)} is a source distribution, and building from source is not allowed for it",
        hint=f'add "{requirement.name}" to `[build] sdists` in venvship.toml to build it here',
        log=session.log,
        **facts(requirement),
    )


def _too_slow(requirements: Sequence[Requirement], session: _Session) -> FetchTimeoutError:
    shown = ", ".join(describe(requirement) for requirement in requirements[:3])
    more = f" and {len(requirements) - 3} more" if len(requirements) > 3 else ""
    return FetchTimeoutError(
        f"the fetch took longer than {session.seconds:g} s and was ended, while at {shown}{more}",
        hint="see whether the index answers; `[build] timeout` in venvship.toml allows more time",
        log=session.log,
        timeout=session.seconds,
        packages=[facts(requirement) for requirement in requirements],
    )


def _keep_output(output: str, session: _Session) -> None:
    with session.log_mutex:
        log = CappedLog(session.log)
        try:
            log.write(output.encode())
        finally:
            log.close()


def _read_end(path: str) -> str:
    """The end of pip's debug log; none was written if pip failed early."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _DEBUG_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
