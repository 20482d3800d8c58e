"""What a long operation tells whoever watches it: the port between a build and a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

STARTED = "start"
DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One phase of an operation began, or is over. A phase that fails says nothing: the error does.

    Attributes:
        name: Such as `"fetch"`, `"import"`, `"compile"`, `"assemble"` or `"seal"`.
        state: `"start"` or `"done"`.
        facts: What was done, for people and scripts; counts and bytes. Empty at the start.
        seconds: How long it took; 0.0 at the start.
    """

    name: str
    state: str
    facts: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0


Progress = Callable[[Phase], None]
"""Receives every phase, in order. It must not raise."""


def unwatched(phase: Phase) -> None:
    """The progress of an operation that nobody watches."""
