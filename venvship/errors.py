"""Every way in which venvship fails on purpose. Nothing here does any I/O.

One exception class per situation that a caller may want to tell apart. The class carries the `slug` (for
scripts, part of the contract) and the exit code; the instance carries the message and the hint.
`docs/reference` is generated from this tree, so the user reads the class docstrings there.
"""

from __future__ import annotations

from typing import ClassVar, Self

from venvship.outcome import OperationWarning as OperationWarning  # noqa: PLC0414 - importable from here
from venvship.outcome import Result as Result  # noqa: PLC0414 - importable from here
from venvship.printable import lines

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2


class VenvshipError(Exception):
    """Base of all errors that venvship raises for the world's faults.

    Args:
        message: The failure, the path, and the state now. Shown as one line, unless it is a `Lines`.
        hint: The next step, as a sentence or a command line to type. `None` if nothing helps.
        data: Further facts for scripts; they become keys of the JSON envelope's `error` object.

    Attributes:
        slug: The kind of failure, for scripts.
        exit_code: The exit code of the command.
        result: The result as far as it is known; `None` if nothing is.
        warnings: The warnings of the operation that failed.
        changed: Whether it changed what a later command can see; `None` if it only reads, or had not begun.
        shows_result: Whether people see the result as well: it has more than the message.
        told: Whether an earlier `update` reported the same. Then it is printed again only on a terminal.
    """

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, message: str, *, hint: str | None = None, **data: object) -> None:
        self.message: str = lines(message)
        super().__init__(self.message)
        self.hint: str | None = None if hint is None else lines(hint)
        self.data = data
        self.result: Result | None = None
        self.warnings: tuple[OperationWarning, ...] = ()
        self.changed: bool | None = None
        self.shows_result = False
        self.told = False

    def carrying(self, result: Result | None, *, shown: bool = False) -> Self:
        """Attach the result as far as it is known; it becomes `data` of the JSON envelope."""
        self.result, self.shows_result = result, shown
        return self


class UsageError(VenvshipError):
    """The command line makes no sense."""

    slug = "usage"
    exit_code = EXIT_USAGE


# -- 10: settings ---------------------------------------------------------------------------------------


class SettingsError(VenvshipError):
    """`venvship.toml` cannot be read, or has mistakes. `problems` lists all of them."""

    slug = "settings-invalid"
    exit_code = 10


class InterpreterError(SettingsError):
    """The interpreter that the settings name is missing, does not run, or is too old."""

    slug = "interpreter-unusable"


class NoServiceError(SettingsError):
    """The settings name no service, or nothing is live that could be restarted."""

    slug = "no-service"


class ProgramNotFoundError(SettingsError):
    """The program of a hook or check does not exist, is not executable, or has no interpreter here."""

    slug = "program-not-found"


# -- 11: lockfile and checkout ---------------------------------------------------------------------------


class LockfileError(VenvshipError):
    """The lockfile is refused for its contents. `problems` lists all reasons, with line numbers."""

    slug = "lockfile-refused"
    exit_code = 11


class LockfileMissingError(LockfileError):
    """The lockfile does not exist or cannot be read."""

    slug = "lockfile-missing"


class StaleLockfileError(LockfileError):
    """The lockfile of another tool is older than the dependencies that it was made from. `tool` names it."""

    slug = "stale-lockfile"


class CheckoutError(LockfileError):
    """The checkout cannot be read, or has something in it that no release can be made of."""

    slug = "checkout-refused"


class UncommittedChangesError(CheckoutError):
    """Tracked files of the checkout have changes that the commit has not."""

    slug = "uncommitted-changes"


# -- 12: root -------------------------------------------------------------------------------------------


class RootError(VenvshipError):
    """The root cannot be used."""

    slug = "root-unusable"
    exit_code = 12


class ServiceFolderError(RootError):
    """The folder of the slots cannot be made, is not safe, or cannot be reached by a user who has to."""

    slug = "socket-dir"


class NotARootError(RootError):
    """There is no `venvship.toml` here or in a parent directory."""

    slug = "not-a-root"


class RootExistsError(RootError):
    """`init` found a `venvship.toml` and leaves it alone."""

    slug = "root-exists"


class OwnServiceError(RootError):
    """This venvship runs inside of the service that the restart hook restarts. Nothing was switched."""

    slug = "own-service"


class NotOwnerError(RootError):
    """A writing command was run by a user who does not own the root."""

    slug = "not-owner"


