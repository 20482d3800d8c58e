"""The search in an upgrade that failed: between the packages that are live, and those of the upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from venvship.errors import BuildError, HostError, LockfileError, ReleaseError
from venvship.model.environment import Environment
from venvship.model.release import PackageChange
from venvship.model.settings import Settings
from venvship.model.update_policy import grouped
from venvship.model.upgrades.closure import Mixes
from venvship.model.upgrades.search import FailingSet, Findings, Search, Verdict
from venvship.operations.planning.environment import diff_to_environment
from venvship.operations.trials.searching import Trialled, run_search, until
from venvship.operations.trials.sides import Side, side_of_environment, side_of_release
from venvship.operations.trials.trial import Judge, Judged, judge_by_checks
from venvship.operations.upgrading.meanwhile import Seen, require_left_alone
from venvship.workspace.workspace import Workspace

_Key = frozenset[tuple[str, str, str]]


class Bounds(NamedTuple):
    """What a search may take.

    Attributes:
        trials: The number of trials.
        seconds: The time after which no further trial begins.
    """

    trials: int
    seconds: float


class Refused(NamedTuple):
    """The refusal of the whole upgrade.

    Attributes:
        environment: Of the upgrade.
        reason: Why it was refused, for people.
        judged: The judgement of the candidate checks on it; `None` if they have let it pass.
    """

    environment: Environment
    reason: str
    judged: Judged | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """The result of a search.

    Attributes:
        changes: All changes, sorted by name.
        findings: The findings; `None` if there could be no trial at all.
        problem: Why there could be none; empty if there was.
        judged: The judgements of the trials, by their packages.
        mixes: The mixes of the two sides.
        stopped: Whether the bounds ended it.
    """

    changes: tuple[PackageChange, ...]
    findings: Findings | None = None
    problem: str = ""
    judged: Mapping[_Key, Judged]
    mixes: Mixes | None = None
    stopped: bool = False

    @property
    def trials(self) -> int:
        """The number of trials."""
        return self.findings.trials if self.findings is not None else 0

    def verdict_on(self, found: FailingSet) -> Judged | None:
        """The judgement on the trial of a set by itself."""
        if self.mixes is None:
            return None
        taken = frozenset(change.name for change in (*found.changes, *found.along))
        return self.judged.get(_key(self.mixes, taken))


def judge_packages(workspace: Workspace, settings: Settings, release_id: str) -> Judged:
    """Judge a candidate by the candidate checks, if the host can run them: what is held back has failed one.

    Raises:
        HostError: The host could not run a check.
        VenvshipError: See `judge_by_checks`.
    """
    judged = judge_by_checks(workspace, settings, release_id)
    if judged.of_host:
        raise HostError(
            f"the search for the upgrades that fail was ended: {judged.reason}. Nothing was held back",
            hint="the next `venvship update --upgrade` begins anew",
        )
    return judged


def search(
    workspace: Workspace, refused: Refused, began: Seen, *, bounds: Bounds, judge: Judge = judge_packages
) -> Searched:
    """Look for the changes of an upgrade that make it fail; see `model.upgrades`.

    The wheels of both sides are in the store: the upgrade was built. The project's own packages are those of
    the upgrade in every trial, so no trial blames them. Packages of `[update] groups` move together.

    Crash: as of `run_trial`. The journal gets nothing.

    Args:
        workspace: The root, opened for writing, with everything recovered. No mutex is held.
        refused: The upgrade.
        began: The root at the beginning.
        bounds: What it may take.
        judge: Judges the candidates.

    Raises:
        SupersededError: Another command has done something in the root, or a person has changed it.
        BusyError: Another command builds.
        HostError: The host could not run a check.
        VenvshipError: See `run_search`.
        OSError: Something of the root could not be written.
    """
    settings, environment = began.settings, refused.environment
    current = workspace.layout.current()
    diff = diff_to_environment(workspace, current, environment)
    try:
        if current is None:
            raise BuildError("nothing is live to compare it with")
        interpreter = environment.interpreter
        after = side_of_environment(workspace, settings, environment)
        before = _with_project_of(after, side_of_release(workspace, settings, current, interpreter))
    except (BuildError, LockfileError, ReleaseError) as error:
        changes = sorted((*diff.changed, *diff.added, *diff.removed), key=lambda change: change.name)
        return Searched(changes=tuple(changes), problem=error.message.splitlines()[0], judged={})
    mixes = Mixes(before.packages, after.packages, interpreter.markers, _groups(settings, before, after))
    known = refused.judged.verdict if refused.judged is not None else None
    found = Search(mixes, after=known, most=bounds.trials)
    done = run_search(
        workspace,
        settings,
        (before, after),
        found,
        judge=judge,
        go_on=until(bounds.seconds, lambda: require_left_alone(workspace, began)),
    )
    require_left_alone(workspace, began)
    judged = {_key_of(one): one.judged for one in done}
    if refused.judged is not None:
        judged[_key(mixes, frozenset(mixes.changes))] = refused.judged
    return Searched(
        changes=tuple(mixes.changes.values()),
        findings=found.findings,
        judged=judged,
        mixes=mixes,
        stopped=found.cut_short,
    )


def _with_project_of(after: Side, before: Side) -> Side:
    """Give the side before the upgrade the packages that are built from source trees, as they are after it.

    A commit is not what is searched: the code of the project is the same in every trial.
    """
    built = {one.name: one for one in after.environment.built}
    if not built:
        return before
    kept = [one for one in before.environment.selected if one.name not in built]
    selected = tuple(sorted([*kept, *built.values()], key=lambda one: one.name))
    return replace(
        before,
        environment=before.environment._replace(selected=selected),
        wheels={**before.wheels, **{name: after.wheels[name] for name in built}},
        packages={**before.packages, **{name: after.packages[name] for name in built}},
    )


def _groups(settings: Settings, before: Side, after: Side) -> Sequence[frozenset[str]]:
    names = before.packages.keys() | after.packages.keys()
    return [one for one in grouped(names, settings.update.groups) if len(one) > 1]


def _key_of(done: Trialled) -> _Key:
    return frozenset(one.key for one in done.trial.packages.values())


def _key(mixes: Mixes, taken: frozenset[str]) -> _Key:
    return frozenset(one.key for one in mixes.mix(taken).values())


def is_told_apart(searched: Searched) -> bool:
    """Whether the checks have told the two sides apart: the live packages pass, and the upgrade fails."""
    return searched.findings is not None and searched.findings.outcome == "found"


def problem_of_live(searched: Searched) -> str:
    """Why no change is to blame: the packages that are live do not pass either; empty if they do."""
    if searched.findings is None or searched.mixes is None or searched.findings.outcome != "before-not-good":
        return ""
    judged = searched.judged.get(_key(searched.mixes, frozenset()))
    if judged is not None and judged.verdict is Verdict.UNKNOWN:
        return f"the packages that are live could not be tried once more: {judged.reason}"
    return "the packages that are live fail as well, so no upgrade is to blame"


def known_bad(check: str, reason: str) -> Judged:
    """The judgement of the candidate checks on an upgrade that one of them has refused."""
    return Judged(Verdict.BAD, reason, check)
