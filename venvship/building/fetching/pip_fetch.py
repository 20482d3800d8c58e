"""Fetching with pip, by a few of them at once, and building what comes as source.

pip has the last word in the network part, because people's index, proxy, certificate and keyring settings
live there. It is run as a program: its Python API is private.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from venvship.building.fetching.fetch_session import (
    Fetched,
    Session,
    check_wheel,
    mismatch,
    source_only,
    too_slow,
)
from venvship.building.fetching.pip_diagnosis import Failure, build_output, describe, diagnose, facts
from venvship.errors import BuildError, VenvshipError
from venvship.model.lockfiles.lockfile import Requirement
from venvship.model.lockfiles.requirement import may_build
from venvship.system.files import create_file, hash_file, make_directory
from venvship.system.process import run

MOST_JOBS: Final = 4
"""More pips than this at once gain nothing and annoy an index."""

_WORTH_A_PIP: Final = 4
"""Requirements below which another pip costs more (its start, a connection) than it saves."""

_DEBUG_BYTES: Final = 16 << 20
_OUTPUT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """What one pip fetches, and whether it may bring sources."""

    requirements: tuple[Requirement, ...]
    options: tuple[str, ...]
    sources: bool
    folder: str


@dataclass(frozen=True, slots=True)
class _Pips:
    """The pips that run at once.

    Attributes:
        session: The fetch that they are a part of.
        already: How many files had come before the first of them began.
        cancelled: One of them has failed, and the others are to end.
    """

    session: Session
    already: int
    cancelled: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """Raise `_CancelledError` if one of them has failed."""
        if self.cancelled.is_set():
            raise _CancelledError

    def watch(self) -> None:
        """Say how many files have come, then `go_on`."""
        session = self.session
        session.advance(min(self.already + _arrived(session.temporary), session.count), session.count)
        self.go_on()


class _CancelledError(Exception):
    """Ends what is pointless by now; never leaves this module."""


def fetch_with_pip(
    requirements: Sequence[Requirement],
    *,
    options: Sequence[str],
    sdists: Collection[str],
    directory: str,
    jobs: int,
    session: Session,
) -> dict[str, Fetched]:
    """Bring one wheel for each requirement, by its name; the last of what the session has to fetch.

    Crash: `directory` holds downloads, in part or whole; the caller owns and sweeps it. Nothing else is
    written but pip's own cache and the log.

    Args:
        requirements: What to fetch; no name twice, no local paths.
        options: Option lines of the lockfile.
        sdists: Normalised names that may be built from source; `"*"` allows all.
        directory: A directory of the caller's, for one folder of each pip.
        jobs: How many pips may run at once; at most `MOST_JOBS` do.
        session: The fetch that this is a part of.

    Raises:
        VenvshipError: As `fetch` lists them. No pip is left running.
        OSError: A file could not be written or read.
    """
    pips = _Pips(session, already=session.count - len(requirements))
    shards = _shards(requirements, options, sdists, directory, min(max(jobs, 1), MOST_JOBS))
    jobs_of_shards = [_fetch_job(shard, pips) for shard in shards]
    return {one.requirement.name: one for results in _at_once(jobs_of_shards, pips) for one in results}


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
        groups.setdefault(may_build(requirement.name, sdists), []).append(requirement)
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


def _at_once(jobs: Sequence[Callable[[], list[Fetched]]], pips: _Pips) -> Iterable[list[Fetched]]:
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
                    pips.cancelled.set()
        finally:
            # Also for an exception out of this thread's wait: the pool's threads are joined after this.
            pips.cancelled.set()
    if failure is not None:
        raise failure
    return results


def _fetch_job(shard: _Shard, pips: _Pips) -> Callable[[], list[Fetched]]:
    return lambda: _fetch_shard(shard, pips)


def _fetch_shard(shard: _Shard, pips: _Pips) -> list[Fetched]:
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
        pips=pips,
    )
    brought = {hash_file(entry.path): entry.path for entry in os.scandir(downloads) if entry.is_file()}
    fetched = []
    for requirement in shard.requirements:
        path, sha256 = _match(requirement, brought, pips.session)
        if path.endswith(".whl"):
            check_wheel(path, requirement, pips.session)
            fetched.append(Fetched(requirement=requirement, path=path, sha256=sha256))
        elif shard.sources:
            fetched.append(_build(requirement, path, sha256, shard, pips))
        else:
            raise source_only(requirement, pips.session)
    return fetched


def _pip(
    arguments: Sequence[str],
    *,
    lines: Sequence[str],
    requirements: Sequence[Requirement],
    folder: str,
    pips: _Pips,
) -> None:
    """Run one pip to its end.

    The requirements go through a file: that is where the lockfile's own lines, hashes and `${VAR}`s mean
    what they mean, and no argument list of ours shows an index with its password.

    Number and pause of retries stay pip's (5, some 8 s against a refused connection) or the user's: an index
    that restarts must not fail a nightly update, and one that never answers is bounded by the time-out.
    """
    session = pips.session
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
    pips.go_on()
    left = session.time_left(requirements)
    result = run(
        argv,
        env=session.env,
        cwd=session.cwd,
        timeout=left,
        signals=session.signals,
        keep=_OUTPUT_BYTES,
        poll=pips.watch,
    )
    output = session.redact(result.output.decode(errors="replace"))
    session.keep_output(output)
    if result.timed_out:
        raise too_slow(requirements, session)
    if result.returncode != 0:
        debug = session.redact(_read_end(f"{where}.log"))
        session.keep_output(build_output(debug))
        raise diagnose(
            Failure(
                output=output,
                debug=debug,
                requirements=requirements,
                interpreter=session.interpreter,
                log=session.log,
            )
        )


def _build(requirement: Requirement, source: str, sha256: str, shard: _Shard, pips: _Pips) -> Fetched:
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
        pips=pips,
    )
    built = [entry.path for entry in os.scandir(wheels) if entry.name.endswith(".whl")]
    if len(built) != 1:
        raise BuildError(
            f"{describe(requirement)}: building it from source gave {len(built)} wheels, not one",
            log=pips.session.log,
            **facts(requirement),
        )
    check_wheel(built[0], requirement, pips.session)
    return Fetched(requirement=requirement, path=built[0], sha256=hash_file(built[0]), source_sha256=sha256)


def _match(requirement: Requirement, brought: Mapping[str, str], session: Session) -> tuple[str, str]:
    """Find the file for a requirement by its hash; names decide nothing here."""
    for sha256, path in brought.items():
        if f"sha256:{sha256}" in requirement.hashes:
            return path, sha256
    for sha256, path in brought.items():
        if canonicalize_name(os.path.basename(path)).startswith(f"{requirement.name}-"):
            raise mismatch(requirement, path, sha256, session)
    raise BuildError(
        f"{describe(requirement)}: pip ended well, but brought no file for it",
        hint=f"pip's output is in {session.log}",
        log=session.log,
        **facts(requirement),
    )


def _arrived(temporary: str) -> int:
    """How many distributions have come so far: they lie in temporary folders of pip until the end."""
    count = 0
    with contextlib.suppress(OSError):  # folders come and go
        for folder in os.listdir(temporary):
            if folder.startswith("pip-unpack-"):
                names = os.listdir(os.path.join(temporary, folder))
                count += sum(name.endswith((".whl", ".tar.gz", ".zip")) for name in names)
    return count


def _read_end(path: str) -> str:
    """The end of pip's debug log; none was written if pip failed early."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _DEBUG_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
