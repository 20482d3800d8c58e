"""Fetch the files that a lockfile pins: directly where that is possible, else with pip.

Nothing that comes is trusted: each file is hashed here, and its hash decides which requirement it is for.
Nothing that is fetched is imported or run. Only names in `[build] sdists` are built, after their hash was
checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from venvship.building.fetching.direct import fetch_directly
from venvship.building.fetching.fetch_session import Session, check_wheel, hash_for, is_allowed
from venvship.building.fetching.pip_fetch import fetch_with_pip
from venvship.errors import DistributionNotFoundError, InvalidWheelError
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.progress import Advance, unmeasured
from venvship.model.wheel import WheelFile
from venvship.system.faults import build_faults
from venvship.system.files import make_directory
from venvship.system.regular import IrregularFileError


def fetch(
    requirements: Sequence[Requirement],
    session: Session,
    *,
    advance: Advance = unmeasured,
    arrived: Callable[[Mapping[str, WheelFile]], None] = lambda _some: None,
) -> dict[str, WheelFile]:
    """Bring one wheel for each requirement.

    Crash: the session's directory holds downloads, in part or whole; the caller owns and sweeps it. Nothing
    else is written but pip's own cache and the log.

    Args:
        requirements: The requirements to fetch; no name twice.
        session: The fetch; its directory is empty.
        advance: Told how many files have come, some ten times a second.
        arrived: Gets wheels that have come, some MiB of them at a time, while others are still on their way;
            not necessarily all. The time that it takes counts. An exception that it raises ends the fetch and
            passes through.

    Returns:
        By the name of the requirement, in the order of `requirements`.

    Raises:
        HashMismatchError: A file has none of the allowed hashes. Nothing of it was imported or run.
        DistributionNotFoundError: The index has no such package, or not this version.
        NoCompatibleWheelError: There are wheels, none of them for this interpreter.
        SourceOnlyError: There is only a source distribution, and `[build] sdists` does not allow it.
        IndexUnreachableError: An index refused, failed, or wanted other credentials.
        FetchTimeoutError: It took longer than `[build] timeout`. No pip is left running.
        InvalidWheelError: A wheel's file name is that of another one.
        DiskFullError: There is no room in the session's directory.
        BuildError: A source distribution does not build, or pip failed in another way.
        InterruptedByError: A signal came. No pip is left running.
    """
    furthest = 0

    def came(done: int) -> None:
        # Never back: a pip that ends clears up, and so would the count.
        nonlocal furthest
        furthest = max(furthest, done)
        advance(furthest, len(requirements))

    with build_faults("fetch packages", session.directory):
        make_directory(session.temporary, 0o700)
        local = {r.name: _local(r, session) for r in requirements if r.is_local}
        remote = [r for r in requirements if not r.is_local]
        for requirement in remote:
            if requirement.url is not None and requirement.url.endswith(".whl"):
                check_wheel(unquote(urlsplit(requirement.url).path), requirement, session)
        fetched = fetch_directly(remote, session, came=came, arrived=arrived)
        already = len(local) + len(fetched)
        rest = [r for r in remote if r.name not in fetched]
        fetched |= local | fetch_with_pip(rest, session, came=lambda done: came(already + done))
        return {requirement.name: fetched[requirement.name] for requirement in requirements}


def _local(requirement: Requirement, session: Session) -> WheelFile:
    """Check a wheel that the lockfile names by its path."""
    path = requirement.url or ""
    if not path.endswith(".whl"):
        raise session.source_only(requirement)
    try:
        hashes = hash_for(path, [requirement], session)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise session.error(
            DistributionNotFoundError,
            requirement,
            f"there is no file {path}",
            hint="paths in a lockfile are relative to it",
            path=path,
        ) from error
    except IrregularFileError as error:
        hint = "name a wheel in the lockfile, or a link to one"
        message = f"{path}: {error.strerror}"
        raise session.error(InvalidWheelError, requirement, message, hint=hint, path=path) from error
    if not is_allowed(hashes, requirement):
        raise session.mismatch(requirement, path, hashes["sha256"])
    check_wheel(path, requirement, session)
    return WheelFile(path, hashes["sha256"])
