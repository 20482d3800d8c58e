"""Leases: the processes that run from a release share a lock on one file, `state/leases/<id>`, mode 0444.

Reading the file is enough for a flock(2), an exclusive one included. So every local user can be in the way,
and a refused lock says nothing about venvship. The file itself says that its release is being removed, which
only its owner and root can change: its mode has `MARK`.

A wants to run from the release, B removes it, and C is a stranger who locks the file whenever he likes:

    A   opens the file · shares the flock, else a record lock · looks at the file: no mark, and it has a name
    B   marks the file · has the flock alone, and nobody a record lock · looks at all processes · renames the
        release · removes the file · lets go.  If the release is in use: takes the mark off · lets go

* A shares the flock before B has it: B is refused, and keeps the release. A shares it afterwards: the file
  has no name any more, or B has kept the release.
* A is refused, and finds no mark. So C has the flock, or B is only looking (`is_leased`), which removes
  nothing. If B begins now, its mark comes after A's look, so after A's record lock. B sees that lock, and
  keeps the release.
* A is refused, and finds the mark: B is removing the release, or was killed at that. A waits for a moment.
* C cannot make the mark. A record lock (F_OFD_SETLK, fcntl(2)) that excludes others takes a descriptor for
  writing, which C cannot open. So C can keep B from removing, and A from nothing.

A flock alone would leave A without a lease where C has one. A record lock alone would not do either: the
processes of sealed releases take a flock, and /proc/locks names the holders of flocks only. Without record
locks of this kind (macOS) the open descriptor has to do.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from venvship.system import files

LEASE_MODE: Final = 0o444
"""Reading is enough to share a lock, so every user who may run a release can hold its lease."""

MARK: Final = 0o100
"""The bit in the mode of a lease whose release is being removed. Setting it needs no room on the disk."""

BRIEF: Final = 0.2
"""Seconds to ask again for a flock: venvship's own looks take it for a moment."""

LONG: Final = 2.0
"""Seconds to wait for a removal, which may find the release in use."""

_POLL: Final = 0.02
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO would block
_LOWEST_FD: Final = 64
_RECORD: Final = "hhqqi0q"
"""`struct flock` of fcntl(2): type, whence, start, length (0: to the end), pid (0 in a question)."""


class Lease(NamedTuple):
    """A lease that this process has.

    Attributes:
        fd: The descriptor. It is inherited by children, and survives `exec`.
        blocked: Whether the flock was refused, so that only the record lock holds it.
    """

    fd: int
    blocked: bool


def _duplicate(fd: int) -> int:
    """A copy of a descriptor that survives `exec`, above the numbers that programs take if there is room."""
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD, _LOWEST_FD)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return fcntl.fcntl(fd, fcntl.F_DUPFD, 3)  # RLIMIT_NOFILE is lower than that


def take_lease(path: str) -> Lease | None:
    """Take the lease of a release, on a descriptor that survives `exec`.

    Args:
        path: The lease file.

    Returns:
        The lease, or `None` when the release is being removed at this moment.

    Raises:
        OSError: There is no such lease, it cannot be read, or the file system has no flock.
    """
    fd = os.open(path, _FLAGS)
    try:
        high = _duplicate(fd)
    finally:
        os.close(fd)
    how = "gone"
    try:
        how = _share(high)
    finally:
        if how == "gone":
            os.close(high)
    return None if how == "gone" else Lease(high, how == "blocked")


def _share(fd: int) -> Literal["shared", "blocked", "gone"]:
    began = time.monotonic()
    how: Literal["shared", "blocked"] = "shared"
    while not _flock(fd, fcntl.LOCK_SH):
        waited = time.monotonic() - began
        if waited >= BRIEF:
            _share_record(fd)  # before the look at the mark
            if not _is_marked(fd):
                how = "blocked"
                break
        if waited >= LONG:
            return "gone"
        time.sleep(_POLL)
    # A lease without a name protects nothing.
    return how if os.fstat(fd).st_nlink else "gone"


@contextlib.contextmanager
def lease_shared(path: str) -> Iterator[Lease | None]:
    """Have a release's lease for the length of a `with` block, as its own processes do.

    Yields:
        The lease; `None` when the release is being removed at this moment.

    Raises:
        OSError: As for `take_lease`.
    """
    lease = take_lease(path)
    if lease is None:
        yield None
        return
    os.set_inheritable(lease.fd, False)
    try:
        yield lease
    finally:
        os.close(lease.fd)


@contextlib.contextmanager
def lease_withheld(path: str) -> Iterator[bool]:
    """Try to have a release's lease alone for its removal, so that no process can start from it meanwhile.

    The caller holds the mutex of the removal: only one process marks a lease. It removes the file after the
    release, inside the block.

    Crash: the mark is left, and says that the release is being removed, to those whose flock is refused.
    `remove_mark` takes it off.

    Yields:
        Whether nobody had it. A lease that exists and cannot be opened or marked counts as taken.
    """
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:
        yield True
        return
    except OSError:
        yield False
        return
    try:
        yield _mark(fd, path) and _is_free(fd)
    finally:
        with contextlib.suppress(OSError):
            remove_mark(path, fd)
        os.close(fd)


def is_leased(path: str) -> bool:
    """Whether a process has the lease of a release now; that of one that cannot be opened counts as taken."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    try:
        return not _is_free(fd)
    finally:
        os.close(fd)


def is_marked(path: str) -> bool:
    """Whether a lease says that its release is being removed. Only its owner and root can have it say so."""
    try:
        return bool(os.stat(path).st_mode & MARK)
    except OSError:
        return False


def remove_mark(path: str, fd: int | None = None) -> None:
    """Take the mark off a lease, if it has one and still has its name.

    Args:
        path: The lease file.
        fd: An open descriptor of it.

    Raises:
        OSError: It could not be changed.
    """
    found = os.stat(path if fd is None else fd)
    if found.st_nlink and found.st_mode & MARK:
        files.set_mode(path, LEASE_MODE, fd=fd)


def _mark(fd: int, path: str) -> bool:
    try:
        files.set_mode(path, LEASE_MODE | MARK, fd=fd)
    except OSError:
        return False
    return True


def _is_marked(fd: int) -> bool:
    return bool(os.fstat(fd).st_mode & MARK)


def _flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(fd: int) -> bool:
    """Have the flock alone, and see whether anybody has a record lock."""
    try:
        if not _flock(fd, fcntl.LOCK_EX):
            return False
    except OSError:
        return False
    if not hasattr(fcntl, "F_OFD_GETLK"):
        return True
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, struct.pack(_RECORD, fcntl.F_WRLCK, 0, 0, 0, 0))
    except OSError:  # a file system without record locks: then nobody has one
        return True
    return bool(struct.unpack(_RECORD, answer)[0] == fcntl.F_UNLCK)


def _share_record(fd: int) -> None:
    """Share a lock that nobody can refuse who must not write to the file; best effort."""
    if hasattr(fcntl, "F_OFD_SETLK"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_RECORD, fcntl.F_RDLCK, 0, 0, 0, 0))
