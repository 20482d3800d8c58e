"""Fetch with pip, several of them at once, and build the source distributions that come.

pip has the last word, because the user's settings of index, proxy, certificates and keyring are its settings.
It is run as a program: its Python API is private.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from venvship.building.fetching.diagnosis import Diagnosis
from venvship.building.fetching.direct import look_at_pages
from venvship.building.fetching.fetch_session import Session, check_wheel, hash_for, is_allowed
from venvship.building.fetching.pip_diagnosis import (
    beyond_bounds,
    build_output,
    diagnose,
    mismatched,
    read_end,
)
from venvship.errors import BuildError, HostError, VenvshipError
from venvship.model import bounds
from venvship.model.lockfiles.requirement import Requirement, labels, may_build
from venvship.model.wheel import WheelFile
from venvship.printable import enclosed
from venvship.system.files import create_file, hash_file, make_directory
from venvship.system.process import Program, run

MOST_PIPS: Final = 4
"""More pips than this at once gain nothing and annoy an index."""

_WORTH_A_PIP: Final = 4
"""Requirements below which another pip costs more (its start, a connection) than it saves."""

_MOST_FOR_A_PIP: Final = 50
"""Requirements of one pip. It keeps every page that it has read."""

_OUTPUT_BYTES: Final = 1 << 20

_FROM_SOURCE: Final = ("--only-binary", ":none:", "--no-binary", ":none:", "--use-pep517")
"""Options that allow source. pip up to 25.2 builds a source without pyproject.toml with the interpreter's
own setuptools, if it has one. Here it is built in isolation, with setuptools from the index, as any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    """The requirements that one pip fetches, as wheels or as sources too, into a folder that it makes."""

    requirements: tuple[Requirement, ...]
    sources: bool
    folder: str


@dataclass(frozen=True, slots=True)
class _Pips:
    """The pips that run at once; `cancelled` if one of them has failed, and the others must end."""

    session: Session
    came: Callable[[int], None]
    cancelled: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        """Raise `_CancelledError` if one of them has failed."""
        if self.cancelled.is_set():
            raise _CancelledError

    def watch(self) -> None:
        """Report how many files have come, then `go_on`."""
        self.came(_count_downloads(self.session.temporary))
        self.session.require_room()
        self.go_on()


class _CancelledError(Exception):
    """Ends a pip after another one has failed; never leaves this module."""


def fetch_with_pip(
    requirements: Sequence[Requirement], session: Session, *, came: Callable[[int], None]
) -> dict[str, WheelFile]:
    """Bring one wheel for each requirement.

    Crash: the session's directory holds downloads, in part or whole. Nothing else is written but pip's own
    cache and the log.

    Args:
        requirements: The requirements to fetch; no name twice, no local paths.
        session: The fetch that this is the last part of.
        came: Told how many files have come.

    Returns:
        By the name of the requirement.

    Raises:
        VenvshipError: As `fetch` lists them. No pip is left running.
        OSError: A file could not be written or read.
    """
    pips = _Pips(session, came)
    fetched: dict[str, WheelFile] = {}
    failure: VenvshipError | OSError | None = None
    with ThreadPoolExecutor(max_workers=MOST_PIPS, thread_name_prefix="venvship-fetch") as pool:
        try:
            jobs = [pool.submit(_fetch_shard, shard, pips) for shard in _shards(requirements, session)]
            for job in as_completed(jobs):
                try:
                    fetched |= job.result()
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
    return fetched


