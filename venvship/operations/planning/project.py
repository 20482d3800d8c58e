"""The project of `[project]`, opened for one command: its commit, its lockfile, its members of a release."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from venvship.errors import CheckoutError, LockfileError, SettingsError, UncommittedChangesError, UsageError
from venvship.model.interpreter import Interpreter
from venvship.model.release import Manifest
from venvship.model.setting_values import problem_with_ref
from venvship.model.settings import Settings
from venvship.model.settings_project import ProjectSettings
from venvship.printable import shell_line
from venvship.system.files import hash_file
from venvship.system.git_copy import directory_for_objects
from venvship.workspace.reading import ReadingWorkspace

if TYPE_CHECKING:
    # An idle `update` asks for the commit alone, and needs none of these.
    from venvship.building.project.checkout import Checkout
    from venvship.building.project.members import Member
    from venvship.building.request import Changed, ProjectBuild
    from venvship.model.lockfiles.requirement import Requirement
    from venvship.model.lockfiles.selection import SourcedEntry
    from venvship.model.source import Source, SourceKind

_SUBJECT = 200
"""Characters of a commit's subject that become the message of a release."""

_SHOWN = 3
"""Names of changed files that a message has."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """The project, opened.

    Attributes:
        checkout: Its files, at a commit.
        settings: `[project]`.
        name: The application's name, for a project without packaging.
        root: Path of the root, which may lie in the project.
        changed: The files to take in place of the commit's, with `--dirty`.
        committed: Whether changes to tracked files of a member are refused.
        locked: Folders of the other members, as the lockfile names them; `None`: it names none, and the
            project's own description does.
    """

    checkout: Checkout = field(repr=False)
    settings: ProjectSettings
    name: str
    root: str
    changed: Changed | None = None
    committed: bool = False
    locked: frozenset[str] | None = None

    @property
    def has_lockfile(self) -> bool:
        """Whether the lockfile is in the checkout."""
        return bool(self.settings.lockfile)

    @property
    def subject(self) -> str:
        """The first line of the commit's message; `""` without git."""
        if not self.checkout.commit:
            return ""
        return self._source(self.chosen.folder, dynamic=False).subject[:_SUBJECT]

    def reading(
        self, read: Callable[[str], bytes], elsewhere: list[str] | None = None
    ) -> Callable[[str], bytes]:
        """How to read the lockfile and what it includes: from the commit, if it is in the checkout.

        Args:
            read: Reads other files.
            elsewhere: Receives the paths of files that may change while `inputs` stays the same.
        """
        if not self.has_lockfile:
            return read
        below = os.path.join(self.checkout.path, "")

        def from_commit(path: str) -> bytes:
            inside = path.startswith(below)
            if elsewhere is not None and not (inside and self.checkout.stands_for(path)):
                elsewhere.append(path)
            return self.checkout.read(path) if inside else read(path)

        return from_commit

    def inputs(self, recorded: Manifest | None = None) -> dict[str, Any]:
        """Everything that the members follow from, as JSON. Equal inputs make equal members.

        Args:
            recorded: The manifest to compare with; `None` for the inputs of a new one. Only where a member of
                it has its version from git, git is asked for that, too.
        """
        if recorded is None:
            dynamic = any(member.project.version is None for member in self.members)
        else:
            members = (*filter(None, [recorded.project]), *recorded.built)
            dynamic = any(member.source.describe for member in members)
        fixed = self.checkout.commit and self.changed is None
        return {
            "commit": self.checkout.commit if fixed else self._source("", dynamic=False).tree,
            "describe": self._source("", dynamic=True).describe if dynamic and fixed else "",
            "beside": self._beside,
            "settings": {**self.settings._asdict(), "ref": None, "fetch": None, "timeout": None},
        }

    @functools.cached_property
    def chosen(self) -> Member:
        """The project itself.

        Raises:
            CheckoutError: There is none, or there are several.
        """
        from venvship.building.project.members import Member, choose_member
        from venvship.building.project.pyproject import unpackaged

        if self.settings.build == "tree":
            return Member(self._folder_of_tree, unpackaged(self.name))
        return choose_member(self.checkout, self.settings.member)

    @functools.cached_property
    def members(self) -> tuple[Member, ...]:
        """The project and the other projects of the checkout that it depends on.

        Raises:
            CheckoutError: See `choose_member` and `needed_members`.
        """
        from venvship.building.project.members import needed_members, read_member

        if self.settings.build == "tree":
            return (self.chosen,)
        if self.locked is not None:
            return (self.chosen, *(read_member(self.checkout, folder) for folder in sorted(self.locked)))
        return (self.chosen, *needed_members(self.checkout, self.chosen))

    def with_locked(self, sourced: Iterable[SourcedEntry]) -> Project:
        """Take the other members from the lockfile, if it is in the checkout and names projects there.

        The tool that locked knows more than the project's description says: dependencies that only a build
        tells, and which extras and groups ask for which member.

        Args:
            sourced: The packages of the lockfile that come from a source tree.

        Raises:
            CheckoutError: The files of a member cannot be read.
            UncommittedChangesError: A member that the description does not tell has some.
        """
        from venvship.building.project.members import locked_folders

        if not self.has_lockfile or self.settings.build == "tree":
            return self
        base = posixpath.dirname(self.settings.lockfile[0])
        named = {posixpath.join(base, entry.folder): entry.name for entry in sourced if not entry.repository}
        folders = locked_folders(self.checkout, named, self.chosen)
        if folders is None:
            return self
        found = replace(self, locked=folders)
        if self.committed and folders - {member.folder for member in self.members}:
            found.require_committed()
        return found

    def requirements(self, pinned: Sequence[Requirement], interpreter: Interpreter) -> list[Requirement]:
        """The members of a release that come from the checkout.

        Args:
            pinned: The selection of the lockfile. A further member that it pins is taken from there.
            interpreter: The root's.

        Raises:
            CheckoutError: The project cannot be released for this interpreter, or not be read.
            LockfileError: The lockfile pins something of the project's own name.
        """
        from venvship.model.lockfiles.requirement import Requirement

        if problem := self.chosen.project.problem_with_python(interpreter.version):
            raise CheckoutError(
                f"{self.chosen.project.name} in {self.checkout.path} does not run on the interpreter of this "
                f"root: {problem}",
                hint="set another `python` in venvship.toml",
                path=self.checkout.path,
            )
        names = {requirement.name: requirement for requirement in pinned}
        if (other := names.get(self.chosen.project.name)) is not None:
            raise LockfileError(
                f"{other.label}: the lockfile pins a distribution that has the name of the project in "
                f"{self.checkout.path}",
                hint="rename the project, or lock without it: uv export --frozen --no-dev --no-emit-project "
                "--output-file requirements.txt",
                problems=[{"file": other.file, "line": other.line, "message": "has the project's own name"}],
            )
        return [
            Requirement(
                name=member.project.name,
                version=member.project.version,
                hashes=(),
                text="",
                file=os.path.join(self.checkout.path, member.folder).rstrip("/"),
                line=0,
                source=self._source(member.folder, dynamic=member.project.version is None),
            )
            for member in self.members
            if member.project.name not in names
        ]

    def build(self, interpreter: Interpreter) -> ProjectBuild:
        """How the members are built.

        Raises:
            LockfileError: The lock of the build requirements is refused, or missing.
        """
        from venvship.building.request import ProjectBuild

        found = ProjectBuild(settings=self.settings, changed=self.changed, name=self.chosen.project.name)
        if self.settings.build_constraints is None:
            return found
        from venvship.model.lockfiles.lockfile import read_lockfile, select

        lockfile = read_lockfile([self._constraints], read=self.checkout.read, sdists=())
        chosen = select(lockfile, interpreter, extras=(), groups=())
        options = (*lockfile.options, *chosen.options)
        return replace(found, constraints=chosen.requirements, options=options)

    def require_committed(self) -> None:
        """Refuse tracked files with changes, where the commit that is checked out is released.

        Raises:
            UncommittedChangesError: There are some.
            CheckoutError: git refuses.
        """
        paths = [member.folder for member in self.members]
        paths += [*self.settings.lockfile, *filter(None, [self.settings.build_constraints])]
        found = self.checkout.uncommitted(paths)
        if not found:
            return
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UncommittedChangesError(
            f"{self.checkout.path} has changes that are not committed, so they would not be released: "
            f"{', '.join(found[:_SHOWN])}{more}",
            hint=f"commit them, or release the files as they are: venvship release --dirty "
            f"(see git -C {shell_line([self.checkout.path])} status)",
            path=self.checkout.path,
            names=found,
        )

    def _source(self, folder: str, *, dynamic: bool) -> Source:
        kind: SourceKind = "tree" if self.settings.build == "tree" else "wheel"
        return self.checkout.source(folder, kind=kind, recipe=self._recipe, dynamic=dynamic)

    @functools.cached_property
    def _folder_of_tree(self) -> str:
        """The folder of a project without packaging: that of `member`, which `include` is relative to."""
        if self.settings.build != "tree" or self.settings.member is None:
            return ""
        folder = posixpath.normpath(self.settings.member)
        if folder.startswith("/") or folder.split("/")[0] == "..":
            raise CheckoutError(
                f"{self.checkout.path} has no folder {self.settings.member}, which `[project] member` names",
                hint='with `build = "tree"`, name the folder of the project, relative to `path`',
                path=self.checkout.path,
            )
        return "" if folder == "." else folder

    @functools.cached_property
    def constraints_digest(self) -> str:
        """The SHA-256 of the lock of the build requirements; `""` without one."""
        if self.settings.build_constraints is None:
            return ""
        try:
            return hashlib.sha256(self.checkout.read(self._constraints)).hexdigest()
        except OSError:
            return ""  # `build` reports it

    @functools.cached_property
    def _recipe(self) -> str:
        from venvship.model.source import recipe_digest

        return recipe_digest(
            before=self.settings.before,
            constraints=self.constraints_digest,
            include=self.settings.include,
            exclude=self.settings.exclude,
            shared=self.settings.shared if self.settings.build == "tree" else (),
            beside=self._beside,
        )

    @functools.cached_property
    def _beside(self) -> dict[str, str]:
        """The hashes of the files that are in no commit, and that `include` takes."""
        found: dict[str, str] = {}
        for name in self.checkout.included(
            self.settings.include, self.settings.exclude, self._folder_of_tree
        ):
            path = os.path.join(self.checkout.path, name)
            try:
                found[name] = f"link {os.readlink(path)}" if os.path.islink(path) else hash_file(path)
            except OSError as error:
                raise CheckoutError(f"{path} cannot be read: {error.strerror}", path=path) from error
        return found

    def warnings(self, members: Iterable[Requirement]) -> Iterator[Mapping[str, str]]:
        """Name the files that somebody may miss in a release; each with `slug` and `message`.

        Args:
            members: The members that are built from source, dependencies included.

        Raises:
            CheckoutError: The files cannot be listed.
        """
        from venvship.model.project_files import Choice, Rules, choose, outside_of_root, warnings_about

        settings = self.settings
        rules = Rules(include=settings.include, exclude=settings.exclude, shared=settings.shared)
        path = self.checkout.path
        sources = [one.source for one in members if one.source is not None and one.source.repository == path]
        for top in sorted({source.folder for source in sources}):
            folder = os.path.relpath(top or ".", self.checkout.prefix or ".")
            folder = "" if folder == "." else folder
            names = self.checkout.names(folder)
            place = os.path.relpath(self.root, os.path.realpath(os.path.join(path, folder)))
            choice = Choice(files=(), sensitive={}, replaced={})
            if settings.build == "tree":
                choice = choose(names.tracked, (), rules)
            yield from warnings_about(
                choice,
                untracked=outside_of_root(names.untracked, place),
                ignored=outside_of_root(names.ignored, place),
                rules=rules,
            )

    @property
    def _constraints(self) -> str:
        return os.path.join(self.checkout.path, self.settings.build_constraints or "")


