"""Power cuts on real file systems: at random instants, at chosen effects, right after an acknowledgement.

A root is prepared on an image. For every point a copy of the image is mounted, a command is started there,
the power is cut, what still runs is killed, and what the cut has left is mounted again. Before anything
recovers, what was acknowledged must be true and `current` intact; then the next plain command has to recover.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.roots import Site
from tests.torture import children, filesystems, invariants
from tests.torture.filesystems import FLUSH_LOG, KINDS, NO_FLUSH, CannotMountError, Disk
from tests.torture.kills import NEXT, recover_and_check
from tests.torture.lab import Lab, Scenario
from tests.torture.tally import Scale, Tally
from venvship.operations.retention.verifying import verify_release
from venvship.root import RootLayout
from venvship.workspace.workspace import Workspace

COMMANDS = ("release", "import", "promote", "rollback", "prune", "prune-store", "failing")
"""The scenarios whose commands are cut, in turn."""

MUTANT_SITE = (Path(__file__).parent / "mutant_site", Path(__file__).parents[2])
"""What a command has in its PYTHONPATH to be a mutant."""

Point = tuple[str, list[str]]
"""What was done, and what it broke."""


def reason_to_skip(filesystem: str) -> str:
    """Why this cannot be run here; `""` if it can."""
    return filesystems.reason_to_skip(KINDS[filesystem])


def cuts(lab: Lab, filesystem: str, scale: Scale) -> Tally:
    """Cut the power at random instants while a command runs."""
    with bench(lab, filesystem) as made:
        return tally_of(f"power cuts at random instants, {filesystem}", random_cuts(made, scale))


def acknowledged(lab: Lab, filesystem: str, scale: Scale) -> Tally:
    """Cut the power right after a command has said that it is done."""
    with bench(lab, filesystem) as made:
        return tally_of(f"power cuts after the command, {filesystem}", cuts_afterwards(made, scale))


def at_effects(lab: Lab, filesystem: str, scale: Scale, names: Sequence[str] = COMMANDS) -> Tally:
    """Cut the power just before each effect of each command."""
    with bench(lab, filesystem) as made:
        return tally_of(f"power cuts at effects, {filesystem}", effect_cuts(made, scale, names))


def tally_of(name: str, points: Generator[Point, None, None], *, until_wrong: bool = False) -> Tally:
    """Make the points, and count them; a hunt stops at the first violation."""
    tally = Tally(name)
    with tally.timed(), contextlib.closing(points):
        for label, wrong in points:
            tally.point(label, wrong)
            if until_wrong and wrong:
                break
    return tally


def random_cuts(
    bench: Bench, scale: Scale, names: Sequence[str] = COMMANDS, *, mutant: str = ""
) -> Generator[Point, None, None]:
    """Make the points of `cuts`, one after the other."""
    chance = random.Random(scale.seed)
    for number in range(scale.points or 1):
        case = bench.case(names[number % len(names)])
        seconds = bench.seconds(case)
        after, how = chance.uniform(0, seconds), chance.choice((FLUSH_LOG, NO_FLUSH))
        bench.disk.insert(case.image)
        with bench.victim(case, mutant=mutant) as victim:
            with contextlib.suppress(subprocess.TimeoutExpired):
                victim.wait(after)
            bench.disk.cut(how)
        label = f"{bench.name}, {case.name}, after {after:.3f} s of {seconds:.3f}, {_said(how)}"
        yield label, bench.look(case, case.before, number)


def cuts_afterwards(
    bench: Bench, scale: Scale, names: Sequence[str] = COMMANDS, *, mutant: str = ""
) -> Generator[Point, None, None]:
    """Make the points of `acknowledged`."""
    for number in range(scale.points or 1):
        case = bench.case(names[number % len(names)])
        site = case.scenario.site
        bench.disk.insert(case.image)
        with bench.victim(case, mutant=mutant) as victim:
            code = victim.wait(60)
            journal = (site.path / "state" / "journal.jsonl").read_bytes()
            said = replace(case.before, journal=journal, current=site.current)
            bench.disk.cut(NO_FLUSH)
        wrong = [] if code == case.scenario.code else [f"it ended with {code}"]
        wrong += bench.look(case, said, number, acknowledged=True)
        yield f"{bench.name}, after {case.name}", wrong


def effect_cuts(
    bench: Bench,
    scale: Scale,
    names: Sequence[str] = COMMANDS,
    *,
    mutant: str = "",
    effects: Sequence[str] = (),
) -> Generator[Point, None, None]:
    """Make the points of `at_effects`: every effect, or those of some kinds, as many as the scale says.

    The command stops itself before the effect; then the power is cut, with the log flushed and without
    in turn.
    """
    every = [
        (bench.case(name), number, effect)
        for name in names
        for number, effect in bench.effects(bench.case(name), mutant=mutant)
        if not effects or effect.split()[0] in effects
    ]
    for index in scale.choose(every):
        case, number, effect = every[index]
        how = (NO_FLUSH, FLUSH_LOG)[(index + scale.seed) % 2]
        bench.disk.insert(case.image)
        with bench.victim(case, f"pause@{number}", mutant=mutant) as victim:
            stopped = _wait_for_stop(victim)
            bench.disk.cut(how)
        label = f"{bench.name}, {case.name}, before effect {number} ({effect}), {_said(how)}"
        wrong = bench.look(case, case.before, index)
        yield label, wrong if stopped else ["it did not stop there", *wrong]


def _said(how: int) -> str:
    return "log flushed" if how == FLUSH_LOG else "log as it is"


def _wait_for_stop(victim: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with open(f"/proc/{victim.pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        if state in "TZ":
            return state == "T"
        time.sleep(0.002)
    return False


def manifests_are_true(site: Site) -> list[str]:
    """What is wrong with directories that have a manifest: with one, durable, all it vouches for is there.

    Also one that has no line in the journal yet, and is debris as long as the journal can be read.
    """
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    records = workspace.known_history().history.records
    wrong = []
    for name in workspace.layout.with_manifest():
        record = records.get(name)
        if record is not None and record.pruned:
            continue
        verified = verify_release(workspace, name)
        if not verified.ok:
            wrong.append(f"I1 {name} has a manifest, and is damaged: {verified.damaged[:2]}")
    return wrong


@dataclass(frozen=True)
class Case:
    """A scenario on a prepared image.

    Attributes:
        name: The scenario's.
        scenario: It; its root is where the image is mounted.
        image: The image.
        before: The root, as it is on the image.
    """

    name: str
    scenario: Scenario
    image: Path
    before: invariants.Before


class Bench:
    """A disk, and the scenarios that are prepared on images of it so far.

    Args:
        lab: Where roots are made.
        name: The file system's.
        disk: The disk.
    """

    def __init__(self, lab: Lab, name: str, disk: Disk) -> None:
        self.name = name
        self.disk = disk
        self._lab = lab
        self._cases: dict[str, Case] = {}
        self._seconds: dict[str, float] = {}
        self._count = 0

    def case(self, name: str) -> Case:
        """Prepare a scenario, once."""
        if name not in self._cases:
            self.disk.insert()
            scenario = _scenario(self._lab, name, self.disk.path)
            image = self.disk.keep(name)
            self.disk.insert(image)
            self._cases[name] = Case(name, scenario, image, invariants.observe(scenario.site))
        return self._cases[name]

    def seconds(self, case: Case) -> float:
        """How long the command takes, from its start to its end; measured once."""
        if case.name not in self._seconds:
            self.disk.insert(case.image)
            began = time.monotonic()
            with self.victim(case) as victim:
                victim.wait(60)
                self._seconds[case.name] = time.monotonic() - began
        return self._seconds[case.name]

    def effects(self, case: Case, *, mutant: str) -> list[tuple[int, str]]:
        """The effects of the command, from a dry run: the number of each, and what it is."""
        trace = self._lab.path / "effects"
        trace.unlink(missing_ok=True)
        self.disk.insert(case.image)
        with self.victim(case, f"trace:{trace}", mutant=mutant) as victim:
            victim.wait(60)
        lines = [line.split(" ", 1) for line in trace.read_text(errors="replace").splitlines()]
        return [(int(number), text.replace(str(case.scenario.site.path), "")) for number, text in lines]

    @contextlib.contextmanager
    def victim(self, case: Case, plan: str = "", *, mutant: str = "") -> Iterator[subprocess.Popen[str]]:
        """Run the command of a case; when the block ends, it and all it has started are killed."""
        self._count += 1
        mark = f"{self._lab.path}:{self.name}:{self._count}"
        env = {children.MARK: mark}
        if plan:
            env["VENVSHIP_FAILPOINTS"] = plan
        if mutant:
            env["VENVSHIP_MUTANT"] = mutant
            env["PYTHONPATH"] = ":".join(map(str, MUTANT_SITE))
        process = case.scenario.site.start(*case.scenario.command, env=env)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            children.kill_marked(mark)
            process.communicate()

    def look(
        self, case: Case, before: invariants.Before, number: int, *, acknowledged: bool = False
    ) -> list[str]:
        """Restart the computer, and say what is wrong: before anything recovers, and after."""
        site = case.scenario.site
        try:
            self.disk.restart()
        except CannotMountError as error:
            return [f"the file system did not survive: {error}"]
        wrong = [*invariants.at_once(site, before), *manifests_are_true(site)]
        if acknowledged and site.current != before.current:
            wrong.append(f"I3 current is {site.current}, and {before.current} was acknowledged")
        return wrong + recover_and_check(site, before, NEXT[number % len(NEXT)])


@contextlib.contextmanager
def bench(lab: Lab, filesystem: str) -> Iterator[Bench]:
    """A disk with one file system, below the lab; everything is unmounted when the block ends."""
    with filesystems.disk(lab.path / "power", KINDS[filesystem]) as disk:
        yield Bench(lab, filesystem, disk)


_PREPARED: dict[tuple[Path, str], Scenario] = {}


def _scenario(lab: Lab, name: str, on: Path) -> Scenario:
    """Prepare a scenario on a mounted file system, or copy it there from the one that was prepared before."""
    scenario = _PREPARED.get((lab.path, name))
    if scenario is None:
        scenario = _PREPARED[lab.path, name] = lab.scenario(name, on=on)
    else:
        subprocess.run(["cp", "-a", scenario.snapshot, scenario.site.path], check=True)
    return scenario
