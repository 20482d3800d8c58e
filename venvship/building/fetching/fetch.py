"""Getting the files that a lockfile pins: directly where that can be done, else with pip.

Nothing that comes is taken on trust: every file is hashed on this side, and it is the hash that decides which
requirement a file is for. Nothing that is fetched is imported or run; only names in `[build] sdists` are
built, after their hash was checked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from venvship.building.fetching.direct import Arrived, download_directly
from venvship.building.fetching.fetch_session import (
    Fetched,
    Session,
    check_wheel,
    mismatch,
    source_only,
    too_slow,
)
from venvship.building.fetching.pip_diagnosis import describe, facts
from venvship.building.fetching.pip_environment import pip_environment
from venvship.building.fetching.pip_fetch import fetch_with_pip
from venvship.building.fetching.redaction import Redactor
from venvship.errors import DistributionNotFoundError
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import Requirement
from venvship.model.progress import Advance, unmeasured
from venvship.system.faults import build_faults
from venvship.system.files import hash_file, make_directory
from venvship.system.signals import Signals

WORTH_TAKING: Final = 16 << 20
"""Bytes of wheels below which more of them are waited for: taking some costs two syncs of the file system."""


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
        session = Session(
            interpreter=interpreter,
            tags=frozenset(interpreter.tags),
            cwd=cwd,
            env=pip_environment(environ, temporary=temporary),
            temporary=temporary,
            seconds=timeout,
            until=clock() + timeout,
            clock=clock,
            redact=Redactor(environ, [*options, *(r.text for r in requirements)]),
            log=log,
            signals=signals,
            count=len(requirements),
            advance=_forward_only(advance),
        )
        local = [r for r in requirements if r.url is not None and os.path.isabs(r.url)]
        remote = [r for r in requirements if r.url is None or not os.path.isabs(r.url)]
        fetched = {r.name: _take_local(r, session) for r in local}
        fetched |= _fetch_directly(remote, options, directory, session, arrived)
        rest = [r for r in remote if r.name not in fetched]
        fetched |= fetch_with_pip(
            rest, options=options, sdists=sdists, directory=directory, jobs=jobs, session=session
        )
        return [fetched[requirement.name] for requirement in requirements]


def _fetch_directly(
    requirements: Sequence[Requirement],
    options: Sequence[str],
    directory: str,
    session: Session,
    arrived: Callable[[Sequence[Fetched]], None],
) -> dict[str, Fetched]:
    """Fetch what does not take pip; by name."""
    if not requirements:
        return {}
    folder = os.path.join(directory, "direct")
    make_directory(folder, 0o700)
    left = session.time_left(requirements)
    by_name = {requirement.name: requirement for requirement in requirements}
    fetched: dict[str, Fetched] = {}
    waiting: list[Fetched] = []

    def take(new: Mapping[str, Arrived]) -> None:
        for name, file in new.items():
            check_wheel(file.path, by_name[name], session)
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
        session.keep_output(session.redact("\n".join(lines)))
    if direct.timed_out:
        raise too_slow([r for r in requirements if r.name not in fetched], session)
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


def _take_local(requirement: Requirement, session: Session) -> Fetched:
    """Check a wheel that the lockfile names by its path."""
    path = requirement.url or ""
    if not path.endswith(".whl"):
        raise source_only(requirement, session)
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
        raise mismatch(requirement, path, sha256, session)
    check_wheel(path, requirement, session)
    return Fetched(requirement=requirement, path=path, sha256=sha256)
