"""Build a release of this root: a fresh id, the build itself, and the journal's word that it is sealed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import BuildError, CheckoutError, HostError, InterruptedByError
from venvship.model.environment import Environment
from venvship.model.event import EventName
from venvship.model.interpreter import Interpreter
from venvship.model.progress import Progress, step
from venvship.model.release import Manifest, new_release_id
from venvship.model.settings import Settings
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.generate import generate_hook, generated_again
from venvship.operations.planning.left_out import warn_if_left_out, warn_if_not_locked
from venvship.operations.planning.project import Project
from venvship.system import files, trees
from venvship.system.mutex import shared
from venvship.workspace.folders import make_shared
from venvship.workspace.holding import BuildHeld
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.building.request import BuildRequest, ProjectBuild
    from venvship.building.store.store import Store
    from venvship.building.tree.hook_files import Generate


class Replaced(NamedTuple):
    """A release that another build takes the place of.

    Attributes:
        manifest: Its manifest.
        wheels: The wheels to take from the store, as of `BuildRequest`.
    """

    manifest: Manifest
    wheels: Mapping[str, str]


STORE_WAIT: Final = 300.0
"""Seconds to wait for a clean-up of the store, which is short; `--wait` does not cover it."""


class Begun(NamedTuple):
    """A release whose wheels are built before it is known whether it is needed.

    Attributes:
        release_id: The id that it gets.
        interpreter: The root's, as it answered before the wheels were built; `None`: it is still to be asked.
        store: The store, with what has been read of it: most of its wheels have not changed. `None`: it is
            still to be opened.
    """

    release_id: str
    interpreter: Interpreter | None = None
    store: Store | None = None


class Origin(NamedTuple):
    """Where the wheels of a release come from, besides an index.

    Attributes:
        project: The project that members are built from.
        begun: Of `build_wheels`; `None`: the release gets a fresh id.
        replaces: The release that this one takes the place of: its wheels are taken from the store.
    """

    project: Project | None = None
    begun: Begun | None = None
    replaces: Replaced | None = None

    def build(self, environment: Environment) -> ProjectBuild:
        """How the members with a source are built, or were.

        Raises:
            LockfileError: The lock of the build requirements is refused.
        """
        # Late, as in `_build`: this module is loaded by commands that build nothing.
        from venvship.building.request import NO_PROJECT, ProjectBuild

        if self.replaces is not None:
            project, built = self.replaces.manifest.project, self.replaces.manifest.built
            name = project.name if project is not None else ""
            return ProjectBuild(name=name, built=(*filter(None, [project]), *built))
        return self.project.build(environment.interpreter) if self.project is not None else NO_PROJECT


def build_release(
    held: BuildHeld,
    settings: Settings,
    environment: Environment,
    *,
    message: str,
    progress: Progress,
    origin: Origin = Origin(),  # noqa: B008 - immutable
) -> str:
    """Build and seal a release, and record that in the journal; only then is it one.

    The build's warnings become warnings of the command.

    Args:
        held: The root.
        settings: Where the store is, and how to build.
        environment: The environment to build.
        message: The person's, for the manifest and the journal.
        progress: Hears of the build's steps.
        origin: Where its wheels come from. Where it takes the place of a release, nothing is fetched, no hook
            runs, and a failure is not journalled: it says nothing about the next `update`.

    Returns:
        The release's id.

    Crash: a directory without a `sealed` line in the journal, which is debris while its scratch is there; a
        lease and a log of it; and of the root's `shared/`, some of the folders.

    Raises:
        BuildError: It could not be built; journalled, and nothing of it is left but its log.
        CheckoutError: The project has something in it that no release can be made of; journalled as well.
        HostError: The host has no descriptors, memory or processes left; journalled as well.
        InterpreterError: The interpreter does not run any more, or is another one.
        InterruptedByError: A signal came.
        RootError: The journal is damaged, or a folder of the root cannot be made.
        BusyError: The journal stayed locked.
        OSError: Something of the root could not be written.
    """
    workspace = held.workspace
    if origin.replaces is None:
        warn_if_left_out(workspace, settings, environment)
        warn_if_not_locked(workspace, settings, environment)
    begun = origin.begun or Begun(fresh_id(workspace))
    release_id = begun.release_id
    try:
        with _recorded(workspace, environment, journalled=origin.replaces is None):
            request = _request(workspace, settings, environment, begun, message)
            request = replace(request, project=origin.build(environment))
            if origin.replaces is None:
                generate = generate_hook(workspace, settings, release_id)
            else:
                generate = generated_again(workspace, origin.replaces.manifest)
                request = replace(request, wheels=origin.replaces.wheels)
            manifest = _build(
                workspace, request, progress, generate, begun.store or _store(workspace, settings, request)
            )
    except BaseException:
        # `build` has removed the candidate.
        files.remove_name(workspace.layout.lease(release_id))
        raise
    workspace.record(EventName.SEALED, release=release_id, reason=message, facts=manifest.sealed_facts())
    # Only now: until then it says that the release is that of an interrupted build.
    with contextlib.suppress(OSError):
        trees.remove_tree(workspace.layout.scratch(release_id))
    for warning in manifest.warnings:
        workspace.warn(warning["slug"], warning["message"])
    return release_id


def build_wheels(
    held: BuildHeld,
    settings: Settings,
    environment: Environment,
    *,
    project: Project | None,
    progress: Progress,
) -> Begun | None:
    """Build the wheels of the environment's sources that the store lacks, before it is known what is done.

    Args:
        held: The root.
        settings: Where the store is, and how to build.
        environment: The environment.
        project: The project that members are built from.
        progress: Hears of the step `build`.

    Returns:
        The release that is to be built of them, whose log has the output; `None` if the store has all of
        them.

    Crash: a scratch directory and a log; the next build sweeps both. Wheels in the store, each whole.

    Raises:
        BuildError: One could not be built; journalled, and nothing of it is left but the log.
        CheckoutError: The project cannot be copied.
        ProgramNotFoundError: There is no such program as `[project] before` names.
        HostError: The host has no descriptors, memory or processes left; journalled as well.
        InterruptedByError: A signal came.
        OSError: Something of the root could not be written.
    """
    from venvship.building.store.intake import prepare
    from venvship.building.store.registration import register_root
    from venvship.building.supply import Supply

    workspace = held.workspace
    runtime, layout = workspace.runtime, workspace.layout
    begun = Begun(fresh_id(workspace))
    scratch = str(layout.scratch(begun.release_id))
    with _recorded(workspace, environment):
        request = _request(workspace, settings, environment, begun, "")
        request = replace(request, project=Origin(project=project).build(environment))
        store = _store(workspace, settings, request)
        prepare(store)
        with shared(store.mutex, wait=STORE_WAIT, interrupted=runtime.signals.raise_if_received):
            supply = Supply(request, store, scratch=scratch, environ=runtime.environ, signals=runtime.signals)
            if not supply.builds:
                return None
            files.make_directory(request.log_dir, 0o700)
            files.make_directory(scratch, 0o700)
            register_root(store, str(layout.path))
            try:
                with step(progress, time.monotonic, "build") as running:
                    running.facts["wheels"] = supply.build(running.advance)
            finally:
                # Recovery sweeps the rest; the error matters more.
                with contextlib.suppress(OSError):
                    trees.remove_tree(scratch)
    return begun._replace(interpreter=request.environment.interpreter, store=store)


def forget_wheels(held: BuildHeld, release_id: str) -> None:
    """Remove the log of `build_wheels` whose release is there already. Best effort."""
    with contextlib.suppress(OSError):
        trees.remove_tree(held.workspace.layout.log(release_id))


@contextlib.contextmanager
def _recorded(workspace: Workspace, environment: Environment, *, journalled: bool = True) -> Iterator[None]:
    """Journal a build that fails inside, and say of one that a signal ends what has become of it."""
    try:
        yield
    except (BuildError, CheckoutError, HostError) as error:
        if journalled:
            workspace.record_if_possible(
                EventName.BUILD_FAILED,
                release=None,
                reason=error.message.splitlines()[0],
                facts={
                    "environment_digest": environment.digest,
                    "slug": error.slug,
                    "unattended": workspace.runtime.unattended,
                },
            )
        raise
    except InterruptedByError as error:
        said = f"{error.message} while building; the unfinished build was removed"
        raise InterruptedByError(error.signum, said) from error


def _request(
    workspace: Workspace, settings: Settings, environment: Environment, begun: Begun, message: str
) -> BuildRequest:
    from venvship.building.request import BuildRequest

    layout, release_id = workspace.layout, begun.release_id
    interpreter = begun.interpreter
    if interpreter is None:
        # An upgrade may have changed the interpreter in place since it was recorded. One command asks once
        # before it builds; the switch asks again.
        interpreter = recorded_interpreter.asked_again(workspace, environment.interpreter)
    return BuildRequest(
        release_id=release_id,
        release_path=str(layout.release_path(release_id)),
        root_path=str(layout.path),
        created_at=workspace.runtime.clock(),
        environment=environment._replace(interpreter=interpreter),
        build=settings.build,
        link=settings.link,
        message=message,
        lease_path=str(layout.lease(release_id)),
        log_dir=str(layout.log(release_id)),
        shared=settings.project.shared,
        locked_here=_is_locked_here(workspace, settings, environment),
        trust=workspace.trusted.trust,
    )


def requested(
    workspace: Workspace,
    settings: Settings,
    environment: Environment,
    release_id: str,
    *,
    wheels: Mapping[str, str] | None,
) -> BuildRequest:
    """The request for an environment that becomes no release.

    Args:
        workspace: The root.
        settings: How to build.
        environment: The environment.
        release_id: From `fresh_id`.
        wheels: By requirement name, the SHA-256 of the wheel, all in the store; `None`: those that the
            lockfile allows, fetched where the store has none.

    Raises:
        InterpreterError: The interpreter does not run any more, or is another one.
    """
    request = _request(workspace, settings, environment, Begun(release_id), "")
    return replace(request, wheels=wheels, locked_here=False)


def _is_locked_here(workspace: Workspace, settings: Settings, environment: Environment) -> bool:
    """Whether `venvship lock` generates the lockfile: it has inputs, and this is the one that it writes."""
    written = [os.path.normpath(workspace.layout.path / name) for name in settings.lockfile]
    return bool(settings.lock.inputs) and written == [os.path.normpath(environment.lockfile.path)]


def _store(workspace: Workspace, settings: Settings, request: BuildRequest) -> Store:
    # Late, as in `_build`.
    from venvship.building.store.store import Store

    return Store(str(workspace.layout.path / settings.store), request.trust)


def _build(
    workspace: Workspace,
    request: BuildRequest,
    progress: Progress,
    generate: Generate | None,
    store: Store,
) -> Manifest:
    runtime, layout = workspace.runtime, workspace.layout
    # The build layer imports virtualenv and installer, which no other command needs.
    from venvship.building.builder import build
    from venvship.building.store.intake import prepare
    from venvship.building.store.registration import register_root
    from venvship.building.supply import check_room

    prepare(store)
    with shared(store.mutex, wait=STORE_WAIT, interrupted=runtime.signals.raise_if_received):
        # Only now: without the mutex, a clean-up might remove wheels that were just found in the store.
        check_room(request, store)
        files.make_directory(request.log_dir, 0o700)
        workspace.make_lease(request.release_id)
        # Before there is a release that a clean-up on behalf of another root would have to know.
        register_root(store, str(layout.path))
        make_shared(layout, request.shared)
        return build(
            request,
            store,
            environ=runtime.environ,
            signals=runtime.signals,
            progress=progress,
            generate=generate,
        )


def fresh_id(workspace: Workspace) -> str:
    """Make an id that no release, candidate or log has."""
    layout = workspace.layout
    while True:
        release_id = new_release_id(workspace.runtime.clock(), workspace.runtime.token())
        if not layout.release_path(release_id).exists() and not layout.log(release_id).exists():
            return release_id
