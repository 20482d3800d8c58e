"""Counting: points tried, violations found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Tally:
    """What one part of the torture found.

    Attributes:
        name: The part, as the table shows it.
        points: How many faults were tried.
        violations: What was found, each with the point that found it.
        seconds: How long it took.
        skipped: Why it did not run at all; `""` if it did.
        notes: What else is worth a line under the table.
    """

    name: str
    points: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    skipped: str = ""
    notes: list[str] = field(default_factory=list)

    def point(self, label: str, wrong: Sequence[str]) -> None:
        """Count one fault, and what it broke."""
        self.points += 1
        self.violations += [f"{label}: {sentence}" for sentence in wrong]

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time that the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began


@dataclass(frozen=True)
class Scale:
    """How much of a part to run.

    Attributes:
        points: At most so many; `None` for all there are.
        seed: For what is chosen by chance.
        until_wrong: Stop at the first violation: for a hunt.
        scenarios: Of the parts that go through scenarios, only these; empty: all.
    """

    points: int | None = None
    seed: int = 1
    until_wrong: bool = False
    scenarios: tuple[str, ...] = ()

    def wants(self, scenario: str) -> bool:
        """Whether a scenario is to be tried."""
        return not self.scenarios or scenario in self.scenarios

    def is_done(self, tally: Tally) -> bool:
        """Whether to stop early."""
        return self.until_wrong and bool(tally.violations)

    def choose(self, every: Sequence[object]) -> list[int]:
        """The indexes to try: all, or evenly spread ones that begin where the seed says."""
        if self.until_wrong:
            # A hunt begins at the end: the switch, where most mutants are, comes late in a command.
            return list(range(len(every)))[::-1]
        if self.points is None or self.points >= len(every):
            return list(range(len(every)))
        step = len(every) / self.points
        offset = self.seed % max(int(step), 1)
        return sorted({min(int(number * step) + offset, len(every) - 1) for number in range(self.points)})
