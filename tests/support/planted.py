"""Upgrades of forty packages in which some changes break a check, alone or together: seeded cases."""

from __future__ import annotations

import random
from collections.abc import Iterable

from tests.support.releases import INTERPRETER
from venvship.model.upgrades.changes import Pinned
from venvship.model.upgrades.closure import Mixes

PACKAGES = 40


def mixes(before: Iterable[Pinned], after: Iterable[Pinned]) -> Mixes:
    return Mixes({one.name: one for one in before}, {one.name: one for one in after}, INTERPRETER.markers)


class Planted:
    """One seeded case: 40 packages of two versions, requirements between them, changes that break the check.

    Attributes:
        names: The packages.
        requires: The requirements of a name and version.
        ties: The names that a change cannot be taken without, worked out from the way the requirements were
            made and not from the requirements.
        sets: The sets of names of which the versions 2.0 break the check together.
        changes: The number of names in them.
        tied: Whether one of them cannot be taken without another change.
    """

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.names = [f"p{number:02}" for number in range(PACKAGES)]
        chance.shuffle(self.names)
        requires: dict[tuple[str, str], list[str]] = {}
        edges: dict[str, set[str]] = {name: set() for name in self.names}
        # New `a` needs new `b`: `a` brings `b`. Old `c` needs old `b`: `b` brings `c`.
        for _ in range(chance.choice([0, 6, 12])):
            first, second = chance.sample(self.names, 2)
            if chance.random() < 0.5:
                requires.setdefault((first, "2.0"), []).append(f"{second}>=2")
                edges[first].add(second)
            else:
                requires.setdefault((first, "1.0"), []).append(f"{second}<2")
                edges[second].add(first)
        self.requires = requires
        self.ties = {name: self._reach(name, edges) for name in self.names}
        before = [Pinned(one, "1.0", tuple(requires.get((one, "1.0"), ()))) for one in self.names]
        after = [Pinned(one, "2.0", tuple(requires.get((one, "2.0"), ()))) for one in self.names]
        self.mixes = mixes(before, after)
        shape = [(1,), (1, 1), (1, 1, 1), (2,), (2, 1)][seed % 5]
        self.sets = self._planted(chance, shape)
        self.changes = sum(shape)
        self.tied = any(len(self.ties[name]) > 1 for one in self.sets for name in one)

    @staticmethod
    def _reach(name: str, edges: dict[str, set[str]]) -> set[str]:
        reached, pending = {name}, [name]
        while pending:
            for other in edges[pending.pop()] - reached:
                reached.add(other)
                pending.append(other)
        return reached

    def _planted(self, chance: random.Random, shape: tuple[int, ...]) -> list[set[str]]:
        """Choose sets, none of which touches what another one cannot be taken without."""
        while True:
            chosen = chance.sample(self.names, sum(shape))
            sets = [{chosen.pop() for _ in range(size)} for size in shape]
            whole = [set().union(*(self.ties[name] for name in one)) for one in sets]
            if all(not whole[i] & whole[j] for i in range(len(sets)) for j in range(len(sets)) if i != j):
                return sets

    def live(self) -> set[str]:
        """The names that are upgraded in the end: all but what is blamed, and what cannot do without that."""
        blamed = {name for one in self.expected() for name in one}
        return {name for name in self.names if not self.ties[name] & blamed}

    def expected(self) -> list[list[str]]:
        """The minimal sets: a change that another one of its set brings along needs no blame of its own."""
        result = []
        for one in self.sets:
            needed = {
                name
                for name in one
                if not any(
                    name in self.ties[other] and other not in self.ties[name] for other in one - {name}
                )
            }
            # Changes that cannot be told apart are blamed as one.
            result.append(
                sorted(
                    other
                    for other in self.names
                    if any(other in self.ties[name] and name in self.ties[other] for name in needed)
                )
            )
        return sorted(result)
