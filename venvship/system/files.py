"""Effects on the file system, and the promises they make about crashes.

The only module that calls `os.replace`, `os.symlink`, `os.link`, `shutil.rmtree` and the sync family.
Everything here raises `OSError` as the kernel gave it, except where a docstring says otherwise: the caller
knows which path mattered and to whom, and wraps it once.

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
import stat
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from venvship.model.release import readable_json
from venvship.system import failpoints

FICLONE: Final = 0x40049409
"""ioctl_ficlone(2): share the blocks of one file with another (btrfs, xfs)."""

FULL_DISK_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The errors that mean "no room"."""

_LEFT_OVER: Final = re.compile(r"\.(.+)\.[0-9a-f]{8}")


def fsync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable.

    Raises:
        OSError: It cannot be opened, or the sync failed. Do not retry a failed sync.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        failpoints.reach("fsync", path)
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_file(fd: int, path: str | os.PathLike[str]) -> None:
    """Make a file's contents durable, on the descriptor that they were written to.

    Raises:
        OSError: They could not be written. Do not retry.
    """
    failpoints.reach("fsync", path)
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
        OSError: Something could not be written. Do not retry: drop what was to be made durable.
    """
    failpoints.reach("syncfs", f"/proc/self/fd/{fd}")
    if sys.platform != "linux":
        os.sync()
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write_file(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace a file's contents, whole and durable.

    Crash: the file holds the old contents or the new ones, never a mixture. A name `.<name>.<random>` may
    be left beside it; whoever owns the directory sweeps those.

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
        failpoints.reach("create", temporary)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            failpoints.reach("write", temporary)
            file.write(data)
            file.flush()
            os.fchmod(fd, mode)
            if durable:
                fsync_file(fd, temporary)
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
    failpoints.reach("create", path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        failpoints.reach("write", path)
        file.write(data)
        os.fchmod(fd, mode)


def create_from_chunks(path: str | os.PathLike[str], chunks: Iterable[bytes], *, mode: int = 0o444) -> None:
    """`create_file` for contents that are too large to be held whole. What `chunks` raises passes through.

    Crash: as with `create_file`; the same is left when `chunks` raises.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    failpoints.reach("create", path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        failpoints.reach("write", path)
        file.writelines(chunks)
        os.fchmod(fd, mode)


def allocate_file(path: str | os.PathLike[str], size: int, *, mode: int = 0o600) -> None:
    """Create a file that takes up so much room, and must not exist yet (posix_fallocate(3)).

    Crash: the file may be missing, or of any size. Not durable until it is synced.

    Args:
        path: The file.
        size: Its size, in bytes.
        mode: Its permission bits, whatever the umask.

    Raises:
        OSError: As the kernel gave it; there is no file then.
    """
    failpoints.reach("create", path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        failpoints.reach("write", path)
        _allocate(fd, size)
        os.fchmod(fd, mode)
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
    failpoints.reach("symlink", path)
    os.symlink(target, path)


def rename(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Rename over whatever stands at the target; atomic for readers (rename(2)).

    Crash: either name order is possible until the caller syncs the directory.
    """
    failpoints.reach("rename", target)
    os.replace(source, target)


def left_over_of(name: str) -> str:
    """The name of the file that a name in the same directory was to become, had `write_file` not been killed.

    Returns:
        `""` for a name that `write_file` does not make.
    """
    found = _LEFT_OVER.fullmatch(name)
    return found[1] if found else ""


def temporary_name(target: str, prefix: str) -> str:
    """A random name beside a path, for what is going to be renamed to it. Nothing is made."""
    return os.path.join(os.path.dirname(target), prefix + os.urandom(8).hex())


def rename_unless_taken(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Rename a directory, unless a directory with something in it has the name (rename(2)).

    A file is renamed over a file.

    Returns:
        Whether it was renamed. If not, both are as they were.

    Crash: either name order is possible until the caller syncs the directory.
    """
    try:
        rename(source, target)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        raise
    return True


def rename_if_possible(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Rename a directory, where the file system can: overlayfs refuses to for one of a lower layer (EXDEV).

    Returns:
        Whether it was renamed. If not, it is where it was.

    Crash: either name order is possible until the caller syncs the directory.

    Raises:
        OSError: Anything else that the kernel refused.
    """
    try:
        rename(source, target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return False
        raise
    return True


def own_bytes(paths: Iterable[str | os.PathLike[str]]) -> int:
    """Room that the removal of trees gives back: their directories, and files with no name anywhere else.

    A file with several names counts once, and only if all of its names are in these trees. What several
    copies share as reflinks counts in full, since no file system says so cheaply.

    Args:
        paths: Directories or files; those that cannot be read count nothing.

    Returns:
        Bytes, as the file system allocates them.
    """
    total = 0
    names: dict[tuple[int, int], int] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            for found in (os.lstat(path), *(status for _, status in _walk_any(path))):
                inode = (found.st_dev, found.st_ino)
                names[inode] = names.get(inode, 0) + 1
                if stat.S_ISDIR(found.st_mode) or names[inode] == found.st_nlink:
                    total += found.st_blocks * 512
    return total


def _walk_any(path: str | os.PathLike[str]) -> Iterator[tuple[str, os.stat_result]]:
    return walk(path) if stat.S_ISDIR(os.lstat(path).st_mode) else iter(())


def remove_name(path: str | os.PathLike[str]) -> None:
    """Remove a file or a link; nothing there is fine."""
    failpoints.reach("unlink", path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def set_mode(path: str | os.PathLike[str], mode: int) -> None:
    """Set the permission bits of a file or directory (chmod(2)). Not durable until it is synced."""
    failpoints.reach("chmod", path)
    os.chmod(path, mode)


def make_new_directory(path: str | os.PathLike[str], mode: int = 0o700) -> None:
    """Make a directory that must not exist yet, with exactly this mode, whatever the umask.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    failpoints.reach("mkdir", path)
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


def link_file(source: str, target: str, how: str) -> str:
    """Give a file a second name, or the next best thing.

    Args:
        source: An existing regular file.
        target: A name that must not exist.
        how: `"hardlink"`, `"reflink"` or `"copy"`: exactly that; or `"auto"`: the first that works.

    Returns:
        What was done: `"hardlink"`, `"reflink"` or `"copy"`.

    Crash: the target may be empty or partial. Only for trees that a later sync and rename publish.

    Raises:
        OSError: The way asked for does not work here, or there is no room; the target is not there.
    """
    if how in {"auto", "hardlink"}:
        try:
            failpoints.reach("link", target)
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            # EXDEV: another file system. EPERM: one without hard links, or protected_hardlinks(5).
            # EMLINK: ext4 stops at 65,000 names of one file.
            if how == "hardlink" or error.errno not in {
                errno.EXDEV,
                errno.EPERM,
                errno.EMLINK,
                errno.ENOTSUP,
            }:
                raise
        else:
            return "hardlink"
    return _clone_or_copy(source, target, how)


def hard_link_all(
    source: str, target: str, names: Iterable[str]
) -> Iterator[tuple[str, os.stat_result | None]]:
    """Give files of one directory the same names in another (linkat(2): neither path is walked again).

    Args:
        source: A directory.
        target: Another one, on the same file system, without these names.
        names: Of files in it.

    Yields:
        Each name with its `lstat`, or with `None` where the kernel refused; `link_file` tells why.

    Crash: some of the names are there. Only for trees that a later sync and rename publish.

    Raises:
        OSError: One of the directories cannot be opened.
    """
    with _directory(source) as source_fd, _directory(target) as target_fd:
        for name in names:
            failpoints.reach("link", f"{target}/{name}")
            try:
                os.link(name, name, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
            except OSError:
                yield name, None
            else:
                yield name, os.stat(name, dir_fd=target_fd, follow_symlinks=False)


@contextlib.contextmanager
def _directory(path: str) -> Iterator[int]:
    fd = open_directory(path)
    try:
        yield fd
    finally:
        os.close(fd)


def _clone_or_copy(source: str, target: str, how: str) -> str:
    with open(source, "rb") as reader:
        mode = stat.S_IMODE(os.fstat(reader.fileno()).st_mode)
        failpoints.reach("create", target)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as writer:
                failpoints.reach("write", target)
                done = _fill(writer, reader, how)
                writer.flush()
                os.fchmod(writer.fileno(), mode)
        except BaseException:
            os.unlink(target)
            raise
        return done


def _fill(writer: BinaryIO, reader: BinaryIO, how: str) -> str:
    if how in {"auto", "reflink"} and sys.platform == "linux":
        import fcntl

        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError:
            if how == "reflink":
                raise
        else:
            return "reflink"
    elif how == "reflink":
        raise OSError(errno.ENOTSUP, "no reflinks on this platform")
    while chunk := reader.read(1 << 20):
        writer.write(chunk)
    return "copy"


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory tree, read-only directories included. Nothing there is fine.

    So is somebody who removes the same tree: a prune, and a command that takes for debris what it has left
    so far. Links are removed, never followed, `path` itself included: somebody may have moved a release to
    another disk and left a link. Hard links elsewhere keep their contents and modes: only directories are
    made writable on the way.

    Crash: part of the tree is left. Only for trees already out of the way (`.trash-…`), or debris.

    Raises:
        OSError: Something could not be removed.
    """
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(kind):
        remove_name(path)
        return
    with contextlib.suppress(FileNotFoundError):
        for entry in _entries_to_remove(path):
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                remove_name(entry.path)
        failpoints.reach("rmdir", path)
        os.rmdir(path)


def _entries_to_remove(path: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What is in a directory, which is made writable if there is anything."""
    try:
        names = os.scandir(path)
    except PermissionError:
        set_mode(path, 0o700)
        names = os.scandir(path)
    with names:
        entries: list[os.DirEntry[str]] = list(names)
    if entries and not os.access(path, os.W_OK | os.X_OK):
        set_mode(path, 0o700)
    return entries


def empty_directory(path: str | os.PathLike[str]) -> None:
    """Remove everything in a directory, but not the directory. Nothing there is fine.

    Crash: part of it is left.

    Raises:
        OSError: Something could not be removed.
    """
    make_removable(path)
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path):
            remove_tree(os.path.join(path, name))


def lstat_all(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every name in a directory with its `lstat`, sorted.

    Raises:
        OSError: It cannot be read, or a name went away meanwhile.
    """
    with _directory(path) as fd:
        for name in sorted(os.listdir(fd)):
            yield name, os.stat(name, dir_fd=fd, follow_symlinks=False)


def walk(path: str | os.PathLike[str], *, but: Container[str] = ()) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every name below a directory with its `lstat`, parents first, links not followed.

    Paths are relative to `path`, with `/`.

    Args:
        path: The directory.
        but: Directories below it that are not entered.
    """
    base = os.fspath(path)
    stack = [""]
    while stack:
        relative = stack.pop()
        prefix = f"{relative}/" if relative else ""
        for name, status in lstat_all(f"{base}/{relative}"):
            yield prefix + name, status
            if stat.S_ISDIR(status.st_mode) and prefix + name not in but:
                stack.append(prefix + name)


def hash_file(path: str | os.PathLike[str], new: Callable[[], Any] | None = None) -> str:
    """Hash a file's contents without loading them whole; SHA-256 unless another constructor is given."""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, new or hashlib.sha256).hexdigest()


def append_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Append to a file, which is made if it is missing. Not durable: for diagnostics."""
    failpoints.reach("append", path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    finally:
        os.close(fd)


def write_at(fd: int, data: bytes, offset: int, path: str | os.PathLike[str]) -> None:
    """Write all of `data` at an offset of a file; a short write is continued, ENOSPC is raised."""
    failpoints.reach("write", path)
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def truncate(fd: int, size: int, path: str | os.PathLike[str]) -> None:
    """Cut the file at `path` to a size."""
    failpoints.reach("truncate", path)
    os.ftruncate(fd, size)


def truncate_quietly(fd: int, size: int, path: str | os.PathLike[str]) -> None:
    """Cut a file back after a failed write; if even that fails, its readers cope with the rest."""
    with contextlib.suppress(OSError):
        truncate(fd, size, path)


def make_removable(directory: str | os.PathLike[str]) -> None:
    """Let names in a sealed directory be removed by its owner; nothing there is fine."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        set_mode(directory, 0o700)