def _shards(requirements: Sequence[Requirement], session: Session) -> list[_Shard]:
    """Deal the requirements out to pips.

    Names that may be built from source go to pips of their own: `--only-binary :all:` and "a wheel, or else
    the source" cannot be asked of one pip (`--no-binary NAME` would refuse the wheel). Source that is named
    by its URL has a pip for itself: forges call many an archive `v1.0.tar.gz`, and pip keeps one of a name.
    The URL of a wheel, as a pylock file has one for every package, brings no source: it goes with the wheels.
    """
    groups: dict[tuple[bool, str | None], list[Requirement]] = {}
    for requirement in requirements:
        url = requirement.url
        wheel = url is not None and urlsplit(url).path.lower().endswith(".whl")
        sources = not wheel and may_build(requirement.name, session.request.build.sdists)
        groups.setdefault((sources, url if sources else None), []).append(requirement)
    shards: list[_Shard] = []
    for (sources, _), group in groups.items():
        count = max(min(MOST_PIPS, -(-len(group) // _WORTH_A_PIP)), -(-len(group) // _MOST_FOR_A_PIP))
        shards += [
            _Shard(
                requirements=tuple(group[start::count]),
                sources=sources,
                folder=os.path.join(session.directory, f"{len(shards) + start}"),
            )
            for start in range(count)
        ]
    return shards


def _fetch_shard(shard: _Shard, pips: _Pips) -> dict[str, WheelFile]:
    """Download with one pip, check the files, and build those that came as source."""
    downloads = os.path.join(shard.folder, "downloads")
    make_directory(shard.folder, 0o700)
    make_directory(downloads, 0o700)
    # ":none:" takes back the setting of a configuration file.
    formats = _FROM_SOURCE if shard.sources else ("--only-binary", ":all:")
    _pip(
        ["download", *formats, "--dest", downloads],
        lines=[r.text for r in shard.requirements],
        requirements=shard.requirements,
        folder=shard.folder,
        pips=pips,
        memory=None if shard.sources else bounds.MEMORY,
    )
    brought = {
        entry.path: hash_for(entry.path, shard.requirements, pips.session)
        for entry in os.scandir(downloads)
        if entry.is_file()
    }
    fetched = {}
    for requirement in shard.requirements:
        path, sha256 = _match(requirement, brought, pips.session)
        if path.endswith(".whl"):
            check_wheel(path, requirement, pips.session)
            fetched[requirement.name] = WheelFile(path, sha256)
        elif shard.sources:
            folder = os.path.join(shard.folder, requirement.name)
            fetched[requirement.name] = _build(requirement, path, sha256, folder, pips)
        else:
            raise pips.session.source_only(requirement)
    return fetched


def _pip(
    arguments: Sequence[str],
    *,
    lines: Sequence[str],
    requirements: Sequence[Requirement],
    folder: str,
    pips: _Pips,
    memory: int | None = None,
) -> None:
    """Run one pip to its end. `memory` is the bound of each of its processes, in bytes; for no build.

    The requirements go through a file: there the lockfile's own lines, hashes and `${VAR}`s keep their
    meaning, and no argument list shows an index with its password.

    Number and pause of retries stay pip's (5, some 8 s against a refused connection) or the user's: an index
    that restarts must not fail a nightly update, and one that never answers is bounded by the time-out.
    """
    session = pips.session
    where = os.path.join(folder, arguments[0])
    # pip decodes the file by the locale unless its first line names the encoding.
    text = "\n".join(["# -*- coding: utf-8 -*-", *session.options, *lines, ""])
    create_file(f"{where}.txt", text.encode(), mode=0o600)
    # -P: a file pip.py in the current directory is not pip.
    argv = [sys.executable, "-P", "-m", "pip", "--python", session.interpreter.path, *arguments]
    argv += ["--no-deps", "--require-hashes", "--requirement", f"{where}.txt", "--log", f"{where}.log"]
    argv += ["--no-input", "--disable-pip-version-check"]
    file_size = None
    if arguments[0] == "download":
        argv += ["--progress-bar", "off"]
        file_size = session.largest
    pips.go_on()
    result = run(
        Program(
            argv,
            env=session.environ,
            cwd=session.cwd,
            keep=_OUTPUT_BYTES,
            memory=memory,
            file_size=file_size,
        ),
        timeout=session.time_left(requirements),
        signals=session.signals,
        poll=pips.watch,
    )
    output = session.redact(result.output.decode(errors="replace"))
    session.keep_output(output)
    if result.timed_out:
        raise session.too_slow(requirements)
    if result.returncode != 0:
        if found := beyond_bounds(output, memory=memory, file_size=file_size):
            raise _error(found, requirements, session)
        debug = session.redact(read_end(f"{where}.log"))
        session.keep_output(build_output(debug))
        replaced = mismatched(output)
        unseen = [r for r in requirements if r.name in replaced and r.name not in session.listed]
        listed = {**session.listed, **look_at_pages(unseen, session, until=session.until)}
        pins = {requirement.name: requirement for requirement in requirements}
        here = session.request.locked_here
        diagnosis = diagnose(output, debug, session.interpreter, pins, listed, locked_here=here)
        raise _error(diagnosis, requirements, session)


def _error(found: Diagnosis, requirements: Sequence[Requirement], session: Session) -> BuildError | HostError:
    concerned = [r for r in requirements if r.name in found.names] or requirements
    facts = [requirement.facts() for requirement in concerned]
    return found.kind(
        enclosed(f"{labels(concerned)}: ", found.message),
        hint=found.hint,
        log=session.log,
        packages=facts,
        **(facts[0] if len(facts) == 1 else {}),
        **found.data,
    )


def _build(requirement: Requirement, source: str, sha256: str, folder: str, pips: _Pips) -> WheelFile:
    """Build a wheel from a source distribution whose hash was checked here.

    The build's own requirements come from the index, unpinned: that is the meaning of `[build] sdists`.
    """
    wheels = os.path.join(folder, "wheels")
    make_directory(folder, 0o700)
    make_directory(wheels, 0o700)
    _pip(
        # No cache: a wheel that was once built from this source for another purpose is not this build.
        ["wheel", "--no-cache-dir", *_FROM_SOURCE, "--wheel-dir", wheels],
        lines=[f"{requirement.name} @ {Path(source).as_uri()}{requirement.fragment} --hash=sha256:{sha256}"],
        requirements=[requirement],
        folder=folder,
        pips=pips,
    )
    built = [entry.path for entry in os.scandir(wheels) if entry.name.endswith(".whl")]
    if len(built) != 1:
        message = f"building it from source gave {len(built)} wheels, not one"
        raise pips.session.error(BuildError, requirement, message, hint=f"see {pips.session.log}")
    check_wheel(built[0], requirement, pips.session)
    return WheelFile(built[0], hash_file(built[0]), source_sha256=sha256)


def _match(
    requirement: Requirement, brought: Mapping[str, Mapping[str, str]], session: Session
) -> tuple[str, str]:
    """Find the file for a requirement by its hash alone; returns the path, and the SHA-256."""
    for path, hashes in brought.items():
        if is_allowed(hashes, requirement):
            return path, hashes["sha256"]
    for path, hashes in brought.items():
        if canonicalize_name(os.path.basename(path)).startswith(f"{requirement.name}-"):
            raise session.mismatch(requirement, path, hashes["sha256"])
    message = "pip ended well, but brought no file for it"
    raise session.error(BuildError, requirement, message, hint=f"pip's output is in {session.log}")


def _count_downloads(temporary: str) -> int:
    """Count the distributions that have come: they lie in temporary folders of pip until it ends."""
    count = 0
    with contextlib.suppress(OSError):  # folders come and go
        for folder in os.listdir(temporary):
            if folder.startswith("pip-unpack-"):
                names = os.listdir(os.path.join(temporary, folder))
                count += sum(name.endswith((".whl", ".tar.gz", ".zip")) for name in names)
    return count
