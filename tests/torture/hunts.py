"""Which part of the torture has to find which mutant of venvship: a check that nothing can fail is none.

Most parts take the mutant along into the children that they fork. The model and the races work in the
process that they run in, so those get an interpreter of their own:
`python -m tests.torture.hunts NAME DIRECTORY`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.torture import bystanders, faults, mutants, powercuts
from tests.torture.lab import Lab
from tests.torture.powercuts import Bench, Point
from tests.torture.tally import Scale, Tally

REPOSITORY = Path(__file__).parents[2]
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


def _forked(mutant: str, part: Callable[..., Tally], scenario: str, title: str) -> Hunt:
    def find(lab: Lab) -> Tally:
        return part(lab, scenario, Scale(until_wrong=True), mutants.MUTANTS[mutant])

    return Hunt(mutant, title, find)


def _model(lab: Lab) -> Tally:
    from tests.torture import model

    return model.walk(lab, Scale(points=600, seed=2, until_wrong=True))


def _races(lab: Lab) -> Tally:
    from tests.torture import races

    return races.run(lab, Scale(points=15, until_wrong=True))


def _apart(mutant: str, part: str) -> Hunt:
    def find(lab: Lab) -> Tally:
        argv = [sys.executable, "-m", "tests.torture.hunts", mutant, str(lab.path / f"apart-{mutant}")]
        done = subprocess.run(
            argv, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, timeout=300, check=True
        )
        return Tally(**json.loads(done.stdout.splitlines()[-1]))

    return Hunt(mutant, part, find)


def _power(
    mutant: str, filesystem: str, points: Callable[[Bench, str], Generator[Point, None, None]]
) -> Hunt:
    def find(lab: Lab) -> Tally:
        with powercuts.bench(lab, filesystem) as bench:
            return powercuts.tally_of(mutant, points(bench, mutant))

    reason = powercuts.reason_to_skip(filesystem)
    return Hunt(mutant, f"power cuts, {filesystem}", find, reason)


def _afterwards(bench: Bench, mutant: str) -> Generator[Point, None, None]:
    return powercuts.cuts_afterwards(bench, Scale(points=1), ("release",), mutant=mutant)


def _before_syncs(bench: Bench, mutant: str) -> Generator[Point, None, None]:
    return powercuts.effect_cuts(bench, Scale(), ("release",), mutant=mutant, effects=("syncfs",))


HUNTS = (
    *(_power("no_syncfs", kind, _afterwards) for kind in POWER),
    *(_power("directory_fsync_only", kind, _afterwards) for kind in POWER),
    *(_power("manifest_before_sync", kind, _before_syncs) for kind in POWER),
    _forked("fixed_temporary_names", faults.kills, "promote", "kills of promote"),
    _apart("unlink_then_symlink", "races"),
    _forked("no_armed_way_back", faults.filling, "failing", "a filling disk"),
    _apart("outcome_before_check", "model"),
    _forked("rename_before_intent", faults.kills, "promote", "kills of promote"),
    _apart("rollback_recovers_first", "model"),
    _apart("no_compare_and_swap", "races"),
    Hunt(
        "lease_without_proc",
        "bystanders",
        lambda lab: bystanders.prune(lab, Scale(until_wrong=True), mutants.lease_without_proc),
    ),
)


def main(mutant: str, directory: str) -> None:
    """Run a part under a mutant in this process, and print what it found as JSON."""
    part = {"model": _model, "races": _races}[
        next(hunt.part for hunt in HUNTS if hunt.mutant == mutant and hunt.part in {"model", "races"})
    ]
    mutants.MUTANTS[mutant]()
    print(json.dumps(asdict(part(Lab(Path(directory))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
