"""Faults at every failpoint: kills (of recovery too, so twice in a row), signals, and errors of the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.support.roots import Finished
from tests.torture import invariants, searching
from tests.torture.children import effects, run_forked
from tests.torture.kills import AFTER_A_MOVE, FINE, NEXT
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
    "search",
    "lock",
    "failing",
    "promote",
    "rollback",
    "prune",
    "prune-store",
    "relocate",
    *RECOVERIES,
)

CODES = {0, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 30, 31, 40}
"""How a command may end when the disk fails: never with a bug."""

Mutant = Callable[[], None]


def kills(lab: Lab, name: str, scale: Scale, mutant: Mutant | None = None) -> Tally:
    """Kill a command at every failpoint; the next one has to recover.

    For the scenarios of `RECOVERIES` that is a second fault: what is killed is a recovery.
    """

    def wrong(_plan: str, _scenario: Scenario, _before: invariants.Before, done: Finished) -> list[str]:
        return [] if done.code == -9 else [f"it was not killed: {done.code}"]

    return _sweep(lab, name, scale, wrong, what="SIGKILL", plans=["kill@{}"], mutant=mutant)


def signals(lab: Lab, name: str, scale: Scale) -> Tally:
    """Send each signal at every failpoint: the command finishes or reverts, then ends by it."""

    def wrong(plan: str, _scenario: Scenario, _before: invariants.Before, done: Finished) -> list[str]:
        return _no_bug(done, {SIGNALS[plan.partition("@")[0]], *FINE})

    plans = [signal + "@{}" for signal in SIGNALS]
    return _sweep(lab, name, scale, wrong, what="signals", plans=plans)


def errors(lab: Lab, name: str, scale: Scale) -> Tally:
    """Let every effect fail with every error, once and from there on."""
    plans = [f"{error}@{{}}{sticky}" for error in ERRORS for sticky in ("", "+")]
    return _sweep(lab, name, scale, lambda *at: _no_bug(at[-1], CODES), what="errors", plans=plans)


def filling(lab: Lab, name: str, scale: Scale, mutant: Mutant | None = None) -> Tally:
    """Let the disk be full from every effect on: nothing that needs room works any more, going back does."""

    def wrong(_plan: str, scenario: Scenario, before: invariants.Before, done: Finished) -> list[str]:
        found = _no_bug(done, CODES)
        failed = name not in RECOVERIES and done.code in {20, 21, 22}
        if failed and scenario.site.current != before.current:
            found.append(f"I9 it failed with {done.code}, and {scenario.site.current} is live")
        return found

    return _sweep(lab, name, scale, wrong, what="disk full", plans=["full@{}"], mutant=mutant)


def _sweep(
    lab: Lab,
    name: str,
    scale: Scale,
    wrong: Callable[[str, Scenario, invariants.Before, Finished], list[str]],
    *,
    what: str,
    plans: Sequence[str],
    mutant: Mutant | None = None,
) -> Tally:
    """Run a scenario with each plan at each of its effects, and count what is wrong then and afterwards."""
    tally = Tally(f"{what} at failpoints, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        numbered = enumerate(effects(scenario.restore(), scenario.command, lab.path / "effects"), start=1)
        every = [(plan.format(number), effect) for number, effect in numbered for plan in plans]
        for index in scale.choose(every):
            plan, effect = every[index]
            before = invariants.observe(scenario.restore())
            done = run_forked(scenario.site, scenario.command, plan=plan, mutant=mutant)
            found = wrong(plan, scenario, before, done)
            found += _after(scenario, before, index, mutant)
            if done.code == -9:
                found += invariants.nobody_else_switched(scenario.site, before)
            tally.point(f"{name}, {plan} {effect}", found)
            if scale.is_done(tally):
                break
    return tally


def _no_bug(done: Finished, codes: set[int]) -> list[str]:
    if done.code in codes and "Traceback" not in done.err:
        return []
    return [f"it ended with {done.code}: {done.err.strip()[-600:]}"]


def _after_a_move(
    scenario: Scenario, before: invariants.Before, index: int, mutant: Mutant | None
) -> list[str]:
    """What is wrong once the next command has recovered, and once everything was relocated."""
    site = scenario.site
    after = AFTER_A_MOVE[index % len(AFTER_A_MOVE)]
    wrong = _no_bug(run_forked(site, after, mutant=mutant), FINE)
    wrong += invariants.settled(site, before)
    wrong += _no_bug(run_forked(site, ("relocate",), mutant=mutant), {0})
    wrong += invariants.settled(site, before)
    return wrong + invariants.relocated(site, before)


def _after_a_search(
    scenario: Scenario, before: invariants.Before, index: int, mutant: Mutant | None
) -> list[str]:
    """What is wrong once the next command has recovered, and what becomes of the search in the end."""
    site = scenario.site
    wrong = _no_bug(run_forked(site, NEXT[index % len(NEXT)], mutant=mutant), FINE)
    wrong += [*invariants.settled(site, before), *searching.wrong_with(site)]
    wrong += searching.not_begun_anew(site, lambda: run_forked(site, scenario.command, mutant=mutant))
    return [*wrong, *invariants.settled(site, before)]


def _after(
    scenario: Scenario, before: invariants.Before, index: int, mutant: Mutant | None = None
) -> list[str]:
    """What is wrong at once, and what is still wrong once the next command has recovered."""
    site = scenario.site
    wrong = invariants.at_once(site, before)
    if scenario.searches:
        return wrong + _after_a_search(scenario, before, index, mutant)
    if scenario.moved:
        return wrong + _after_a_move(scenario, before, index, mutant)
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
