"""Try to break venvship, and print a table: points tried, violations found, seconds. See scripts/torture.

The parts are in `tests/torture`; the invariants that every one of them holds a root against are in its
`invariants.py`. Exit status: 0 if there was no violation and every mutant was caught, 1 otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tests.torture import (  # noqa: E402
    bystanders,
    corpus,
    dead_outputs,
    disks,
    faults,
    filesystems,
    fuzzing,
    hostile,
    kills,
    meddling,
    misbehaving,
    model,
    nights,
    planted,
    powercuts,
    races,
    requests,
)
from tests.torture.hunts import HUNTS  # noqa: E402
from tests.torture.lab import SCENARIOS, Lab  # noqa: E402
from tests.torture.tally import Scale, Tally  # noqa: E402
from venvship.system.trees import remove_tree  # noqa: E402

POWER = tuple(filesystems.KINDS)

SHOWN = 10
"""So many violations of a part are printed; --json has all."""


@dataclass(frozen=True)
class Part:
    """One row or several of the table.

    Attributes:
        name: What `--part` calls it.
        run: Yields what it found.
        quick: How many points each of its rows tries with `--quick`.
    """

    name: str
    run: Callable[[Lab, Scale], Iterator[Tally]]
    quick: int


def run_kills(lab: Lab, scale: Scale) -> Iterator[Tally]:
    """SIGKILL before every system call that touches the root."""
    reason = kills.reason_to_skip()
    for name in filter(scale.wants, SCENARIOS):
        yield (
            Tally(f"SIGKILL at system calls, {name}", skipped=reason)
            if reason
            else kills.sweep(lab, name, scale)
        )


def over_scenarios(part: Callable[[Lab, str, Scale], Tally]) -> Callable[[Lab, Scale], Iterator[Tally]]:
    """A part that goes through all scenarios."""

    def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
        for name in filter(scale.wants, faults.ALL):
            yield part(lab, name, scale)

    return run


def over_filesystems(
    part: Callable[[Lab, str, Scale], Tally],
    title: str,
    module: ModuleType,
    kinds: Sequence[str],
    whole: int | None = None,
) -> Callable[[Lab, Scale], Iterator[Tally]]:
    """A part that goes through kinds of file systems, as far as they can be made here.

    Args:
        part: The part.
        title: What its rows are called.
        module: The part's, which says why it cannot be run.
        kinds: The file systems.
        whole: How many points each row has in a full run; `None` for all there are.
    """

    def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
        for kind in kinds:
            reason = module.reason_to_skip(kind)
            sized = replace(scale, points=scale.points or whole)
            yield Tally(f"{title}, {kind}", skipped=reason) if reason else part(lab, kind, sized)

    return run


def alone(part: Callable[[Lab, Scale], Tally], whole: int) -> Callable[[Lab, Scale], Iterator[Tally]]:
    """A part that is one row.

    Args:
        part: The part.
        whole: How many points there are in a full run, since chance would go on for ever.
    """

    def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
        yield part(lab, replace(scale, points=scale.points or whole))

    return run


def run_mutants(lab: Lab, _scale: Scale) -> Iterator[Tally]:
    """What is broken on purpose; a mutant that nothing finds is a violation."""
    for hunt in HUNTS:
        yield hunt.run(lab)


PARTS = (
    Part("kills", run_kills, 3),
    Part("failpoint-kills", over_scenarios(faults.kills), 5),
    Part("signals", over_scenarios(faults.signals), 5),
    Part("errors", over_scenarios(faults.errors), 5),
    Part("filling", over_scenarios(faults.filling), 5),
    Part("power", over_filesystems(powercuts.cuts, "power cuts", powercuts, POWER, 130), 2),
    Part(
        "power-effects",
        over_filesystems(powercuts.at_effects, "power cuts at effects", powercuts, POWER, 130),
        2,
    ),
    Part("acknowledged", over_filesystems(powercuts.acknowledged, "acknowledged", powercuts, POWER, 50), 2),
    Part("disks", over_filesystems(disks.full_disks, "full disk", disks, tuple(disks.FULL)), 2),
    Part("races", alone(races.run, 200), 1),
    Part("watched", lambda lab, scale: iter([races.watched(lab, scale)]), 1),
    Part("overtaken", lambda lab, scale: iter([races.overtaken(lab, scale)]), 1),
    Part("model", alone(model.walk, 14_000), 100),
    Part("nights", lambda lab, scale: iter([nights.run(lab, scale)]), 4),
    Part("planted", lambda lab, scale: iter([planted.run(lab, scale)]), 2),
    Part("hostile", alone(hostile.run, 2_000), 40),
    Part("meddling", meddling.run, 40),
    Part("corpus", lambda lab, scale: iter([corpus.run(lab, scale)]), 12),
    Part("fuzzing", fuzzing.run, 100),
    Part("misbehaving", alone(misbehaving.run, 100), 6),
    Part("dead-outputs", lambda lab, scale: iter([dead_outputs.run(lab, scale)]), 13),
    Part("requests", requests.run, 6),
    Part("bystanders", bystanders.run, 5),
    Part("mutants", run_mutants, 1),
)


def main() -> int:
    """Run the parts that were asked for, and print what they found as they find it."""
    arguments = parse()
    rows: list[Tally] = []
    directory = tempfile.mkdtemp(prefix="venvship-torture-")
    print(f"venvship at {commit()}, seed {arguments.seed}, in {directory}", flush=True)
    print(f"{'points':>8} {'violations':>10} {'seconds':>8}  part", flush=True)
    try:
        lab = Lab(Path(directory) / "lab")
        for part in PARTS:
            if not arguments.part or part.name in arguments.part:
                points = arguments.points or (part.quick if arguments.quick else None)
                scale = Scale(points=points, seed=arguments.seed, scenarios=tuple(arguments.scenario or ()))
                tallies = part.run(lab, scale)
                if part.name == "meddling" and arguments.lockfile:
                    tallies = itertools.chain(tallies, meddling.of_lockfile(lab, arguments.lockfile))
                for tally in tallies:
                    rows.append(tally)
                    show(tally)
    finally:
        remove_tree(directory)
    tried, wrong = sum(row.points for row in rows), sum(len(row.violations) for row in rows)
    print(f"{tried:>8} {wrong:>10} {sum(row.seconds for row in rows):8.0f}  in all")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 1 if wrong else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/torture", description="Try to break venvship.")
    parser.add_argument("--quick", action="store_true", help="a slice of every part, as the tests run it")
    parser.add_argument("--seed", type=int, default=1, help="chooses the slice, and what is left to chance")
    names = [part.name for part in PARTS]
    parser.add_argument(
        "--part", action="append", choices=names, metavar="NAME", help=f"only: {', '.join(names)}"
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=faults.ALL,
        metavar="NAME",
        help=f"of kills, signals and errors, only: {', '.join(faults.ALL)}",
    )
    parser.add_argument(
        "--lockfile", type=Path, help="of meddling: change the files of a release of this lockfile, too"
    )
    parser.add_argument("--points", type=int, help="at most so many points in each row")
    parser.add_argument("--json", metavar="FILE", help="write all rows, with all violations")
    return parser.parse_args()


def show(tally: Tally) -> None:
    """Print a row of the table, and the violations under it."""
    if tally.skipped:
        print(f"{'-':>8} {'-':>10} {'-':>8}  {tally.name}: skipped, {tally.skipped}", flush=True)
        return
    print(f"{tally.points:>8} {len(tally.violations):>10} {tally.seconds:8.0f}  {tally.name}", flush=True)
    for note in tally.notes:
        print(f"{'':30}{note.splitlines()[0][:150]}", flush=True)
    for violation in tally.violations[:SHOWN]:
        print(f"{'':30}! {violation}", flush=True)


def commit() -> str:
    """Which version of the source this is."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "an unknown commit"


if __name__ == "__main__":
    sys.exit(main())
