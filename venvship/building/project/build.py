"""Build the wheel of a project: pypa/build drives the project's own backend, in an isolated environment.

The backend runs in the interpreter of the root, which may be another than the one that runs venvship. So the
isolated environment is one of ours, and every program is run by `system.process`: with a time-out, with its
output redacted in `log/<release>/build.txt`, and with nothing left running.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Wanted
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import InvalidVersion, Version

from venvship.building.project.checkout import Checkout, open_checkout
from venvship.building.project.copy import add_included, clean_copy
from venvship.building.project.environment import BuildEnvironment
from venvship.building.project.session import BuildSession
from venvship.building.project.tree import FIXED_VERSION, Project, files_in, write_tree_wheel
from venvship.errors import (
    BuildError,
    CheckoutError,
    InvalidWheelError,
    ProgramNotFoundError,
    TooLargeError,
    VenvshipError,
)
from venvship.model.filename import parse_wheel_filename
from venvship.model.lockfiles.requirement import Requirement, marker_environment
from venvship.model.project_files import Rules
from venvship.model.redaction import OutputRedactor
from venvship.model.source import SOURCE_DATE_EPOCH, BuildRequirement, Source
from venvship.model.wheel import WheelFile
from venvship.printable import enclosed
from venvship.system.faults import build_faults
from venvship.system.files import create_file, hash_file, make_directory
from venvship.system.git import without_repository
from venvship.system.linking import link_file
from venvship.system.output import CappedLog
from venvship.system.process import Program, run

_OUTPUT_BYTES: Final = 1 << 20

_WORKER: Final = os.path.join(os.path.dirname(__file__), "hooks_worker.py")
"""Runs `build_wheel` along with the question for further requirements, if the backend has none."""

_COMPILERS: Final = re.compile(
    r"error: command '(?P<program>[^']*)' failed: No such file|No such file or directory: '(?P<name>[^'/]+)'"
    r"|[Uu]nknown compiler\(s\)|can't find Rust compiler|CMAKE_\w+_COMPILER not set"
)
"""How setuptools, meson, setuptools-rust and CMake say that there is no compiler."""


class BuiltWheel(NamedTuple):
    """A wheel that was built.

    Attributes:
        file: The wheel.
        version: As its file name has it.
        requirements: The distributions that built it, sorted by name.
        pinned: Whether they were installed by hash.
    """

    file: WheelFile
    version: str
    requirements: tuple[BuildRequirement, ...] = ()
    pinned: bool = False

    def recorded(self) -> dict[str, object]:
        """What the store keeps beside the choice of the wheel."""
        return {"build_requirements": [list(one) for one in self.requirements], "pinned": self.pinned}


def build_wheel(requirement: Requirement, session: BuildSession) -> BuiltWheel:
    """Build the wheel of a requirement with a source.

    Crash: the session's directory has a folder of it; it is the caller's.

    Args:
        requirement: The requirement.
        session: The build.

    Raises:
        CheckoutError: The source cannot be copied.
        BuildError: `before` or the build failed, took too long, or made something else.
        ProgramNotFoundError: There is no such program as `before` names.
        InterruptedByError: A signal came. Nothing is left running.
    """
    if requirement.source is None:
        raise RuntimeError(f"{requirement.name} has no source")
    folder = os.path.join(session.directory, requirement.name)
    with build_faults(f"build {requirement.name}", session.directory):
        make_directory(folder, 0o700)
        work = _Work(requirement, requirement.source, folder, session)
        for name in ("temporary", "wheels"):
            make_directory(os.path.join(folder, name), 0o700)
        changed = session.request.project.changed if requirement.source.dirty else None
        try:
            project = clean_copy(
                requirement.source,
                os.path.join(folder, "copy"),
                changed=changed,
                environ=session.environ,
                signals=session.signals,
                timeout=session.timeout,
            )
        except CheckoutError as error:
            if os.path.isabs(requirement.source.repository):
                raise
            # Another host may be out of reach, which says nothing about the lockfile.
            raise work.error(error.message, hint=error.hint) from error
        if not os.path.isdir(project):
            raise CheckoutError(f"{requirement.source.repository} has no folder {requirement.source.folder}")
        tracked = tuple(files_in(project))
        settings = session.request.project.settings
        if os.path.isabs(requirement.source.repository):
            if settings.include and requirement.source.commit:
                checkout = _opened(requirement.source, session)
                place = os.path.join(folder, "copy", checkout.prefix)
                inside = os.path.relpath(project, place) if requirement.source.kind == "tree" else "."
                names = checkout.included(settings.include, settings.exclude, "" if inside == "." else inside)
                add_included(checkout, names, place, session.signals)
            if settings.before is not None:
                work.run_before(settings.before, project)
        if requirement.source.kind == "tree":
            return work.written(project, tracked)
        return work.built(project)


def _opened(source: Source, session: BuildSession) -> Checkout:
    """The top of the repository that a source is in."""
    return open_checkout(
        source.repository,
        source.commit,
        environ=session.environ,
        signals=session.signals,
        require=lambda _path: None,
    )


class _Work:
    """The build of one requirement, from its clean copy on."""

    def __init__(self, requirement: Requirement, source: Source, folder: str, session: BuildSession) -> None:
        self._requirement = requirement
        self._source = source
        self._folder = folder
        self._session = session
        self._until = time.monotonic() + session.timeout
        self._redact = OutputRedactor(session.environ)
        self._environ = build_environ(session.environ, os.path.join(folder, "temporary"))
        self._interpreter = session.request.environment.interpreter
        self._failure: VenvshipError | None = None
        self._output = ""

    def run_before(self, command: Sequence[str], cwd: str) -> None:
        """Run `[project] before`."""
        try:
            self._run(command, cwd, self._environ, what="`before`")
        except ProgramNotFoundError as error:
            error.hint = "name it by its absolute path in `[project] before` of venvship.toml"
            raise
        self._until = time.monotonic() + self._session.timeout

    def written(self, project: str, tracked: Sequence[str]) -> BuiltWheel:
        """Write the wheel of a project without packaging."""
        settings = self._session.request.project.settings
        rules = Rules(include=settings.include, exclude=settings.exclude, shared=settings.shared)
        found = write_tree_wheel(
            Project(
                name=self._requirement.name,
                copy=project,
                tracked=tracked,
                origin=os.path.join(self._source.repository, self._source.folder).rstrip("/"),
                rules=rules,
                version=self._requirement.version or FIXED_VERSION,
            ),
            os.path.join(self._folder, "wheels"),
            self._session.signals.raise_if_received,
        )
        return BuiltWheel(found.wheel, self._requirement.version or FIXED_VERSION)

    def built(self, project: str) -> BuiltWheel:
        """Make the environment, and let the backend build the wheel in it."""
        from build import BuildBackendException, BuildException, ProjectBuilder

        environment = BuildEnvironment(self._folder, self._session, run=self._run, note=self._logged)
        environment.make()
        path = f"{environment.path}/bin:{self._environ.get('PATH', os.defpath)}"
        environ = {**self._environ, "PATH": path, "VIRTUAL_ENV": environment.path}

        wheels, ahead = os.path.join(self._folder, "wheels"), os.path.join(self._folder, "ahead")
        make_directory(ahead, 0o700)
        kwargs = {"wheel_directory": wheels, "config_settings": None, "metadata_directory": None}
        create_file(os.path.join(ahead, "input.json"), json.dumps({"kwargs": kwargs}).encode())

        def hook(
            cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
        ) -> None:
            python, script, name, control = cmd
            if name == "get_requires_for_build_wheel":
                cmd = (python, _WORKER, script, name, control, ahead)
            elif os.path.isfile(answer := os.path.join(ahead, "output.json")):
                link_file(answer, os.path.join(control, "output.json"), "copy")
                return
            # pypa/build turns every exception of a hook into one of its own.
            try:
                self._run(cmd, cwd or project, {**environ, **(extra_environ or {})}, what="its build backend")
            except VenvshipError as error:
                self._failure = error
                raise

        try:
            with self._warnings_in_log():
                builder = ProjectBuilder(project, python_executable=environment.python, runner=hook)
                wanted = builder.build_system_requires
                environment.install(wanted)
                wanted |= (more := builder.get_requires_for_build("wheel"))
                if more:
                    environment.install(more)
                path = builder.build("wheel", wheels)
        except (BuildException, BuildBackendException) as error:
            if self._failure is not None:
                raise self._failure from error
            raise self.error(f"it cannot be built: {self._redact(str(error))}") from error
        installed = environment.installed()
        self._require(wanted, installed)
        return self._checked(path, installed)

    def _checked(self, path: str, installed: tuple[BuildRequirement, ...]) -> BuiltWheel:
        """Refuse a wheel that is another than the one that was to be built."""
        requirement, filename = self._requirement, os.path.basename(path)
        try:
            name, version, _, tags = parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            raise self.error(str(error), kind=InvalidWheelError) from error
        if not os.path.isfile(path) or os.path.dirname(path) != os.path.join(self._folder, "wheels"):
            raise self.error(
                f"its build backend named {filename}, and made no such file", kind=InvalidWheelError
            )
        if name != requirement.name:
            raise self.error(f"the build made {filename}, which is {name}", kind=InvalidWheelError)
        if requirement.version is not None and str(version) != requirement.version:
            raise self.error(
                f"the build made version {version}, and pyproject.toml says {requirement.version}",
                kind=InvalidWheelError,
            )
        if set(self._interpreter.tags).isdisjoint(map(str, tags)):
            raise self.error(
                f"the build made {filename}, which does not run on {self._interpreter.label}",
                kind=InvalidWheelError,
            )
        pinned = self._session.request.project.constraints is not None
        return BuiltWheel(WheelFile(path, hash_file(path)), str(version), installed, pinned)

    # -- build requirements -----------------------------------------------------------------------------

    def _require(self, wanted: set[str], installed: Sequence[BuildRequirement]) -> None:
        """Refuse a lock of build requirements that lacks one that the project asks for.

        Raises:
            BuildError: It does.
        """
        if self._session.request.project.constraints is None:
            return
        versions = {one.name: one.version for one in installed}
        environment = marker_environment(self._interpreter)
        lacking: list[str] = []
        for line in sorted(wanted):
            with contextlib.suppress(
                InvalidRequirement, InvalidVersion, UndefinedComparison, UndefinedEnvironmentName
            ):
                one = Wanted(line)
                if one.marker is not None and not one.marker.evaluate(environment):
                    continue
                version = versions.get(str(canonicalize_name(one.name)))
                if version is None or not one.specifier.contains(Version(version), prereleases=True):
                    lacking.append(line)
        if lacking:
            path = self._session.request.project.settings.build_constraints
            raise self.error(
                f"{path}, the lock of its build requirements, has not {', '.join(lacking)}",
                hint="lock them again, with all that they need",
            )

    # -- programs ---------------------------------------------------------------------------------------

    def _run(
        self,
        command: Sequence[str],
        cwd: str,
        environ: Mapping[str, str],
        *,
        what: str,
        memory: int | None = None,
    ) -> None:
        """Run a program of the build to its end; its output goes to the log, redacted.

        `memory` is the bound of each of its processes, in bytes; for no code of others.
        """
        program = Program(command, env=environ, cwd=cwd, keep=_OUTPUT_BYTES, memory=memory)
        result = run(program, timeout=max(self._until - time.monotonic(), 0.1), signals=self._session.signals)
        self._output = self._logged(result.output.decode(errors="replace"))
        if result.timed_out:
            raise self.error(
                f"{what} took longer than {self._session.timeout:g} s and was ended",
                hint="see why it hangs; `[project] timeout` in venvship.toml allows more time",
                timeout=self._session.timeout,
            )
        if result.returncode == 0:
            return
        # Late: only a failure is diagnosed.
        from venvship.building.fetching.pip_diagnosis import beyond_bounds, last_words

        if beyond := beyond_bounds(self._output, memory=memory):
            raise self.error(f"{what} failed: {beyond.message}", hint=beyond.hint, kind=TooLargeError)
        if found := _COMPILERS.search(self._output):
            names = found.groupdict()
            program_name = names.get("program") or names.get("name") or "a compiler"
            raise self.error(
                f"{what} needs {program_name}, which is not on this host",
                hint="install it, or build the wheel elsewhere and pin it in the lockfile",
            )
        raise self.error(enclosed(f"{what} failed: ", last_words(self._output)))

    @contextlib.contextmanager
    def _warnings_in_log(self) -> Iterator[None]:
        """Keep warnings in the log: pyproject_hooks gives those of the backend again, in our process."""
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            try:
                yield
            finally:
                if given:
                    self._logged("\n".join(f"{one.filename}:{one.lineno}: {one.message}" for one in given))

    def _logged(self, text: str) -> str:
        """Add text to the log, redacted; returns what was added."""
        redacted = "\n".join(map(self._redact, text.splitlines()))
        CappedLog(self._session.log, heading=f"{redacted}\n".encode()).close()
        return redacted

    def error(
        self,
        message: str,
        *,
        hint: str | None = None,
        kind: Callable[..., BuildError] = BuildError,
        **data: object,
    ) -> BuildError:
        """The error of this build, with its log."""
        requirement = self._requirement
        return kind(
            enclosed(f"{requirement.name}, from {self._source.repository}: ", message),
            hint=hint or f"see {self._session.log}",
            log=self._session.log,
            **self.facts(),
            **data,
        )

    def facts(self) -> dict[str, object]:
        """The facts that an error about the build has for scripts."""
        return {"package": self._requirement.name, "commit": self._source.commit}


def build_environ(environ: Mapping[str, str], temporary: str) -> dict[str, str]:
    """The environment for a build: the user's, without what leads Python, pip or git elsewhere.

    Args:
        environ: The process environment.
        temporary: An existing directory for temporary files.
    """
    kept = {
        name: value
        for name, value in without_repository(environ).items()
        if not name.startswith(
            ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "VENVSHIP_", "SETUPTOOLS_", "DIST_EXTRA")
        )
    }
    return {
        **kept,
        "TMPDIR": temporary,
        "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH),
        # The order of sets must not enter a wheel.
        "PYTHONHASHSEED": "0",
    }
