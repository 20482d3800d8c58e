"""Signals that ask venvship to end, turned into a flag that is looked at where it is safe to end.

The default of Python, an exception out of any line, could leave a promotion between two renames with nobody
to finish it. Here a signal is only noted; every wait of `system/process.py` looks at the note at least ten
times a second, and so does every step of an operation.
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
"""Seconds after which every wait looks whether a signal came."""

_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """The signals that came so far.

    One that was never installed never receives anything: library use leaves the handlers of the program
    alone, and there `KeyboardInterrupt` comes as ever.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._deferrals = 0
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
    def install(self) -> Iterator[Signals]:
        """Note SIGINT, SIGTERM and SIGHUP instead of dying of them, until the block ends.

        Only the main thread can set handlers; in another one this does nothing. What the starter of the
        program had ignored stays ignored: nohup(1) does so with SIGHUP, a shell with the SIGINT of a
        background job.
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
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let nothing be interrupted inside the block, however often somebody presses Ctrl-C.

        For the way back of a promotion. Blocks nest. Leaving the last one raises nothing: who opened it
        knows where to call `raise_if_received` next.
        """
        with self._lock:
            self._deferrals += 1
        try:
            yield
        finally:
            with self._lock:
                self._deferrals -= 1

    def raise_if_received(self) -> None:
        """End here if a signal came and is not deferred.

        Raises:
            InterruptedByError: A signal came.
        """
        if self._received is not None and self._deferrals == 0:
            raise InterruptedByError(self._received)

    def sleep(self, seconds: float, *, poll: Callable[[], None] | None = None) -> None:
        """Sleep, but not through a signal.

        Args:
            seconds: How long; nothing at all when negative.
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
        # The first one names the exit code; a second Ctrl-C adds nothing.
        if self._received is None:
            self._received = signum