class UntrustedError(RootError):
    """A user who is not trusted can write a file that decides what runs, or a directory on the way to it."""

    slug = "not-trusted"


class NotWritableError(RootError):
    """The root, or something in it, cannot be written."""

    slug = "not-writable"


class ForeignLinkError(RootError):
    """`current` is not a link that venvship made: a directory, a file, or a link to somewhere else."""

    slug = "current-not-ours"


class StateError(RootError):
    """A state file is damaged, or the journal is damaged in the middle."""

    slug = "state-damaged"


class FormatError(RootError):
    """A state file was written by a newer venvship, in a format that this one does not know."""

    slug = "format-too-new"


class HostError(RootError):
    """The host refuses what the command needs: memory, descriptors, processes, a file, or its own modules."""

    slug = "host-failed"


class NoFlockError(RootError):
    """The file system of the root has no working flock(2)."""

    slug = "no-flock"


# -- 13: release ----------------------------------------------------------------------------------------


class ReleaseError(VenvshipError):
    """The named release cannot be used."""

    slug = "release-unusable"
    exit_code = 13


class NoSuchReleaseError(ReleaseError):
    """No release has this name."""

    slug = "no-such-release"


class AmbiguousReleaseError(ReleaseError):
    """More than one release id starts with this prefix."""

    slug = "release-ambiguous"


# -- 20: build ------------------------------------------------------------------------------------------


class BuildError(VenvshipError):
    """The release could not be built. `current` is as it was."""

    slug = "build-failed"
    exit_code = 20


class PausedError(BuildError):
    """The last attempts at this environment failed, and `update` waits before it tries again."""

    slug = "paused"


class GenerateError(BuildError):
    """The generate hook failed, or left something behind that a release cannot have."""

    slug = "generate-failed"


class HashMismatchError(BuildError):
    """A file does not have a hash that the lockfile allows. Nothing of it was imported or run."""

    slug = "hash-mismatch"


class AuditFailedError(BuildError):
    """A service or a file of advisories could not be asked, or its answer makes no sense. Nothing changed."""

    slug = "audit-failed"


class DistributionNotFoundError(BuildError):
    """The index has no such package, or not this version of it."""

    slug = "distribution-not-found"


class NoCompatibleWheelError(BuildError):
    """There are wheels, but none with an allowed hash runs on this interpreter and platform."""

    slug = "no-compatible-wheel"


class SourceOnlyError(BuildError):
    """There is only a source distribution, and `[build] sdists` does not allow building it."""

    slug = "source-only"


class IndexUnreachableError(BuildError):
    """The package index refused the connection, could not be found, or asked for other credentials."""

    slug = "index-unreachable"


class FetchTimeoutError(BuildError):
    """The fetch, or a `lock`, took longer than `[build] timeout`."""

    slug = "fetch-timeout"


class LockError(BuildError):
    """pip-compile generated no lockfile that `release` would accept. The lockfile is as it was."""

    slug = "lock-failed"


class IndexChangedError(LockError):
    """The lockfile could only be made with packages from another index than before. `packages` names them."""

    slug = "index-changed"


class InvalidWheelError(BuildError):
    """A wheel breaks the wheel specification, or brings a file that venvship must refuse."""

    slug = "invalid-wheel"


class TooLargeError(BuildError):
    """An index answers with more than venvship reads or downloads, or its answers take too much memory."""

    slug = "too-large"


class FileConflictError(BuildError):
    """Two wheels bring different code for one path."""

    slug = "file-conflict"


class UnmetDependencyError(BuildError):
    """`[build] closed` is set, and a requirement of an installed package is not in the lockfile."""

    slug = "unmet-dependency"


class DiskFullError(BuildError):
    """The file system is full, or a quota is used up."""

    slug = "disk-full"


class NotRelocatedError(BuildError):
    """Some releases could not be relocated: the store lacks a wheel, or there is no interpreter for them."""

    slug = "not-relocated"


class ForeignStoreError(BuildError):
    """The store, an entry of it or a directory on the way belongs to another user, or others can write it."""

    slug = "store-foreign"


class StoreDamagedError(BuildError):
    """A store entry differs from the wheel that was verified at its import."""

    slug = "store-damaged"


# -- 21 to 25: promotion --------------------------------------------------------------------------------


class RejectedError(VenvshipError):
    """A candidate check or the prepare hook refused the release. `current` was not touched."""

    slug = "rejected"
    exit_code = 21


class OneWayNeededError(RejectedError):
    """The prepare hook says that there is no way back from the release. `release --one-way` goes on."""

    slug = "one-way-needed"


