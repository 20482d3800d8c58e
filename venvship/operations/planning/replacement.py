"""The build that takes the place of a release which cannot be used where it stands: the same, from the store.

Nothing is fetched. The lockfile and the list of wheels are the release's own, so it does not matter if the
lockfile on disk has changed since.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from venvship.errors import BuildError, InterpreterError
from venvship.model.environment import Environment
from venvship.model.interpreter import Identity, Interpreter
from venvship.model.release import Manifest
from venvship.model.settings import Settings
from venvship.model.source import Built
from venvship.operations.planning.environment import read_environment, read_file
from venvship.workspace.interpreter_identity import NotAskedError
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.model.lockfiles.requirement import Requirement

_PYLOCK: Final = re.compile(rb"^lock-version\s*=", re.MULTILINE)
"""The first key of a pylock.toml (PEP 751). No requirements.txt has such a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A build that takes the place of a release.

    Attributes:
        environment: The environment to build. Where the interpreter's identity is unchanged, it has the
            digest of the release's.
        settings: How to build it. Where the identity is unchanged, as the release was built.
        wheels: By requirement name, the SHA-256 of the wheel to install.
        same_tree: Whether the tree digest has to be that of the release.
    """

    environment: Environment
    settings: Settings
    wheels: Mapping[str, str]
    same_tree: bool


class Interpreters:
    """Finds the interpreter to build a replacement for.

    Args:
        workspace: The root.
        given: The interpreter to take where a release's own is gone; `None` if none was named.
    """

    def __init__(self, workspace: Workspace, given: Interpreter | None) -> None:
        self._workspace = workspace
        self._given = given
        self._probed: dict[str, Interpreter] = {}

    def serving(self, manifest: Manifest) -> Interpreter:
        """The release's own interpreter if it is there, unchanged; else the one that was named.

        If none was named, the root's serves if it has the same identity.

        Raises:
            InterpreterError: There is none.
            InterruptedByError: A signal came while one was asked.
        """
        wanted, path = Identity.of(manifest.environment.python), manifest.environment.python.get("path", "")
        try:
            found = self._workspace.identities.ask(path)
        except NotAskedError as error:
            raise InterpreterError(str(error), path=path) from error
        if isinstance(found, Identity) and found.serves(wanted):
            return self._ask(path)
        if self._given is not None:
            return self._given
        known = self._workspace.layout.interpreter()
        if known is not None and known[1].path != path and os.access(known[1].path, os.X_OK):
            root_interpreter = self._ask(known[1].path)
            if root_interpreter.identity.serves(wanted):
                return root_interpreter
        raise InterpreterError(
            f"its interpreter {path} is {found}, and was {wanted}",
            hint="name another one: venvship relocate --python P",
            path=path,
        )

    def _ask(self, path: str) -> Interpreter:
        from venvship.building.interpreter import probe

        if path not in self._probed:
            runtime = self._workspace.runtime
            self._probed[path] = probe(path, environ=runtime.environ, signals=runtime.signals)
        return self._probed[path]


def replacement_of(
    workspace: Workspace, manifest: Manifest, interpreter: Interpreter, settings: Settings
) -> Replacement:
    """Find out what takes the place of a release. Reads only.

    Args:
        workspace: The root.
        manifest: The release's.
        interpreter: The interpreter to build for.
        settings: Today's. Where the store is, and, for an interpreter of another identity, how to build.

    Raises:
        BuildError: The release does not say what it was built from, or the store has no wheel for the
            interpreter.
        LockfileError: Today's venvship or settings refuse its lockfile.
    """
    recorded = manifest.environment
    if manifest.wheels is None:
        raise BuildError("it was built by a venvship that did not record its wheels")
    folder = workspace.layout.release_path(manifest.id) / ".venvship"
    content = _read(folder / "lockfile")
    made = _read(folder / "requirements.txt") if os.path.lexists(folder / "requirements.txt") else b""
    # Relative to the root, as the settings have it by default: only the names of local wheels count.
    is_pylock = not made and _PYLOCK.search(content)
    name = str(workspace.layout.path / ("pylock.toml" if is_pylock else "requirements.txt"))
    # Its links and its files were made for each other.
    settings = settings._replace(project=settings.project._replace(shared=manifest.shared))
    build = settings.build._replace(closed=False)  # it was released with the dependencies that it has
    # In what was made of the lock of another tool, extras and groups are resolved.
    chosen = settings._replace(build=build._replace(extras=(), groups=())) if made else settings
    environment = read_environment(
        (name,),
        chosen,
        interpreter,
        # The files that a requirements file includes are in `content` already.
        read=lambda asked: (made or content) if asked == name else b"",
    )
    lockfile = replace(environment.lockfile, content=content, sha256=recorded.lockfile_sha256, made=made)
    environment = environment._replace(lockfile=lockfile)
    if own := [_rebuilt(one) for one in (*filter(None, [manifest.project]), *manifest.built)]:
        selected = sorted([*environment.selected, *own], key=lambda requirement: requirement.name)
        environment = environment._replace(selected=tuple(selected), fetched=recorded.fetched)
    if interpreter.identity != Identity.of(recorded.python):
        if made:
            raise BuildError(
                "it has the part of its lockfile that its own interpreter needs, and this one may need more:"
                " make a new release with it"
            )
        return Replacement(
            environment=environment,
            settings=settings._replace(build=build),
            wheels=_wheels_for(workspace, environment, settings, manifest.wheels),
            same_tree=False,
        )
    if {requirement.name for requirement in environment.selected} != set(manifest.wheels):
        raise BuildError(
            "its lockfile selects other packages now: `extras` or `groups` under [build] have changed"
        )
    from venvship.building.store.compile import levels_of

    return Replacement(
        environment=environment._replace(digest=recorded.digest, inputs=recorded.inputs),
        settings=settings._replace(build=build._replace(optimize=levels_of(manifest.bytecode))),
        wheels=manifest.wheels,
        same_tree=True,
    )


def _read(path: Path) -> bytes:
    try:
        return read_file(str(path))
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}") from error


def _rebuilt(built: Built) -> Requirement:
    """The requirement that a member which was built from source stands for."""
    from venvship.model.lockfiles.requirement import Requirement

    return Requirement(
        name=built.name,
        version=built.version,
        hashes=(),
        text="",
        file=built.source.repository,
        line=0,
        source=built.source,
    )


def _wheels_for(
    workspace: Workspace, environment: Environment, settings: Settings, before: Mapping[str, str]
) -> dict[str, str]:
    """Choose wheels for another interpreter: those that the store knows for it, else those from before.

    Raises:
        BuildError: The store has none for some requirements; all are named.
        FormatError: A newer venvship wrote the store.
    """
    from packaging.utils import InvalidWheelFilename

    from venvship.building.store.store import Store, selection_key
    from venvship.model.filename import parse_wheel_filename
    from venvship.model.lockfiles.requirement import may_build

    store = Store(str(workspace.layout.path / settings.store), workspace.trusted.trust)
    interpreter = environment.interpreter

    def serves(sha256: str) -> bool:
        if not store.has(sha256):
            return False
        try:
            tags = parse_wheel_filename(store.wheel(sha256).filename)[3]
        except InvalidWheelFilename:  # in the index of another hand
            return False
        return any(str(tag) in interpreter.tags for tag in tags)

    chosen: dict[str, str] = {}
    lacking: list[str] = []
    for requirement in environment.selected:
        key = selection_key(requirement, interpreter, may_build(requirement.name, settings.build.sdists))
        sha256 = store.selection(key)
        if sha256 is None and requirement.name in before and serves(before[requirement.name]):
            sha256 = before[requirement.name]
        if sha256 is None:
            lacking.append(" ".join(filter(None, (requirement.name, requirement.version))))
        else:
            chosen[requirement.name] = sha256
    if lacking:
        raise BuildError(f"the store has no wheel of {', '.join(lacking)} for {interpreter.label}")
    return chosen
