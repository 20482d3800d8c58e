"""Read the environment that a lockfile stands for, or recognise it without reading the lockfile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from venvship._version import __version__
from venvship.errors import VenvshipError
from venvship.model import bounds
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.release import Manifest, Package, PackageDiff, diff_packages, python_change
from venvship.model.settings import Settings
from venvship.model.spelling import digest
from venvship.operations.planning.project import Project, in_checkout, open_project, project_path
from venvship.system.regular import read_regular
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.views import readable_manifest

if TYPE_CHECKING:
    # Parsing a lockfile imports packaging, which an idle `update` never needs.
    from venvship.model.lockfiles.requirement import Requirement


def lockfile_paths(workspace: ReadingWorkspace, settings: Settings) -> tuple[str, ...]:
    """The absolute paths of the lockfile that the settings name, in the checkout or in the root."""
    path = project_path(workspace, settings)
    if path is not None and settings.project.lockfile:
        return tuple(os.path.join(path, name) for name in settings.project.lockfile)
    return tuple(str(workspace.layout.path / name) for name in settings.lockfile)


def read_file(path: str) -> bytes:
    """Read the lockfile in a release; `TrustedFiles.read` reads those that users write.

    Raises:
        IrregularFileError: It is no regular file, or larger than a lockfile may be.
        HostError: The host has nothing left to read it with.
        OSError: As the kernel gave it.
    """
    return read_regular(path, bounds.LOCKFILE).data


def read_environment(
    paths: Sequence[str],
    settings: Settings,
    interpreter: Interpreter,
    *,
    read: Callable[[str], bytes],
    project: Project | None = None,
) -> Environment:
    """Read a lockfile for an interpreter.

    Args:
        paths: Absolute; several requirements files, or one of either kind.
        settings: The names that may be built, and the extras that are wanted.
        interpreter: The root's.
        read: Returns a file's bytes; raises `OSError`. `TrustedFiles.read`, or another one for a lockfile
            that is not written yet.
        project: The project, whose members of a release are added; `None`: there is none.

    Raises:
        LockfileError: It is refused, or missing.
        CheckoutError: The project cannot be read, or cannot be released for this interpreter.
        UntrustedError: Others can write it, or a file that it includes.
    """
    # Late: an idle `update` recognises the lockfile without these imports.
    from venvship.model.lockfiles.lockfile import environment_digest, read_lockfile, select

    build = settings.build
    if project is not None:
        read = project.reading(read)
    lockfile = read_lockfile(paths, read=read, sdists=build.sdists, real=os.path.realpath)
    selected = select(lockfile, interpreter, extras=build.extras, groups=build.groups)
    if project is not None:
        own = project.requirements(selected, interpreter)
        selected = tuple(sorted([*selected, *own], key=lambda requirement: requirement.name))
    facts = _build_facts(settings)
    fetched = [requirement for requirement in selected if requirement.source is None]
    return Environment(
        lockfile=lockfile,
        selected=selected,
        interpreter=interpreter,
        digest=environment_digest(selected, interpreter, facts),
        inputs=_inputs(
            paths[0],
            lockfile.sha256,
            settings,
            interpreter,
            project.inputs() if project is not None else None,
        ),
        fetched="" if len(fetched) == len(selected) else environment_digest(fetched, interpreter, facts),
    )


def lockfile_environment(workspace: ReadingWorkspace, settings: Settings) -> str | None:
    """The environment of the root's own lockfile as it is now, best effort: nothing may fail because of it.

    Returns:
        Its digest; `""` if it cannot be told, as for a lockfile that `release` would refuse; `None` if the
        root has no lockfile.
    """
    paths = lockfile_paths(workspace, settings)
    committed = in_checkout(settings)
    if not committed and not any(os.path.lexists(path) for path in paths):
        return None
    try:
        known = workspace.layout.interpreter()
        if known is None or known[0] != settings.python:
            return ""
        if not committed and not all(map(os.path.isfile, paths)):
            return ""
        project = open_project(workspace, settings)
        current = workspace.layout.current()
        if current is not None and workspace.layout.has_manifest(current):
            manifest = workspace.manifest(current)
            if is_of(manifest, paths, settings, known[1], read=workspace.trusted.read, project=project):
                return manifest.environment.digest
        environment = read_environment(
            paths, settings, known[1], read=workspace.trusted.read, project=project
        )
        return of_equal_wheels(workspace, settings, environment).digest
    except (VenvshipError, OSError, ValueError, ImportError):
        return ""


def is_of(
    manifest: Manifest,
    paths: Sequence[str],
    settings: Settings,
    interpreter: Interpreter,
    *,
    read: Callable[[str], bytes],
    project: Project | None = None,
) -> bool:
    """Whether a release was made from these very inputs, so that its environment is theirs.

    Cheaper than `read_environment`, which need not be called then. `False` proves nothing: the release may be
    of an older venvship, and another lockfile may stand for the same environment or include other files.

    Args:
        manifest: The release's.
        paths: As for `read_environment`.
        settings: As for `read_environment`.
        interpreter: The root's.
        read: As for `read_environment`.
        project: As for `read_environment`. A lockfile in its checkout is not read: the commit stands for it.

    Raises:
        UntrustedError: Others can write the lockfile.
        CheckoutError: git refuses.
    """
    committed = project is not None and project.has_lockfile
    if not manifest.environment.inputs or (len(paths) != 1 and not committed):
        return False
    try:
        sha256 = "" if committed else hashlib.sha256(read(paths[0])).hexdigest()
    except OSError:
        return False
    found = project.inputs(manifest) if project is not None else None
    return manifest.environment.inputs == _inputs(paths[0], sha256, settings, interpreter, found)


def of_equal_wheels(workspace: ReadingWorkspace, settings: Settings, environment: Environment) -> Environment:
    """Give an environment the digest of a release that has the very wheels, though they are of other sources.

    A commit may change a file of the project that is in no wheel, or its version may come from git and the
    tag have been moved. Then the same release would be built again.

    Args:
        workspace: The root.
        settings: Where the store is.
        environment: The environment. The store has, or has not, the wheels of its sources.

    Returns:
        It; with another digest where there is such a release.

    Raises:
        VenvshipError: The store or the journal cannot be read.
    """
    if not environment.built:
        return environment
    from venvship.building.store.store import Store, selection_key
    from venvship.model.lockfiles.requirement import may_build

    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    interpreter, sdists = environment.interpreter, settings.build.sdists
    wheels = {
        one.name: store.selection(selection_key(one, interpreter, may_build(one.name, sdists)))
        for one in environment.built
    }
    if None in wheels.values():
        return environment
    current = workspace.layout.current()
    for release_id in sorted(workspace.layout.with_manifest(), key=lambda one: one != current):
        manifest = readable_manifest(workspace, release_id)
        if (
            manifest is not None
            and manifest.environment.fetched == environment.fetched
            and manifest.wheels is not None
            and {*manifest.built_names} == {*wheels}
            and all(manifest.wheels.get(name) == sha256 for name, sha256 in wheels.items())
        ):
            return environment._replace(digest=manifest.environment.digest)
    return environment


def diff_to_environment(
    workspace: ReadingWorkspace, before: str | None, environment: Environment
) -> PackageDiff:
    """How a release of an environment would differ from a release, or from nothing."""
    old = readable_manifest(workspace, before) if before is not None else None
    if old is None:
        return diff_packages((), locked_packages(environment.selected))
    diff = diff_packages(old.packages, locked_packages(environment.selected, old.packages))
    return diff._replace(python=python_change(old.environment.python, environment.recorded.python))


def _inputs(
    path: str,
    sha256: str,
    settings: Settings,
    interpreter: Interpreter,
    project: Mapping[str, object] | None = None,
) -> str:
    """Digest everything that the environment follows from, venvship's own version included."""
    committed = project is not None and in_checkout(settings)
    return digest(
        {
            "venvship": __version__,
            "name": os.path.basename(path),
            "lockfile": "" if committed else sha256,
            "interpreter": interpreter.to_json(),
            "build": _build_facts(settings),
            **({} if project is None else {"project": dict(project)}),
        }
    )


def _build_facts(settings: Settings) -> dict[str, object]:
    """The settings that change the release; the kind of link and the time-out of a fetch do not."""
    names = ("sdists", "optimize", "overlap", "bad_record", "extras", "groups")
    facts: dict[str, object] = {name: sorted(getattr(settings.build, name)) for name in names}
    if settings.project.shared:
        facts["shared"] = sorted(settings.project.shared)
    if settings.hooks.generate is not None:
        # What it makes is a part of the release. Without one, the digest is that of an earlier venvship.
        facts["generate"] = list(settings.hooks.generate)
    return facts


def locked_packages(selected: Iterable[Requirement], before: Iterable[Package] = ()) -> list[Package]:
    """List the packages of a selection, for a comparison with those of a release.

    Args:
        selected: Of an environment.
        before: The packages of that release. The version of source that is named by its URL is taken from
            there: only a build tells another one.
    """
    versions = {package.name: package.version for package in before}
    return [
        Package(one.name, versions.get(one.name, "?") if one.version is None else one.version)
        for one in selected
    ]
