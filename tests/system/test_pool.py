"""Work shared out among copies of this process: who does it, what comes back, and that nobody is left."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.processes import alive, eventually
from venvship.errors import StoreDamagedError
from venvship.system import failpoints, pool
from venvship.system.pool import working

REPOSITORY = Path(__file__).parents[2]


def go_on() -> None:
    pass


def slow_pid(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def test_copies_and_this_process_share_the_work() -> None:
    with working(slow_pid, range(20), copies=2) as tasks:
        tasks.join_in(go_on)
        pids = tasks.results(go_on)

    assert len(pids) == 20
    assert os.getpid() in pids
    assert len(set(pids)) == 3


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 1), (300, 1000), (1024, 1), (1025, 1), (5000, 1)])
@pytest.mark.parametrize("copies", [0, 2])
def test_results_come_in_the_order_of_the_tasks_however_many_there_are(
    count: int, size: int, copies: int
) -> None:
    with working(lambda n: [n] * size, range(count), copies=copies) as tasks:
        assert tasks.results(go_on) == [[n] * size for n in range(count)]
        assert tasks.begun == count


def test_without_copies_it_is_all_done_here() -> None:
    with working(lambda n: (n, os.getpid()), range(3), copies=0) as tasks:
        assert tasks.results(go_on) == [(n, os.getpid()) for n in range(3)]


def test_if_no_process_can_be_had_it_is_all_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(os, "fork", refused)
    with working(lambda _: os.getpid(), range(3), copies=2) as tasks:
        assert tasks.results(go_on) == [os.getpid()] * 3


def test_with_failpoints_armed_it_is_all_done_here() -> None:
    failpoints.arm("ENOSPC@1000")
    try:
        with working(lambda _: os.getpid(), range(3), copies=2) as tasks:
            assert tasks.results(go_on) == [os.getpid()] * 3
    finally:
        failpoints.arm("")


def test_an_error_in_a_copy_is_raised_here_as_it_was() -> None:
    def fail(number: int) -> int:
        if number == 1:
            raise StoreDamagedError("the store was changed", hint="remove it", path="/store")
        return number

    with working(fail, range(3), copies=1) as tasks, pytest.raises(StoreDamagedError) as caught:
        tasks.results(go_on)

    assert caught.value.message == "the store was changed"
    assert (caught.value.hint, caught.value.data) == ("remove it", {"path": "/store"})


def test_a_copy_that_is_killed_is_an_error() -> None:
    with (
        working(lambda _: os.kill(os.getpid(), signal.SIGKILL), (None,), copies=1) as tasks,
        pytest.raises(OSError, match="was killed") as caught,
    ):
        tasks.results(go_on)

    assert caught.value.errno == errno.ECHILD


def long(path: Path) -> str:
    path.write_text(str(os.getpid()))
    return "x" * (4 << 20)


def test_a_copy_that_is_killed_while_it_tells_is_an_error(tmp_path: Path) -> None:
    # Nobody reads yet, and so much does not fit into a pipe.
    with working(long, (tmp_path / "pid",), copies=1) as tasks:
        assert eventually((tmp_path / "pid").exists)
        time.sleep(0.2)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        with pytest.raises(OSError, match="was killed") as caught:
            tasks.results(go_on)

    assert caught.value.errno == errno.ECHILD


def test_who_waits_can_be_interrupted_and_then_no_copy_is_left(tmp_path: Path) -> None:
    def hang(_: None) -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(60)

    def interrupted() -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), working(hang, (None,), copies=1) as tasks:
        tasks.results(interrupted)

    assert time.monotonic() - began < 30
    assert not alive(int((tmp_path / "pid").read_text()))


def test_ctrl_c_does_not_reach_the_copies() -> None:
    def survive(signum: int) -> int:
        os.kill(os.getpid(), signum)
        return signum

    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with working(survive, every, copies=1) as tasks:
        assert tasks.results(go_on) == list(every)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_copies_die_with_this_process() -> None:
    script = """
import os, sys, time
from venvship.system.pool import working
def hang(_):
    os.write(1, b"%d\\n" % os.getpid())  # at once: with PYTHONUNBUFFERED, print writes twice
    time.sleep(60)
with working(hang, (1, 2), copies=2) as tasks:
    tasks.results(lambda: None)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    assert eventually(lambda: not any(map(alive, pids)))


def test_few_files_are_not_worth_a_copy() -> None:
    assert pool.copies_for(100, available=8) == 0
    assert pool.copies_for(20_000, available=8) == 3
    assert pool.copies_for(20_000, available=1) == 0
