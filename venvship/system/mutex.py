"""Mutual exclusion between processes. `leases.py` has the locks of processes that run from a release.

A mutex is a flock(2) on a file in `state/`, through `filelock`. Why this and nothing else:

* The kernel frees it when its holder dies, however it dies. There is no stale lock to break, so no code
  here looks at an age, and a dead process never blocks a release.
* The file is deleted with the root alone. If A opened it, B unlinked it and C made a new one, A and C would
  each hold "the" lock.
* A root's file is made by `workspace.folders` alone: a command that waited for `destroy` would make the
  root's folder again. And a lock counts only if the file still has its name: A opened it, `destroy` removed
  it and let go, A got the lock of nothing.
* Its mode is 0600: flock needs no more than an open descriptor, so whoever can open the file can hold it.
* `fallback_to_soft=False`: a file system without flock is refused, not papered over with a marker file that
  outlives its maker.

Descriptors are close-on-exec (PEP 446), and closed in copies of this process, so no child keeps a mutex after
we are gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from venvship.errors import BusyError, NoFlockError, NotWritableError, RootError, VenvshipError
from venvship.printable import shell_line
from venvship.system.host import host_error

if TYPE_CHECKING:
    from filelock import FileLock

POLL: Final = 0.05
"""Seconds between two attempts while waiting."""

BRIEF: Final = 0.5
"""Seconds of a wait that is not worth a word: a mutex may be held for a look."""

_NO_FLOCK: Final = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})

_held: Final[set[int]] = set()
"""The open lock files of this process."""


def _close_in_copy() -> None:
    """Close the lock files in a copy of this process (fork(2)), which would keep the locks without us."""
    for fd in _held:
        with contextlib.suppress(OSError):
            os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_copy)


class Mutex:
    """One lock between processes.

    Args:
        path: The lock file; it exists.
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
            RootError: There is no lock file: the root was removed. Nothing was made.
        """
        began = time.monotonic()
        deadline = began + wait
        told = False
        while (lock := self._attempt()) is None:
            if time.monotonic() >= deadline:
                raise BusyError(
                    f"busy: {self._who()}",
                    hint="wait for it with --wait SECONDS, or look at `venvship status`",
                    mutex=self._name,
                )
            if not told and time.monotonic() - began >= BRIEF:
                told = True
                waiting(self._who())
            interrupted()
            time.sleep(POLL)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def kept_free(self) -> Iterator[bool]:
        """Keep others from taking it for the length of a `with` block, where nobody has it now.

        For a short look that others may take at the same time. It costs no import, unlike `hold`.

        Yields:
            Whether nobody has it.

        Raises:
            NoFlockError: The file system has no flock.
            NotWritableError: The lock file cannot be opened.
            RootError: There is no lock file.
        """
        try:
            fd = _open(self._path, 0)
        except FileNotFoundError as error:
            raise self._gone(error) from error
        try:
            yield _locked(fd, self._path, exclusive=False) and _has_its_name(fd, self._path)
        finally:
            _close(fd)

    def is_held(self) -> bool:
        """Whether somebody holds it right now; takes and gives it back to find out.

        Raises:
            NoFlockError: The file system has no flock.
            NotWritableError: The lock file cannot be opened.
            RootError: There is no lock file.
        """
        try:
            with self.hold():
                return False
        except BusyError:
            return True

    def _attempt(self) -> FileLock | None:
        """Try to take it once; the lock, or `None` where another process has it.

        `filelock` opens its file with O_CREAT. So the file is opened here first, without that, and the lock
        counts if it is on that very file, and that still has its name.
        """
        # Late: it takes longer to import than `status` takes for all else.
        from filelock import FileLock, Timeout

        while True:
            with self._opened() as (fd, folder):
                others: list[int] = []

                def look(locked: int, fd: int = fd, others: list[int] = others) -> None:
                    if not os.path.samestat(os.fstat(fd), os.fstat(locked)):
                        others.append(locked)

                lock = FileLock(
                    self._path, mode=0o600, thread_local=False, fallback_to_soft=False, on_acquired=look
                )
                try:
                    lock.acquire(timeout=0)
                    if not others and _has_its_name(fd, self._path):
                        return lock
                    lock.release()
                    self._take_back(folder)
                except Timeout:
                    if _has_its_name(fd, self._path):
                        return None
                except FileNotFoundError:
                    pass  # the root has just been removed, and the next look says so
                except NotImplementedError as error:
                    raise _no_flock(self._path) from error
                except OSError as error:
                    if error.errno in _NO_FLOCK:
                        raise _no_flock(self._path) from error
                    raise _unopened(self._path, error) from error

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[int, int]]:
        """Open the lock file and its folder, and make neither."""
        try:
            folder = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._gone(error) from error
        except OSError as error:
            raise _unopened(self._path, error) from error
        try:
            fd = _open(self._path, 0)
            try:
                yield fd, folder
            finally:
                _close(fd)
        except FileNotFoundError as error:
            raise self._gone(error) from error
        finally:
            os.close(folder)

    def _gone(self, error: OSError) -> VenvshipError:
        if isinstance(error, NotADirectoryError):
            return _unopened(self._path, error)
        return RootError(
            f"{self._path} is gone: the root was removed meanwhile, or this file was",
            hint="look whether the root is still there; if it is, every command that writes makes the file"
            " again",
        )

    def _take_back(self, folder: int) -> None:
        """Remove the file and the folders that `filelock` made where `destroy` had just removed them."""
        from venvship.system import files, trees  # what `status` does not need

        now = os.path.dirname(self._path)
        with contextlib.suppress(OSError):
            if os.fstat(folder).st_nlink == 0 and os.listdir(now) == [os.path.basename(self._path)]:
                files.remove_name(self._path)
                trees.remove_empty(now)
                trees.remove_empty(os.path.dirname(now))

    def _who(self) -> str:
        return self._holder() or "another command of venvship is under way"


@contextlib.contextmanager
def shared(
    path: str,
    *,
    exclusive: bool = False,
    wait: float = 0.0,
    interrupted: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold the store's mutex, a flock that many may share: builds share it, a clean-up has it alone.

    Args:
        path: The lock file; its directory must exist.
        exclusive: Whether to have it alone.
        wait: Seconds to try for; 0 is one attempt.
        interrupted: Called between attempts; raises to stop waiting.

    Raises:
        BusyError: It is held in a way that excludes ours.
        NoFlockError: The file system has no flock.
        NotWritableError: The lock file cannot be opened.
        RootError: The store was removed meanwhile. Nothing of it was made again.
    """
    try:
        fd = _open(path, os.O_CREAT)
    except FileNotFoundError as error:
        raise NotWritableError(f"cannot open {path}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + wait
        while not _locked(fd, path, exclusive=exclusive):
            if time.monotonic() >= deadline:
                message = "busy: the store is in use by another command of venvship"
                raise BusyError(message, hint="try again in a moment", mutex="store")
            interrupted()
            time.sleep(POLL)
        if not _has_its_name(fd, path):
            raise RootError(
                f"{path} is gone: the store was removed meanwhile",
                hint="run the command again: it makes a new store",
            )
        yield
    finally:
        _close(fd)


def _open(path: str, create: int) -> int:
    """Open a lock file; `create` is `os.O_CREAT` or 0.

    Raises:
        FileNotFoundError: It does not exist, or its directory does not.
        HostError: The host has no descriptor left.
        NotWritableError: It cannot be opened.
    """
    try:
        fd = os.open(path, os.O_RDWR | create | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        if os.path.islink(path):  # whatever it leads to is no lock file of ours
            hint = f"rm {shell_line([path])}"
            raise NotWritableError(f"{path} is a link, and no lock file", hint=hint) from error
        raise _unopened(path, error) from error
    _held.add(fd)
    return fd


def _close(fd: int) -> None:
    """Close a lock file, which frees the lock; in a copy of this process it is closed already."""
    if fd in _held:
        _held.remove(fd)
        os.close(fd)


def _unopened(path: str, error: OSError) -> VenvshipError:
    found = host_error(error, f"open {path}")
    return found or NotWritableError(f"cannot open {path}: {error.strerror}")


def _no_flock(path: str) -> NoFlockError:
    return NoFlockError(
        f"the file system of {path} has no flock(2), so nothing could keep two commands apart",
        hint="put the root on a local file system",
    )


def _has_its_name(fd: int, path: str) -> bool:
    """Whether an open file is the one that stands at a path."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except OSError:
        return False


def _locked(fd: int, path: str, *, exclusive: bool) -> bool:
    """Whether the lock could be had.

    Raises:
        NoFlockError: The file system has no flock.
        NotWritableError: The kernel refused for another reason.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # EACCES on some file systems
        return False
    except OSError as error:
        if error.errno in _NO_FLOCK:
            raise _no_flock(path) from error
        raise NotWritableError(f"cannot lock {path}: {error.strerror}") from error
    return True
