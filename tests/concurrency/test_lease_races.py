"""Several take leases while one removes releases and a stranger locks all: a lease keeps its release.

No real releases: a folder stands for each. `system/leases.py` argues why none of these rounds can go wrong.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from venvship.system.leases import BRIEF, lease_withheld, take_lease

TAKERS = 2
REMOVALS = 20
TIME = 300.0
"""Seconds until there must have been so many, however busy the host is."""


@pytest.fixture
def children() -> Iterator[list[int]]:
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def start(children: list[int], work: Callable[[random.Random], None]) -> None:
    """Do something again and again in a process of its own; what goes wrong ends it."""
    seed = len(children)
    pid = os.fork()
    if pid == 0:
        chance = random.Random(seed)
        try:
            while True:
                work(chance)
        except BaseException as error:  # noqa: BLE001 - told by the exit code
            os.write(2, f"{error!r}\n".encode())
        os._exit(1)
    children.append(pid)


def test_whoever_has_a_lease_keeps_the_release(tmp_path: Path, children: list[int]) -> None:
    leases, releases, taken = tmp_path / "leases", tmp_path / "releases", tmp_path / "taken"
    for folder in (leases, releases, taken):
        folder.mkdir()

    def make(number: int) -> None:
        (releases / f"{number}").mkdir()
        (leases / f"{number}").touch(0o444)

    def take(chance: random.Random) -> None:
        name = max(os.listdir(leases), key=int)
        try:
            lease = take_lease(str(leases / name))
        except FileNotFoundError:
            return
        if lease is None:
            return
        if (releases / name).exists():  # as `run` and `using` look, with the lease in hand
            time.sleep(chance.random() / 50)
            assert (releases / name).exists(), f"removed while it was held, blocked: {lease.blocked}"
            (taken / f"{'blocked' if lease.blocked else 'shared'}-{os.getpid()}").touch()
        os.close(lease.fd)
        time.sleep(chance.random() / 5)

    def meddle(chance: random.Random) -> None:
        for name in os.listdir(leases):
            try:
                fd = os.open(leases / name, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                time.sleep(BRIEF + chance.random() / 5)  # long enough to be in the way
            except BlockingIOError:
                pass
            os.close(fd)
        time.sleep(chance.random() / 2)

    make(0)
    for _ in range(TAKERS):
        start(children, take)
    start(children, meddle)
    removed, end = 0, time.monotonic() + TIME
    kinds: set[str] = set()
    while (removed < REMOVALS or len(kinds) < 2) and time.monotonic() < end:
        with lease_withheld(str(leases / f"{removed}")) as free:
            if free:
                make(removed + 1)
                (releases / f"{removed}").rename(tmp_path / f"trash-{removed}")
                (leases / f"{removed}").unlink()
                removed += 1
        assert [os.waitpid(pid, os.WNOHANG)[0] for pid in children] == [0] * len(children)
        kinds = {name.partition("-")[0] for name in os.listdir(taken)}
        time.sleep(0.002)

    assert removed >= REMOVALS
    assert kinds == {"blocked", "shared"}, "both ways of having a lease were tried"
