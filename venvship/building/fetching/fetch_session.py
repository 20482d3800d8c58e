"""One fetch: the state that direct downloads and pip share, and the errors about a file that came.

Each file is compared with the lockfile by its hash, whichever way it came. `check_wheel` compares its name.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename

from venvship.building.fetching.listed_file import ListedFile
from venvship.building.fetching.lock_again import lock_again
from venvship.building.fetching.pip_environ import pip_environ
from venvship.building.request import BuildRequest
from venvship.errors import (
    BuildError,
    DiskFullError,
    FetchTimeoutError,
    HashMismatchError,
    InvalidWheelError,
    NoCompatibleWheelError,
    SourceOnlyError,
)
from venvship.model import bounds
from venvship.model.filename import parse_wheel_filename
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement, labels
from venvship.model.redaction import Redactor
from venvship.system.output import CappedLog
from venvship.system.regular import hash_regular
from venvship.system.signals import Signals
from venvship.system.space import free, kept_free

Kind = TypeVar("Kind", bound=BuildError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One fetch, of some of the requirements of a build.

    Attributes:
        request: The build: its lockfile, its interpreter, and the names that may be built from source.
        directory: A directory of the caller's for downloads, on a file system with room.
        environ: The environment variables of every process that the fetch starts.
        redact: Masks the secrets in a text that is shown or kept.
        log: Path of the log that gets pip's output, redacted; mode 0600.
        signals: Signals that end the fetch.
        until: When the fetch must be over, by `time.monotonic`.
        listed: By name, the files of the pinned version that a direct download has seen on the index and
            could not take. A diagnosis of pip's failure looks at them.
        largest: Bytes that pip may write to one file.
    """

    request: BuildRequest
    directory: str
    environ: Mapping[str, str]
    redact: Redactor
    log: str
    signals: Signals
    until: float
    listed: dict[str, tuple[ListedFile, ...]] = field(default_factory=dict)
    largest: int = bounds.FILE
    _log_mutex: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def begin(
        cls, request: BuildRequest, *, directory: str, environ: Mapping[str, str], log: str, signals: Signals
    ) -> Session:
        """Begin a fetch now: it has `[build] timeout` seconds. `environ` is the user's."""
        lockfile, selected, *_ = request.environment
        return cls(
            request=request,
            directory=directory,
            environ=pip_environ(environ, temporary=os.path.join(directory, "tmp")),
            redact=Redactor(environ, [*lockfile.options, *(r.text for r in selected)]),
            log=log,
            signals=signals,
            until=time.monotonic() + request.build.timeout,
        )

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter to fetch for; it also runs the second half of pip, and builds."""
        return self.request.environment.interpreter

    @property
    def options(self) -> Sequence[str]:
        """The option lines of the lockfile: indexes, links, trusted hosts."""
        return self.request.environment.lockfile.options

    @property
    def temporary(self) -> str:
        """The directory for temporary files of the processes that the fetch starts."""
        return self.environ["TMPDIR"]

    @property
    def cwd(self) -> str:
        """Where pip runs, and where relative paths in its settings begin: beside the lockfile."""
        return os.path.dirname(self.request.environment.lockfile.path)

    def time_left(self, requirements: Sequence[Requirement]) -> float:
        """Seconds that are left to fetch these requirements.

        Raises:
            FetchTimeoutError: None.
        """
        left = self.until - time.monotonic()
        if left <= 0:
            raise self.too_slow(requirements)
        return left

    def require_room(self) -> None:
        """Refuse to download on while the disk is nearly full: other programs write to it, too.

        Raises:
            DiskFullError: There is less room left than must stay free.
            OSError: The directory is gone.
        """
        if free(self.directory).bytes < kept_free(self.directory):
            raise DiskFullError(
                f"there is no room left for downloads on the file system of {self.directory}. "
                "Nothing that is live was touched",
                hint="free some space (`venvship prune --dry-run` shows what could go), then try again",
                log=self.log,
                path=self.directory,
            )

    def keep_output(self, output: str) -> None:
        """Append to the log; `output` is redacted."""
        with self._log_mutex:
            CappedLog(self.log, heading=output.encode()).close()

    def error(
        self, kind: type[Kind], requirement: Requirement, message: str, *, hint: str, **data: object
    ) -> Kind:
        """Make an error about one requirement, with its place in the lockfile and the log."""
        text = f"{requirement.label}: {message}"
        return kind(text, hint=hint, log=self.log, **requirement.facts(), **data)

    def too_slow(self, requirements: Sequence[Requirement]) -> FetchTimeoutError:
        """The error for a fetch that timed out with these requirements left."""
        seconds = self.request.build.timeout
        return FetchTimeoutError(
            f"the fetch took longer than {seconds:g} s and was ended, while at {labels(requirements)}",
            hint="see whether the index answers; `[build] timeout` in venvship.toml allows more time",
            log=self.log,
            timeout=seconds,
            packages=[requirement.facts() for requirement in requirements],
        )

    def incompatible(self, requirement: Requirement, why: str) -> NoCompatibleWheelError:
        """The error for a requirement that has no file for the interpreter; `why` goes on after it."""
        return self.error(
            NoCompatibleWheelError,
            requirement,
            f"no file of it runs on {self.interpreter.label}: {why}",
            hint="set another `python`, or "
            + lock_again(
                [requirement.name],
                here=self.request.locked_here,
                why=f"for Python {self.interpreter.minor} on this platform",
            ),
        )

    def mismatch(self, requirement: Requirement, path: str, sha256: str) -> HashMismatchError:
        """The error for a file that has none of the allowed hashes."""
        return self.error(
            HashMismatchError,
            requirement,
            f"{path} has none of the hashes in the lockfile; its sha256 is {sha256}. "
            "Nothing of it was imported or run.",
            hint="if the file was replaced on purpose, lock again; otherwise find out who changed it",
            path=path,
            got=[sha256],
        )

    def source_only(self, requirement: Requirement, but: str = "") -> SourceOnlyError:
        """The error for a source distribution that may not be built; `but` adds to it."""
        return self.error(
            SourceOnlyError,
            requirement,
            f"there is only a source distribution{but}, and building from source is not allowed for it",
            hint=f'add "{requirement.name}" to `[build] sdists` in venvship.toml to build it here',
        )


def hash_for(path: str, requirements: Sequence[Requirement], session: Session) -> dict[str, str]:
    """The SHA-256 of a file that came, and its hashes by the algorithms that these requirements name.

    Raises:
        FetchTimeoutError: The time was over: a file may have any size.
        InterruptedByError: A signal came.
        OSError: It cannot be read, or is no regular file.
    """
    named = {value.partition(":")[0] for requirement in requirements for value in requirement.hashes}

    def between() -> None:
        session.signals.raise_if_received()
        session.time_left(requirements)

    return hash_regular(path, {"sha256", *named}, between)


def is_allowed(hashes: Mapping[str, str], requirement: Requirement) -> bool:
    """Whether a requirement allows a file with these hashes, as `hash_for` gave them."""
    return any(f"{algorithm}:{digits}" in requirement.hashes for algorithm, digits in hashes.items())


def check_wheel(path: str, requirement: Requirement, session: Session) -> None:
    """Check that a wheel is the one that was asked for, by its file name, and runs on the interpreter.

    Raises:
        InvalidWheelError: The wheel is another one.
        NoCompatibleWheelError: The wheel does not run on the interpreter.
    """
    filename = os.path.basename(path)
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        hint = "rename the wheel as its builder named it"
        raise session.error(InvalidWheelError, requirement, str(error), hint=hint, path=path) from error
    # By PEP 440, 1.0+cpu satisfies a pin 1.0. Of source that was named by its URL only the build knows it.
    pinned = SpecifierSet("" if requirement.version is None else f"=={requirement.version}")
    if name != requirement.name or not pinned.contains(version, prereleases=True):
        raise session.error(
            InvalidWheelError,
            requirement,
            f"the file is {filename}, which is something else",
            hint="the name and version of the pin and of the file must agree",
            path=path,
        )
    if set(session.interpreter.tags).isdisjoint(map(str, tags)):
        raise session.incompatible(requirement, f"the file is {filename}")
