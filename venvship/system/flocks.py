"""Who holds flocks on files, as /proc/locks shows it. Reads only, and touches no lock.

Elsewhere than on Linux there is no /proc/locks: nobody is found.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from venvship.system.proc import PROC, opened_files


class Flocks:
    """All flocks of this moment, without touching them; none where there is no /proc/locks.

    They are read beside whatever else is done: to show them, the kernel waits until all processors have
    passed a certain point (RCU), ten milliseconds and more: as long as all else that `status` reads takes.
    """

    def __init__(self) -> None:
        self._found: list[_Lock] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        self._found.extend(_locks())

    def holders(self, paths: Iterable[str], *, shared: bool = False) -> dict[str, tuple[int, ...]]:
        """Which processes hold a flock on files; other processes than this one.

        /proc/locks names files by device and inode, and some file systems (btrfs, overlayfs) show another
        device there than stat(2) does. So the inode finds, and the process's own descriptors decide.

        Args:
            paths: Absolute and real.
            shared: Only those that share it. A process of a release does; one that has a lease alone is none.

        Returns:
            The holders' numbers by path, for the files that have any. Of another user's process only the
            number in /proc/locks is known, and believed.
        """
        found: dict[str, list[int]] = {}
        for path, lock in self._on(paths):
            if lock.pid in {_NOBODY, os.getpid()} or (lock.alone and shared):
                continue
            if _has_open(lock.pid, path):
                found.setdefault(path, []).append(lock.pid)
        return {path: tuple(pids) for path, pids in found.items()}

    def shared(self, paths: Iterable[str]) -> frozenset[str]:
        """Those of some files that seem to have a shared lock, whoever has it.

        A process that takes a flock, forks and ends leaves it to the fork, and the kernel goes on to show the
        number of the one that has ended. Of a record lock it shows no number. A lock on another file with the
        same inode seems to be one as well.

        Args:
            paths: Absolute and real.
        """
        return frozenset(path for path, lock in self._on(paths) if not lock.alone)

    def _on(self, paths: Iterable[str]) -> Iterator[tuple[str, _Lock]]:
        inodes: dict[str, list[str]] = {}
        for path in paths:
            try:
                inodes.setdefault(str(os.stat(path).st_ino), []).append(path)
            except OSError:
                continue
        self._reading.join()
        for lock in self._found:
            for path in inodes.get(lock.inode, ()):
                yield path, lock


class _Lock(NamedTuple):
    """A lock in /proc/locks.

    Attributes:
        pid: The process that took it; `_NOBODY` of a record lock.
        inode: Of the file.
        alone: Whether it excludes others.
    """

    pid: int
    inode: str
    alone: bool


_NOBODY: Final = -1


def _locks() -> Iterator[_Lock]:
    """Each flock, and each record lock that belongs to a descriptor."""
    try:
        with open(f"{PROC}/locks", encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
    except OSError:
        return
    for line in lines:
        # `1: FLOCK  ADVISORY  READ 4711 fe:01:131 0 EOF`; waiters have `->` after the number.
        fields = line.split()
        if len(fields) < 6 or not (fields[4].isdigit() or fields[1] == "OFDLCK"):
            continue
        if fields[1] in {"FLOCK", "OFDLCK"}:
            pid = int(fields[4]) if fields[1] == "FLOCK" else _NOBODY
            yield _Lock(pid, fields[5].rpartition(":")[2], fields[3] == "WRITE")


def _has_open(pid: int, path: str) -> bool:
    try:
        return path in opened_files(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:
        return True
