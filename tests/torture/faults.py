"""Faults at every failpoint: kills (of recovery too, so twice in a row), signals, and errors of the disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tests.support.roots import Finished
from tests.torture import invariants
from tests.torture.children import effects, run_forked
from tests.torture.kills import FINE, NEXT
from tests.torture.lab import Lab, Scenario
from tests.torture.tally import Scale, Tally

ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EMFILE", "EACCES")
SIGNALS = {"term": 143, "int": 130, "hup": 129}
RECOVERIES = ("recover", "recover-back", "boot", "debris")
ALL = (
    "release",
    "import",
    "update",
    "upgrade",
    "lock",
    "failing",
    "promote",
    "rollback",
    "prune",
    "prune-store",
    *RECOVERIES,
)

CODES = {0, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 30, 31, 40}
"""How a command may end when the disk fails: never with a bug."""

Mutant = Callable[[], None]


def kills(lab: Lab, name: str, scale: Scale, mutant: Mutant | None = None) -> Tally:
    """Kill a command at every failpoint; the next one has to recover.

    For the scenarios of `RECOVERIES` that is a second fault: what is killed is a recovery.
    """
    tally = Tally(f"SIGKILL at failpoints, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        every = _numbered(lab, scenario)
        for index in scale.choose(every):
            number, effect = every[index]
            before = invariants.observe(scenario.restore())
            done = run_forked(scenario.site, scenario.command, plan=f"kill@{number}", mutant=mutant)
            wrong = [] if done.code == -9 else [f"it was not killed: {done.code}"]
            wrong += _after(scenario, before, index, mutant) + invariants.nobody_else_switched(
                scenario.site, before
            )
            tally.point(f"{name}, kill@{number} {effect}", wrong)
            if scale.is_done(tally):
                break
    return tally


def signals(lab: Lab, name: str, scale: Scale) -> Tally:
    """Send each signal at every failpoint: the command finishes or reverts, then ends by it."""
    tally = Tally(f"signals at failpoints, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        every = list(itertools.product(_numbered(lab, scenario), SIGNALS))
        for index in scale.choose(every):
            (number, effect), signal = every[index]
            before = invariants.observe(scenario.restore())
            done = run_forked(scenario.site, scenario.command, plan=f"{signal}@{number}")
            wrong = _no_bug(done, {SIGNALS[signal], *FINE})
            tally.point(f"{name}, {signal}@{number} {effect}", wrong + _after(scenario, before, index))
    return tally


def errors(lab: Lab, name: str, scale: Scale) -> Tally:
    """Let every effect fail with every error, once and from there on."""
    tally = Tally(f"errors at failpoints, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        every = list(itertools.product(_numbered(lab, scenario), ERRORS, ("", "+")))
        for index in scale.choose(every):
            (number, effect), error, sticky = every[index]
            before = invariants.observe(scenario.restore())
            done = run_forked(scenario.site, scenario.command, plan=f"{error}@{number}{sticky}")
            label = f"{name}, {error}@{number}{sticky} {effect}"
            tally.point(label, _no_bug(done, CODES) + _after(scenario, before, index))
    return tally


def filling(lab: Lab, name: str, scale: Scale, mutant: Mutant | None = None) -> Tally:
    """Let the disk be full from every effect on: nothing that needs room works any more, going back does."""
    tally = Tally(f"disk full from every effect on, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        every = _numbered(lab, scenario)
        for index in scale.choose(every):
            number, effect = every[index]
            before = invariants.observe(scenario.restore())
            done = run_forked(scenario.site, scenario.command, plan=f"full@{number}", mutant=mutant)
            wrong = _no_bug(done, CODES)
            failed = name not in RECOVERIES and done.code in {20, 21, 22}
            if failed and scenario.site.current != before.current:
                wrong.append(f"I9 it failed with {done.code}, and {scenario.site.current} is live")
            wrong += _after(scenario, before, index, mutant)
            tally.point(f"{name}, full@{number} {effect}", wrong)
            if scale.is_done(tally):
                break
    return tally


def _numbered(lab: Lab, scenario: Scenario) -> list[tuple[int, str]]:
    site = scenario.restore()
    return list(enumerate(effects(site, scenario.command, lab.path / "effects"), start=1))


def _no_bug(done: Finished, codes: set[int]) -> list[str]:
    if done.code in codes and "Traceback" not in done.err:
        return []
    return [f"it ended with {done.code}: {done.err.strip()[-600:]}"]


def _after(
    scenario: Scenario, before: invariants.Before, index: int, mutant: Mutant | None = None
) -> list[str]:
    """What is wrong at once, and what is still wrong once the next command has recovered."""
    site = scenario.site
    wrong = invariants.at_once(site, before)
    armed = any(name.startswith(".to.") for name in site.debris())
    if (armed and index % 2 == 0) or index % (len(NEXT) + 1) == len(NEXT):
        # Without any recovery: a person in a hurry, and to a name, for which no link is ready.
        there = before.releases & {view.id for view in site.open().list().releases}
        name = min(there - {site.current, site.previous} or there - {site.current})
        wrong += _no_bug(run_forked(site, ("rollback", name), mutant=mutant), {0})
        after: tuple[str, ...] = ("recover",)
    else:
        after = NEXT[index % len(NEXT)]
    done = run_forked(site, after, mutant=mutant)
    wrong += _no_bug(done, FINE)
    if done.code == 22:
        run_forked(site, after, mutant=mutant)
    # A release whose check says no may be on trial, never stay.
    allowed = before.releases if scenario.always_refused else None
    wrong += invariants.settled(site, before, current=allowed)
    return wrong + (invariants.swept(site) if scenario.cleans else [])
