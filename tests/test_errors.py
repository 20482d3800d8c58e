"""The error tree: what scripts tell apart by slug and exit code."""

from __future__ import annotations

import inspect
import pickle
import re
import signal

import pytest

from venvship import errors
from venvship.errors import InterruptedByError, VenvshipError

ALL = sorted(
    (c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, VenvshipError)),
    key=lambda c: c.__name__,
)

CODES = {
    "UsageError": 2,
    # 10: settings: unreadable, wrong; interpreter missing or too old; program of a hook or check not found
    "SettingsError": 10,
    "InterpreterError": 10,
    "ProgramNotFoundError": 10,
    # 11: lockfile refused for what it says
    "LockfileError": 11,
    "LockfileMissingError": 11,
    "StaleLockfileError": 11,
    # 12: root unusable
    "RootError": 12,
    "NotARootError": 12,
    "RootExistsError": 12,
    "NotOwnerError": 12,
    "OwnServiceError": 12,
    "NotWritableError": 12,
    "ForeignLinkError": 12,
    "StateError": 12,
    "FormatError": 12,
    "NoFlockError": 12,
    "HostError": 12,
    # 13: no such release, or not usable
    "ReleaseError": 13,
    "NoSuchReleaseError": 13,
    "AmbiguousReleaseError": 13,
    # 20: build failed
    "BuildError": 20,
    "HashMismatchError": 20,
    "DistributionNotFoundError": 20,
    "NoCompatibleWheelError": 20,
    "SourceOnlyError": 20,
    "IndexChangedError": 20,
    "IndexUnreachableError": 20,
    "FetchTimeoutError": 20,
    "InvalidWheelError": 20,
    "FileConflictError": 20,
    "UnmetDependencyError": 20,
    "DiskFullError": 20,
    "StoreDamagedError": 20,
    # 21 to 25: promotion
    "RejectedError": 21,
    "RolledBackError": 22,
    "RollbackFailedError": 23,
    "NothingToRollBackToError": 24,
    "HeldError": 25,
    # 30, 31, 40
    "BusyError": 30,
    "SupersededError": 31,
    "FindingsError": 40,
    "DamagedError": 40,
    "CheckFailedError": 40,
    # 74: EX_IOERR
    "OutputError": 74,
    # 126, 127: `run`, as a shell
    "CommandNotExecutableError": 126,
    "CommandNotFoundError": 127,
}


def test_every_error_has_the_exit_code_of_the_contract() -> None:
    codes = {c.__name__: c.exit_code for c in ALL if c not in {VenvshipError, InterruptedByError}}

    assert codes.items() >= CODES.items()
    assert set(codes.values()) == set(CODES.values()), "a new exit code is a change of the contract"


def test_an_error_of_which_nobody_knows_the_kind_is_a_bug() -> None:
    assert VenvshipError.exit_code == errors.EXIT_BUG == 1
    assert errors.EXIT_OK == 0
    assert errors.EXIT_USAGE == 2


def test_slugs_are_unique_and_look_alike() -> None:
    slugs = [c.slug for c in ALL]

    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs)


@pytest.mark.parametrize("error", ALL, ids=lambda c: c.__name__)
def test_every_error_says_what_it_is_in_its_own_words(error: type[VenvshipError]) -> None:
    """The reference is generated from these docstrings."""
    assert error.__doc__
    assert "slug" in vars(error)
    assert error.__doc__.splitlines()[0].endswith(".")


def test_an_error_carries_message_hint_facts_and_result() -> None:
    error = errors.BusyError("busy: alice", hint="wait", mutex="build")

    assert str(error) == error.message == "busy: alice"
    assert error.hint == "wait"
    assert error.data == {"mutex": "build"}
    assert error.result is None
    assert error.carrying("what was known") is error
    assert error.result == "what was known"
    assert errors.BusyError("x").hint is None


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_gives_the_exit_code_that_a_shell_gives(signum: signal.Signals, code: int) -> None:
    error = InterruptedByError(signum)

    assert error.exit_code == code
    assert error.signum == signum
    assert error.data == {"signal": signum.name}
    assert error.message == f"interrupted by {signum.name}"
    assert InterruptedByError(signum, "still live: A").message == "still live: A"
    assert InterruptedByError.exit_code == 128, "the class is as it was"


def test_errors_of_one_exit_code_can_be_caught_together() -> None:
    for error in ALL:
        for base in error.__mro__[1:]:
            if issubclass(base, VenvshipError) and base is not VenvshipError:
                assert base.exit_code == error.exit_code


@pytest.mark.parametrize("kind", [c for c in ALL if c is not InterruptedByError], ids=lambda c: c.__name__)
def test_an_error_may_come_from_another_process(kind: type[VenvshipError]) -> None:
    error = pickle.loads(pickle.dumps(kind("busy", hint="wait", mutex="build")))

    assert type(error) is kind
    assert (error.message, error.hint, error.data) == ("busy", "wait", {"mutex": "build"})


def test_so_may_a_signal() -> None:
    error = pickle.loads(pickle.dumps(InterruptedByError(signal.SIGTERM, "nothing is left", hint="again")))

    assert (error.message, error.hint, error.exit_code) == ("nothing is left", "again", 143)
    assert error.signum == signal.SIGTERM
