"""Build a release of this root: a fresh id, the build itself, and the journal's word that it is sealed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import BuildError, HostError, InterruptedByError
from venvship.model.environment import Environment
from venvship.model.event import EventName
from venvship.model.progress import Progress
from venvship.model.release import Manifest, new_release_id
from venvship.model.settings import Settings
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.generate import generate_hook, generated_again
from venvship.system import files, trees
from venvship.system.mutex import shared
from venvship.workspace.folders import make_shared
from venvship.workspace.holding import BuildHeld
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.building.request import BuildRequest
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


def build_release(
    held: BuildHeld,
    settings: Settings,
    environment: Environment,
    *,
    message: str,
    progress: Progress,
    replaces: Replaced | None = None,
) -> str:
    """Build and seal a release, and record that in the journal; only then is it one.

    The build's warnings become warnings of the command.

    Args:
        held: The root.
        settings: Where the store is, and how to build.
        environment: The environment to build.
        message: The person's, for the manifest and the journal.
        progress: Hears of the build's steps.
        replaces: The release that this one takes the place of. Then nothing is fetched, no hook runs, and a
            failure is not journalled: it says nothing about the next `update`.

    Returns:
        The release's id.

    Crash: a directory without a `sealed` line in the journal, which is debris while its scratch is there; a
        lease and a log of it; and of the root's `shared/`, some of the folders.

    Raises:
        BuildError: It could not be built; journalled, and nothing of it is left but its log.
        HostError: The host has no descriptors, memory or processes left; journalled as well.
        InterpreterError: The interpreter does not run any more, or is another one.
        InterruptedByError: A signal came.
        RootError: The journal is damaged, or a folder of the root cannot be made.
        BusyError: The journal stayed locked.
        OSError: Something of the root could not be written.
    """
    workspace = held.workspace
    release_id = _fresh_id(workspace)
    try:
        request = _request(workspace, settings, environment, release_id, message)
        if replaces is None:
            generate = generate_hook(workspace, settings, release_id)
        else:
            generate = generated_again(workspace, replaces.manifest)
            request = replace(request, wheels=replaces.wheels)
        manifest = _build(workspace, settings, request, progress, generate)
    except BaseException as error:
        # `build` has removed the candidate.
        files.remove_name(workspace.layout.lease(release_id))
        if isinstance(error, BuildError | HostError) and replaces is None:
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
        if isinstance(error, InterruptedByError):
            said = f"{error.message} while building; the unfinished build was removed"
            raise InterruptedByError(error.signum, said) from error
        raise
    workspace.record(EventName.SEALED, release=release_id, reason=message, facts=manifest.sealed_facts())
    # Only now: until then it says that the release is that of an interrupted build.
    with contextlib.suppress(OSError):
        trees.remove_tree(workspace.layout.scratch(release_id))
    for warning in manifest.warnings:
        workspace.warn(warning["slug"], warning["message"])
    return release_id


def _request(
    workspace: Workspace, settings: Settings, environment: Environment, release_id: str, message: str
) -> BuildRequest:
    from venvship.building.request import BuildRequest

    layout = workspace.layout
    # An upgrade may have changed the interpreter in place since it was recorded.
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


def _is_locked_here(workspace: Workspace, settings: Settings, environment: Environment) -> bool:
    """Whether `venvship lock` generates the lockfile: it has inputs, and this is the one that it writes."""
    written = [os.path.normpath(workspace.layout.path / name) for name in settings.lockfile]
    return bool(settings.lock.inputs) and written == [os.path.normpath(environment.lockfile.path)]


def _build(
    workspace: Workspace,
    settings: Settings,
    request: BuildRequest,
    progress: Progress,
    generate: Generate | None,
) -> Manifest:
    runtime, layout = workspace.runtime, workspace.layout
    # The build layer imports virtualenv and installer, which no other command needs.
    from venvship.building.builder import build
    from venvship.building.store.intake import prepare
    from venvship.building.store.registration import register_root
    from venvship.building.store.store import Store
    from venvship.building.supply import check_room

    store = Store(str(layout.path / settings.store), request.trust)
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


def _fresh_id(workspace: Workspace) -> str:
    layout = workspace.layout
    while True:
        release_id = new_release_id(workspace.runtime.clock(), workspace.runtime.token())
        if not layout.release_path(release_id).exists() and not layout.log(release_id).exists():
            return release_id
