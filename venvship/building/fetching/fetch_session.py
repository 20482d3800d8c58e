"""What all ways of fetching share: the settings, the time that is left, the log, and what is accepted.

Every file is held against the lockfile by its hash, whoever brought it; this is about what its name says.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from venvship.building.fetching.pip_diagnosis import describe, facts
from venvship.building.fetching.redaction import Redactor
from venvship.errors import (
    FetchTimeoutError,
    HashMismatchError,
    InvalidWheelError,
    NoCompatibleWheelError,
    SourceOnlyError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import Requirement
from venvship.model.progress import Advance
from venvship.system.output import CappedLog
from venvship.system.signals import Signals


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
class Session:
    """One fetch.

    Attributes:
        interpreter: For which interpreter.
        tags: The wheel tags that it takes.
        cwd: Where pip runs, and relative paths of its settings begin.
        env: The environment of everything that is started.
        temporary: The directory for temporary files in it.
        seconds: How long all of it may take.
        until: When it has to be over, by `clock`.
        clock: Seconds that only go forward.
        redact: Takes secrets out of what is shown or kept.
        log: A file for what pip and others say.
        signals: Signals that end it.
        count: How many files there are to fetch.
        advance: Told how many have come.
    """

    interpreter: Interpreter
    tags: frozenset[str]
    cwd: str
    env: Mapping[str, str]
    temporary: str
    seconds: float
    until: float
    clock: Callable[[], float]
    redact: Redactor
    log: str
    signals: Signals
    count: int
    advance: Advance
    _log_mutex: threading.Lock = field(default_factory=threading.Lock)

    def time_left(self, requirements: Sequence[Requirement]) -> float:
        """Seconds that are left for these.

        Raises:
            FetchTimeoutError: None.
        """
        left = self.until - self.clock()
        if left <= 0:
            raise too_slow(requirements, self)
        return left

    def keep_output(self, output: str) -> None:
        """Append to the log; `output` is redacted."""
        with self._log_mutex:
            log = CappedLog(self.log)
            try:
                log.write(output.encode())
            finally:
                log.close()


def check_wheel(path: str, requirement: Requirement, session: Session) -> None:
    """See that a wheel is what was asked for, by its file name, and runs on the interpreter.

    Raises:
        InvalidWheelError: It is something else.
        NoCompatibleWheelError: It does not run on the interpreter.
    """
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


def mismatch(requirement: Requirement, path: str, sha256: str, session: Session) -> HashMismatchError:
    """A file has none of the allowed hashes."""
    return HashMismatchError(
        f"{describe(requirement)}: {path} has none of the hashes in the lockfile; its sha256 is {sha256}. "
        "Nothing of it was imported or run.",
        hint="if the file was replaced on purpose, lock again; otherwise find out who changed it",
        path=path,
        got=[sha256],
        log=session.log,
        **facts(requirement),
    )


def source_only(requirement: Requirement, session: Session) -> SourceOnlyError:
    """What there is may not be built."""
    return SourceOnlyError(
        f"{describe(requirement)} is a source distribution, and building from source is not allowed for it",
        hint=f'add "{requirement.name}" to `[build] sdists` in venvship.toml to build it here',
        log=session.log,
        **facts(requirement),
    )


def too_slow(requirements: Sequence[Requirement], session: Session) -> FetchTimeoutError:
    """The time is over; this was still to come."""
    shown = ", ".join(describe(requirement) for requirement in requirements[:3])
    more = f" and {len(requirements) - 3} more" if len(requirements) > 3 else ""
    return FetchTimeoutError(
        f"the fetch took longer than {session.seconds:g} s and was ended, while at {shown}{more}",
        hint="see whether the index answers; `[build] timeout` in venvship.toml allows more time",
        log=session.log,
        timeout=session.seconds,
        packages=[facts(requirement) for requirement in requirements],
    )