class NoMemoryError(RejectedError):
    """The host has not enough memory for a second set of the service's processes. Nothing was started."""

    slug = "no-memory"


class RolledBackError(VenvshipError):
    """The restart hook or a live check failed, and `current` is back where it was."""

    slug = "rolled-back"
    exit_code = 22


class RollbackFailedError(VenvshipError):
    """An operator is needed: the live release does not pass its restart hook or live checks."""

    slug = "rollback-failed"
    exit_code = 23


class StaysError(RollbackFailedError):
    """An operator is needed: a one-way release does not pass, and stays live, as there is no way back."""

    slug = "one-way-stays"


class RestartFailedError(RollbackFailedError):
    """The live release was restarted, and does not pass its restart hook or live checks. It stays live."""

    slug = "restart-failed"


class NotAnsweringError(RollbackFailedError):
    """An operator is needed: no slot of the service answers for the live release. Nothing was switched."""

    slug = "not-answering"


class NothingToRollBackToError(VenvshipError):
    """There is no earlier release that is usable, and proven or unchecked."""

    slug = "nothing-to-roll-back-to"
    exit_code = 24


class HeldError(VenvshipError):
    """Releases are held: of this environment (it was bad), or of the whole root."""

    slug = "held"
    exit_code = 25


class NoWayBackError(HeldError):
    """A one-way release lies between the live release and the one that was asked for. `--force` goes on."""

    slug = "no-way-back"


class InUseError(VenvshipError):
    """Processes run from releases of the root, so it was not removed."""

    slug = "in-use"
    exit_code = 25


# -- 30, 31, 40, and 74: EX_IOERR of sysexits(3) --------------------------------------------------------


class BusyError(VenvshipError):
    """Another process holds a mutex that this command needs."""

    slug = "busy"
    exit_code = 30


class SupersededError(VenvshipError):
    """`current` has moved, or is not the release that `--from` names. Nothing was switched."""

    slug = "superseded"
    exit_code = 31


class FindingsError(VenvshipError):
    """`verify`, `check` or `audit` found something."""

    slug = "findings"
    exit_code = 40


class NotServedError(FindingsError):
    """`handover status` found that customers are not led to the live release, or that it does not answer."""

    slug = "not-served"


class DamagedError(FindingsError):
    """`verify` found files that differ from the manifest."""

    slug = "damaged"


class UnknownLinksError(FindingsError):
    """`verify` found files of a release that have a hard link elsewhere; all of them are intact."""

    slug = "unknown-links"


class StrayBytecodeError(FindingsError):
    """`verify` found bytecode in a release that is not part of it; all its own files are intact."""

    slug = "stray-bytecode"


class VulnerableError(FindingsError):
    """`audit` found known vulnerabilities in the release."""

    slug = "vulnerable"


class CheckFailedError(FindingsError):
    """`check` ran the health checks, and a required one failed."""

    slug = "check-failed"


class NotToldApartError(FindingsError):
    """`bisect` found that GOOD is not good, or that BAD is not bad; or the command ended the search."""

    slug = "not-told-apart"


class OutputError(VenvshipError):
    """A command that only prints could not write standard output, for example on a full disk."""

    slug = "output-failed"
    exit_code = 74


# -- 126, 127: as a shell, see "Exit Status for Commands" in POSIX ------------------------------------------


class CommandNotExecutableError(VenvshipError):
    """The command of `run` cannot be executed."""

    slug = "command-not-executable"
    exit_code = 126


class CommandNotFoundError(VenvshipError):
    """There is no such command for `run`."""

    slug = "command-not-found"
    exit_code = 127


# -- signals --------------------------------------------------------------------------------------------


class InterruptedByError(VenvshipError):
    """A signal ended the command. The exit code is 128 plus its number, as a shell gives it.

    Args:
        signum: The signal's number.
        message: The state now.
    """

    slug = "interrupted"
    exit_code = 128

    def __init__(self, signum: int, message: str | None = None, *, hint: str | None = None) -> None:
        import signal

        name = signal.Signals(signum).name
        super().__init__(message or f"interrupted by {name}", hint=hint, signal=name)
        self.signum, self.exit_code = signum, 128 + signum  # type: ignore[misc]  # the one error with such a code

    def __reduce__(self) -> tuple[type[Self], tuple[int, str], dict[str, object]]:
        """Pickle the arguments: the error may come from another process."""
        return type(self), (self.signum, self.message), self.__dict__
