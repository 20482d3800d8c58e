"""Kill a child's process group, and the processes that have left it.

A daemon calls setsid(2) and leaves the group. It still carries the environment that it was started with. So a
child whose survivors must be killed gets a variable with a value of its own, and a process that shows this
value in /proc (proc_pid_environ(5)) descends from it. On Linux only; elsewhere only the group is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Final

from venvship.system import proc

VARIABLE: Final = "VENVSHIP_CHILD"
"""The variable whose value says which child a process descends from."""

_EXIT_PATIENCE: Final = 1.0
"""Seconds to wait until killed processes are gone. It takes longer only where the kernel hangs."""


def kill_group(group: int, signum: int = signal.SIGKILL) -> None:
    """Signal a process group. One that is gone or belongs to another user (`sudo`) is left alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


def group_lives(group: int) -> bool:
    """Whether a process group has a member that is not a zombie."""
    if sys.platform != "linux":
        try:
            os.killpg(group, 0)  # refuses zombies there
        except OSError:
            return False
        return True
    # kill(2) counts zombies on Linux, and the leader is one until we reap it.
    return any(_is_in(pid, group) for pid in _pids())


def kill_stragglers(group: int, tag: str | None) -> None:
    """Kill the processes that are in a group or carry a tag, and wait until they are gone.

    Waiting matters: the next check may want the port that the last one's daemon listened on.

    Args:
        group: The process group. Its leader must not have been reaped yet, so that the number is still its.
        tag: The value of `VARIABLE` in the environment of the child; `None` if it has none.
    """
    if sys.platform != "linux":
        return
    mark = None if tag is None else f"{VARIABLE}={tag}\0".encode()
    end = time.monotonic() + _EXIT_PATIENCE
    # More than one pass: a daemon may fork while we look.
    while (found := [pid for pid in _pids() if _belongs(pid, group, mark)]) and time.monotonic() < end:
        for pid in found:
            with contextlib.suppress(OSError):
                _kill(pid, group, mark)
        time.sleep(0.005)


def _kill(pid: int, group: int, mark: bytes | None) -> None:
    """Kill a process if it still belongs to the group or tag: its number may have been given to another one.

    With a pidfd, one more look settles that. Some builds of Python have none (their C library's headers were
    older), and kernels before 5.3 have none. Then the look comes an instant before the kill: a risk taken.
    """
    handle = None
    if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
    try:
        if not _belongs(pid, group, mark):
            return
        if handle is None:
            os.kill(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        if handle is not None:
            os.close(handle)


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _belongs(pid: int, group: int, mark: bytes | None) -> bool:
    if _is_in(pid, group):
        return True
    if mark is None:
        return False
    try:
        # Empty for a zombie.
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return mark in file.read()
    except OSError:  # another user's, or just gone
        return False


def _is_in(pid: int, group: int) -> bool:
    """Whether a process is in a group, and no zombie."""
    try:
        # First, and of all processes: a call takes a tenth of the time of a look into /proc.
        if os.getpgid(pid) != group:
            return False
    except OSError:  # just gone
        return False
    return (proc.status(pid) or ["Z"])[0] not in "ZX"
