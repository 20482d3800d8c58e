"""What a long operation tells whoever watches it: the port between the work and a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

STARTED: Final = "start"
ADVANCED: Final = "advance"
DONE: Final = "done"


class Step(NamedTuple):
    """One step of an operation began, went on, or is over. A step that fails says nothing: the error does.

    Attributes:
        name: Such as `"fetch"`, `"import"`, `"compile"`, `"assemble"` or `"seal"`, or the name of a check.
        state: `"start"`, `"advance"` or `"done"`.
        facts: What was done, for people and scripts; counts and bytes. Empty until the end.
        seconds: How long it took; 0.0 until the end.
        done: While it goes on: how much of it is over.
        total: Out of how much; 0 where nobody knows.
    """

    name: str
    state: Literal["start", "advance", "done"]
    facts: Mapping[str, object] = MappingProxyType({})
    seconds: float = 0.0
    done: int = 0
    total: int = 0


Progress = Callable[[Step], None]
"""Receives every step, in order, and from any thread. It must not raise."""

Advance = Callable[[int, int], None]
"""Is told how much of a step is over, and out of how much."""


def unwatched(step: Step) -> None:
    """The progress of an operation that nobody watches."""


def unmeasured(done: int, total: int) -> None:
    """The advance of a step that nobody watches."""


class Running(NamedTuple):
    """A step that goes on: call `advance` now and then, and fill in the `facts` for its end."""

    advance: Advance
    facts: dict[str, object]


@contextlib.contextmanager
def step(progress: Progress, clock: Callable[[], float], name: str) -> Iterator[Running]:
    """Tell the beginning and the good end of a step.

    Args:
        progress: Who is told.
        clock: Seconds from any origin, never backwards.
        name: The step's.
    """

    def advance(done: int, total: int) -> None:
        progress(Step(name=name, state=ADVANCED, done=done, total=total))

    progress(Step(name=name, state=STARTED))
    began = clock()
    running = Running(advance, {})
    yield running
    progress(Step(name=name, state=DONE, facts=running.facts, seconds=clock() - began))
