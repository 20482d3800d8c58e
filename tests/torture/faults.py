"""Faults at every failpoint: kills of recovery itself, signals, and errors of the file system."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.support.roots import Finished
from tests.torture import invariants
from tests.torture.children import effects, run_forked
from tests.torture.kills import FINE, NEXT
from tests.torture.lab import Lab, Scenario
from tests.torture.tally import Scale, Tally

ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EMFILE", "EACCES")
SIGNALS = {"term": 143, "int": 130, "hup": 129}
RECOVERIES = ("recover", "recover-back", "boot", "debris")
ALL = ("release", "import", "failing", "promote", "rollback", "prune", *RECOVERIES)

CODES = {0, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 30, 31, 40}
"""How a command may end when the disk fails: never with a bug."""


def double_faults(lab: Lab, name: str, scale: Scale) -> Tally:
    """Kill a recovery at every failpoint; another one has to finish it."""
    tally = Tally(f"SIGKILL at failpoints, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        every = _effects(lab, scenario)
        for index in scale.choose(every):
            before = invariants.observe(scenario.restore())
            done = run_forked(scenario.site, scenario.command, plan=f"kill@{index + 1}")
            wrong = [] if done.code == -9 else [f"it was not killed: {done.code}"]
            tally.point(f"{name}, kill@{index + 1} {every[index]}", wrong + _after(scenario, before, index))
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


def _effects(lab: Lab, scenario: Scenario) -> list[str]:
    site = scenario.restore()
    return effects(site, scenario.command, lab.path / "effects")


def _numbered(lab: Lab, scenario: Scenario) -> list[tuple[int, str]]:
    return list(enumerate(_effects(lab, scenario), start=1))


def _no_bug(done: Finished, codes: set[int]) -> list[str]:
    if done.code in codes and "Traceback" not in done.err:
        return []
    return [f"it ended with {done.code}: {done.err.strip()[-600:]}"]


def _after(scenario: Scenario, before: invariants.Before, index: int) -> list[str]:
    """What is wrong at once, and what is still wrong once the next command has recovered."""
    site = scenario.site
    wrong = invariants.at_once(site, before)
    after = NEXT[index % len(NEXT)]
    done = run_forked(site, after)
    wrong += _no_bug(done, FINE)
    if done.code == 22:
        run_forked(site, after)
    return [*wrong, *invariants.settled(site, before)]


def parts(lab: Lab, scale: Scale) -> Iterator[Tally]:
    """All of this module, over all scenarios."""
    for name in RECOVERIES:
        yield double_faults(lab, name, scale)
    for name in ALL:
        yield signals(lab, name, scale)
    for name in ALL:
        yield errors(lab, name, scale)
