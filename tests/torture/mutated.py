"""Parts of the torture under a mutant of venvship, which shows that they would find such a bug.

A mutant is a directory below `mutants/` whose `sitecustomize.py` changes one thing; a new interpreter runs a
part with it on its path: `python -m tests.torture.mutated PART POINTS SEED DIRECTORY`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.torture.lab import Lab
from tests.torture.tally import Scale, Tally

MUTANTS = Path(__file__).parent / "mutants"
REPOSITORY = Path(__file__).parents[2]


def _model(lab: Lab, scale: Scale) -> Tally:
    from tests.torture import model

    return model.walk(lab, scale, shrink=False)


def _races(lab: Lab, scale: Scale) -> Tally:
    from tests.torture import races

    return races.run(lab, scale, until_wrong=True)


PARTS: dict[str, Callable[[Lab, Scale], Tally]] = {"model": _model, "races": _races}
"""Those that can be run so; both stop at the first violation."""


def violations(mutant: str, part: str, directory: Path, scale: Scale) -> list[str]:
    """What a part finds of a mutant.

    Args:
        mutant: Its name; `""` for none.
        part: A key of `PARTS`.
        directory: To work in.
        scale: How much of it to run at most.
    """
    path = [str(MUTANTS / mutant)] * bool(mutant) + [str(REPOSITORY)]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.torture.mutated",
            part,
            str(scale.points),
            str(scale.seed),
            str(directory),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, list)
    return found


def main(part: str, points: str, seed: str, directory: str) -> None:
    """Run a part, and print its violations as a list in JSON."""
    tally = PARTS[part](Lab(Path(directory)), Scale(points=int(points), seed=int(seed)))
    print(json.dumps(tally.violations))


if __name__ == "__main__":
    main(*sys.argv[1:])
