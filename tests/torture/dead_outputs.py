"""Output that nobody reads, or that cannot be written: it never decides what happened.

Each kind of output, on standard output, standard error or both, from the beginning or from the live check on;
under a release, a promotion that goes back, a rollback, and a read. The exit code and `current` are what they
would be with an output that works, and a reader that has stopped holds nothing but the last text.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
import signal
import socket
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.roots import Site, command
from tests.torture.lab import Lab, release, write_settings
from tests.torture.tally import Scale, Tally

SETTLING = 1.5
"""Seconds after the notify hook, by which a command has come to its last text."""

NOT_WRITTEN = 74


def _nothing() -> None:
    """Nothing is to be done."""


@dataclass
class End:
    """One output of a command.

    Attributes:
        fd: The descriptor that the command gets; `None`: it is closed.
        fails: Whether a write to it is an error that is worth a word.
        midway: Called while the live check runs.
        read: Called once the operation is over; lets a text that waits be written.
    """

    fd: int | None
    fails: bool = False
    midway: Callable[[], None] = _nothing
    read: Callable[[], None] = _nothing


Make = Callable[[contextlib.ExitStack], End]


def _reading(fd: int) -> Callable[[], None]:
    """Read to the end in a thread, with a descriptor of its own: the next case reuses numbers."""

    def read(own: int) -> None:
        with contextlib.suppress(OSError):
            while os.read(own, 1 << 16):
                pass
        os.close(own)

    return lambda: threading.Thread(target=read, args=[os.dup(fd)], daemon=True).start()


def _fill(fd: int) -> None:
    """Write until nothing more is taken, through a description of our own."""
    own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(own, b"x" * size)
    finally:
        os.close(own)


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    stack.callback(_close, reader)
    stack.callback(_close, writer)
    return reader, writer


def _terminal(stack: contextlib.ExitStack) -> tuple[int, int]:
    parent, child = pty.openpty()
    stack.callback(_close, parent)
    stack.callback(_close, child)
    return parent, child


def _close(fd: int) -> None:
    with contextlib.suppress(OSError):
        os.close(fd)


def _works(stack: contextlib.ExitStack) -> End:
    reader, writer = _pipe(stack)
    _reading(reader)()
    return End(writer)


def _full_pipe(stack: contextlib.ExitStack) -> End:
    reader, writer = _pipe(stack)
    _fill(writer)
    return End(writer, read=_reading(reader))


def _pipe_that_fills(stack: contextlib.ExitStack) -> End:
    reader, writer = _pipe(stack)
    return End(writer, midway=lambda: _fill(writer), read=_reading(reader))


def _broken_pipe(stack: contextlib.ExitStack) -> End:
    reader, writer = _pipe(stack)
    os.close(reader)
    return End(writer)


def _pipe_that_breaks(stack: contextlib.ExitStack) -> End:
    reader, writer = _pipe(stack)
    return End(writer, midway=lambda: _close(reader))


def _full_disk(stack: contextlib.ExitStack) -> End:
    fd = os.open("/dev/full", os.O_WRONLY)
    stack.callback(_close, fd)
    return End(fd, fails=True)


def _for_reading(stack: contextlib.ExitStack) -> End:
    fd = os.open(os.devnull, os.O_RDONLY)
    stack.callback(_close, fd)
    return End(fd, fails=True)


def _closed(_stack: contextlib.ExitStack) -> End:
    return End(None)


def _dead_terminal(stack: contextlib.ExitStack) -> End:
    parent, child = _terminal(stack)
    os.close(parent)
    return End(child, fails=True)


def _terminal_that_dies(stack: contextlib.ExitStack) -> End:
    parent, child = _terminal(stack)
    return End(child, fails=True, midway=lambda: _close(parent))


def _full_terminal(stack: contextlib.ExitStack) -> End:
    parent, child = _terminal(stack)
    _fill(child)
    return End(child, read=_reading(parent))


def _stopped_terminal(stack: contextlib.ExitStack) -> End:
    """Ctrl-S."""
    parent, child = _terminal(stack)
    termios.tcflow(child, termios.TCOOFF)

    def go_on() -> None:
        termios.tcflow(child, termios.TCOON)
        _reading(parent)()

    return End(child, read=go_on)


def _terminal_that_stops(stack: contextlib.ExitStack) -> End:
    parent, child = _terminal(stack)

    def go_on() -> None:
        termios.tcflow(child, termios.TCOON)
        _reading(parent)()

    return End(child, midway=lambda: termios.tcflow(child, termios.TCOOFF), read=go_on)


def _unread_socket(stack: contextlib.ExitStack) -> End:
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    stack.callback(theirs.close)
    with contextlib.suppress(BlockingIOError):
        while True:
            theirs.send(b"x" * 4096, socket.MSG_DONTWAIT)
    return End(theirs.fileno(), read=_reading(ours.fileno()))


def _broken_socket(stack: contextlib.ExitStack) -> End:
    ours, theirs = socket.socketpair()
    stack.callback(theirs.close)
    ours.close()
    return End(theirs.fileno())


ENDS: dict[str, Make] = {
    "a full pipe": _full_pipe,
    "a pipe that fills in the live check": _pipe_that_fills,
    "a pipe without a reader": _broken_pipe,
    "a pipe whose reader goes in the live check": _pipe_that_breaks,
    "a full disk": _full_disk,
    "a descriptor for reading": _for_reading,
    "a closed descriptor": _closed,
    "a dead terminal": _dead_terminal,
    "a terminal that dies in the live check": _terminal_that_dies,
    "a terminal that nobody reads": _full_terminal,
    "a terminal stopped by Ctrl-S": _stopped_terminal,
    "a terminal stopped in the live check": _terminal_that_stops,
    "a socket that nobody reads": _unread_socket,
    "a socket without a peer": _broken_socket,
}
WHERE = {
    "standard output": (True, False),
    "standard error": (False, True),
    "both": (True, True),
}
KINDS = [(end, where) for end in ENDS for where in WHERE]


@dataclass(frozen=True)
class Place:
    """A command, and how it ends with an output that works.

    Attributes:
        arguments: The command.
        code: Its exit code.
        check: The exit status of its live check when the event is `promote`; `None`: it has none.
        moves: Whether another release is live afterwards.
    """

    arguments: tuple[str, ...]
    code: int
    check: int | None
    moves: bool


PLACES = {
    "build": Place(("release", "--rebuild", "--force"), 0, 0, True),
    "live check": Place(("promote", "@{1}", "--force"), 22, 1, False),
    "rollback": Place(("rollback", "@{1}"), 0, 0, True),
    "read": Place(("status",), 0, None, False),
}

Case = tuple[str, str, str, bool]
"""An end, where it stands, a place, and whether a signal ends the wait for the reader instead of reading."""


def cases() -> list[Case]:
    """All kinds in all places; each second one is ended by a signal."""
    every = [(end, where, place) for end, where in KINDS for place in PLACES]
    return [(*case, number % 2 == 1) for number, case in enumerate(every)]


def run(lab: Lab, scale: Scale, *, patience: float = 60) -> Tally:
    """Try the cases, or as many as the scale says.

    Args:
        lab: Where.
        scale: How many cases.
        patience: Seconds after which a command counts as held.
    """
    tally = Tally(f"dead output, {len(KINDS)} kinds in {len(PLACES)} places")
    with tally.timed():
        site = lab.root("dead-outputs")
        release(site, "1.0")
        release(site, "1.1")
        every = cases()
        for number in scale.choose(every):
            end, where, place, by_signal = every[number]
            label = f"{end} as {where}, {place}{', signal' if by_signal else ''}"
            tally.point(label, list(_try(site, every[number], patience)))
            if scale.is_done(tally):
                break
    return tally


def _try(site: Site, case: Case, patience: float) -> Iterator[str]:
    end, where, name, by_signal = case
    place = PLACES[name]
    marks = site.path / "marks"
    for mark in ("started", "go", "told"):
        (marks / mark).unlink(missing_ok=True)
    marks.mkdir(exist_ok=True)
    write_settings(site, _settings(marks, place))
    before = site.current
    with contextlib.ExitStack() as stack:
        made = ENDS[end](stack)
        ends = [made if dead else _works(stack) for dead in WHERE[where]]
        process = _start(site, place.arguments, ends)
        try:
            if place.check is not None:
                if not _wait_for(marks / "started", process, patience):
                    yield "the output holds the operation before its live check"
                    return
                made.midway()
                (marks / "go").touch()
                if not _wait_for(marks / "told", process, patience):
                    yield "the output holds the operation after its live check"
                    return
                time.sleep(SETTLING)
            else:
                made.midway()
            if by_signal and place.check is not None:
                process.send_signal(signal.SIGTERM)
            else:
                made.read()
            try:
                code = process.wait(patience)
            except subprocess.TimeoutExpired:
                yield "it does not end, although " + ("a signal came" if by_signal else "its reader reads")
                return
        finally:
            process.kill()
            process.wait()
    failed = made.fails and WHERE[where][0]
    expected = NOT_WRITTEN if place.check is None and failed else place.code
    if code != expected:
        yield f"it ended with {code} instead of {expected}"
    if (site.current != before) != place.moves:
        yield f"current was {before}, and is {site.current}"
    if site.debris():
        yield f"there is debris: {site.debris()}"


def _settings(marks: Path, place: Place) -> str:
    """A live check that waits for us, and a notify hook that tells that nearly all is over."""
    if place.check is None:
        return ""
    wait = f"touch {marks}/started; until [ -e {marks}/go ]; do sleep 0.05; done"
    check = f"{wait}; [ $VENVSHIP_EVENT != promote ] || exit {place.check}"
    return (
        f"[hooks]\nnotify = ['touch', '{marks}/told']\n"
        f"[[check]]\nname = 'live'\ndeadline = 0\ntimeout = 300\ncommand = ['sh', '-c', '{check}']\n"
    )


def _start(site: Site, arguments: tuple[str, ...], ends: list[End]) -> subprocess.Popen[bytes]:
    """Start a command with the two outputs."""
    closed = "".join(f" {fd}>&-" for fd, end in enumerate(ends, start=1) if end.fd is None)
    stdout, stderr = (subprocess.DEVNULL if end.fd is None else end.fd for end in ends)
    return subprocess.Popen(
        ["sh", "-c", f"exec {shlex.join([command(), *arguments])}{closed}"],
        cwd=site.path,
        env={**site.environment, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def _wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a mark; false if it does not come."""
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() >= until or process.poll() is not None:
            return path.exists()
        time.sleep(0.02)
    return True
