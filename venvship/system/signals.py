"""Signals that ask venvship to end, noted and acted on where it is safe to end.

Python's default, an exception out of any line, could end a promotion between two renames. Here a signal is
only noted. Every wait of `system/process.py` and every step of an operation looks at the note, at least ten
times a second.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from venvship.errors import InterruptedByError

TICK: Final = 0.1
"""Seconds between two looks of a wait at the signals that came."""

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """The signals that came so far.

    Until `install` it receives nothing: used as a library, venvship leaves the program's handlers alone, and
    `KeyboardInterrupt` is raised as usual.

    Args:
        look: Called at every look at the note, from any thread: a wait is also the time to draw. It must not
            raise.
    """

    def __init__(self, look: Callable[[], None] = lambda: None) -> None:
        self._look = look
        self._received: int | None = None
        self._arrived = 0
        self._latest = 0
        self._seen = 0
        self._deferrals = 0
        self._on_deferred: Callable[[int], None] | None = None
        self._lock = threading.Lock()

    @property
    def received(self) -> int | None:
        """The number of the first signal that came, deferred or not; `None` so far."""
        return self._received

    @property
    def pending(self) -> bool:
        """Whether a signal came and may be acted on now."""
        return self._received is not None and self._deferrals == 0

    @contextlib.contextmanager
    def install(self, *, to_the_end: bool = False) -> Iterator[Signals]:
        """Note SIGINT, SIGTERM and SIGHUP instead of dying of them, until the block ends.

        Only the main thread can set handlers; in another one this does nothing. A signal that was
        ignored when the program started stays ignored: nohup(1) ignores SIGHUP, a shell the SIGINT of a
        background job.

        Args:
            to_the_end: Whether the process ends after the block. Then they stay noted: one that comes between
                the last line and the exit must not change the exit code.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before: dict[int, Any] = {}
        for signum in _HANDLED:
            if signal.getsignal(signum) not in {signal.SIG_IGN, None}:
                before[signum] = signal.signal(signum, self._note)
        # A careless starter may have ignored SIGCHLD, and that survives exec: the kernel then throws away the
        # exit status of every child, and a failed check could not be told from a passed one.
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            before[int(signal.SIGCHLD)] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            yield self
        finally:
            if not to_the_end:
                for number, handler in before.items():
                    signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self, tell: Callable[[int], None] | None = None) -> Iterator[None]:
        """Let no signal interrupt the block, however often the operator presses Ctrl-C.

        For the way back of a promotion. Blocks nest. Leaving the last one raises nothing: the caller knows
        where to call `raise_if_received` next.

        Args:
            tell: Called with the number of each signal that comes during the block, at the next look, to tell
                the operator that it does not interrupt.
        """
        with self._lock:
            self._deferrals += 1
            outer, self._on_deferred = self._on_deferred, tell or self._on_deferred
            self._seen = self._arrived
        try:
            yield
        finally:
            with self._lock:
                self._deferrals -= 1
                self._on_deferred = outer

    def raise_if_received(self) -> None:
        """End here if a signal came and is not deferred.

        Raises:
            InterruptedByError: A signal came.
        """
        self._look()
        if self._deferrals == 0:
            if self._received is not None:
                raise InterruptedByError(self._received)
        elif self._on_deferred is not None and self._seen < self._arrived:
            self._seen = self._arrived
            self._on_deferred(self._latest)

    def sleep(self, seconds: float, *, poll: Callable[[], None] | None = None) -> None:
        """Sleep, but not through a signal.

        Args:
            seconds: How long; a negative number is 0.
            poll: Called every tenth of a second; what it raises ends the sleep.

        Raises:
            InterruptedByError: A signal came and is not deferred.
        """
        end = time.monotonic() + seconds
        while True:
            self.raise_if_received()
            if poll is not None:
                poll()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, TICK))

    def _note(self, signum: int, _frame: object) -> None:
        # The first one names the exit code.
        self._arrived += 1
        self._latest = signum
        if self._received is None:
            self._received = signum
