"""Answers that are begun before they are asked for, beside what has to be done first."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

FRESH: Final = 1.0
"""Seconds for which an answer that is offered counts: who had to wait that long asks anew."""


class Ahead(Generic[T]):
    """At most one answer that others are working on."""

    def __init__(self) -> None:
        self._held: tuple[object, float, Callable[[], T]] | None = None

    @contextlib.contextmanager
    def offering(self, question: object, answer: Callable[[], T]) -> Iterator[None]:
        """Offer an answer while the block runs.

        Args:
            question: What it answers.
            answer: Waits for it.
        """
        self._held = (question, time.monotonic(), answer)
        try:
            yield
        finally:
            self._held = None

    def take(self, question: object) -> Callable[[], T] | None:
        """What waits for the answer, once; `None` if there is none to this question, or an old one."""
        if self._held is None or self._held[0] != question:
            return None
        (_, since, answer), self._held = self._held, None
        return answer if time.monotonic() - since < FRESH else None
