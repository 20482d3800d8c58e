"""One trial: a mixed environment, built as a candidate that is never sealed, judged, and removed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from venvship.errors import BuildError, DiskFullError
from venvship.health.checks import failed_required, run_checks
from venvship.model.environment import Environment
from venvship.model.progress import unwatched
from venvship.model.settings import Settings
from venvship.model.upgrades.search import Trial, Verdict
from venvship.operations.planning.build import STORE_WAIT, fresh_id, requested
from venvship.operations.planning.generate import generate_hook
from venvship.operations.trials.sides import Side, mixed
from venvship.system import files, trees
from venvship.system.mutex import shared
from venvship.workspace.holding import hold_build
from venvship.workspace.workspace import Workspace

EVENT: Final = "trial"
"""`VENVSHIP_EVENT` of a trial."""


class Judged(NamedTuple):
    """The verdict on one trial.

    Attributes:
        verdict: The verdict.
        reason: Why it is bad or unknown, in one line; empty for a good one.
        check: The name of the check that failed; empty without one.
        of_host: Whether it is unknown because the host could not run the check, which says nothing about the
            packages.
    """

    verdict: Verdict
    reason: str = ""
    check: str = ""
    of_host: bool = False


Judge = Callable[[Workspace, Settings, str], Judged]
"""Judges the candidate of this id, which stands under `releases/`."""


def judge_by_checks(workspace: Workspace, settings: Settings, release_id: str) -> Judged:
    """Judge a candidate by the candidate checks. The prepare hook does not run.

    Raises:
        SettingsError: The file of variables, or one of authorities, cannot be read.
        UntrustedError: Others can write such a file.
        InterruptedByError: A signal came.
    """
    variables = workspace.variables(settings)
    context = workspace.context(release_id, variables, previous=workspace.layout.current(), event=EVENT)
    chosen = [check for check in settings.checks if check.when == "candidate"]
    failed = failed_required(run_checks(chosen, context))
    if failed is None:
        return Judged(Verdict.GOOD)
    reason = f"check {failed.name!r} failed: {failed.output}"
    verdict = Verdict.UNKNOWN if failed.inconclusive else Verdict.BAD
    return Judged(verdict, reason, failed.name, of_host=failed.inconclusive)


def run_trial(
    workspace: Workspace,
    settings: Settings,
    sides: tuple[Side, Side],
    trial: Trial,
    *,
    judge: Judge = judge_by_checks,
) -> Judged:
    """Build the environment of a trial, judge it, and remove it.

    build.mutex is held meanwhile, and given up afterwards. The journal gets nothing. An environment that
    cannot be built is unknown: nothing was tried. A fault of the disk is no verdict.

    Crash: as of `builder.unsealed`; a lease and a log of no release. The next writing command sweeps them.

    Args:
        workspace: The root, opened for writing, with everything recovered.
        settings: How to build, and the checks.
        sides: The environments before and after the changes.
        trial: Of the search.
        judge: Judges the candidate.

    Raises:
        BusyError: Another process builds.
        BuildError: The disk has failed, or is full.
        InterruptedByError: A signal came; nothing of the trial is left.
        VenvshipError: The judge, or the root, failed.
        OSError: Something of the root could not be written.
    """
    environment, wheels = mixed(*sides, trial.packages)
    with contextlib.ExitStack() as stack:
        try:
            release_id = stack.enter_context(candidate(workspace, settings, environment, wheels))
        except BuildError as error:
            if isinstance(error, DiskFullError) or isinstance(error.__cause__, OSError):
                raise
            return Judged(Verdict.UNKNOWN, f"it cannot be built: {error.message.splitlines()[0]}")
        return judge(workspace, settings, release_id)


@contextlib.contextmanager
def candidate(
    workspace: Workspace, settings: Settings, environment: Environment, wheels: Mapping[str, str] | None
) -> Iterator[str]:
    """Build an environment that is never sealed, and remove it after the block.

    build.mutex is held meanwhile.

    Crash: as of `builder.unsealed`; a lease and a log of no release. The next writing command sweeps them.

    Args:
        workspace: The root, opened for writing, with everything recovered.
        settings: How to build.
        environment: The environment.
        wheels: By requirement name, the SHA-256 of the wheels to take, which the store has; `None`: what the
            lockfile allows is taken, and what the store lacks of that is fetched, and stays in it.

    Yields:
        The id of the candidate, which stands under `releases/`.

    Raises:
        BusyError: Another process builds.
        BuildError: It cannot be built; see its subclasses.
        InterruptedByError: A signal came.
        RootError: The root cannot be written.
        OSError: The same.
    """
    # The build layer imports virtualenv and installer, which few commands need.
    from venvship.building.builder import unsealed
    from venvship.building.store.registration import register_root
    from venvship.building.store.store import Store

    runtime, layout = workspace.runtime, workspace.layout
    with hold_build(workspace, EVENT), contextlib.ExitStack() as stack:
        release_id = fresh_id(workspace)
        stack.callback(_forget, workspace, release_id)
        request = requested(workspace, settings, environment, release_id, wheels=wheels)
        store = Store(str(layout.path / settings.store), request.trust)
        with contextlib.ExitStack() as building:
            building.enter_context(
                shared(store.mutex, wait=STORE_WAIT, interrupted=runtime.signals.raise_if_received)
            )
            files.make_directory(request.log_dir, 0o700)
            workspace.make_lease(release_id)
            register_root(store, str(layout.path))
            stack.enter_context(
                unsealed(
                    request,
                    store,
                    environ=runtime.environ,
                    signals=runtime.signals,
                    progress=unwatched,
                    generate=generate_hook(workspace, settings, release_id),
                )
            )
        yield release_id


def _forget(workspace: Workspace, release_id: str) -> None:
    """Remove the lease and the log of a candidate. Best effort: both are swept otherwise."""
    with contextlib.suppress(OSError):
        files.remove_name(workspace.layout.lease(release_id))
    with contextlib.suppress(OSError):
        trees.remove_tree(workspace.layout.log(release_id))
