"""Taking turns: commands are run one after the other, round after round, and compared."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

OURS = "venvship"
MEBIBYTE = 1024 * 1024
TAIL = 2000
"""So many bytes of what a failed command wrote are shown."""


class CommandError(Exception):
    """A command that was to be measured failed; the message says which, and what it wrote."""


@dataclass(frozen=True)
class Command:
    """What is measured: one program after the other, as a shell would run `a && b`.

    Attributes:
        steps: Their argument lists.
        env: The whole environment.
        cwd: Where they run.
    """

    steps: tuple[tuple[str, ...], ...]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True)
class Sample:
    """What one run took.

    Attributes:
        seconds: By the wall clock, from before the first program was started to the end of the last one.
        peak: Resident bytes of the largest process among them and all that they waited for.
    """

    seconds: float
    peak: int


Turn = Callable[[int], Command]
"""Gives the command of a round; 0 is the warm-up. What the function does itself is not measured."""


@dataclass
class Row:
    """One line of the table: venvship beside something else.

    Attributes:
        name: What is measured.
        against: What it is held against.
        ours: The median, in `unit`.
        peer: The same of the other.
        ratio: The median of the rounds' ratios; `None` if there is none.
        low: The smallest of them.
        high: The largest.
        target: What the ratio should be at most; `None`: told, not judged.
        rounds: How many rounds there were, without the warm-up.
        unit: Of `ours` and `peer`: `s`, `MiB` or `inodes`.
        part: The part that measured it.
        skipped: Why there is nothing; `""` if there is.
        notes: What else has to be known about it.
    """

    name: str
    against: str
    ours: float | None = None
    peer: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    rounds: int = 0
    unit: str = "s"
    part: str = ""
    skipped: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        """Whether the target was met; `None` if there is none, or nothing was measured."""
        return None if self.target is None or self.ratio is None else self.ratio <= self.target


def run(command: Command) -> Sample:
    """Run a command to its end.

    Raises:
        CommandError: One of its programs failed, or could not be started.
    """
    peak = 0
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        for argv in command.steps:
            try:
                process = subprocess.Popen(
                    argv,
                    env=dict(command.env),
                    cwd=command.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            except OSError as error:
                raise CommandError(f"{argv[0]}: {error.strerror}") from error
            # Not wait(): only wait4 says how much memory this one took, its own children included.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = max(peak, usage.ru_maxrss * 1024)
            if process.returncode != 0:
                output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
                text = output.read().decode(errors="replace").strip()
                raise CommandError(f"`{shlex.join(argv)[:300]}` exited {process.returncode}: {text}")
        return Sample(time.perf_counter() - began, peak)


def memory_floor() -> float:
    """MiB below which `Sample.peak` says nothing: a child begins as a copy of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass
class Series:
    """What the contenders of one comparison took, each a list with one sample for each round."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def row(self, name: str, against: str, *, target: float | None = None, ours: str = OURS) -> Row:
        """Compare the times of two of them."""
        for contender in (ours, against):
            if contender not in self.samples:
                return Row(name, against, target=target, skipped=self._why(contender))
        mine, theirs = ([sample.seconds for sample in self.samples[who]] for who in (ours, against))
        return compared(name, against, mine, theirs, target=target)

    def peak(self, name: str, limit: float, *, ours: str = OURS) -> Row:
        """Compare the memory of one with a limit in MiB."""
        if ours not in self.samples:
            return Row(name, f"{limit:g} MiB", target=1.0, unit="MiB", skipped=self._why(ours))
        found = [sample.peak / MEBIBYTE for sample in self.samples[ours]]
        row = Row(name, f"{limit:g} MiB", max(found), limit, max(found) / limit, unit="MiB", target=1.0)
        row.low, row.high, row.rounds = min(found) / limit, max(found) / limit, len(found)
        if max(found) <= memory_floor() * 1.05:
            row.notes.append("no more than the bench itself takes, which is the least that can be seen")
        return row

    def _why(self, contender: str) -> str:
        return self.skipped.get(contender, f"{contender} did not take part")


def compared(
    name: str,
    against: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    target: float | None = None,
) -> Row:
    """Make the row of two series of seconds, one of each for every round."""
    ratios = [mine / their for mine, their in zip(ours, theirs, strict=True)]
    return Row(
        name,
        against,
        median(ours),
        median(theirs),
        median(ratios),
        min(ratios),
        max(ratios),
        target,
        len(ratios),
    )


def alternate(
    turns: Mapping[str, Turn],
    rounds: int,
    *,
    skipped: Mapping[str, str] | None = None,
    warm_up: bool = True,
) -> Series:
    """Let the contenders take turns: A B A B, after a warm-up of each.

    What is dirty is written out before every run: a release syncs its file system, and would otherwise wait
    for what the one before it has left.

    Args:
        turns: The contenders, by name, in their order.
        rounds: How many samples of each.
        skipped: Contenders that could not be had, and why.
        warm_up: Whether each runs once before, unmeasured.

    Returns:
        The samples. A peer that fails is out, with the reason; `OURS` may not fail.

    Raises:
        CommandError: venvship failed.
    """
    series = Series(skipped=dict(skipped or {}))
    running = dict(turns)
    for number in range(0 if warm_up else 1, rounds + 1):
        for name in list(running):
            try:
                command = running[name](number)
                os.sync()
                sample = run(command)
            except CommandError as error:
                if name.startswith(OURS):
                    raise
                del running[name]
                series.samples.pop(name, None)
                series.skipped[name] = f"{name} failed: {str(error)[-300:]}"
                continue
            if number:
                series.samples.setdefault(name, []).append(sample)
    return series


def labelled(part: str, rows: Iterator[Row]) -> Iterator[Row]:
    """Write into rows which part they are of."""
    for row in rows:
        row.part = part
        yield row
