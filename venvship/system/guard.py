"""The guard: a small process that kills our children when we are killed.

Children of a process that dies by SIGKILL live on. `PR_SET_PDEATHSIG` would be the kernel's answer, but it
ends with the *thread* that forked, reaches only the first generation, and exists on Linux alone. So one
`sh` per venvship process holds the read end of a pipe and is told which process groups are ours. The kernel
closes the other end however we die. Then the guard kills the groups that are still on its list and, on Linux,
the processes that have left them, by the mark in their environment (`stragglers.py`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from venvship.system.stragglers import VARIABLE

SCRIPT: Final = """\
trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE TSTP
groups=' '
while read -r what group; do
    case $what$groups in
        +*) groups="$groups$group " ;;
        -*" $group "*) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
    esac
done
[ "$groups" != ' ' ] || exit 0
for group in $groups; do kill -s KILL -- "-$group"; done
for pass in 1 2 3 4 5; do
    found=$(grep -lsF "$1" /proc/[0-9]*/environ)
    [ "$found" ] || exit 0
    for path in $found; do
        path=${path#/proc/}
        kill -s KILL "${path%%/*}"
    done
done
"""
"""`$1` is a text that the environments of our descendants hold. Five passes: a daemon may fork meanwhile."""


def new_mark() -> str:
    """The beginning of the marks of all children of this process; no other process has the same."""
    return f"{os.getpid()}.{time.monotonic_ns()}"


class Process(Protocol):
    """The part of `subprocess.Popen` that the guard needs."""

    pid: int
    returncode: int | None

    def wait(self) -> int:
        """Wait for its end and reap it."""


class Guard:
    """The list of process groups that must not outlive this process. Threads may share it.

    Attributes:
        mark: The value of `VARIABLE`, up to a dot, in the environment of each child that must not outlive us,
            whatever group it moves to.

    Args:
        spawn: Starts `sh` with `SCRIPT`, the given descriptor as its standard input, the given text as `$1`,
            and *nothing* else of ours: a session of its own, since a Ctrl-C on the terminal must not reach it
            and it must not keep the terminal; no other descriptor, since it must not keep a mutex or a pipe;
            and no directory that the operator may want to unmount.
    """

    def __init__(self, spawn: Callable[[int, str], Process]) -> None:
        self._spawn_process = spawn
        self.mark = new_mark()
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._process: Process | None = None
        self._pipe = -1

    @property
    def pid(self) -> int | None:
        """The guard's process id, once it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Make sure that the guard runs.

        Raises:
            OSError: No process could be started.
        """
        with self._lock:
            if self._process is None:
                self._spawn()

    def add(self, group: int) -> None:
        """Have a process group killed when we die.

        Raises:
            OSError: The guard was gone, and no other could be started.
        """
        with self._lock:
            self._groups.add(group)
            self._tell(f"+ {group}\n")

    def remove(self, group: int) -> None:
        """Take a group off the list. Before its leader is reaped: then its number may become another's.

        Raises:
            OSError: The guard was gone, and no other could be started.
        """
        with self._lock:
            self._groups.discard(group)
            self._tell(f"- {group}\n")

    def close(self) -> None:
        """End the guard; it kills what is still listed. It starts again when it is needed."""
        with self._lock:
            if self._process is not None:
                os.close(self._pipe)
                self._process.wait()
                self._process = None

    def forget(self) -> None:
        """After a fork, in the child: the guard is the parent's, and our copy of its pipe would blind it."""
        self._lock = threading.Lock()
        self._groups.clear()
        self.mark = new_mark()
        if self._process is not None:
            os.close(self._pipe)
            self._process.returncode = 0  # not our child: keeps Popen from waiting for it
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, line.encode())  # shorter than PIPE_BUF, so never written in part
                return
            # The guard was killed (by the out-of-memory killer, an overzealous operator): start another.
            os.close(self._pipe)
            self._process.wait()
            self._process = None
        self._spawn()

    def _spawn(self) -> None:
        read, write = os.pipe()
        try:
            self._process = self._spawn_process(read, f"{VARIABLE}={self.mark}.")
        except OSError:
            os.close(write)
            raise
        finally:
            os.close(read)
        self._pipe = write
        os.write(write, "".join(f"+ {group}\n" for group in sorted(self._groups)).encode())
