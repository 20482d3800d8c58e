"""Output that its reader does not take, or that cannot be written: it is dropped, or waited for."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import select
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from venvship.system.outlet import GRACE, PIPE_BUF, Outlet, open_again

LINE = b"a line of progress\n"


@dataclass
class Reader:
    """The other end of an outlet."""

    fd: int
    outlet: Outlet
    inherited: int

    def read(self) -> bytes:
        """Read what is there."""
        found = b""
        while select.select([self.fd], [], [], 0.2)[0]:
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                break
            if not data:
                break
            found += data
        return found.replace(b"\r\n", b"\n")


def not_again(_fd: int) -> int | None:
    """As after `su`: the terminal, or the pipe, belongs to another user."""
    return None


Make = Callable[..., Reader]


@pytest.fixture(params=["pipe", "terminal"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make an outlet, and its reader."""
    with contextlib.ExitStack() as stack:

        def made(urged: bool = False, again: Callable[[int], int | None] = open_again) -> Reader:
            reader, writer = os.pipe() if request.param == "pipe" else pty.openpty()
            if request.param == "terminal":
                tty.setcbreak(writer)
            outlet = Outlet(writer, lambda: urged, again)
            stack.callback(os.close, writer)
            stack.callback(outlet.close)
            return Reader(reader, outlet, writer)

        yield made


def fill(reader: Reader) -> None:
    """Write until nothing more is taken."""
    reader.outlet.patient = False
    while select.select([], [reader.inherited], [], 0.1)[1]:
        for _ in range(PIPE_BUF // len(LINE)):
            reader.outlet.write(LINE)


AGAIN = pytest.mark.parametrize("again", [open_again, not_again])


@AGAIN
def test_an_impatient_outlet_never_waits_and_writes_whole_lines(
    make: Make, again: Callable[[int], int | None]
) -> None:
    reader = make(again=again)
    fill(reader)
    began = time.monotonic()
    for _ in range(100):
        reader.outlet.write(LINE)
    assert time.monotonic() - began < 5
    taken = reader.read()
    assert taken.startswith(LINE)
    reader.outlet.write(LINE)
    taken += reader.read()
    assert set(taken.splitlines(keepends=True)) == {LINE}, "no line was cut"
    assert reader.outlet.problem is None


@AGAIN
def test_a_patient_outlet_waits_for_its_reader(make: Make, again: Callable[[int], int | None]) -> None:
    reader = make(again=again)
    fill(reader)
    reader.outlet.patient = True
    writing = threading.Thread(target=reader.outlet.write, args=[b"x" * 9000 + b"the end\n"])
    writing.start()
    writing.join(0.3)
    assert writing.is_alive()
    text = b""
    while writing.is_alive() or not text.endswith(b"the end\n"):
        text += reader.read()
    assert b"x" * 9000 + b"the end\n" in text


@AGAIN
def test_a_signal_ends_the_wait_for_a_reader(make: Make, again: Callable[[int], int | None]) -> None:
    reader = make(urged=True, again=again)
    fill(reader)
    reader.outlet.patient = True
    began = time.monotonic()
    reader.outlet.write(LINE * 1000)
    reader.outlet.write(LINE * 1000)
    assert GRACE <= time.monotonic() - began < GRACE + 20
    assert reader.outlet.problem is None


def test_a_signal_cuts_nothing_off_where_the_reader_reads(make: Make) -> None:
    reader = make(urged=True)
    reader.outlet.write(LINE)
    assert reader.read() == LINE


def test_the_description_that_others_share_keeps_its_flags(make: Make) -> None:
    reader = make()
    before = fcntl.fcntl(reader.inherited, fcntl.F_GETFL)
    fill(reader)
    assert fcntl.fcntl(reader.inherited, fcntl.F_GETFL) == before
    assert not before & os.O_NONBLOCK


def test_a_reader_that_has_gone_is_no_problem(make: Make) -> None:
    reader = make()
    os.close(reader.fd)
    reader.outlet.write(LINE)
    expected = os.strerror(errno.EIO) if reader.outlet.isatty() else None
    assert reader.outlet.problem == expected
    reader.outlet.write(LINE)


def test_a_terminal_that_was_stopped_takes_nothing_until_it_goes_on() -> None:
    parent, child = pty.openpty()
    outlet = Outlet(child, lambda: False)
    reader = Reader(parent, outlet, child)
    try:
        termios.tcflow(child, termios.TCOOFF)  # Ctrl-S
        outlet.patient = False
        outlet.write(b"dropped\n")
        assert outlet.dropped
        termios.tcflow(child, termios.TCOON)
        outlet.write(b"shown\n")
        assert reader.read() == b"shown\n"
    finally:
        outlet.close()
        os.close(parent)
        os.close(child)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_what_cannot_be_written_is_a_problem_and_raises_nothing() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(fd, lambda: False)
    try:
        assert outlet.write(LINE) == len(LINE)
        assert outlet.problem == os.strerror(errno.ENOSPC)
    finally:
        outlet.close()
        os.close(fd)


def test_a_descriptor_for_reading_is_a_problem_too() -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    outlet = Outlet(fd, lambda: False)
    try:
        outlet.write(LINE)
        assert outlet.problem == os.strerror(errno.EBADF)
    finally:
        outlet.close()
        os.close(fd)
