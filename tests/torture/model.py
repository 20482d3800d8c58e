"""Random commands, kills and switches by hand on a real root, each held against the model in `world`.

Every command runs in a child. It ends as the model says, or is killed before one of its effects, and then
the root is in one of the states that the command goes through; the model goes on from that one. Which
commands, and where they are killed, hypothesis chooses.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.roots import VERSIONS, Site
from tests.torture import children, invariants
from tests.torture.lab import Lab, Scenario, lock_by_path, write_settings
from tests.torture.tally import Scale, Tally
from tests.torture.world import KEEP_FAILED, SETTINGS_KEEP, Command, Known, Mood, World, moods
from venvship.api import Root
from venvship.model.history import History
from venvship.model.hold import HoldKind
from venvship.model.settings_form import health_digest
from venvship.model.update_attempts import LONGEST_PAUSE
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import is_known

STEPS = 50
"""Commands in a row on one root."""

START = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)
STEP = timedelta(minutes=1)
"""From one command to the next."""

MOODS = moods(VERSIONS)

CHECK = "! grep -q 'app-{version}' \"$VENVSHIP_RELEASE_PATH/.venvship/lockfile\""

kills = st.sampled_from([*range(10, 30), *range(10, 22), *range(1, 10)])
"""Before which effect a command is killed; a promotion that is taken back has some thirty."""

answers = st.sampled_from(["", "", "yes", "no", "check", "hook", "check", "hook"])
"""What a promoted version is told: whatever it would be, yes, no by all, no by a check or by the hook."""

names = st.integers(0, 40)
"""Which release; see `Machine._name`."""


def settings_for(mood: Mood) -> str:
    """The part of `venvship.toml` with the hook and the check of a mood."""
    text = f"keep_failed = {KEEP_FAILED}\n"
    if not mood.refuses:
        return text
    test = " && ".join(CHECK.format(version=version) for version in sorted(mood.refuses))
    command = f"""["sh", "-c", '''{test}''']"""
    if mood.hook:
        return f"{text}[hooks]\nrestart = {command}\n"
    return f'{text}[[check]]\nname = "answers"\ncommand = {command}\ndeadline = 0\n'


def prepare(lab: Lab) -> tuple[Scenario, World]:
    """A root with one sealed release of every version, none of them live, and its model."""
    import subprocess

    site = lab.root("root-model")
    world = World()
    for number, version in enumerate(VERSIONS, start=1):
        lock_by_path(site, version)
        result = site.open(clock=lambda: START - timedelta(days=9)).release(no_promote=True)
        assert result.release is not None
        world.releases[result.release.id] = Known(version=version, sealed=number)
        world.tick = number
        world.lockfile = version
    snapshot = lab.path / "snapshot-model"
    subprocess.run(["cp", "-a", site.path, snapshot], check=True)
    return Scenario(site=site, snapshot=snapshot, command=()), world


class Machine(RuleBasedStateMachine):
    """One root and its model.

    Args:
        scenario: From `prepare`.
        world: Its model.
        tally: Counts the commands.
        full: After every so many commands all invariants are looked at, every file hashed.
    """

    def __init__(self, scenario: Scenario, world: World, tally: Tally, *, full: int = 40) -> None:
        super().__init__()
        self._tally = tally
        self._full = full
        self.site: Site = scenario.restore()
        self.world = copy.deepcopy(world)
        self.before = invariants.observe(self.site)
        self.now = START
        self.mood = MOODS[0]
        self.steps = 0
        self.versions = {name: known.version for name, known in world.releases.items()}
        self._set_mood(self.mood)
        runtime = self.site.runtime(clock=lambda: self.now)._replace(token=lambda: f"{self.steps:07x}")
        self.root = Root.open(self.site.path, runtime=runtime)
        self.workspace = ReadingWorkspace(RootLayout.at(self.site.path), runtime)

    # -- commands -----------------------------------------------------------------------------------------

    @initialize(live=st.lists(st.integers(0, 3), max_size=3))
    def begin(self, live: list[int]) -> None:
        for index in live:
            name = self._name(index)
            self._promote(name, None)

    @rule(which=names, answer=answers, force=st.booleans())
    def promote(self, which: int, answer: str, force: bool) -> None:
        self._promote(self._name(which, but=self.world.current), None, answer, force=force)

    @rule(which=names, kill=kills, answer=answers, force=st.booleans())
    def promote_killed(self, which: int, kill: int, answer: str, force: bool) -> None:
        self._promote(self._name(which, but=self.world.current), kill, answer, force=force)

    @rule()
    def rollback(self) -> None:
        self._rollback(None, None)

    @rule(kill=kills)
    def rollback_killed(self, kill: int) -> None:
        self._rollback(None, kill)

    @rule(which=names, kill=st.none() | kills)
    def rollback_to(self, which: int, kill: int | None) -> None:
        self._rollback(self._name(which), kill)

    @rule(version=st.sampled_from(VERSIONS), force=st.booleans(), answer=answers)
    def release(self, version: str, force: bool, answer: str) -> None:
        self._ask(answer, version)
        self._release(version, None, force=force)

    @rule(version=st.sampled_from(VERSIONS), kill=kills, answer=answers)
    def release_killed(self, version: str, kill: int, answer: str) -> None:
        self._ask(answer, version)
        self._release(version, kill)

    @rule(version=st.sampled_from(VERSIONS), kill=st.none() | kills, answer=answers)
    def update(self, version: str, kill: int | None, answer: str) -> None:
        self._ask(answer, version)
        self.now += LONGEST_PAUSE
        self._lock(version)
        new = self._next_name(version)
        self._do(f"update {version}", lambda c: c.update(version, new), self.root.update, kill)

    @rule(version=st.sampled_from(VERSIONS), kill=st.none() | st.integers(1, 250), now=st.integers(0, 2))
    def rebuild(self, version: str, kill: int | None, now: int) -> None:
        # A build takes ten times as long as a switch.
        self._release(version, kill, rebuild=now == 0)

    @rule(
        what=st.sampled_from(["hold", "unhold", "pin", "unpin"]),
        which=names,
        kill=st.none() | st.integers(1, 12),
    )
    def say(self, what: str, which: int, kill: int | None) -> None:
        name = self._name(which)
        if what in {"hold", "unhold"}:
            self._do(what, lambda c: getattr(c, what)(), getattr(self.root, what), kill)
        else:
            pinned = what == "pin"
            self._do(
                f"{what} {name}",
                lambda c: c.pin(name, pinned=pinned),
                lambda: getattr(self.root, what)(name),
                kill,
            )

    @rule(keep=st.integers(2, 4), kill=st.none() | st.integers(1, 120))
    def prune(self, keep: int, kill: int | None) -> None:
        self._do(f"prune {keep}", lambda c: c.prune(keep), lambda: self.root.prune(keep=keep), kill)

    @rule(boot=st.booleans(), kill=st.none() | kills)
    def recover(self, boot: bool, kill: int | None) -> None:
        label = "recover --boot" if boot else "recover"
        self._do(label, lambda c: c.recover(boot=boot), lambda: self.root.recover(boot=boot), kill)

    # -- the world around ---------------------------------------------------------------------------------

    @precondition(lambda self: self.steps % 4 == 3)
    @rule(which=st.integers(0, 12))
    def switch_by_hand(self, which: int) -> None:
        there = sorted(self.world.releases)
        link = self.site.path / "current"
        if which == 0:
            link.unlink(missing_ok=True)
            self.world.current = None
        else:
            name = there[which % len(there)]
            os.symlink(f"releases/{name}", self.site.path / "by-hand")
            os.replace(self.site.path / "by-hand", link)
            self.world.current = name

    @rule(mood=st.sampled_from(MOODS))
    def other_settings(self, mood: Mood) -> None:
        self._set_mood(mood)

    @rule(minutes=st.sampled_from([1, 20, 70, 1_500]))
    def later(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule()
    def look(self) -> None:
        def look() -> None:
            status, listing = self.root.status(), self.root.list()
            assert (status.current.id if status.current else None) == self.world.current
            target = Command(self.world, now=self.now, mood=self.mood, versions=self.versions).target()
            assert (status.previous.id if status.previous else None) == target
            assert (status.held is not None) or not self.world.holds
            assert {view.id for view in listing.releases} == set(self.world.releases)

        ended = children.call(look)
        self._tally.point("look", [])
        assert ended.code == 0, ended.said

    # -- how ----------------------------------------------------------------------------------------------

    def _name(self, which: int, *, but: str | None = None) -> str:
        """A release, at times one that is gone; rarely the one excepted."""
        there, gone = sorted(self.world.releases), sorted(self.world.gone)
        if gone and which % 10 == 9:
            return gone[which % len(gone)]
        if but in there and which % 10 != 8 and len(there) > 1:
            there.remove(but)
        return there[which % len(there)]

    def _set_mood(self, mood: Mood) -> None:
        self.mood = mood
        write_settings(self.site, settings_for(mood), keep=SETTINGS_KEEP)

    def _ask(self, answer: str, version: str) -> None:
        """Let the settings be such that a version gets an answer; `""` leaves them as they are."""
        if answer:
            wanted = {"yes": "fine", "no": "nothing passes"}.get(answer, f"{answer} refuses {version}")
            self._set_mood(next(mood for mood in MOODS if mood.name == wanted))

    def _promote(
        self, name: str, kill: int | None, answer: str = "", *, force: bool = False
    ) -> children.Ended:
        self._ask(answer, self.versions[name])
        return self._do(
            f"promote {name} force={force}",
            lambda c: c.promote(name, force=force),
            lambda: self.root.promote(name, force=force),
            kill,
        )

    def _rollback(self, name: str | None, kill: int | None) -> children.Ended:
        label = f"rollback {name or ''}"
        return self._do(label, lambda c: c.rollback(name), lambda: self.root.rollback(name), kill)

    def _release(self, version: str, kill: int | None, *, rebuild: bool = False, force: bool = False) -> None:
        self._lock(version)
        new = self._next_name(version)
        self._do(
            f"release {version} rebuild={rebuild} force={force}",
            lambda c: c.release(version, new, rebuild=rebuild, force=force),
            lambda: self.root.release(rebuild=rebuild, force=force),
            kill,
        )

    def _lock(self, version: str) -> None:
        lock_by_path(self.site, version)
        self.world.lockfile = version

    def _next_name(self, version: str) -> str:
        """The id of what the next command may build."""
        new = f"{self.now + STEP:%Y%m%dT%H%M%SZ}-{self.steps + 1:07x}"
        self.versions[new] = version
        return new

    def _do(
        self,
        label: str,
        model: Callable[[Command], int],
        act: Callable[[], object],
        kill: int | None,
    ) -> children.Ended:
        """Run a command, and hold what came of it against the model."""
        self.steps += 1
        self.now += STEP
        command = Command(self.world, now=self.now, mood=self.mood, versions=self.versions)
        code = model(command)
        ended = children.call(act, plan=f"kill@{kill}" if kill else "")
        self._tally.point(label, [])
        history = self._history()
        seen = self._seen(history)
        where = f"{label}, at effect {kill}, {self.mood.name}: "
        if ended.killed:
            fitting = [world for world in command.worlds if self._shown(world) == seen]
            closest = [self._shown(world) for world in command.worlds]
            assert fitting, f"{where}killed, and left {seen}, none of {closest}"
            self.world = copy.deepcopy(fitting[-1])
            self.world.previous = self.site.previous
        else:
            assert ended.code == code, f"{where}ended with {ended.code} instead of {code}: {ended.said}"
            shown = self._shown(command.last)
            assert seen == shown, f"{where}left {seen} instead of {shown}"
            self.world = copy.deepcopy(command.last)
            assert self.site.previous == self.world.previous, f"{where}previous is {self.site.previous}"
        self._look_after(where)
        return ended

    def _look_after(self, where: str) -> None:
        """The invariants: what a few names tell after each command, all of them now and then."""
        current = self.site.current
        if current is not None:
            assert os.readlink(self.site.path / "current") == f"releases/{current}", where
            assert (self.site.path / "releases" / current / ".venvship" / "manifest.json").exists(), where
        if self.steps % self._full == 0:
            wrong = invariants.at_once(self.site, self.before)
            assert not wrong, f"{where}{wrong}"

    def teardown(self) -> None:
        """Let a last command recover, and look at everything."""
        ended = children.call(self.root.recover)
        assert ended.code in {0, 22, 23}, ended.said
        wrong = invariants.settled(self.site, self.before)
        assert not wrong, str(wrong)

    def _history(self) -> History:
        return self.workspace.history()

    def _seen(self, history: History) -> dict[str, Any]:
        """What the root shows, in words that the model has too."""
        layout = self.workspace.layout
        now = health_digest(self.workspace.settings())
        version = {record.environment_digest: self.versions[name] for name, record in history.records.items()}
        there = {name for name in history.records if is_known(name, history)}
        intent = history.intent
        switch = history.root_holds.get(HoldKind.SWITCH)
        return {
            "current": layout.current(),
            "expected": history.expected,
            "lineage": history.lineage,
            "states": {name: str(history.state(name)) for name in sorted(there)},
            "until": {name: history.records[name].live_until for name in sorted(there)},
            "long": sorted(name for name in there if history.records[name].has_lived_long(self.now)),
            "failed": sorted(name for name in there if history.records[name].failed_at is not None),
            "by life": sorted(
                (name for name in there if history.records[name].last_live_seq),
                key=lambda name: history.records[name].last_live_seq,
            ),
            "pinned": sorted(name for name in there if history.records[name].pinned),
            "holds": sorted(history.root_holds),
            "known": sorted(version[digest] for digest in switch.known_environments) if switch else [],
            "rolled back": sorted(version[digest] for digest in switch.rolled_back) if switch else [],
            "refused": sorted(
                (version[digest], history.refusal(digest, now) is not None)
                for digest in history.environment_holds
            ),
            "bad": [version[digest] for digest in history.bad_in_a_row],
            "open": (
                (
                    "promote" if intent.kind == "promote" else "manual" if intent.manual else "back",
                    intent.origin,
                    intent.target,
                    intent.tries if intent.kind == "promote" else 1,
                )
                if intent
                else None
            ),
        }

    def _shown(self, world: World) -> dict[str, Any]:
        """The same of a world."""
        opened = world.open
        return {
            "current": world.current,
            "expected": world.expected,
            "lineage": world.lineage,
            "states": {name: world.releases[name].state for name in sorted(world.releases)},
            "until": {name: world.releases[name].until for name in sorted(world.releases)},
            "long": sorted(name for name, known in world.releases.items() if known.was_long(self.now)),
            "failed": sorted(name for name, known in world.releases.items() if known.failed),
            "by life": sorted(
                (name for name, known in world.releases.items() if known.live),
                key=lambda name: world.releases[name].live,
            ),
            "pinned": sorted(name for name, known in world.releases.items() if known.pinned),
            "holds": sorted(world.holds),
            "known": sorted(world.known),
            "rolled back": sorted(world.rolled_back),
            "refused": sorted((version, mood == self.mood.name) for version, mood in world.refused.items()),
            "bad": world.bad_row,
            "open": (opened.kind, opened.origin, opened.target, opened.tries) if opened else None,
        }


def refused(machine: Machine) -> None:
    """A promotion that its check refuses, and one that the hook does."""
    first, second, third, _ = machine.world.releases
    codes = [
        machine._promote(name, None, answer).code
        for name, answer in ((first, "yes"), (second, "check"), (third, "hook"))
    ]
    assert codes == [0, 22, 22]


def outage(machine: Machine) -> None:
    """Nothing passes for a while: the release that is restored then stays the way back."""
    first, second, third, fourth = machine.world.releases
    answers = ((first, "yes"), (second, "yes"), (third, "no"), (fourth, "yes"))
    codes = [machine._promote(name, None, answer).code for name, answer in answers]
    assert codes == [0, 0, 23, 0]
    machine._rollback(None, None)
    assert machine.world.current == second


def interrupted(machine: Machine) -> None:
    """A promotion that is killed before each of its effects in turn, and a rollback each time."""
    first, second, third, _ = machine.world.releases  # the oldest first: those are pruned that are older
    assert machine._promote(first, None, "yes").code == 0
    for number in itertools.count(1):
        assert machine._promote(second, None, "yes", force=True).code == 0
        ended = machine._promote(third, number, "yes", force=True)
        machine._rollback(None, None)
        if not ended.killed:
            break
    assert number > 10, "a promotion has more effects"


def left_twice(machine: Machine) -> None:
    """Releases that were each promoted twice, and a rollback from them that is killed, and typed again."""
    first, second, third, _ = machine.world.releases
    for number in itertools.count(1, 3):
        for name in (first, second, third, second, third):
            assert machine._promote(name, None, "yes", force=True).code == 0
        ended = machine._rollback(None, number)
        machine._rollback(None, None)
        assert machine.world.current in ({first, second} if ended.killed else {first})
        if not ended.killed:
            break


def chosen_again(machine: Machine) -> None:
    """The live release is promoted again, under another lockfile and its own, and killed at each effect."""
    name, other, *_ = machine.world.releases
    machine._lock(machine.versions[name])
    assert machine._promote(name, None, "yes").code == 0
    for lockfile, holds in ((other, {"switch"}), (name, set())):
        for number in itertools.count(1):
            machine._lock(machine.versions[lockfile])
            if not machine._promote(name, number, "yes").killed:
                break
        assert machine.world.holds == holds


STORIES = {
    "refused": refused,
    "outage": outage,
    "interrupted": interrupted,
    "left twice": left_twice,
    "chosen again": chosen_again,
}
"""Steps that lead to a situation for certain, which a walk may never get into."""


def tell(lab: Lab, story: str) -> Tally:
    """Go through the steps of one of `STORIES`."""
    tally = Tally(f"model, {story}")
    scenario, world = prepare(lab)
    with tally.timed():
        try:
            machine = Machine(scenario, world, tally)
            STORIES[story](machine)
            machine.teardown()
        except AssertionError as error:
            tally.violations.append(str(error))
    return tally


def walk(lab: Lab, scale: Scale) -> Tally:
    """Run as many commands as the scale says, in sequences of `STEPS`.

    Args:
        lab: Where.
        scale: Its points are commands; ten thousand if it does not say.
    """
    tally = Tally("model")
    scenario, world = prepare(lab)

    def machine() -> Machine:
        return Machine(scenario, world, tally)

    examples = max(1, (scale.points or 10_000) // STEPS)
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    with tally.timed():
        try:
            run_state_machine_as_test(seed(scale.seed)(machine), settings=chosen)  # type: ignore[arg-type]
        except AssertionError as error:
            how = "\n".join(getattr(error, "__notes__", []))
            tally.violations.append(f"{error}\n{how}")
    return tally
