"""Work shared among copies of this process (fork(2)), which end with it.

For work that is mostly system calls, such as linking 20,000 files or looking at them, and for waiting on
another program. Threads would wait for each other between any two calls, and a fresh interpreter would have
to be told everything that this process knows.

Copies die with the process by `PR_SET_PDEATHSIG` on Linux. Elsewhere, or if their tasks are brief, they leave
before their next task. They do not hold its mutexes: `mutex` closes its descriptors in every forked child.
So for an instant, or for a task, a copy can be at work while another process has the mutex. A copy only
reads, asks a program, or makes names below a random name, which the next writing command removes as debris.

The tasks wait in a pipe, as numbers. A free process takes the next number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final, Generic, NoReturn, TypeVar

from venvship.system import effects

T = TypeVar("T")
R = TypeVar("R")

_PR_SET_PDEATHSIG: Final = 1
_NUMBER: Final = 4
"""Bytes of a task's number in the pipe. Reads of so few are whole: a pipe has at least PIPE_BUF (pipe(7))."""

_WORTH_A_COPY: Final = 2000
"""Files below which another process costs more than it saves."""

_MOST_COPIES: Final = 3
"""More than four processes get into each other's way in the file system's journal."""

_MOST_NUMBERS: Final = 1024
"""Numbers that fit into any pipe without a reader."""


def processors() -> int:
    """How many processors this process may use: fewer than the machine has, in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def copies_for(files: int, available: int | None = None) -> int:
    """Decide how many copies are worth while for system calls on so many files.

    Args:
        files: How many files.
        available: Processors; by default those that this process may use.
    """
    available = processors() if available is None else available
    return min(available - 1, _MOST_COPIES) if files >= _WORTH_A_COPY else 0


class Pool(Generic[T, R]):
    """Tasks of one kind, and the copies that work on them. Made by `working`."""

    def __init__(self, function: Callable[[T], R], tasks: Sequence[T], copies: int, brief: bool) -> None:
        # A number stands for one task, or for several neighbours.
        self._step = -(-len(tasks) // _MOST_NUMBERS) or 1
        self._numbers = range(-(-len(tasks) // self._step))
        self._function = function
        self._tasks = tasks
        self._brief = brief
        self._results: dict[int, list[R]] = {}
        self._copies: list[tuple[int, BinaryIO]] = []
        self._queue, feed = os.pipe()
        try:
            os.write(feed, b"".join(n.to_bytes(_NUMBER, "little") for n in self._numbers))
        finally:
            os.close(feed)
        # Failpoints count the effects of one process.
        for _ in range(0 if effects.watched() else min(copies, len(self._numbers))):
            try:
                self._copies.append(self._fork())
            except OSError:
                break  # no more processes: then this one does it all

    @property
    def begun(self) -> int:
        """How many tasks have been begun."""
        import fcntl
        import termios

        left = fcntl.ioctl(self._queue, termios.FIONREAD, bytes(4))
        begun = len(self._numbers) - int.from_bytes(left, sys.byteorder) // _NUMBER
        return min(begun * self._step, len(self._tasks))

    def join_in(self, between: Callable[[], None] = lambda: None) -> None:
        """Work on tasks in this process, too, until none is left to begin.

        Args:
            between: Called before each task; an exception from it ends the work here.

        Raises:
            Exception: As the function raised it here.
        """
        while (number := self._take()) is not None:
            between()
            self._do(number)

    def results(self, between: Callable[[], None] = lambda: None) -> list[R]:
        """Wait for all results, in the order of the tasks. Without copies, this process does them all here.

        Args:
            between: Called ten times a second; an exception from it ends the wait, and the work.

        Raises:
            Exception: As the function raised it, here or in a copy.
            OSError: A copy was killed, which is ECHILD.
        """
        while self._copies:
            import pickle  # late: see `_fork`

            pid, stream = self._copies[0]
            _wait_for(stream, between)
            told = stream.read()
            del self._copies[0]
            stream.close()
            _reap(pid)
            try:
                done, error = pickle.loads(told)  # noqa: S301 - written by ourselves
            except (EOFError, pickle.UnpicklingError):
                raise OSError(errno.ECHILD, "a process that was at work for this one was killed") from None
            self._results.update(done)
            if error is not None:
                raise error
        self.join_in(between)
        return [result for number in self._numbers for result in self._results[number]]

    def end(self) -> None:
        """Kill the copies that are still at work, and reap them."""
        os.close(self._queue)
        for pid, stream in self._copies:
            stream.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _reap(pid)

    def _do(self, number: int) -> None:
        some = self._tasks[number * self._step : (number + 1) * self._step]
        self._results[number] = [self._function(task) for task in some]

    def _take(self) -> int | None:
        number = os.read(self._queue, _NUMBER)
        return int.from_bytes(number, "little") if number else None

    def _fork(self) -> tuple[int, BinaryIO]:
        # Late: a release of fewer files than are worth a copy is looked at without. Here, so that it is there
        # when the results come.
        import pickle  # noqa: F401

        parent = os.getpid()
        reader, writer = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid == 0:
            self._be_a_copy(parent, writer)
        os.close(writer)
        return pid, open(reader, "rb")

    def _be_a_copy(self, parent: int, writer: int) -> NoReturn:
        """Work, send the results, and exit without the interpreter's shutdown."""
        import pickle  # late: see `_fork`

        try:
            # Ctrl-C reaches the whole foreground group. The parent decides whether this copy ends.
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(signum, signal.SIG_IGN)
            if not self._brief:
                _die_with_parent()
            error: Exception | None = None
            try:
                while os.getppid() == parent and (number := self._take()) is not None:
                    self._do(number)
            except Exception as caught:  # noqa: BLE001 - raised again by the parent
                error = caught
            with open(writer, "wb") as stream:
                pickle.dump((self._results, error), stream)
        finally:
            os._exit(0)


@contextlib.contextmanager
def working(
    function: Callable[[T], R], tasks: Sequence[T], *, copies: int, brief: bool = False
) -> Iterator[Pool[T, R]]:
    """Have copies of this process work on tasks while the block runs, and after it none.

    The function must not touch what this process shares with its copies: output, progress, descriptors that
    are read or written. Its changes in memory are lost. Its results and exceptions must pickle.

    Args:
        function: Does one task.
        tasks: Its arguments, in the order in which they are begun.
        copies: How many processes besides this one; 0 is none, and then this one does it all. So it does
            while `effects` are watched.
        brief: Whether a task takes no more than a few milliseconds and changes nothing. Then the copies need
            not die at once with this process, which takes them ctypes.

    Yields:
        The pool, to wait for. Leaving the block kills unfinished work.

    Crash: the copies die with this process, wherever they are; brief ones end with the task that they are at.
    """
    pool = Pool(function, tasks, copies, brief)
    try:
        yield pool
    finally:
        pool.end()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # a program that uses this as a library may reap all it has
        os.waitpid(pid, 0)


def _wait_for(stream: BinaryIO, between: Callable[[], None]) -> None:
    import select

    while not select.select([stream], [], [], 0.1)[0]:
        between()
