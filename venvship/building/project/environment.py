"""The isolated environment of one build, and the build requirements in it.

It is new for each build and thrown away with it: a build runs code of others, which may write there. What is
kept is in the store: the wheels that were chosen for the build requirements, and which ones they were. So the
next build copies files, and asks no index.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Wanted
from packaging.utils import canonicalize_name

from venvship.building.fetching.pip_environ import pip_environ
from venvship.building.fetching.pip_settings import expanded
from venvship.building.project.session import BuildSession
from venvship.building.store.compile import Compiler, bytecode_tag, compile_wheels
from venvship.building.store.intake import importing
from venvship.building.store.resolutions import (
    Resolution,
    read_resolution,
    record_resolution,
    resolution_key,
)
from venvship.building.tree.copied import copy_wheels
from venvship.building.tree.placement import (
    Placement,
    place,
    refuse_reserved,
    site_packages_path,
    version_folder,
    with_bytecode,
)
from venvship.errors import InvalidWheelError
from venvship.model import bounds
from venvship.model.source import BuildRequirement
from venvship.model.wheel import StoredWheel, WheelFile
from venvship.system.faults import build_faults
from venvship.system.files import create_file, hash_file, make_directory, make_link
from venvship.system.trees import remove_tree, walk

RESOLVED_FOR: Final = timedelta(hours=24)
"""How long the choice of wheels for build requirements that are not locked is used again."""

_OPTIMIZE: Final = (0,)
"""A build backend is run without -O."""

_WHERE: Final = ("PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX")
"""The variables that tell pip where packages come from. Two roots that share a store may have others."""

_CREDENTIALS: Final = re.compile(r"(?<=//)[^/\s]*@")

_STEP: Final = "the installation of its build requirements"


class Run(Protocol):
    """Runs a program of the build to its end; its output goes to the log, redacted."""

    def __call__(
        self,
        command: Sequence[str],
        cwd: str,
        environ: Mapping[str, str],
        *,
        what: str,
        memory: int | None = None,
    ) -> None:
        """Run it.

        Args:
            command: The program and its arguments.
            cwd: Its directory.
            environ: Its environment.
            what: Its name for people.
            memory: The bound of each of its processes, in bytes; for no code of others.

        Raises:
            BuildError: It failed, or took too long.
            InterruptedByError: A signal came.
        """


class Note(Protocol):
    """Adds text to the log of the build."""

    def __call__(self, text: str) -> object:
        """Add it."""


class _Asked(NamedTuple):
    """The build requirements as pip gets them.

    Attributes:
        lines: Of a requirements file.
        options: Its option lines.
        arguments: Of pip.
        pinned: Whether they are installed by hash.
    """

    lines: tuple[str, ...]
    options: tuple[str, ...]
    arguments: tuple[str, ...]
    pinned: bool

    @property
    def may_be_kept(self) -> bool:
        """Whether the same lines mean the same files tomorrow: none has a path or a URL without a hash."""
        if self.pinned:
            return True
        with contextlib.suppress(InvalidRequirement):
            return all(Wanted(line).url is None for line in self.lines)
        return False


class BuildEnvironment:
    """A virtual environment for one build.

    Args:
        folder: An existing directory of the caller's, who removes it with all that is in it.
        session: The build.
        run: Runs a program.
        note: Writes to the log.

    Attributes:
        path: The environment.
        python: Its interpreter.
    """

    def __init__(self, folder: str, session: BuildSession, *, run: Run, note: Note) -> None:
        self.path = os.path.join(folder, "environment")
        self.python = os.path.join(self.path, "bin", "python")
        self._folder = folder
        self._session = session
        self._interpreter = session.request.environment.interpreter
        self._run = run
        self._note = note
        self._wanted: set[str] = set()
        self._has: frozenset[str] | None = None

    def make(self) -> None:
        """Make it, without any package, as `venv` of the standard library does.

        Not by virtualenv, whose import takes longer than all of this: for the release, a copy of this process
        imports it meanwhile. Nobody activates this environment, or keeps it.

        Crash: it is incomplete; the folder is the caller's to remove.

        Raises:
            OSError: Something could not be written.
        """
        version = version_folder(self._interpreter)
        for folder in ("", "bin", "include", "lib", f"lib/{version}", site_packages_path(version)):
            make_directory(os.path.join(self.path, folder), 0o700)
        facts = {
            "home": os.path.dirname(self._interpreter.path),
            "include-system-site-packages": "false",
            "version": self._interpreter.version,
        }
        text = "".join(f"{name} = {value}\n" for name, value in facts.items())
        create_file(os.path.join(self.path, "pyvenv.cfg"), os.fsencode(text))
        make_link(self._interpreter.path, self.python)
        for name in sorted({"python3", f"python{self._interpreter.minor}", version}):
            make_link("python", os.path.join(self.path, "bin", name))
        # Where the interpreter has its compiled packages in lib64, pip installs there.
        make_link("lib", os.path.join(self.path, "lib64"))

    def install(self, wanted: Iterable[str]) -> None:
        """Install build requirements besides those that were asked for before.

        All of the lock by hash where there is one. Otherwise pip chooses from the index, unless it has done
        so for the same requirements within `RESOLVED_FOR` and the store has the wheels.

        Crash: the environment is incomplete. Wheels may be in the store without a record of their choice,
        which a clean-up removes after its grace period.

        Args:
            wanted: Requirements as a project or its backend gives them.

        Raises:
            BuildError: pip failed, or took too long; or the store or the environment cannot be written.
            DiskFullError: There is no room left.
            StoreDamagedError: The store holds something else than came in.
            ForeignStoreError: Something of the store belongs to another user, or can be written by others.
            FormatError: A newer venvship wrote the record of the choice.
            InterpreterError: The interpreter cannot compile the modules.
            HostError: The host has nothing left to open a file or to start a program with.
            InterruptedByError: A signal came.
        """
        self._wanted.update(wanted)
        asked = self._asked()
        if not asked.lines:
            return
        environ = self._session.environ
        # The key is the name of a file that others may read, so no password enters it.
        told = [expanded(line, environ) for line in asked.options]
        told += [f"{name}={environ[name]}" for name in _WHERE if name in environ]
        where = [_CREDENTIALS.sub("", line) for line in told]
        key = resolution_key(asked.lines, where, self._interpreter, pinned=asked.pinned)
        kept = self._kept(key, asked) if asked.may_be_kept else None
        if kept is not None and (placement := self._placement(kept)) is not None:
            self._note(f"build requirements from the store: {_listed(kept)}")
            self._fill(kept, placement)
            return
        files = self._fetched(asked)
        taken = self._taken(files) if asked.may_be_kept else None
        if taken is not None and (placement := self._placement(taken)) is not None:
            self._fill(taken, placement)
            rows = tuple(sorted((BuildRequirement(one.name, one.version), one.sha256) for one in taken))
            tag = bytecode_tag(self._interpreter, _OPTIMIZE)
            at = self._session.request.created_at
            record_resolution(self._session.store, key, Resolution(at, tag, rows))
        else:
            self._install_with_pip(files)

    def installed(self) -> tuple[BuildRequirement, ...]:
        """The distributions in it, sorted."""
        from importlib.metadata import distributions

        site = os.path.join(self.path, site_packages_path(version_folder(self._interpreter)))
        found = {(str(canonicalize_name(one.name)), one.version) for one in distributions(path=[site])}
        return tuple(BuildRequirement(*one) for one in sorted(found))

    def _asked(self) -> _Asked:
        project = self._session.request.project
        if project.constraints is None:
            options = self._session.request.environment.lockfile.options
            return _Asked(tuple(sorted(self._wanted)), tuple(options), ("--prefer-binary",), pinned=False)
        lines = tuple(requirement.text for requirement in project.constraints)
        arguments = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
        return _Asked(lines, tuple(project.options), arguments, pinned=True)

    # -- the store --------------------------------------------------------------------------------------

    def _kept(self, key: str, asked: _Asked) -> list[StoredWheel] | None:
        """The wheels of an earlier choice, if it still counts."""
        store, now = self._session.store, self._session.request.created_at
        found = read_resolution(store, key)
        # A choice of the future was made by another clock.
        if found is None or not (asked.pinned or timedelta() <= now - found.at < RESOLVED_FOR):
            return None
        return [store.wheel(sha256) for _, sha256 in found.wheels]

    def _taken(self, files: Sequence[str]) -> list[StoredWheel] | None:
        """Import wheels; `None` where one of them is no wheel of ours, though pip may install it."""
        store = self._session.store
        wheels = [WheelFile(path, hash_file(path)) for path in files]
        try:
            with importing(store, self._session.signals.raise_if_received) as batch:
                batch.add(wheels)
        except InvalidWheelError as error:
            self._note(f"not kept in the store: {error.message}")
            return None
        return [store.wheel(one.sha256) for one in wheels]

    def _placement(self, wheels: Sequence[StoredWheel]) -> Placement | None:
        """Where the files go; `None` where they collide, and the order of installation would decide."""
        site = site_packages_path(version_folder(self._interpreter))
        own = {
            path: "dir" if os.path.isdir(os.path.join(self.path, path)) else "file"
            for path, _ in walk(self.path, but=(site,))
        }
        try:
            found = place(
                wheels,
                version=version_folder(self._interpreter),
                overlap=(),
                read=lambda path: Path(path).read_bytes(),
            )
            if self._has is None:
                refuse_reserved(found, own)
        except InvalidWheelError as error:
            self._note(f"not installed from the store: {error.message}")
            return None
        return None if found.conflicts else found

    def _fill(self, wheels: Sequence[StoredWheel], placement: Placement) -> None:
        """Copy wheels of the store into the environment, in place of those that it has."""
        names = frozenset(wheel.sha256 for wheel in wheels)
        if names == self._has:
            return
        if self._has is not None:
            self._make_again()
        self._has = names
        store, signals = self._session.store, self._session.signals
        compiler = Compiler(self._interpreter, _OPTIMIZE, self._session.environ)
        bytecode = compile_wheels(store, wheels, compiler, signals=signals)
        whole = with_bytecode(placement, wheels, bytecode, version_folder(self._interpreter))
        with build_faults("install the build requirements", self.path):
            copy_wheels(whole, wheels, self.path, store.owners, signals.raise_if_received)

    def _make_again(self) -> None:
        remove_tree(self.path)
        self.make()

    # -- pip --------------------------------------------------------------------------------------------

    def _fetched(self, asked: _Asked) -> list[str]:
        """Let pip choose and fetch, or build, a wheel for everything that is asked for and needed by that."""
        folder = self._fresh("build-wheels")
        make_directory(folder, 0o700)
        # Where it takes wheels alone, it runs no code of others, and its answers are all that takes memory.
        memory = bounds.MEMORY if asked.pinned else None
        lines = [*asked.options, *asked.lines]
        self._pip(("wheel", "--wheel-dir", folder, *asked.arguments), lines, memory=memory)
        return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".whl"))

    def _install_with_pip(self, files: Sequence[str]) -> None:
        """Install wheels that the store does not take, in place of those that the environment has."""
        if self._has is not None:
            self._make_again()
        self._has = frozenset(files)
        lines = [Path(path).as_uri() for path in files]
        self._pip(("install", "--no-index", "--no-deps", "--no-warn-script-location"), lines)

    def _pip(self, arguments: Sequence[str], lines: Sequence[str], *, memory: int | None = None) -> None:
        listed = self._fresh("build-requirements")
        # pip decodes the file by the locale unless its first line names the encoding.
        create_file(listed, "\n".join(["# -*- coding: utf-8 -*-", *lines, ""]).encode(), mode=0o600)
        # -P: a file pip.py in the current directory is not pip.
        argv = [sys.executable, "-P", "-m", "pip", "--python", self.python, *arguments]
        argv += ["--requirement", listed, "--no-input", "--disable-pip-version-check"]
        environ = pip_environ(self._session.environ, temporary=os.path.join(self._folder, "temporary"))
        self._run(argv, self._folder, environ, what=_STEP, memory=memory)

    def _fresh(self, name: str) -> str:
        """A name in the folder that nothing has yet."""
        return os.path.join(self._folder, f"{name}-{len(os.listdir(self._folder))}")


def _listed(wheels: Iterable[StoredWheel]) -> str:
    return ", ".join(f"{wheel.name} {wheel.version}" for wheel in wheels)
