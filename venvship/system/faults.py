"""Faults of the file system as errors of ours: during a build, and in a root outside of one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from venvship.errors import BuildError, DiskFullError, NotWritableError
from venvship.system.files import FULL_DISK_ERRNOS
from venvship.system.host import host_error


@contextlib.contextmanager
def build_faults(doing: str, path: str) -> Iterator[None]:
    """Turn an `OSError` inside into a `BuildError` that names the step.

    Args:
        doing: The step, to continue "could not".
        path: The file or directory that it was about; its file system is named when there is no room.

    Raises:
        DiskFullError: The file system is full, or a quota is used up.
        NotWritableError: The file system is mounted read-only.
        HostError: The host is short of descriptors, memory or processes.
        BuildError: Anything else that the kernel refused.
    """
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or path
        if error.errno in FULL_DISK_ERRNOS:
            raise DiskFullError(
                f"could not {doing}: no room left on the file system of {path} ({error.strerror}). "
                "Nothing that is live was touched",
                hint="Free some space (`venvship prune --dry-run` shows what could go), then try again.",
                path=path,
            ) from error
        if found := host_error(error, f"{doing}: {where}", state="Nothing that is live was touched"):
            raise found from error
        if error.errno == errno.EROFS:
            raise NotWritableError(
                f"could not {doing}: {where}: {error.strerror}. Nothing that is live was touched",
                hint="Mount it writable; an error of the disk may have made the kernel turn it read-only.",
                path=str(where),
            ) from error
        raise BuildError(
            f"could not {doing}: {where}: {error.strerror or error}. Nothing that is live was touched",
            path=str(where),
        ) from error


@contextlib.contextmanager
def root_faults(root: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` inside, outside of a build, into an error about the root.

    Args:
        root: Named where the kernel's error names no path.

    Raises:
        DiskFullError: The file system is full, or a quota is used up.
        HostError: The host is short of descriptors, memory or processes.
        NotWritableError: Anything else that the kernel refused.
    """
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or root
        if found := host_error(error, f"go on at {where}"):
            raise found from error
        if error.errno in FULL_DISK_ERRNOS:
            raise DiskFullError(
                f"no room on the file system of {where}: {error.strerror}",
                hint="make room, for instance with `venvship prune`, and run the command again",
            ) from error
        raise NotWritableError(f"{where}: {error.strerror}") from error
