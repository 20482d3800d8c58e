"""Mutual exclusion between processes. `leases.py` has the locks of processes that run from a release.

A mutex is a flock(2) on a file in `state/`, through `filelock`. Why this and nothing else:

* The kernel frees it when its holder dies, however it dies. There is no stale lock to break, so no code
  here looks at an age, and a dead process never blocks a release.
* The file is never deleted. If A opened it, B unlinked it and C made a new one, A and C would each hold
  "the" lock.
* Its mode is 0600: flock needs no more than an open descriptor, so whoever can open the file can hold it.
* `fallback_to_soft=False`: a file system without flock is refused, not papered over with a marker file
  that outlives its maker.

Descriptors are close-on-exec (PEP 446), so no child inherits a mutex and keeps it after we are gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from typing import Final

from venvship.errors import BusyError, NoFlockError, NotWritableError, VenvshipError
from venvship.printable import shell_line
from venvship.system.host import host_error

POLL: Final = 0.05
"""Seconds between two attempts while waiting."""

BRIEF: Final = 0.5
"""Seconds of a wait that is not worth a word: a mutex may be held for a look."""

_NO_FLOCK: Final = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})


class Mutex:
    """One lock between processes.

    Args:
        path: The lock file; its directory must exist.
        name: What people call it, such as `"build"`.
        holder: Says who holds it, for the message; `""` where nobody knows.
    """

    def __init__(self, path: str, name: str, holder: Callable[[], str] = str) -> None:
        self._path = path
        self._name = name
        self._holder = holder

    @contextlib.contextmanager
    def hold(
        self,
        *,
        wait: float = 0.0,
        interrupted: Callable[[], None] = lambda: None,
        waiting: Callable[[str], None] = lambda _who: None,
    ) -> Iterator[None]:
        """Hold it for the length of a `with` block.

        Args:
            wait: Seconds to try for; 0 is one attempt.
            interrupted: Called between attempts; raises to stop waiting.
            waiting: Called once it has taken longer than `BRIEF`, with the holder.

        Raises:
            BusyError: Another process holds it.
            NoFlockError: The file system has no flock.
            NotWritableError: The lock file cannot be opened.
        """
        # Late: it takes longer to import than `status` takes for all else.
        from filelock import FileLock, Timeout

        # It would be opened through the link, and cut: older versions of filelock follow links.
        if os.path.islink(self._path):
            raise NotWritableError(
                f"{self._path} is a link, and no lock file", hint=f"rm {shell_line([self._path])}"
            )
        lock = FileLock(self._path, mode=0o600, thread_local=False, fallback_to_soft=False)
        began = time.monotonic()
        deadline = began + wait
        told = False
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                if time.monotonic() >= deadline:
                    raise BusyError(
                        f"busy: {self._who()}",
                        hint="wait for it with --wait SECONDS, or look at `venvship status`",
                        mutex=self._name,
                    ) from None
                if not told and time.monotonic() - began >= BRIEF:
                    told = True
                    waiting(self._who())
            except NotImplementedError as error:
                raise self._no_flock() from error
            except OSError as error:
                if error.errno in _NO_FLOCK:
                    raise self._no_flock() from error
                raise _unopened(self._path, error) from error
            interrupted()
            time.sleep(POLL)
        try:
            yield
        finally:
            lock.release()

    def is_held(self) -> bool:
        """Whether somebody holds it right now; takes and gives it back to find out.

        Raises:
            NoFlockError: The file system has no flock.
            NotWritableError: The lock file cannot be opened.
        """
        try:
            with self.hold():
                return False
        except BusyError:
            return True

    def _who(self) -> str:
        return self._holder() or "another command of venvship is under way"

    def _no_flock(self) -> NoFlockError:
        return NoFlockError(
            f"the file system of {self._path} has no flock(2), so nothing could keep two commands apart",
            hint="put the root on a local file system",
        )


@contextlib.contextmanager
def shared(
    path: str,
    *,
    exclusive: bool = False,
    wait: float = 0.0,
    interrupted: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold the store's mutex, a flock that many may share: builds share it, a clean-up has it alone.

    `filelock` has no shared flock, so this one calls flock(2) itself, on a file of the same kind.

    Args:
        path: The lock file; its directory must exist.
        exclusive: Whether to have it alone.
        wait: Seconds to try for; 0 is one attempt.
        interrupted: Called between attempts; raises to stop waiting.

    Raises:
        BusyError: It is held in a way that excludes ours.
        NoFlockError: The file system has no flock.
        NotWritableError: The lock file cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unopened(path, error) from error
    try:
        deadline = time.monotonic() + wait
        while not _locked(fd, path, exclusive=exclusive):
            if time.monotonic() >= deadline:
                message = "busy: the store is in use by another command of venvship"
                raise BusyError(message, hint="try again in a moment", mutex="store")
            interrupted()
            time.sleep(POLL)
        yield
    finally:
        os.close(fd)


def _unopened(path: str, error: OSError) -> VenvshipError:
    found = host_error(error, f"open {path}")
    return found or NotWritableError(f"cannot open {path}: {error.strerror}")


def _locked(fd: int, path: str, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise NoFlockError(f"the file system of {path} has no flock(2)") from error
    return True
