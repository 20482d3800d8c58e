"""Processes that run from a release in one way or another, while prune would remove it.

A Python process of a release holds its lease; whatever else runs from one shows in /proc, or not at all.
`prune` has one process that gives one sign only; `rounds` has several programs, started as services are.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.roots import Site, make_site
from tests.support.second_user import system_interpreter
from tests.torture import invariants, programs
from tests.torture.children import call, run_forked
from tests.torture.lab import Lab, release, write_settings
from tests.torture.programs import PROGRAMS
from tests.torture.tally import Scale, Tally
from venvship.system.trees import remove_tree

ROUNDS = 1_000
"""So many rounds a full run has."""

WAIT = "echo ready; read -r line"
MAPPED = """\
import mmap, sys
with open(sys.stdin.readline().strip(), "rb") as file:
    kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print("ready", flush=True)
sys.stdin.readline()
"""

Process = subprocess.Popen[str]


def _start(*argv: str, cwd: str = "/") -> Process:
    return subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _mapping(site: Site, release: str) -> Process:
    process = _start(sys.executable, "-I", "-c", MAPPED)
    assert process.stdin is not None
    process.stdin.write(f"{_file(site, release)}\n")  # not an argument, which would show it as well
    process.stdin.flush()
    return process


def _file(site: Site, release: str) -> str:
    return str(site.path / "releases" / release / "pyvenv.cfg")


WAYS: dict[str, Callable[[Site, str], Process]] = {
    "lease": lambda site, name: _start(
        "flock", "-s", str(site.path / "state" / "leases" / name), "sh", "-c", WAIT
    ),
    "working directory": lambda site, name: _start("sh", "-c", WAIT, cwd=str(site.path / "releases" / name)),
    "open file": lambda site, name: _start("sh", "-c", f"exec 5<{_file(site, name)}; {WAIT}"),
    "command line": lambda site, name: _start("sh", "-c", WAIT, "sh", _file(site, name)),
    "mapped file": _mapping,
}
"""How a process may run from a release, and how to start such a one."""


def prune(lab: Lab, scale: Scale, mutant: Callable[[], None] | None = None) -> Tally:
    """Prune while a process runs from a release that would go; it stays until the process has ended."""
    tally = Tally("prune with processes that run from a release")
    with tally.timed():
        scenario = lab.scenario("prune")
        result = scenario.restore().open().prune(dry_run=True)
        every = [(way, decision.id) for way in WAYS for decision in result.removed]
        for index in scale.choose(every):
            way, release = every[index]
            site = scenario.restore()
            before = invariants.observe(site)
            with _running(site, way, release):
                done = run_forked(site, scenario.command, mutant=mutant)
                wrong = [] if done.code == 0 else [f"prune ended with {done.code}: {done.err}"]
                if not (site.path / "releases" / release / ".venvship").is_dir():
                    wrong.append("I8 what a process runs from was pruned")
            run_forked(site, scenario.command, mutant=mutant)
            if (site.path / "releases" / release).exists():
                wrong.append("it was not pruned when the process had ended")
            tally.point(f"{way}, {release}", [*wrong, *invariants.settled(site, before)])
            if scale.is_done(tally):
                break
    return tally


@contextlib.contextmanager
def _running(site: Site, way: str, release: str) -> Iterator[None]:
    process = WAYS[way](site, release)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.communicate("\n")


# -- rounds ---------------------------------------------------------------------------------------------

AHEAD = timedelta(days=20)
"""So much later prune comes: the grace period for releases that were live is over."""

KEPT = 2
"""How many of the releases of `Rounds` prune keeps: the live one and the one before."""


def interpreter_for_others() -> Path | None:
    """An interpreter that another user can run; `None` where nobody can become one, or there is none."""
    if os.geteuid() != 0:
        return None
    try:
        return system_interpreter()
    except AssertionError:
        return None


class Rounds:
    """A root with releases that prune would remove, and is put back after each round."""

    def __init__(self, lab: Lab) -> None:
        folder = Path(tempfile.mkdtemp(prefix="bystanders-"))  # not in the lab, which others cannot enter
        folder.chmod(0o755)
        self.folder = folder
        self.talk = programs.talk_folder()
        self.snapshot = folder / "snapshot"
        # Another user may have no way to the interpreter of the tests.
        other = interpreter_for_others()
        self.site = make_site(
            folder / "root",
            programs.build_application(folder / "wheels"),
            folder / "root" / "store",
            folder / "home",
            None if other or lab.filled is None else lab.filled / "python.json",
        )
        interpreter = f'python = "{other}"\n' if other else ""
        write_settings(self.site, interpreter, keep=9)
        self.versions = {
            release(self.site, version, ago=-timedelta(days=number)): version
            for number, version in enumerate(programs.VERSIONS)
        }
        write_settings(self.site, interpreter, keep=KEPT)
        self.removable = list(self.versions)[:-KEPT]
        self.programs = [name for name in PROGRAMS if programs.can_start(name, self.site, self.removable[0])]
        self.showing = [name for name in self.programs if not PROGRAMS[name].by_time]
        subprocess.run(["cp", "-a", self.site.path, self.snapshot], check=True)

    def __enter__(self) -> Rounds:
        return self

    def __exit__(self, *_: object) -> None:
        remove_tree(self.folder)
        remove_tree(self.talk)

    def restore(self) -> None:
        """Put back what a round has removed and written."""
        for name in self.removable:
            remove_tree(self.site.path / "releases" / name)
            subprocess.run(
                ["cp", "-al", self.snapshot / "releases" / name, self.site.path / "releases"], check=True
            )
        remove_tree(self.site.path / "state")
        subprocess.run(["cp", "-a", self.snapshot / "state", self.site.path], check=True)
        for said in self.talk.iterdir():
            said.unlink()

    def prune(self, mutant: Callable[[], None] | None) -> list[str]:
        """Prune; returns what is wrong with that."""

        def act() -> None:
            if mutant is not None:
                mutant()
            self.site.open(clock=lambda: datetime.now(UTC) + AHEAD).prune()

        ended = call(act)
        return [] if ended.code == 0 else [f"prune ended with {ended.code}: {ended.said}"]

    def left(self) -> set[str]:
        """Which of the removable releases are there."""
        return {n for n in self.removable if (self.site.path / "releases" / n / ".venvship").is_dir()}


def rounds(lab: Lab, scale: Scale, mutant: Callable[[], None] | None = None) -> Tally:
    """Rounds of prune, each beside programs that run from some of the releases that would go.

    A release in use stays, and its processes go on. The others go, and so does each once it is unused.
    """
    tally = Tally("rounds of prune beside programs of releases")
    chosen = random.Random(scale.seed)
    started: Counter[str] = Counter()
    processes = removals = 0
    with tally.timed(), Rounds(lab) as root:
        for number in range(scale.seed, scale.seed + (scale.points or len(root.programs))):
            root.restore()
            # Each program in turn and others by chance, each in a release of its own; one release has none.
            names = [root.programs[number % len(root.programs)], *chosen.choices(root.showing, k=2)]
            first, *others = root.removable
            chosen.shuffle(others)
            # By the journal, the first is live now, and the others will be.
            places = [first, *others] if PROGRAMS[names[0]].by_time else chosen.sample(root.removable, 3)
            running = []
            wrong = []
            try:
                for name, where in zip(names, places, strict=False):
                    running.append(programs.start(name, root.site, where, root.talk))
                wrong += root.prune(mutant)
                used = {one.release for one in running}
                wrong += [f"I8 {one}, which a process runs from, was pruned" for one in used - root.left()]
                wrong += [f"{one} was not pruned, and nothing used it" for one in root.left() - used]
                for one in running:
                    wrong += one.wrong(root.talk, root.versions[one.release])
            finally:
                for one in running:
                    one.end()
            wrong += root.prune(None)
            wrong += [f"{one} was not pruned when its processes had ended" for one in root.left()]
            removals += len(root.removable) - len(used)
            processes += sum(len(one.pids) for one in running)
            started.update(names)
            tally.point(", ".join(f"{one.name} from {one.release}" for one in running), wrong)
            if scale.is_done(tally):
                break
        tally.notes += [f"{processes} processes, {removals} releases removed beside them"]
        tally.notes += [f"{started[name]} times {name}" for name in root.programs]
        tally.notes += [f"not here: {name}" for name in PROGRAMS if name not in root.programs]
    return tally


def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
    """Every sign that a process gives, one at a time; and rounds beside programs as services run them."""
    yield prune(lab, scale)
    yield rounds(lab, replace(scale, points=scale.points or ROUNDS))
