"""Read the environment that a lockfile stands for, or recognise it without reading the lockfile."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from venvship._version import __version__
from venvship.errors import LockfileError
from venvship.model import bounds
from venvship.model.environment import Environment
from venvship.model.interpreter import Interpreter
from venvship.model.lock_neighbours import Export, digests, read_beside
from venvship.model.release import Manifest, Package, PackageDiff, diff_packages, python_change
from venvship.model.settings import Settings
from venvship.model.source import recipe_digest
from venvship.model.spelling import digest
from venvship.operations.planning.project import Project, in_checkout, project_path
from venvship.system.regular import read_regular
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.views import readable_manifest

if TYPE_CHECKING:
    # Parsing a lockfile imports packaging, which an idle `update` never needs.
    from venvship.model.lockfiles.requirement import Requirement
    from venvship.model.lockfiles.selection import SourcedEntry

COMMITTED: Final = (
    "write it anew in the checkout, and commit it: `uv pip compile --generate-hashes requirements.in"
    " --output-file requirements.txt`; or take `lockfile` out of `[project]`, name the requirements in"
    " `[lock] inputs`, and: venvship lock"
)
"""The next step after the refusal of a requirements file in the checkout, where `lock` writes nothing."""


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
    export: Export | None = None,
) -> Environment:
    """Read a lockfile for an interpreter.

    Args:
        paths: Absolute; several requirements files, or one of another kind.
        settings: The names that may be built, and the extras that are wanted.
        interpreter: The root's.
        read: Returns a file's bytes; raises `OSError`. `TrustedFiles.read`, or another one for a lockfile
            that is not written yet.
        project: The project, whose members of a release are added; `None`: there is none.
        export: Exports a uv.lock; see `exporting`. `None`: the lockfile is of another kind.

    Raises:
        LockfileError: It is refused, stale or missing.
        CheckoutError: The project cannot be read, or cannot be released for this interpreter.
        UntrustedError: Others can write it, or a file that it includes.
        VenvshipError: `export` failed.
    """
    # Late: an idle `update` recognises the lockfile without these imports.
    from venvship.model.lockfiles.lockfile import (
        environment_digest,
        read_lockfile,
        refuse_sources,
        select,
        sourced_requirements,
        with_selection,
    )

    build = settings.build
    elsewhere: list[str] = []
    if project is not None:
        read = project.reading(read, elsewhere)
    with _hint_for_checkout(project):
        lockfile = read_lockfile(paths, read=read, sdists=build.sdists, real=os.path.realpath, export=export)
        selection = select(lockfile, interpreter, extras=build.extras, groups=build.groups)
    selected = selection.requirements
    if project is not None:
        project = project.with_locked(selection.sourced)
    others = _not_of_project(selection.sourced, project)
    recipe = recipe_digest(constraints=project.constraints_digest if project is not None else "")
    own = sourced_requirements(lockfile, others, sdists=build.sdists, recipe=recipe)
    names = {requirement.name for requirement in own}
    refuse_sources(lockfile, [entry for entry in others if entry.name not in names])
    if project is not None:
        own += tuple(project.requirements((*selected, *own), interpreter))
    if own:
        selected = tuple(sorted([*selected, *own], key=lambda requirement: requirement.name))
    facts = _build_facts(settings)
    fetched = [requirement for requirement in selected if requirement.source is None]
    inputs = ""
    # The commit does not stand for a file beside the checkout: such a lockfile is read each time.
    if not elsewhere:
        found = project.inputs() if project is not None else None
        inputs = _inputs(paths[0], lockfile.sha256, lockfile.beside, settings, interpreter, found)
    return Environment(
        lockfile=with_selection(lockfile, selection, interpreter),
        selected=selected,
        interpreter=interpreter,
        digest=environment_digest(selected, interpreter, facts),
        inputs=inputs,
        fetched="" if len(fetched) == len(selected) else environment_digest(fetched, interpreter, facts),
    )


@contextlib.contextmanager
def _hint_for_checkout(project: Project | None) -> Iterator[None]:
    """Have the refusal of a lockfile in the checkout name a step that works there."""
    from venvship.model.lockfiles.problems import HINT

    try:
        yield
    except LockfileError as error:
        if project is not None and project.has_lockfile and error.hint == HINT:
            error.hint = COMMITTED
        raise


def _not_of_project(sourced: Iterable[SourcedEntry], project: Project | None) -> list[SourcedEntry]:
    """The packages of a lock that come from a source tree, and are no members of the project.

    Without a project, the one that lies beside the lockfile is left out, with a warning; see `left_out`.
    """
    names, folders = set(), {""}
    if project is not None:
        names = {member.project.name for member in project.members}
        folders = {member.folder for member in project.members} | {""}
    return [one for one in sourced if one.repository or not (one.name in names or one.folder in folders)]


def needs_export(paths: Sequence[str]) -> bool:
    """Whether a lockfile has to be exported by its own tool before anything can be selected from it."""
    return len(paths) == 1 and os.path.basename(paths[0]) == "uv.lock"


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
            A release whose lockfile led out of the checkout has no `inputs`, and is never recognised.

    Raises:
        UntrustedError: Others can write the lockfile.
        CheckoutError: git refuses.
    """
    committed = project is not None and project.has_lockfile
    if not manifest.environment.inputs or (len(paths) != 1 and not committed):
        return False
    sha256 = ""
    beside: tuple[tuple[str, str], ...] = ()
    if not committed:
        try:
            content = read(paths[0])
        except OSError:
            return False
        sha256 = hashlib.sha256(content).hexdigest()
        beside = digests(read_beside(paths[0], content, read))
    found = project.inputs(manifest) if project is not None else None
    return manifest.environment.inputs == _inputs(paths[0], sha256, beside, settings, interpreter, found)


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
    beside: Sequence[tuple[str, str]],
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
            "beside": [] if committed else [list(each) for each in beside],
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
