"""A search with real trials: each environment that it asks for is built, judged and removed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from venvship.model.settings import Settings
from venvship.model.upgrades.search import Search, Trial, Verdict
from venvship.operations.trials.sides import Side
from venvship.operations.trials.trial import Judge, Judged, judge_by_checks, run_trial
from venvship.system.mutex import POLL
from venvship.workspace.workspace import Workspace

LETTING_IN: Final = 2 * POLL
"""Seconds between two trials, in which a command that waits for build.mutex gets it."""


class Trialled(NamedTuple):
    """A trial with its verdict."""

    trial: Trial
    judged: Judged


def run_search(
    workspace: Workspace,
    settings: Settings,
    sides: tuple[Side, Side],
    search: Search,
    *,
    judge: Judge = judge_by_checks,
    go_on: Callable[[], bool] = lambda: True,
) -> list[Trialled]:
    """Carry out a search to its end.

    build.mutex is given up between trials, for long enough that a command that waits for it gets it. The
    journal gets nothing.

    Crash: as of `run_trial`.

    Args:
        workspace: The root, opened for writing, with everything recovered.
        settings: How to build, and the checks.
        sides: The environments before and after the changes.
        search: The search; at its end, `findings` has the result.
        judge: Judges the candidates.
        go_on: Asked before each trial; false ends the search. An error ends it without a result.

    Returns:
        The trials with their verdicts, in order.

    Raises:
        VenvshipError: See `run_trial`; and any error of `go_on`.
        OSError: Something of the root could not be written.
    """
    done: list[Trialled] = []
    while (trial := search.trial) is not None:
        if done:
            workspace.runtime.signals.sleep(LETTING_IN)
        if not go_on():
            search.stop()
            break
        words = f"{trial.number}: {len(trial.taken)} of {trial.of} changes, {trial.suspects} suspected"
        workspace.begin("trial", words)
        judged = run_trial(workspace, settings, sides, trial, judge=judge)
        search.tell(judged.verdict)
        said = f"{words}: {judged.verdict}"
        said = f"{said}; {judged.reason}" if judged.reason else said
        workspace.tell("trial", said, ok=judged.verdict is Verdict.GOOD)
        done.append(Trialled(trial, judged))
    return done


def until(seconds: float, going_on: Callable[[], None]) -> Callable[[], bool]:
    """A `go_on` that lets no trial begin after a time.

    Args:
        seconds: From now.
        going_on: Called before each trial; raises to end the search without a result.
    """
    deadline = time.monotonic() + seconds

    def go_on() -> bool:
        going_on()
        return time.monotonic() < deadline

    return go_on