def project_path(workspace: ReadingWorkspace, settings: Settings) -> str | None:
    """The absolute path of the project; `None` without `[project] path`."""
    if settings.project.path is None:
        return None
    return os.path.normpath(workspace.layout.path / settings.project.path)


def in_checkout(settings: Settings) -> bool:
    """Whether the lockfile is in the checkout of the project, where its commit stands for it."""
    return bool(settings.project.path and settings.project.lockfile)


def open_project(
    workspace: ReadingWorkspace, settings: Settings, *, ref: str | None = None
) -> Project | None:
    """Open the project: one question to git, or none. Reads only.

    Args:
        workspace: The root.
        settings: `[project]`.
        ref: The branch, tag or commit; `None`: that of the settings.

    Returns:
        It; `None` without `[project] path`.

    Raises:
        CheckoutError: There is no such directory or commit, or git refuses.
        UntrustedError: Others can write it.
        InterruptedByError: A signal came.
    """
    path = project_path(workspace, settings)
    if path is None:
        return None
    from venvship.building.project.checkout import open_checkout

    checkout = open_checkout(
        path,
        ref or settings.project.ref,
        environ=workspace.runtime.environ,
        signals=workspace.runtime.signals,
        require=workspace.trusted.require_path,
    )
    return Project(
        checkout=checkout, settings=settings.project, name=settings.name, root=str(workspace.layout.path)
    )


