"""`bisect`: which package changes between two releases or lockfiles make a check, or a command, fail."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from venvship.errors import BuildError, FindingsError, LockfileError, NotToldApartError, OperationWarning
from venvship.health.lookup import shown_command
from venvship.health.running import run_to_end
from venvship.model.interpreter import Interpreter
from venvship.model.release import PackageChange
from venvship.model.settings import Settings
from venvship.model.upgrades.closure import Mixes
from venvship.model.upgrades.search import FailingSet, Search, Verdict
from venvship.operations.planning.asked_lockfile import missing_explained
from venvship.operations.planning.environment import read_environment
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.trials.searching import run_search
from venvship.operations.trials.sides import Side, side_of_environment, side_of_release
from venvship.operations.trials.trial import EVENT, Judge, Judged, candidate, judge_by_checks
from venvship.printable import shell_line
from venvship.system.faults import root_faults
from venvship.system.process import Program
from venvship.workspace.releases import resolve_release
from venvship.workspace.workspace import Workspace

CANNOT_TELL: Final = 125
"""The exit status of a command that cannot judge a trial, as for `git bisect run`."""

ENDS: Final = 128
"""The first exit status of a command that ends the search, as for `git bisect run`."""

TIMEOUT: Final = 24 * 3600.0
"""Seconds that a command may take for one trial. An operator is there, and Ctrl-C ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """A minimal set of package changes that fails together.

    Attributes:
        changes: The changes. Without any one of them, the others pass.
        along: The changes that come along, since these need them.
        certain: Whether each was told apart from the others. If not, trials could not be judged, and one or
            more of `changes` are to blame.
    """

    changes: tuple[PackageChange, ...]
    along: tuple[PackageChange, ...] = ()
    certain: bool = True

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "changes": [change.to_json() for change in self.changes],
            "along": [change.to_json() for change in self.along],
            "certain": self.certain,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectResult:
    """The result of `Root.bisect`.

    Attributes:
        good: The id of the release that is good, or the path of the lockfile.
        bad: The id of the release that is bad, or the path of the lockfile.
        culprits: The minimal sets of changes that fail.
        waiting: Changes that need one of those, and were not tried without it.
        passed: The changes that passed together.
        untold: Changes of which nothing is known, since a trial could not be judged.
        trials: The number of environments that were judged.
        warnings: The warnings of the operation.
    """

    good: str
    bad: str
    culprits: tuple[Culprit, ...] = ()
    waiting: tuple[PackageChange, ...] = ()
    passed: tuple[PackageChange, ...] = ()
    untold: tuple[PackageChange, ...] = ()
    trials: int = 0
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `bisect --json`."""
        return {
            "good": self.good,
            "bad": self.bad,
            "culprits": [one.to_json() for one in self.culprits],
            "waiting": [change.to_json() for change in self.waiting],
            "passed": [change.to_json() for change in self.passed],
            "untold": [change.to_json() for change in self.untold],
            "trials": self.trials,
        }


def bisect(workspace: Workspace, good: str, bad: str, *, command: Sequence[str] = ()) -> BisectResult:
    """Find the package changes between two sides that make the candidate checks, or a command, fail.

    Crash: as of `run_trial`. The journal gets nothing.

    Arguments and errors: `Root.bisect`.
    """
    with root_faults(workspace.layout.path):
        workspace.layout.refuse_foreign_root()
        history = workspace.known_history().history
        ids = [
            os.path.abspath(name) if is_lockfile(name) else resolve_release(workspace.layout, name, history)
            for name in (good, bad)
        ]
        workspace.open_for_writing()
        settings = workspace.settings()
        interpreter = find_interpreter(workspace, settings)
        first, second = (_side(workspace, settings, one, interpreter) for one in ids)
        mixes = Mixes(first.packages, second.packages, interpreter.markers)
        count = len(mixes.changes)
        workspace.tell("plan", f"{settings.name} · {ids[0]} → {ids[1]}, {count} package changes")
        judge: Judge = functools.partial(_judge_by_command, tuple(command)) if command else judge_by_checks
        search = Search(mixes)
        last = run_search(workspace, settings, (first, second), search, judge=judge)[-1].judged
    findings = search.findings
    result = BisectResult(
        good=ids[0],
        bad=ids[1],
        culprits=tuple(map(_culprit, findings.sets)),
        waiting=findings.waiting,
        passed=findings.good if findings.outcome == "found" else (),
        untold=findings.untold,
        trials=findings.trials,
    )
    if findings.outcome != "found":
        which, wanted = (ids[1], "bad") if findings.outcome == "after-not-bad" else (ids[0], "good")
        why = f": {last.reason}" if last.reason else ""
        raise _with_result(
            NotToldApartError(
                f"the packages of {which} were judged {last.verdict}, not {wanted}{why}",
                hint="give releases that differ, or a command that tells them apart: "
                "venvship bisect GOOD BAD -- COMMAND",
                release=which,
            ),
            replace(result, untold=tuple(mixes.changes.values())),
        )
    return result


def is_lockfile(name: str) -> bool:
    """Whether an argument names a lockfile: no name of a release has a dot or a slash in it."""
    return "." in name or "/" in name


def _side(workspace: Workspace, settings: Settings, name: str, interpreter: Interpreter) -> Side:
    """The side that a release is, or a lockfile. What the store lacks of that is fetched, and stays in it.

    Raises:
        LockfileError: The lockfile is refused; or the root has a project, which no lockfile has in it.
        BuildError: The lockfile cannot be built.
        VenvshipError: See `side_of_release` and `candidate`.
    """
    if not is_lockfile(name):
        return side_of_release(workspace, settings, name, interpreter)
    if settings.project.path is not None:
        raise LockfileError(
            f"{name} has no place for the project's code, which the releases of this root have",
            hint="make a release of it, then bisect that: venvship release --no-promote --lockfile "
            + shell_line([name]),
        )
    with missing_explained(workspace, settings):
        environment = read_environment((name,), settings, interpreter, read=workspace.trusted.read)
    try:
        return side_of_environment(workspace, settings, environment)
    except BuildError:
        workspace.begin("fetch", f"the packages of {name}")
        with candidate(workspace, settings, environment, None):
            pass
        workspace.tell("fetch", f"the packages of {name}", ok=True)
        return side_of_environment(workspace, settings, environment)


def _culprit(found: FailingSet) -> Culprit:
    return Culprit(changes=found.changes, along=found.along, certain=found.certain)


def _with_result(error: FindingsError, result: BisectResult) -> FindingsError:
    error.result = result
    return error


def _judge_by_command(
    command: tuple[str, ...], workspace: Workspace, settings: Settings, release_id: str
) -> Judged:
    """Judge a candidate by a command, which runs in the working directory with the candidate's `bin` first.

    Raises:
        NotToldApartError: The command ended by a signal, or with a status from `ENDS` on.
        SettingsError: The file of variables cannot be read.
        InterruptedByError: A signal came.
    """
    variables = workspace.variables(settings)
    context = workspace.context(release_id, variables, previous=workspace.layout.current(), event=EVENT)
    environment = context.environment()
    folder = os.getcwd()
    environment["PWD"] = folder
    program = Program(
        command,
        env=environment,
        cwd=folder,
        log=context.log_path(EVENT),
        secrets=variables.secrets,
    )
    ended = run_to_end(program, timeout=TIMEOUT, signals=context.signals)
    status = ended.result.returncode if ended.result is not None else None
    shown = shown_command(command)
    if status == 0:
        return Judged(Verdict.GOOD)
    if status == CANNOT_TELL or ended.inconclusive:
        return Judged(Verdict.UNKNOWN, f"{shown}: {ended.problem}")
    if status is None or status < 0 or status >= ENDS:
        raise NotToldApartError(
            f"{shown}: {ended.problem}, which ends the search. Nothing of it is left",
            hint="a command that judges ends with 0 for good, 125 for a trial that it cannot judge, and"
            " another status up to 127 for bad",
        )
    return Judged(Verdict.BAD, f"{shown}: {ended.problem}")
