"""Which part of the torture has to find which mutant of venvship: a check that nothing can fail is none.

Each hunt goes to the situation in which its mutant is wrong, by steps: through every effect of a command, or
along a story of the model. None depends on what happens to run at the same time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from typing import Final

from tests.torture import bystanders, children, faults, hostile, model, mutants, powercuts, races
from tests.torture.lab import Lab
from tests.torture.powercuts import Bench, Point
from tests.torture.tally import Scale, Tally

POWER = ("ext4-writeback", "xfs")
"""Where what was not synced is gone. Not btrfs: what a cut leaves of these there can stop the kernel."""


@dataclass(frozen=True)
class Hunt:
    """A mutant, and the part that has to find it.

    Attributes:
        mutant: A key of `mutants.MUTANTS`.
        part: The part, as the table shows it.
        find: Runs it; what it finds are violations.
        skipped: Why it cannot be run here.
    """

    mutant: str
    part: str
    find: Callable[[Lab], Tally]
    skipped: str = ""

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"mutant {self.mutant.replace('_', ' ')}: {self.part}"

    def run(self, lab: Lab) -> Tally:
        """Hunt it, and turn what was found around: to find nothing is the violation."""
        if self.skipped:
            return Tally(self.name, skipped=self.skipped)
        found = self.find(lab)
        return Tally(
            self.name,
            points=found.points,
            violations=[] if found.violations else [f"{found.points} points did not find it"],
            seconds=found.seconds,
            notes=[f"found: {found.violations[0]}"] if found.violations else [],
        )


def _forked(mutant: str, part: Callable[..., Tally], title: str, *scenario: str) -> Hunt:
    def find(lab: Lab) -> Tally:
        return part(lab, *scenario, Scale(until_wrong=True), mutants.MUTANTS[mutant])

    return Hunt(mutant, title, find)


def _apart(mutant: str, part: Callable[[Lab, str], Tally], title: str, what: str) -> Hunt:
    """Hunt with a part that starts commands by forks of the process that it is in: that is the mutant."""

    def find(lab: Lab) -> Tally:
        def run() -> int:
            mutants.MUTANTS[mutant]()
            print(json.dumps(asdict(part(Lab(lab.path / mutant, lab.filled), what))))
            return 0

        ended = children.fork(run, timeout=600)
        assert ended.code == 0, ended.said
        return Tally(**json.loads(ended.said.splitlines()[-1]))

    return Hunt(mutant, f"{title}, {what}", find)


def _power(
    mutant: str, filesystem: str, points: Callable[[Bench, str], Generator[Point, None, None]]
) -> Hunt:
    def find(lab: Lab) -> Tally:
        with powercuts.bench(lab, filesystem) as bench:
            return powercuts.tally_of(mutant, points(bench, mutant), until_wrong=True)

    reason = powercuts.reason_to_skip(filesystem)
    return Hunt(mutant, f"power cuts, {filesystem}", find, reason)


CUTS: Final = 8
"""How many cuts a hunt tries at most: a `sync` by any other process hides the mutant from one of them."""


def _afterwards(bench: Bench, mutant: str) -> Generator[Point, None, None]:
    return powercuts.cuts_afterwards(bench, Scale(points=CUTS), ("release",), mutant=mutant)


def _before_syncs(bench: Bench, mutant: str) -> Generator[Point, None, None]:
    return powercuts.effect_cuts(bench, Scale(), ("release",), mutant=mutant, effects=("syncfs",))


HUNTS = (
    *(_power("no_syncfs", kind, _afterwards) for kind in POWER),
    *(_power("directory_fsync_only", kind, _afterwards) for kind in POWER),
    *(_power("manifest_before_sync", kind, _before_syncs) for kind in POWER),
    _forked("fixed_temporary_names", faults.kills, "kills of promote", "promote"),
    _forked("unlink_then_symlink", races.watched, "a reader at every effect"),
    _forked("no_armed_way_back", faults.filling, "a filling disk", "failing"),
    _apart("outcome_before_check", model.tell, "model", "refused"),
    _forked("rename_before_intent", faults.kills, "kills of promote", "promote"),
    _apart("rollback_recovers_first", model.tell, "model", "interrupted"),
    _forked("no_compare_and_swap", races.overtaken, "a switch during the checks"),
    _forked("lease_without_proc", bystanders.prune, "bystanders"),
    _apart("lost_journal_is_none", hostile.release_with, "hostile journal", "missing"),
    _apart("damaged_journal_is_a_bug", hostile.release_with, "hostile journal", "flipped"),
)
