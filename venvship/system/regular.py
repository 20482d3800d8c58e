"""Reading files whole: regular files only, without waiting, and up to a bound. Reads only.

An input may be anything that has a name: a FIFO without a writer, an endless device, a file of /proc. To open
or to read one of them could block the command, fill the memory, or have an effect. So each file that is read
whole is read here, with a bound of `venvship.model.bounds`.

The returned `status` is that of the descriptor that was read. A check of the file's owner and mode asks that.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from venvship.system.host import host_faults

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_HASHED_AT_ONCE: Final = 1 << 20


class Regular(NamedTuple):
    """A file that was read.

    Attributes:
        data: All of its bytes.
        status: The `fstat` of the descriptor that they were read from.
    """

    data: bytes
    status: os.stat_result


class IrregularFileError(OSError):
    """There is something of this name that is not read: no regular file, or a larger one than the bound.

    `strerror` goes on after the name and a colon.
    """


def read_regular(path: str | os.PathLike[str], most: int) -> Regular:
    """Read a regular file whole. Never waits for another process.

    Args:
        path: The file. A link to one will do.
        most: Bytes that it may have.

    Raises:
        IrregularFileError: It is a directory, FIFO, socket, device or a file of /proc, or has more bytes.
        HostError: The host has nothing left to open it with.
        OSError: As the kernel gave it.
    """
    fd, status = open_regular(path)
    try:
        if status.st_size > most:
            raise _too_large(path, most)
        chunks: list[bytes] = []
        left = most + 1
        while left and (chunk := os.read(fd, min(left, max(status.st_size, 4096) + 1))):
            chunks.append(chunk)
            left -= len(chunk)
        # The kernel makes the contents of /proc while they are read: they have no size, and perhaps no end.
        # A file that was empty when it was opened, and was written since, has a size now.
        if chunks and not status.st_size and not os.fstat(fd).st_size:
            raise _not_on_a_disk(path)
    except BlockingIOError as error:  # /proc/kmsg would wait for the next line
        raise _not_on_a_disk(path) from error
    finally:
        os.close(fd)
    if not left:
        raise _too_large(path, most)
    return Regular(b"".join(chunks), status)


def open_regular(path: str | os.PathLike[str]) -> tuple[int, os.stat_result]:
    """Open a regular file for reading, without waiting. The caller closes the descriptor.

    Returns:
        The descriptor, and its `fstat`.

    Raises:
        IrregularFileError: It is a directory, FIFO, socket or device, or has a name that no file has.
        HostError: The host has nothing left to open it with.
        OSError: As the kernel gave it.
    """
    if "\0" in os.fspath(path):
        raise IrregularFileError(errno.EINVAL, "its name has a NUL character", os.fspath(path))
    # Asked by name first: merely to open a device can have an effect, and a FIFO's writer would see a reader.
    _require_regular(path, os.stat(path))
    with host_faults(f"open {os.fspath(path)}"):
        fd = os.open(path, _FLAGS)
    try:
        status = os.fstat(fd)
        _require_regular(path, status)
    except BaseException:
        os.close(fd)
        raise
    return fd, status


def hash_regular(
    path: str | os.PathLike[str], algorithms: Iterable[str], between: Callable[[], None]
) -> dict[str, str]:
    """Hash a regular file, which may be large, in one pass.

    Args:
        path: The file.
        algorithms: Names that `hashlib` knows.
        between: Called between chunks of it; an exception from it ends the reading and passes through.

    Returns:
        By the algorithm's name, hexadecimal.

    Raises:
        IrregularFileError: It is a directory, FIFO, socket or device.
        HostError: The host has nothing left to open it with.
        OSError: As the kernel gave it.
    """
    import hashlib  # late: most commands hash no file

    hashes = {algorithm: hashlib.new(algorithm) for algorithm in algorithms}
    with open(open_regular(path)[0], "rb", buffering=0) as file:
        while chunk := file.read(_HASHED_AT_ONCE):
            for each in hashes.values():
                each.update(chunk)
            between()
    return {algorithm: each.hexdigest() for algorithm, each in hashes.items()}


def _require_regular(path: str | os.PathLike[str], status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG:
        return
    if kind == stat.S_IFDIR:
        raise IrregularFileError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    named = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}.get(kind, "a device")
    raise IrregularFileError(errno.EINVAL, f"it is {named}, not a regular file", os.fspath(path))


def _not_on_a_disk(path: str | os.PathLike[str]) -> IrregularFileError:
    reason = "it is no file on a disk: it has contents and no size, as in /proc"
    return IrregularFileError(errno.EINVAL, reason, os.fspath(path))


def _too_large(path: str | os.PathLike[str], most: int) -> IrregularFileError:
    return IrregularFileError(errno.EFBIG, f"it has more than {most:,} bytes", os.fspath(path))
