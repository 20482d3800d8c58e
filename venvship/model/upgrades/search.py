"""The search for all minimal failing sets of package changes: one trial after the other, driven from outside.

The changes stand in a row, each after those that it brings along, so that every beginning of the row is a
consistent mix. The shortest beginning that fails ends with a change of a failing set; the rest of that set is
before it. Halving finds the end, as QuickXplain does (Junker, AAAI 2004). The set is made minimal as ddmin
does (Zeller and Hildebrandt, IEEE TSE 28(2), 2002): without any one of its changes it passes, and that was
tried. The changes of a found set, and those that need one of them, are taken out of the row. The rest is
searched until it passes as a whole.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from venvship.model.release import PackageChange
from venvship.model.upgrades.changes import Pinned
from venvship.model.upgrades.closure import Group, Mixes, Names


class Verdict(StrEnum):
    """The verdict of one trial."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One environment to judge.

    Attributes:
        number: From 1.
        packages: Its packages, by name.
        taken: The changes that it has, sorted by name.
        suspects: The number of changes among which one is searched.
        of: The number of all changes.
    """

    number: int
    packages: dict[str, Pinned]
    taken: tuple[PackageChange, ...]
    suspects: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingSet:
    """A minimal set of changes that fails together.

    Attributes:
        changes: The changes, sorted by name. Without any one of them, the others pass.
        along: The changes that come along, since these need them.
        certain: Whether each change was told apart from its neighbours. If not, trials between them could not
            be judged, and one or more of `changes` are to blame.
    """

    changes: tuple[PackageChange, ...]
    along: tuple[PackageChange, ...] = ()
    certain: bool = True


Outcome = Literal["found", "before-not-good", "after-not-bad"]
"""The end of a search: it was carried out; or the set before does not pass; or the set after does not fail.
Then the judge cannot tell them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The result of a search; every change is in one of `sets`, `waiting`, `good` and `untold`, or follows.

    Attributes:
        outcome: Whether there was a search.
        sets: The minimal failing sets, in the order in which they were found. No two share a change.
        waiting: Changes that need one of those, so they were not tried without it.
        good: The changes that passed, all together.
        untold: Changes that are not shown good, and not blamed: the search was stopped, or a trial could not
            be judged.
        packages: The packages of the mix that passed, by name.
        trials: The number of trials.
    """

    outcome: Outcome
    sets: tuple[FailingSet, ...] = ()
    waiting: tuple[PackageChange, ...] = ()
    good: tuple[PackageChange, ...] = ()
    untold: tuple[PackageChange, ...] = ()
    packages: dict[str, Pinned]
    trials: int

    @property
    def held(self) -> tuple[PackageChange, ...]:
        """Every change that is not shown good, sorted by name."""
        blamed = (change for one in self.sets for change in one.changes)
        return tuple(sorted((*blamed, *self.waiting, *self.untold), key=lambda change: change.name))


_Steps = Generator[Names, Verdict, None]
_Asked = Generator[Names, Verdict, Verdict]


class Search:
    """A search under way. Judge `trial`, `tell` the verdict, and go on until `trial` is `None`.

    Attributes:
        mixes: The mixes of the two sets.
        trial: The next trial; `None`: the search is over.
        sets: The minimal failing sets that are known by now.
        cut_short: Whether a bound or `stop` ended the search before its end.

    Args:
        mixes: The mixes of the two sets.
        before: The verdict on the set before the changes, if it is known.
        after: The verdict on the set after them, if it is known.
        most: The number of trials after which the search ends; `None`: no bound.
    """

    def __init__(
        self,
        mixes: Mixes,
        *,
        before: Verdict | None = None,
        after: Verdict | None = None,
        most: int | None = None,
    ) -> None:
        self.mixes = mixes
        self.trial: Trial | None = None
        self.sets: tuple[FailingSet, ...] = ()
        self.cut_short = False
        self._most = most
        self._trials = 0
        self._outcome: Outcome = "found"
        self._suspects = len(mixes.changes)
        self._verdicts: dict[frozenset[tuple[str, str, str]], Verdict] = {}
        self._passed: list[Names] = []
        self._everything = mixes.closed(name for group in mixes.groups for name in group)
        for taken, verdict in ((frozenset[str](), before), (self._everything, after)):
            if verdict is not None:
                self._note(taken, verdict)
        self._steps = self._run()
        self._advance(None)

    def tell(self, verdict: Verdict) -> None:
        """Give the verdict on `trial`, and find the next one.

        Raises:
            RuntimeError: There is no trial.
        """
        if self.trial is None:
            raise RuntimeError("the search is over")
        self._trials += 1
        self._advance(verdict)

    def stop(self) -> None:
        """End the search: a deadline has come. What was not shown good counts as untold."""
        self._steps.close()
        self.cut_short = self.cut_short or self.trial is not None
        self.trial = None

    @property
    def findings(self) -> Findings:
        """The result; of a search that was stopped, the result so far.

        Raises:
            RuntimeError: The search is not over.
        """
        if self.trial is not None:
            raise RuntimeError("the search is not over")
        names = {name for group in self.mixes.groups for name in group}
        blamed = {change.name for one in self.sets for change in one.changes}
        best = frozenset[str]()
        if self._outcome == "found":
            best = max((one for one in self._passed if not one & blamed), key=len, default=best)
        left = names - best - blamed
        waiting = {name for name in left if self.mixes.closed([name]) & blamed}
        return Findings(
            outcome=self._outcome,
            sets=self.sets,
            waiting=self._named(waiting),
            good=self._named(best),
            untold=self._named(left - waiting),
            packages=self.mixes.mix(best),
            trials=self._trials,
        )

    # -- trials -----------------------------------------------------------------------------------------

    def _advance(self, verdict: Verdict | None) -> None:
        """Run to the next trial, over those whose verdict is known."""
        self.trial = None
        try:
            taken = next(self._steps) if verdict is None else self._steps.send(verdict)
        except StopIteration:
            return
        if self._most is not None and self._trials >= self._most:
            self._steps.close()
            self.cut_short = True
            return
        self.trial = Trial(
            number=self._trials + 1,
            packages=self.mixes.mix(taken),
            taken=self._named(taken),
            suspects=self._suspects,
            of=len(self.mixes.changes),
        )

    def _ask(self, taken: Names) -> _Asked:
        """The verdict on a mix: remembered, or by a trial."""
        known = self._verdicts.get(self._key(taken))
        if known is None:
            self._note(taken, (yield taken))
            known = self._verdicts[self._key(taken)]
        elif known is Verdict.GOOD:
            self._note(taken, known)
        return known

    def _note(self, taken: Names, verdict: Verdict) -> None:
        self._verdicts[self._key(taken)] = verdict
        if verdict is Verdict.GOOD:
            self._passed.append(taken)

    def _key(self, taken: Names) -> frozenset[tuple[str, str, str]]:
        return frozenset(one.key for one in self.mixes.mix(taken).values())

    def _has_passed(self, names: Set[str]) -> bool:
        """Whether these changes passed together with others, which directs the search and proves nothing."""
        return any(names <= passed for passed in self._passed)

    def _named(self, names: Iterable[str]) -> tuple[PackageChange, ...]:
        return tuple(self.mixes.changes[name] for name in sorted(names))

    def _closed(self, groups: Iterable[Group]) -> Names:
        return self.mixes.closed(name for group in groups for name in group)

    # -- the search -------------------------------------------------------------------------------------

    def _run(self) -> _Steps:
        row = list(self.mixes.groups)
        if (yield from self._ask(self._everything)) is not Verdict.BAD:
            self._outcome = "after-not-bad"
            return
        if (yield from self._ask(frozenset())) is not Verdict.GOOD:
            self._outcome = "before-not-good"
            return
        while True:
            found = yield from self._find(row)
            self.sets = (*self.sets, found)
            held = {change.name for change in found.changes}
            row = [group for group in row if not self.mixes.closed(group) & held]
            self._suspects = sum(map(len, row))
            if (yield from self._ask(self._closed(row))) is not Verdict.BAD:
                return

    def _find(self, row: Sequence[Group]) -> Generator[Names, Verdict, FailingSet]:
        """Find one minimal failing set in a row of changes that fails as a whole."""
        blocks: list[Sequence[Group]] = []
        while True:
            chosen = [group for block in blocks for group in block]
            low, high = yield from self._shortest(chosen, row)
            if high == 0:
                break
            blocks.append(row[low:high])
            row = row[:low]
        blocks, certain = yield from self._without_needless(blocks)
        groups = [group for block in blocks for group in block]
        names = {name for group in groups for name in group}
        return FailingSet(
            changes=self._named(names),
            along=self._named(self._closed(groups) - names),
            certain=certain and all(len(block) == 1 for block in blocks),
        )

    def _shortest(
        self, chosen: Sequence[Group], row: Sequence[Group]
    ) -> Generator[Names, Verdict, tuple[int, int]]:
        """Find the shortest beginning of a row that fails together with the chosen changes.

        Returns:
            The length of the longest beginning before it that is known to pass, and its own: one more,
            unless the trials between them could not be judged.
        """
        self._suspects = sum(map(len, row))
        if chosen and (yield from self._ask(self._closed(chosen))) is Verdict.BAD:
            return 0, 0
        low, high = 0, len(row)
        untold: set[int] = set()
        begins = {name for group in chosen for name in group}
        while high - low > 1 and self._has_passed(begins.union(row[low])):
            begins.update(row[low])
            low += 1
        while tries := [n for n in range(low + 1, high) if n not in untold]:
            self._suspects = sum(map(len, row[low:high]))
            length = min(tries, key=lambda n: abs(2 * n - low - high))
            verdict = yield from self._ask(self._closed([*chosen, *row[:length]]))
            if verdict is Verdict.BAD:
                high = length
            elif verdict is Verdict.GOOD:
                low = length
            else:
                untold.add(length)
        return low, high

    def _without_needless(
        self, blocks: list[Sequence[Group]]
    ) -> Generator[Names, Verdict, tuple[list[Sequence[Group]], bool]]:
        """Leave out each part without which the others fail all the same.

        Returns:
            The parts, and whether the others of each were judged.
        """
        certain = True
        for block in list(blocks):
            others = [group for other in blocks if other is not block for group in other]
            if others:
                verdict = yield from self._ask(self._closed(others))
                certain = certain and verdict is not Verdict.UNKNOWN
                if verdict is Verdict.BAD:
                    blocks = [other for other in blocks if other is not block]
        return blocks, certain
