"""`release`: from a lockfile to a live, proven release, or back to where it was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from venvship.errors import (
    BuildError,
    ForeignLinkError,
    HeldError,
    RejectedError,
    RollbackFailedError,
    RolledBackError,
    SupersededError,
    VenvshipError,
)
from venvship.model.history import EventName, History
from venvship.model.interpreter import Interpreter
from venvship.model.lockfile import Lockfile, environment_digest, read_lockfile, select
from venvship.model.release import (
    Manifest,
    Package,
    PackageDiff,
    State,
    diff_packages,
    new_release_id,
)
from venvship.model.requirement import Requirement
from venvship.model.settings import Settings, health_digest
from venvship.operations import interpreter as interpreters
from venvship.operations import switch
from venvship.operations.candidate import try_candidate
from venvship.operations.notify import notify
from venvship.operations.prune import prune_after
from venvship.operations.recover import recover_switch, sweep_debris
from venvship.operations.workspace import ReleaseView, Workspace, world_faults
from venvship.system import files
from venvship.system.mutex import shared

T = TypeVar("T")

OUTCOMES: Final = {
    RejectedError.slug: "rejected",
    HeldError.slug: "held",
    SupersededError.slug: "superseded",
    RolledBackError.slug: "rolled-back",
    RollbackFailedError.slug: "rolled-back",
}
"""The outcome that an error stands for; all others leave it at `failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """What the command line says.

    Attributes:
        lockfiles: Absolute paths instead of the settings' lockfile.
        promote: Whether to go live; otherwise it is only built and checked.
        message: For the manifest and the journal.
        rebuild: Build even if an intact release of this environment exists.
        force: Go on even if the environment is bad or held.
        dry_run: Only say what would be done.
    """

    lockfiles: tuple[str, ...] = ()
    promote: bool = True
    message: str = ""
    rebuild: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(slots=True, kw_only=True)
class ReleaseResult:
    """What came of it; filled as far as known when an error carries it.

    Attributes:
        outcome: `released`, `unchanged`, `reactivated`, `built`, `planned`, `rejected`, `rolled-back`,
            `superseded`, `held`, or `failed`.
        plan: What the lockfile asks for: `unchanged`, `reactivate`, `build` or `refuse`.
        release: The release in question.
        previous: What was current when it began.
        diff: From `previous` to `release`.
        timings: Seconds by phase.
        lockfile: The path that was read.
        packages: How many packages it selects.
        python: The interpreter's full version.
        checks: Results of checks, candidate and live.
    """

    outcome: str = "failed"
    plan: str = ""
    release: ReleaseView | None = None
    previous: ReleaseView | None = None
    diff: PackageDiff = field(default_factory=PackageDiff)
    timings: dict[str, float] = field(default_factory=dict)
    lockfile: str = ""
    packages: int = 0
    python: str = ""
    checks: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the lockfile means here."""

    lockfile: Lockfile
    selected: tuple[Requirement, ...]
    interpreter: Interpreter
    environment: str


def release(workspace: Workspace, options: ReleaseOptions) -> ReleaseResult:
    """Build what the lockfile says, check it, make it live, check it again, and go back if it fails.

    Crash: `current` is the old release or the new one. What was half done is finished or undone by the next
    `release`, `promote`, `prune` or `recover`, or by a `rollback`.

    Raises:
        SettingsError: Settings, interpreter, or a hook's program.
        LockfileError: The lockfile is refused.
        RootError: The root or its journal is unusable.
        BuildError: It could not be built.
        RejectedError: A candidate check or the prepare hook refused it.
        RolledBackError: It was live, did not pass, and is not live any more.
        RollbackFailedError: And the old one does not pass either.
        HeldError: The environment is bad or held, or the root is held and nobody is there.
        BusyError: Another command is building or switching.
        SupersededError: `current` moved meanwhile; built, not promoted.
        InterruptedByError: A signal came; `current` is as it was.
    """
    result = ReleaseResult()
    try:
        if options.dry_run:
            _plan_only(workspace, options, result)
        else:
            with world_faults(workspace.layout):
                workspace.open_for_writing()
                with workspace.holding("build", "release"):
                    recover_switch(workspace)
                    sweep_debris(workspace)
                    _release(workspace, options, result)
    except VenvshipError as error:
        result.outcome = OUTCOMES.get(error.slug, result.outcome)
        error.result = error.result or result
        raise
    return result


def _plan_only(workspace: Workspace, options: ReleaseOptions, result: ReleaseResult) -> None:
    settings = workspace.settings()
    history = workspace.history_for_reading()
    wanted = _read(workspace, settings, options, result, record_interpreter=False)
    found = _choose(workspace, history, settings, wanted, options)
    result.plan = found.plan
    result.outcome = "planned"
    current = workspace.layout.current()
    if current is not None:
        result.previous = workspace.view(current, history)
        after = [Package(requirement.name, requirement.version) for requirement in wanted.selected]
        result.diff = diff_packages(_packages(workspace, current), after)
    if found.release_id is not None:
        result.release = workspace.view(found.release_id, history)
    if found.refusal is not None:
        workspace.warn("held", found.refusal.message)


def _release(workspace: Workspace, options: ReleaseOptions, result: ReleaseResult) -> None:
    settings = workspace.settings()
    history = workspace.history()
    began_at = history.switch_seq
    current = require_current(workspace)
    result.previous = workspace.view(current, history) if current else None
    wanted = _read(workspace, settings, options, result)
    found = _choose(workspace, history, settings, wanted, options)
    result.plan = found.plan
    if found.plan not in {"unchanged", "refuse"}:
        names = ", ".join(os.path.basename(path) for path in options.lockfiles or settings.lockfile)
        workspace.tell(
            "plan", f"{settings.name} · CPython {result.python} · {names}, {result.packages} packages"
        )
    if found.refusal is not None:
        raise found.refusal
    if found.plan == "unchanged":
        result.outcome = "unchanged"
        result.release = result.previous
        return
    release_id = found.release_id
    if release_id is None:
        release_id = _build(workspace, settings, wanted, options, result)
        history = workspace.history()
    result.release = workspace.view(release_id, history)
    if current is not None:
        result.diff = diff_packages(_packages(workspace, current), _packages(workspace, release_id))
    trial = _timed(
        result, "candidate", lambda: try_candidate(workspace, release_id, settings, event="release")
    )
    result.checks.extend(trial.checks)
    if not options.promote:
        result.outcome = "built"
        return
    workspace.runtime.signals.raise_if_received()
    switched = _timed(
        result,
        "switch",
        lambda: _go_live(
            workspace, release_id, settings, began_at=began_at, current=current, message=options.message
        ),
    )
    after = workspace.history()
    result.release = workspace.view(release_id, after)
    result.checks.extend(switched.trial.checks)
    if switched.outcome == "promoted":
        result.outcome = "reactivated" if found.plan == "reactivate" else "released"
    else:
        result.outcome = "rolled-back"
    prune_after(workspace, settings)
    notify(
        workspace,
        settings,
        switched.outcome,
        release=release_id,
        previous=current,
        reason=switched.trial.cause,
    )
    switched.raise_if_not_promoted(result=result)


def require_current(workspace: Workspace) -> str | None:
    """What is current, if it is a release that is there.

    Raises:
        ForeignLinkError: `current` is not our link, or points to a release that is gone.
    """
    current = workspace.layout.current()
    if current is not None and not workspace.layout.release(current).is_dir():
        raise ForeignLinkError(
            f"{workspace.layout.current_link} points to {current}, which is gone",
            hint="`venvship rollback` goes to the nearest intact release; if there is none, remove the link",
        )
    return current


def _go_live(
    workspace: Workspace,
    release_id: str,
    settings: Settings,
    *,
    began_at: int,
    current: str | None,
    message: str,
) -> switch.Switched:
    with workspace.holding("switch", "release"):
        history = workspace.history()
        if history.switch_seq != began_at or workspace.layout.current() != current:
            now = workspace.layout.current() or "nothing"
            workspace.record(EventName.SUPERSEDED, release=release_id, reason=f"current moved to {now}")
            raise SupersededError(
                f"current moved to {now} while {release_id} was being built: it is sealed, and not live",
                hint=f"make it live: venvship promote {release_id}",
                release=release_id,
            )
        workspace.require_usable(release_id)
        return switch.promote(
            workspace, history, release_id, settings=settings, via="release", reason=message
        )


# -- what the lockfile asks for ------------------------------------------------------------------------------


def _read(
    workspace: Workspace,
    settings: Settings,
    options: ReleaseOptions,
    result: ReleaseResult,
    *,
    record_interpreter: bool = True,
) -> Wanted:
    interpreter = interpreters.settled(workspace, settings, record=record_interpreter)
    paths = options.lockfiles or tuple(str(workspace.layout.path / name) for name in settings.lockfile)
    result.lockfile = paths[0]
    result.python = interpreter.version
    lockfile = read_lockfile(paths, read=_read_bytes, sdists=settings.build.sdists)
    build = settings.build
    selected = select(lockfile, interpreter, extras=build.extras, groups=build.groups)
    result.packages = len(selected)
    environment = environment_digest(selected, interpreter, _build_facts(settings))
    return Wanted(lockfile=lockfile, selected=selected, interpreter=interpreter, environment=environment)


def _read_bytes(path: str) -> bytes:
    return Path(path).read_bytes()


def _build_facts(settings: Settings) -> Mapping[str, object]:
    """The settings that change what is built; how it is linked or how long a fetch may take do not."""
    build = settings.build
    return {
        "sdists": sorted(build.sdists),
        "optimize": sorted(build.optimize),
        "overlap": sorted(build.overlap),
        "bad_record": sorted(build.bad_record),
        "extras": sorted(build.extras),
        "groups": sorted(build.groups),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to do about an environment."""

    plan: str
    release_id: str | None = None
    refusal: HeldError | None = None


def _choose(
    workspace: Workspace, history: History, settings: Settings, wanted: Wanted, options: ReleaseOptions
) -> Choice:
    """The table of what a lockfile's environment leads to."""
    unattended = workspace.runtime.unattended
    current = workspace.layout.current()
    record = history.records.get(current) if current else None
    if record and record.environment_digest == wanted.environment and not options.rebuild:
        return Choice(plan="unchanged", release_id=current)
    if history.root_hold is not None and unattended:
        hold = history.root_hold
        return Choice(
            plan="refuse", refusal=_held(f"releases are held by {hold.by}: {hold.reason}", hold.since)
        )
    refusal = history.refusal(wanted.environment, health_digest(settings))
    if refusal is not None and not options.force:
        message = f"this lockfile was released as {refusal.release} and was bad: {refusal.reason}"
        return Choice(plan="refuse", refusal=_held(message, refusal.since))
    if not options.rebuild:
        for release_id in workspace.releases(history):
            candidate = history.records[release_id]
            if (
                candidate.environment_digest == wanted.environment
                and candidate.state in {State.SEALED, State.PROVEN}
                and not workspace.problem(release_id)
            ):
                return Choice(plan="reactivate", release_id=release_id)
    return Choice(plan="build")


def _held(message: str, since: object) -> HeldError:
    return HeldError(
        f"{message} (since {since:%Y-%m-%d %H:%M} UTC)",
        hint="change the lockfile, or go on anyway: venvship release --force",
    )


# -- building ------------------------------------------------------------------------------------------------


def _build(
    workspace: Workspace, settings: Settings, wanted: Wanted, options: ReleaseOptions, result: ReleaseResult
) -> str:
    """Build and seal a release, and say so in the journal; only then is it one."""
    # The build layer imports virtualenv and installer, which no other command needs.
    from venvship.build.builder import build
    from venvship.build.request import BuildRequest
    from venvship.build.store import Store

    runtime, layout = workspace.runtime, workspace.layout
    release_id = _fresh_id(workspace)
    store = Store(str(_store_path(workspace, settings)))
    request = BuildRequest(
        release_id=release_id,
        release_path=str(layout.release(release_id)),
        root_path=str(layout.path),
        created_at=runtime.clock(),
        interpreter=interpreters.checked(workspace, wanted.interpreter),
        lockfile=wanted.lockfile,
        selected=wanted.selected,
        environment_digest=wanted.environment,
        build=settings.build,
        link=settings.link,
        message=options.message,
        lease_path=str(layout.lease(release_id)),
    )
    progress = runtime.progress

    def timed(phase: Any) -> None:  # noqa: ANN401 - Phase is imported late with the rest
        if phase.state == "done":
            result.timings[phase.name] = round(phase.seconds, 3)
        progress(phase)

    try:
        files.make_directory(layout.log(release_id), 0o700)
        workspace.make_lease(release_id)
        store.prepare()
        with shared(str(Path(store.path) / "store.mutex"), name="store"):
            manifest: Manifest = build(
                request,
                store,
                environ=runtime.environ,
                signals=runtime.signals,
                log_dir=str(layout.log(release_id)),
                progress=timed,
            )
    except BuildError as error:
        _forget(workspace, release_id)
        workspace.record_if_possible(
            EventName.BUILD_FAILED,
            release=None,
            reason=error.message.splitlines()[0],
            facts={"environment_digest": wanted.environment, "slug": error.slug},
        )
        raise
    except BaseException:
        _forget(workspace, release_id)
        raise
    workspace.record(
        EventName.SEALED,
        release=release_id,
        reason=options.message,
        facts={
            "environment_digest": manifest.environment_digest,
            "lockfile_sha256": manifest.lockfile_sha256,
            "tree_digest": manifest.tree_digest,
        },
    )
    for warning in manifest.warnings:
        workspace.warn(warning["slug"], warning["message"])
    return release_id


def _forget(workspace: Workspace, release_id: str) -> None:
    """Remove what a failed build leaves outside its candidate, which `build` removes itself."""
    files.remove_name(workspace.layout.lease(release_id))


def _fresh_id(workspace: Workspace) -> str:
    while True:
        release_id = new_release_id(workspace.runtime.clock(), workspace.runtime.token())
        if (
            not workspace.layout.release(release_id).exists()
            and not workspace.layout.log(release_id).exists()
        ):
            return release_id


def _store_path(workspace: Workspace, settings: Settings) -> Path:
    return workspace.layout.path / settings.store


def _packages(workspace: Workspace, release_id: str) -> tuple[Package, ...]:
    try:
        return workspace.layout.manifest(release_id).packages
    except VenvshipError:
        return ()


def _timed(result: ReleaseResult, phase: str, action: Callable[[], T]) -> T:
    began = time.perf_counter()
    try:
        return action()
    finally:
        result.timings[phase] = round(time.perf_counter() - began, 3)