@contextlib.contextmanager
def with_changes(project: Project) -> Iterator[Project]:
    """The project with its tracked files as they are now, while the block runs.

    Raises:
        CheckoutError: It has none of its own, or git refuses.
        OSError: A temporary directory cannot be made.
    """
    from venvship.building.project.checkout import GitCheckout
    from venvship.building.request import Changed

    if not isinstance(project.checkout, GitCheckout):
        yield project  # always as they are
        return
    with directory_for_objects() as objects:
        checkout = project.checkout.with_changes(objects)
        yield replace(project, checkout=checkout, changed=Changed(checkout.changed, objects))


def project_to_release(
    workspace: ReadingWorkspace, settings: Settings, *, ref: str, dirty: bool, stack: contextlib.ExitStack
) -> Project | None:
    """Open the project that `release` was asked for.

    Args:
        workspace: The root.
        settings: `[project]`.
        ref: `--ref`; empty: that of the settings.
        dirty: `--dirty`.
        stack: Keeps the files of `--dirty` until the release is made.

    Raises:
        UsageError: The options make no sense.
        SettingsError: An option is about a project, and there is none.
        UncommittedChangesError: It has changes that would not be released.
        CheckoutError: It cannot be read.
    """
    if ref and (problem := problem_with_ref(ref)):
        raise UsageError(f"--ref {problem}")
    if ref and dirty:
        raise UsageError("--ref names a commit, and --dirty releases the files as they are; give one of them")
    project = open_project(workspace, settings, ref=ref or None)
    if project is None:
        if ref or dirty:
            raise SettingsError(
                f"{workspace.layout.settings_file} names no project, which --ref and --dirty are about",
                hint="set `path` under [project] there",
                problems=[{"key": "project.path", "message": "missing"}],
            )
        return None
    if dirty:
        return stack.enter_context(with_changes(project))
    if ref:
        return project
    project.require_committed()
    return replace(project, committed=True)
