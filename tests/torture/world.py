"""Section 7 of the design as a model in memory: what a root is like, and what each command makes of it.

Nothing here reads a root or imports venvship. A command is the list of worlds that it goes through, each
the result of one step that a kill cannot halve; a command that was killed left one of them, one that ended
the last.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SETTINGS_KEEP = 3
KEEP_FAILED = 2
LONG = timedelta(days=1)
TRIES = 2
BAD_IN_A_ROW = 3


@dataclass(frozen=True)
class Mood:
    """What the checks and hooks say for a while.

    Attributes:
        name: Moods of the same name are the same settings.
        refuses: The versions that do not pass.
        hook: Whether the restart hook says so; otherwise a live check does.
    """

    name: str
    refuses: frozenset[str] = frozenset()
    hook: bool = False

    @property
    def proves(self) -> bool:
        """Whether there is a live check to pass."""
        return bool(self.refuses) and not self.hook


@dataclass
class Known:
    """One release: `sealed` and `live` are places in an order, `since` and `until` times of having been live.

    `long` is whether it was once live for a day, `failed` whether it did not pass when a person's rollback
    went there.
    """

    version: str
    sealed: int
    state: str = "sealed"
    live: int = 0
    since: datetime | None = None
    until: datetime | None = None
    long: bool = False
    failed: bool = False
    pinned: bool = False

    def begin(self, now: datetime) -> None:
        """It is live from now on."""
        self.long = self.was_long(now)
        self.since, self.until = now, None

    def leave(self, now: datetime) -> None:
        """It is not live any more; the time of a trial does not count."""
        if self.until == now:
            return
        if self.since is None or self.until is not None:
            self.begin(now)
        self.until = now

    def was_long(self, now: datetime) -> bool:
        """Whether it was live for a day, up to now if it is."""
        return self.long or (self.since is not None and (self.until or now) - self.since >= LONG)

    def passed(self, *, proves: bool) -> None:
        """It stays live; `proves` if it passed a check."""
        if proves:
            self.state, self.failed = "proven", False
        elif self.state != "proven":
            self.state = "unchecked"


@dataclass
class Open:
    """A switch without an outcome.

    Attributes:
        kind: `promote`, `back` (a promotion that is taken back) or `manual` (a person's rollback).
        origin: What it leaves.
        target: What it makes current.
        tries: How often the trial was begun.
        tried: The release whose trial has no verdict, if what is left is that one.
        says_no: Whether that was found wanting.
        unattended: Whether an update began it.
        own: The version in the root's lockfile at that moment; `None` for an update, which does not ask.
    """

    kind: str
    origin: str | None
    target: str | None
    tries: int = 1
    tried: str | None = None
    says_no: bool = False
    unattended: bool = False
    own: str | None = None


@dataclass
class World:
    """A root.

    Attributes:
        releases: All there are.
        gone: Those that were pruned.
        current: What the link names.
        previous: What the other link names.
        expected: What was current after the last switch that has an outcome.
        lineage: The stack of promoted releases.
        open: The switch that has no outcome.
        lockfile: The version in the root's lockfile.
        holds: The kinds of hold of the root: `standing`, `switch`, `bad-in-a-row`.
        known: Under a switch hold: the versions that were left, and those of the lockfile at these moments.
        rolled_back: Under a switch hold: the versions that a person has rolled back from.
        refused: By version, the mood that refused its environment.
        bad_row: Environments that were bad since the last good promotion.
        tick: Counts what the order matters of.
    """

    releases: dict[str, Known] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    current: str | None = None
    previous: str | None = None
    expected: str | None = None
    lineage: list[str] = field(default_factory=list)
    open: Open | None = None
    lockfile: str = ""
    holds: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    rolled_back: frozenset[str] = frozenset()
    refused: dict[str, str] = field(default_factory=dict)
    bad_row: list[str] = field(default_factory=list)
    tick: int = 0

    def goal(self, now: datetime) -> str | None:
        """Where a rollback without a name goes: the nearest good release below what is current.

        Good is what is proven, or was live for a day unchecked; without any, the nearest unchecked one.
        """
        below = list(self.lineage)
        on_trial = self.open is not None and self.open.tried == self.current
        if self.current in below and not on_trial:
            below = gone_down(below, self.current, self.being_left())
        below = [name for name in below if name != self.current and name in self.releases]
        fit = [name for name in reversed(below) if not self.releases[name].failed]
        unchecked = [name for name in fit if self.releases[name].state == "unchecked"]
        good = [
            name
            for name in fit
            if self.releases[name].state == "proven"
            or (name in unchecked and self.releases[name].was_long(now))
        ]
        return next(iter([*good, *unchecked]), None)

    def being_left(self) -> set[str | None]:
        """What a switch has left that has no outcome yet, if something else is current."""
        by_hand = self.open is not None and self.open.kind == "manual"
        return {self.expected, self.open.origin if self.open is not None and by_hand else None}

    def doomed(self, keep: int, now: datetime) -> list[str]:
        """What a prune removes, in the order in which it does."""
        newest = sorted(self.releases, key=lambda name: -self.releases[name].sealed)
        good = sorted(
            (name for name in newest if self.releases[name].state in {"proven", "unchecked"}),
            key=lambda name: (self.releases[name].state != "proven", -self.releases[name].live),
        )
        failed = [name for name in newest if self.releases[name].state in {"bad", "inconclusive"}]
        live = self.releases[self.current].sealed if self.current else 0
        kept = {self.current, self.previous, *good[: max(keep, 2)], *failed[:KEEP_FAILED]}
        for name, known in self.releases.items():
            recent = known.until is not None and now - known.until < timedelta(hours=1)
            if known.pinned or recent or (known.state == "sealed" and known.sealed > live):
                kept.add(name)
        return [name for name in newest if name not in kept]


def gone_down(lineage: list[str], target: str, left: set[str | None]) -> list[str]:
    """A lineage after a person went back to one of its entries, and wants none of those that were left."""
    top = len(lineage) - 1 - lineage[::-1].index(target)
    kept = [name for name in lineage[: top + 1] if name == target or name not in left]
    return [name for name, _ in itertools.groupby(kept)]


class Command:
    """A command in the making: its methods are the commands, and return the exit code.

    Args:
        world: The root before it.
        now: The time.
        mood: What checks and hooks say.
        versions: Of all releases there ever were.

    Attributes:
        worlds: What it goes through, the world before it first.
    """

    def __init__(self, world: World, *, now: datetime, mood: Mood, versions: Mapping[str, str]) -> None:
        self.worlds = [copy.deepcopy(world)]
        self._world = copy.deepcopy(world)
        self._now = now
        self._mood = mood
        self._versions = versions

    @property
    def last(self) -> World:
        """What it leaves if nothing interrupts it."""
        return self._world

    # -- the commands -------------------------------------------------------------------------------------

    def promote(self, name: str, *, force: bool = False) -> int:
        """`promote RELEASE`, by a person."""
        self._recover()
        world = self._world
        if name not in world.releases:
            return 13
        known = world.releases[name]
        if name == world.current:
            if known.version == world.lockfile:
                self._end_switch_hold()
            elif "switch" not in world.holds:
                self._hold_switch(None, world.lockfile)  # to name the live one is a choice, too
                self._mark()
            return 0
        bad = known.state == "bad" or world.refused.get(known.version) == self._mood.name
        if (bad or known.version in world.rolled_back) and not force:
            return 25
        return self._switch(name)

    def release(self, version: str, new: str, *, rebuild: bool = False, force: bool = False) -> int:
        """`release` by a person, of the lockfile of a version; `new` is the id of what it may build."""
        self._recover()
        world = self._world
        current = world.releases[world.current].version if world.current else None
        if current == version and not rebuild:
            self._end_switch_hold()
            return 0
        refused = world.refused.get(version) == self._mood.name
        if (refused or version in world.rolled_back) and not force:
            return 25
        return self._build_or_take(version, new, rebuild=rebuild)

    def update(self, version: str, new: str) -> int:
        """`update`, long after whatever failed last."""
        self._recover()
        world = self._world
        current = world.releases[world.current].version if world.current else None
        if current == version:
            return 0
        if world.holds:
            return 25
        if world.refused.get(version) == self._mood.name:
            return 25
        return self._build_or_take(version, new, unattended=True)

    def rollback(self, name: str | None = None) -> int:
        """`rollback [RELEASE]`. It recovers nothing first."""
        world = self._world
        target = self._way_back() if name is None else name
        if target is None:
            return 24
        if target not in world.releases:
            return 13
        if target == world.current:
            return 0
        tried = None
        if world.open is not None:
            if world.open.tried == world.current:
                tried = world.open.tried
            elif world.open.kind == "back" and world.open.tried is not None:
                self._judge(world.open.tried, "inconclusive")
        world.open = Open("manual", world.current, target, tried=tried, own=world.lockfile)
        self._mark()
        world.current = target
        self._mark()
        return self._settle_manual(boot=False)

    def target(self) -> str | None:
        """What a `rollback` would go to, as `status` tells it."""
        return self._way_back()

    def recover(self, *, boot: bool = False) -> int:
        """`recover [--boot]`."""
        return self._recover(boot=boot)

    def prune(self, keep: int) -> int:
        """`prune --keep N`."""
        self._recover()
        self._prune(keep)
        return 0

    def hold(self) -> int:
        """`hold`."""
        self._world.holds |= {"standing"}
        self._mark()
        return 0

    def unhold(self) -> int:
        """`unhold`. It notices a switch by hand first, and recovers nothing else."""
        if self._is_observed():
            self._observe()
            self._world.previous = self._world.goal(self._now)
        self._world.holds = self._world.known = self._world.rolled_back = frozenset()
        self._world.refused.clear()
        self._world.bad_row.clear()
        self._mark()
        return 0

    def pin(self, name: str, *, pinned: bool) -> int:
        """`pin` or `unpin RELEASE`."""
        if name not in self._world.releases:
            return 13
        self._world.releases[name].pinned = pinned
        self._mark()
        return 0

    # -- the switch ---------------------------------------------------------------------------------------

    def _build_or_take(
        self, version: str, new: str, *, rebuild: bool = False, unattended: bool = False
    ) -> int:
        releases = self._world.releases
        ready = [
            name
            for name, known in releases.items()
            if known.version == version and known.state in {"sealed", "unchecked", "proven"}
        ]
        if ready and not rebuild:
            newest = max(ready, key=lambda name: releases[name].sealed)
            return self._switch(newest, unattended=unattended)
        releases[new] = Known(version=version, sealed=self._next())
        self._mark()
        return self._switch(new, unattended=unattended)

    def _switch(self, target: str, *, unattended: bool = False) -> int:
        world = self._world
        own = None if unattended else world.lockfile
        world.open = Open("promote", world.current, target, tried=target, unattended=unattended, own=own)
        self._mark()
        world.current = target
        self._mark()
        code = self._try()
        self._prune(SETTINGS_KEEP)
        return code

    def _try(self) -> int:
        world, opened = self._world, self._world.open
        assert opened is not None
        assert opened.target is not None
        if self._passes(opened.target):
            self._promoted(opened)
            return 0
        world.open = Open("back", opened.target, opened.origin, tried=opened.target, says_no=True)
        self._mark()
        return self._go_back(boot=False)

    def _promoted(self, opened: Open) -> None:
        world, target = self._world, opened.target
        assert target is not None
        self._make_current(target)
        if world.lineage[-1:] != [target]:
            world.lineage.append(target)
        world.releases[target].passed(proves=self._mood.proves)
        world.releases[target].failed = False
        world.bad_row.clear()
        version = world.releases[target].version
        if not opened.unattended:
            world.refused.pop(version, None)
            world.holds -= {"bad-in-a-row"}
            if opened.own == version:
                self._lift_switch_hold()
            else:
                self._hold_switch(opened.origin, opened.own)
        elif version not in world.known:
            self._lift_switch_hold()
        self._done()

    def _go_back(self, *, boot: bool) -> int:
        world, opened = self._world, self._world.open
        assert opened is not None
        assert opened.origin is not None
        left = opened.origin
        world.current = opened.target
        self._mark()
        passed = boot or self._passes(opened.target)
        self._make_current(opened.target)
        world.releases[left].leave(self._now)
        if passed:  # nobody chose a target that fails as well, and something else may be the cause
            self._tell_of_target(opened.target, passed=passed, boot=boot)
        # Bad needs an old one that said yes again, or none; at boot nobody is asked.
        bad = opened.says_no and passed and (opened.target is None or not boot)
        self._judge(left, "bad" if bad else "inconclusive")
        if bad:
            self._refuse(world.releases[left].version)
        self._done()
        return 22 if passed else 23

    def _settle_manual(self, *, boot: bool) -> int:
        world, opened = self._world, self._world.open
        assert opened is not None
        assert opened.target is not None
        world.current = opened.target
        self._mark()
        passed = boot or self._passes(opened.target)
        self._make_current(opened.target)
        if opened.origin in world.releases and opened.origin != opened.target:
            world.releases[opened.origin].leave(self._now)
        self._tell_of_target(opened.target, passed=passed, boot=boot)
        if passed and world.releases[opened.target].state == "sealed":
            world.releases[opened.target].state = "unchecked"  # it was live, so it is not sealed any more
        if opened.tried is not None:
            self._judge(opened.tried, "inconclusive")
        self._pop_to(opened.target, {opened.origin})
        self._hold_switch(opened.origin, opened.own, rolled_back=True)
        self._done()
        return 0 if passed else 23

    def _tell_of_target(self, target: str | None, *, passed: bool, boot: bool) -> None:
        """What the checks say of the release that was gone back to; at boot nobody is asked."""
        if target is None:
            return
        if not passed:
            self._world.releases[target].failed = True
        elif self._mood.proves and not boot:
            self._world.releases[target].passed(proves=True)

    def _way_back(self) -> str | None:
        world, opened = self._world, self._world.open
        if opened is not None and opened.tried == world.current and opened.kind != "manual":
            # Going back to where an interrupted promotion came from is the rollback.
            origin = opened.origin if opened.kind == "promote" else opened.target
            if origin in world.releases:
                return origin
        return world.goal(self._now)

    # -- recovery -----------------------------------------------------------------------------------------

    def _recover(self, *, boot: bool = False) -> int:
        world, opened = self._world, self._world.open
        code = 0
        if self._is_observed():
            self._observe()
        elif opened is None:
            pass
        elif opened.kind == "promote" and world.current == opened.target:
            code = self._finish_promotion(opened, boot=boot)
        elif opened.kind == "promote":
            world.open = None
            self._mark()
        elif opened.kind == "back":
            code = self._go_back(boot=boot)
        else:
            code = self._settle_manual(boot=boot)
        world.previous = world.goal(self._now)
        self._mark()
        return code

    def _finish_promotion(self, opened: Open, *, boot: bool) -> int:
        world = self._world
        if boot or opened.tries >= TRIES:
            world.open = Open("back", opened.target, opened.origin, tried=opened.target)
            self._mark()
            return self._go_back(boot=boot)
        opened.tries += 1
        self._mark()
        return self._try()

    def _is_observed(self) -> bool:
        """Whether somebody moved the link."""
        world, opened = self._world, self._world.open
        if opened is None:
            return world.current != world.expected
        return world.current not in {opened.origin, opened.target}

    def _observe(self) -> None:
        """Somebody moved the link."""
        world = self._world
        tried = world.open.tried if world.open else None
        left, being_left = world.expected, world.being_left()
        self._make_current(world.current)
        if tried in world.releases and tried != world.current:
            world.releases[tried].leave(self._now)
        if world.current is not None:
            self._pop_to(world.current, being_left)
        self._hold_switch(left, world.lockfile)
        self._done()

    # -- small steps --------------------------------------------------------------------------------------

    def _passes(self, name: str | None) -> bool:
        return name is None or self._world.releases[name].version not in self._mood.refuses

    def _make_current(self, name: str | None) -> None:
        world = self._world
        if name == world.expected:
            return
        if world.expected in world.releases:
            world.releases[world.expected].leave(self._now)
        if name is not None:
            world.releases[name].live = self._next()
            world.releases[name].begin(self._now)
        world.expected = name

    def _judge(self, name: str, verdict: str) -> None:
        """Proven is never taken back, bad is not softened, and inconclusive says nothing."""
        known = self._world.releases[name]
        if known.state not in {"proven", "bad"} and (known.state, verdict) != ("unchecked", "inconclusive"):
            known.state = verdict

    def _refuse(self, version: str) -> None:
        world = self._world
        world.refused[version] = self._mood.name
        if version not in world.bad_row:
            world.bad_row.append(version)
        if len(world.bad_row) >= BAD_IN_A_ROW:
            world.holds |= {"bad-in-a-row"}

    def _hold_switch(self, left: str | None, own: str | None, *, rolled_back: bool = False) -> None:
        """What a person's choice of another release than that of the lockfile leaves."""
        world = self._world
        gone = {self._versions[left]} if left is not None else set()
        chosen = {self._versions[world.expected]} if world.expected is not None else set()
        world.holds |= {"switch"}
        world.known |= gone | ({own} if own else set())
        world.rolled_back = (world.rolled_back | (gone if rolled_back else set())) - chosen

    def _end_switch_hold(self) -> None:
        """A person chose the release of the own lockfile, which is live already."""
        if "switch" in self._world.holds:
            self._lift_switch_hold()
            self._mark()

    def _lift_switch_hold(self) -> None:
        world = self._world
        world.holds -= {"switch"}
        world.known = world.rolled_back = frozenset()

    def _pop_to(self, name: str, left: set[str | None]) -> None:
        lineage = self._world.lineage
        if name in lineage:
            lineage[:] = gone_down(lineage, name, left)
        else:
            lineage.append(name)

    def _prune(self, keep: int) -> None:
        for name in self._world.doomed(keep, self._now):
            del self._world.releases[name]
            self._world.gone.add(name)
            self._mark()

    def _next(self) -> int:
        self._world.tick += 1
        return self._world.tick

    def _done(self) -> None:
        self._world.open = None
        self._world.previous = self._world.goal(self._now)
        self._mark()

    def _mark(self) -> None:
        self.worlds.append(copy.deepcopy(self._world))


def moods(versions: Collection[str]) -> list[Mood]:
    """All fine; a check or the restart hook refuses one version; nothing passes."""
    found = [Mood("fine"), Mood("nothing passes", frozenset(versions), hook=True)]
    for version in versions:
        found.append(Mood(f"check refuses {version}", frozenset({version})))
        found.append(Mood(f"hook refuses {version}", frozenset({version}), hook=True))
    return found
