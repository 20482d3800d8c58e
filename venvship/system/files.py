"""Effects on single names of the file system, and the promises they make about crashes.

The only module that calls `os.replace`, `os.symlink` and the sync family. Everything here raises `OSError` as
the kernel gave it, except where a docstring says otherwise: the caller knows which path mattered and to whom,
and wraps it once.

The rules of the order (open(2), rename(2), fsync(2), syncfs(2)):

* A rename is atomic for readers but not durable until its *directory* is synced.
* Contents are not durable because a name is: data first, then the name that publishes it.
* A failed sync is never tried again. The kernel may have dropped the dirty pages and marked them clean, so
  a second call would report success for data that is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from venvship.model.spelling import readable_json
from venvship.system import effects

FULL_DISK_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors that mean "no room"."""

TAKEN: Final = frozenset({errno.ENOTEMPTY, errno.EEXIST})
"""A directory with something in it has the name (rename(2)). A file is renamed over a file."""

IMMOVABLE: Final = frozenset({errno.EXDEV})
"""overlayfs refuses to rename a directory of a lower layer."""

_LEFT_OVER: Final = re.compile(r"\.(.+)\.[0-9a-f]{8}")


def fsync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable.

    Raises:
        OSError: It cannot be opened, or the sync failed. Do not retry a failed sync.
    """
    with opened_directory(path) as fd:
        effects.reach("fsync", path)
        os.fsync(fd)


def fsync_file(fd: int, path: str | os.PathLike[str]) -> None:
    """Make a file's contents durable, on the descriptor that they were written to.

    Raises:
        OSError: They could not be written. Do not retry.
    """
    effects.reach("fsync", path)
    os.fsync(fd)


def open_directory(path: str | os.PathLike[str]) -> int:
    """Open a directory for `sync_filesystem`. The caller closes the descriptor.

    Open it *before* the first write that the sync is to cover: an error of writeback is reported through
    descriptors that were open when it happened (syncfs(2), since Linux 5.8).
    """
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_filesystem(fd: int) -> None:
    """Make everything on the file system of `fd` durable: contents and names.

    syncfs(2) on Linux. Elsewhere `os.sync()`, which on macOS schedules the writes without waiting for the
    drive; `docs` call macOS best effort for this.

    Args:
        fd: An open descriptor on the file system; see `open_directory`.

    Raises:
        OSError: A write failed. Do not retry: drop the files that were to be made durable.
    """
    effects.reach("syncfs", f"/proc/self/fd/{fd}")
    if sys.platform != "linux":
        os.sync()
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def opened_directory(path: str | os.PathLike[str]) -> Iterator[int]:
    """Give the descriptor of a directory to a block.

    Raises:
        OSError: It cannot be opened.
    """
    fd = open_directory(path)
    try:
        yield fd
    finally:
        os.close(fd)


def open_new(path: str | os.PathLike[str]) -> int:
    """Open a file that must not exist yet, for writing. Only its owner may read it until its mode is set.

    Crash: the file is empty.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    effects.reach("create", path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_file(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace a file's contents, whole and durable.

    Crash: the file holds the old contents or the new ones, never a mixture. A name `.<name>.<random>` may
    be left beside it; the sweep of the directory's owner removes it.

    Args:
        path: The file.
        data: All of its new contents.
        mode: Its permission bits, whatever the umask.
        durable: Whether it must survive a power cut. Without, it may be old, empty or missing after one.

    Raises:
        OSError: As the kernel gave it; the old contents are still there.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        with open(open_new(temporary), "wb") as file:
            effects.reach("write", temporary)
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                fsync_file(file.fileno(), temporary)
        rename(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_directory(target.parent)


def write_json(
    path: str | os.PathLike[str], data: dict[str, Any], *, mode: int = 0o644, durable: bool = True
) -> None:
    """`write_file` with `readable_json`."""
    write_file(path, readable_json(data), mode=mode, durable=durable)


def create_file(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o444) -> None:
    """Create a file that must not exist yet. Not durable until the file system is synced.

    Crash: the file may be missing, empty or partial. Only for trees that a later sync and rename publish.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    create_from_chunks(path, (data,), mode=mode)


def create_from_chunks(path: str | os.PathLike[str], chunks: Iterable[bytes], *, mode: int = 0o444) -> None:
    """`create_file` for contents that are too large to be held whole. Exceptions of `chunks` pass through.

    Crash: as with `create_file`; the same is left when `chunks` raises.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    with open(open_new(path), "wb") as file:
        effects.reach("write", path)
        file.writelines(chunks)
        os.fchmod(file.fileno(), mode)


def allocate_file(path: str | os.PathLike[str], size: int) -> None:
    """Create a file of mode 0600 that takes up so much room, and must not exist yet (posix_fallocate(3)).

    Crash: the file may be missing, or of any size. Not durable until it is synced.

    Args:
        path: The file.
        size: Its size, in bytes.

    Raises:
        OSError: As the kernel gave it; there is no file then.
    """
    fd = open_new(path)
    try:
        effects.reach("write", path)
        _allocate(fd, size)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(fd)


def _allocate(fd: int, size: int) -> None:
    if sys.platform == "linux":
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            # A C library that does not write zeros itself where the file system cannot allocate (musl).
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise
        else:
            return
    zeros = bytes(1 << 16)
    while size > 0:
        size -= os.write(fd, zeros[:size])


def make_link(target: str, path: str | os.PathLike[str]) -> None:
    """Make a symbolic link that must not exist yet. Not durable until the directory is synced."""
    effects.reach("symlink", path)
    os.symlink(target, path)


def rename(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Rename over whatever stands at the target; atomic for readers (rename(2)).

    Crash: either name order is possible until the caller syncs the directory.
    """
    effects.reach("rename", target)
    os.replace(source, target)


def left_over_of(name: str) -> str:
    """The name of the file that a name in the same directory was to become, had `write_file` not been killed.

    Returns:
        `""` for a name that `write_file` does not make.
    """
    found = _LEFT_OVER.fullmatch(name)
    return found[1] if found else ""


def temporary_name(target: str, prefix: str) -> str:
    """Choose a random name beside a path, for a file that will be renamed to it. Nothing is made."""
    return os.path.join(os.path.dirname(target), prefix + os.urandom(8).hex())


def rename_unless(
    refusals: Container[int], source: str | os.PathLike[str], target: str | os.PathLike[str]
) -> bool:
    """Rename, unless the kernel refuses that for one of these reasons.

    Args:
        refusals: `TAKEN` or `IMMOVABLE`.
        source: A file or directory.
        target: Its new name.

    Returns:
        Whether it was renamed. If not, both are as they were.

    Crash: either name order is possible until the caller syncs the directory.

    Raises:
        OSError: Anything else that the kernel refused.
    """
    try:
        rename(source, target)
    except OSError as error:
        if error.errno in refusals:
            return False
        raise
    return True


def remove_name(path: str | os.PathLike[str]) -> None:
    """Remove a file or a link; nothing there is fine."""
    effects.reach("unlink", path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def set_mode(path: str | os.PathLike[str], mode: int, *, fd: int | None = None) -> None:
    """Set the permission bits of a file or directory (chmod(2)), of the one that is open as `fd` if given.

    Not durable until it is synced.
    """
    effects.reach("chmod", path)
    os.chmod(path if fd is None else fd, mode)


def set_group(path: str | os.PathLike[str], gid: int) -> None:
    """Give a name to a group. Not durable by itself.

    Raises:
        PermissionError: The caller is neither root nor in the group.
        OSError: As the kernel gave it.
    """
    effects.reach("chown", path)
    os.chown(path, -1, gid)


def make_new_directory(path: str | os.PathLike[str], mode: int = 0o700) -> None:
    """Make a directory that must not exist yet, with exactly this mode, whatever the umask.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    effects.reach("mkdir", path)
    os.mkdir(path, 0o700)
    if mode != 0o700:
        set_mode(path, mode)


def make_directory(path: str | os.PathLike[str], mode: int = 0o755) -> None:
    """Make a directory with exactly this mode, whatever the umask; parents must exist; existing is fine."""
    with contextlib.suppress(FileExistsError):
        make_new_directory(path, mode)


def make_directories(path: str, mode: int = 0o700) -> None:
    """Make a directory and its missing parents; existing is fine."""
    if os.path.isdir(path):
        return
    make_directories(os.path.dirname(path), mode)
    make_directory(path, mode)


def hash_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's contents, hexadecimal, without loading them whole."""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Append to a file, which is made if it is missing. Not durable: for diagnostics."""
    effects.reach("append", path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def write_at(fd: int, data: bytes, offset: int, path: str | os.PathLike[str]) -> None:
    """Write all of `data` at an offset of a file; a short write is continued, ENOSPC is raised."""
    effects.reach("write", path)
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def truncate(fd: int, size: int, path: str | os.PathLike[str]) -> None:
    """Cut the file at `path` to a size."""
    effects.reach("truncate", path)
    os.ftruncate(fd, size)
