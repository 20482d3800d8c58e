"""Make a lockfile with pip-compile, for another interpreter than the one that runs venvship.

Markers and wheels are those of the interpreter that runs pip-compile, so the root's interpreter runs it. It
need not have pip-tools: it is lent venvship's own, with pip and the packages that the two import, all of it
plain Python. See ADR 0007.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shlex
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from packaging.version import Version

from venvship.building.fetching.diagnosis import Diagnosis
from venvship.building.fetching.direct import look_at_pages
from venvship.building.fetching.outage import index_outage
from venvship.building.fetching.pip_diagnosis import (
    beyond_bounds,
    diagnose,
    last_words,
    mismatched,
    read_end,
)
from venvship.building.fetching.pip_environ import pip_environ
from venvship.building.locking.origins import OriginNotes, OriginRules, read_notes
from venvship.building.locking.untouched import untouched
from venvship.errors import (
    BuildError,
    DiskFullError,
    FetchTimeoutError,
    HashMismatchError,
    HostError,
    IndexUnreachableError,
    LockError,
    LockfileError,
    SettingsError,
    TooLargeError,
)
from venvship.model import bounds
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import read_lockfile
from venvship.model.lockfiles.requirements_txt import RequirementsTxt
from venvship.model.redaction import Redactor
from venvship.printable import lines, lines_of, shell_line
from venvship.system.faults import build_faults
from venvship.system.files import create_file, make_directory, make_link
from venvship.system.host import host_error_in
from venvship.system.output import CappedLog
from venvship.system.process import ProcessResult, Program, run
from venvship.system.signals import Signals

LENT: Final = ("pip", "piptools", "build", "click", "packaging", "pyproject_hooks")
"""The packages that pip-tools needs on CPython 3.11 and later, as import names."""

COOLDOWN_PIP: Final = "26.0"
"""The first pip that has `--uploaded-prior-to`."""

COMPARING_PIP: Final = "26.3"
"""The first pip that compares the hashes of a pin that is kept with the files on the index."""

_WORKER: Final = Path(__file__).with_name("pip_compile_worker.py")
_UNABLE: Final = 96
_NOT_THE_INPUTS: Final = (DiskFullError, HashMismatchError, HostError, IndexUnreachableError, TooLargeError)
_OUTPUT_BYTES: Final = 1 << 20
_TOO_LARGE_HINT: Final = "ask who runs the index, or lock fewer packages at a time"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest:
    """One run of pip-compile.

    Attributes:
        inputs: Requirement files, relative to `cwd`; comments of the lockfile name them so.
        texts: Their contents: the variables in them are secrets to be masked.
        kept: The pins to keep, as lines of a requirements file.
        upgrade: Keep none of them.
        packages: Keep all but these; each a name, or a name with versions.
        interpreter: The interpreter that the lockfile is for; it runs pip-compile.
        sdists: Normalised names that may be built from source; `"*"` allows all.
        uploaded_before: Ignore files that were uploaded later; aware.
        origins: Where packages may come from.
        lockfile: The path that the result is meant for, for messages.
        cwd: The directory that pip-compile runs in.
        timeout: Seconds for all of it.
        log: A file that gets the output, redacted; mode 0600.
    """

    inputs: tuple[str, ...]
    texts: tuple[str, ...]
    kept: bytes
    upgrade: bool
    packages: tuple[str, ...]
    interpreter: Interpreter
    sdists: Collection[str]
    uploaded_before: datetime | None
    origins: OriginRules
    lockfile: str
    cwd: str
    timeout: float
    log: str

    @property
    def memory(self) -> int | None:
        """Bytes of data of each of its processes; `None` where one may build from source."""
        return None if self.sdists else bounds.LOCKING


class Compilation(NamedTuple):
    """The result of pip-compile.

    Attributes:
        content: The text of a requirements file.
        origins: Where its packages come from, and what other sources offer.
    """

    content: bytes
    origins: OriginNotes


def pip_compile(
    request: CompileRequest, *, directory: str, environ: Mapping[str, str], signals: Signals
) -> Compilation:
    """Resolve the inputs, and pin the result with hashes and without any option lines.

    Crash: `directory` is left in part or whole; the caller owns and sweeps it. Besides, only the cache of
    pip-tools and the log are written.

    Args:
        request: The inputs, and how to resolve them.
        directory: An empty directory of the caller's.
        environ: The user's environment variables. Those about where packages come from stay in force.
        signals: Signals that end it.

    Raises:
        LockError: pip-compile failed, or the interpreter cannot run it.
        IndexChangedError: It failed, and packages could only have come from another source than they may.
        IndexUnreachableError: An index refused, failed, or wanted other credentials.
        TooLargeError: The answers of the index take too much memory, or it sends too large a file.
        FetchTimeoutError: It took longer than `timeout`. No pip is left running.
        DiskFullError: There is no room in `directory`.
        SettingsError: A cooldown is asked for, and pip is too old for one.
        BuildError: Something else of `directory` could not be written.
        InterruptedByError: A signal came. No pip is left running.
    """
    if request.uploaded_before is not None:
        require_cooldown(importlib.metadata.version("pip"))
    with build_faults("make a lockfile", directory):
        library, temporary = os.path.join(directory, "lib"), os.path.join(directory, "tmp")
        output, debug = os.path.join(directory, "lockfile"), os.path.join(directory, "debug.log")
        rules, notes = os.path.join(directory, "rules.json"), os.path.join(directory, "notes.json")
        for folder in (library, temporary):
            make_directory(folder, 0o700)
        _lend(library)
        if request.kept:
            create_file(output, request.kept, mode=0o600)
        request.origins.save(rules)
        env = _compile_environ(environ, temporary)
        # -B: no bytecode of another interpreter beside venvship's own files.
        until = time.monotonic() + request.timeout
        argv = [request.interpreter.path, "-I", "-S", "-B", "-X", "utf8", str(_WORKER)]
        result = run(
            Program(
                [*argv, library, rules, notes, *_arguments(request, output, debug)],
                env=env,
                cwd=request.cwd,
                keep=_OUTPUT_BYTES,
                memory=request.memory,
                file_size=bounds.FILE,
            ),
            timeout=request.timeout,
            signals=signals,
        )
        redact = Redactor(environ, request.texts)
        said = redact(result.output.decode(errors="replace")).replace(output, request.lockfile)
        CappedLog(request.log, heading=said.encode()).close()
        place = _Place(request, env, directory, signals, until)
        origins = read_notes(notes, redact)
        try:
            _raise_if_failed(place, result, said, redact(read_end(debug)))
        except LockError as error:
            if (refusal := origins.refusal(error, untouched(request.lockfile))) is None:
                raise
            raise refusal from error
        return Compilation(Path(output).read_bytes(), origins)


def require_cooldown(pip_version: str) -> None:
    """Refuse a pip that has no cooldown.

    Raises:
        SettingsError: It is too old.
    """
    if Version(pip_version) < Version(COOLDOWN_PIP):
        raise SettingsError(
            f"`[lock] cooldown_days` needs pip {COOLDOWN_PIP} or later, and venvship has pip {pip_version}; "
            "nothing was locked",
            hint=f"{shell_line([sys.executable])} -m pip install 'pip>={COOLDOWN_PIP}', "
            "or set cooldown_days = 0",
            pip=pip_version,
        )


def pip_that_keeps_hashes(version: str = "") -> str | None:
    """The version of venvship's pip, if that keeps the hashes of a pin unseen; `None` if it compares them.

    Args:
        version: Of another pip.
    """
    version = version or importlib.metadata.version("pip")
    return version if Version(version) < Version(COMPARING_PIP) else None


def _lend(library: str) -> None:
    """Link to venvship's own copies, each by itself: their neighbours are not lent."""
    for name in LENT:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise LockError(
                f"there is no {name} beside venvship, in {sys.prefix}; nothing was locked",
                hint=f"{shell_line([sys.executable])} -m pip install pip-tools",
            )
        make_link(os.path.abspath(found.submodule_search_locations[0]), os.path.join(library, name))


def _arguments(request: CompileRequest, output: str, debug: str) -> list[str]:
    pip = ["--no-input", "--log", debug, *_formats(request.sdists)]
    if request.uploaded_before is not None:
        pip += ["--uploaded-prior-to", request.uploaded_before.isoformat(timespec="seconds")]
    arguments = ["compile", "--no-config", "--generate-hashes", "--allow-unsafe", "--strip-extras"]
    arguments += ["--no-emit-options", "--output-file", output, f"--pip-args={shlex.join(pip)}"]
    arguments += ["--upgrade"] if request.upgrade else []
    arguments += [f"--upgrade-package={package}" for package in request.packages]
    return [*arguments, "--", *request.inputs]


def _formats(sdists: Collection[str]) -> list[str]:
    """The options for the files that pip may choose. To read a source's metadata is to run its code."""
    if "*" in sdists:
        return ["--only-binary", ":none:", "--no-binary", ":none:"]
    # "A wheel, or else the source" cannot be asked for some names only, so these come as source.
    return ["--only-binary", ":all:", *(word for name in sorted(sdists) for word in ("--no-binary", name))]


def _compile_environ(environ: Mapping[str, str], temporary: str) -> dict[str, str]:
    env = pip_environ(environ, temporary=temporary)
    env |= {"CUSTOM_COMPILE_COMMAND": "venvship lock", "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("PIP_TOOLS_CACHE_DIR", "PIP_UPLOADED_PRIOR_TO"):
        if name in environ:
            env[name] = environ[name]
    # A user of a service may have no home that can be written; pip-tools must have a cache.
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", "/nonexistent"), ".cache")
    while cache != os.path.dirname(cache) and not os.path.exists(cache):
        cache = os.path.dirname(cache)
    if not os.access(cache, os.W_OK | os.X_OK):
        env["XDG_CACHE_HOME"] = temporary
    return env


@dataclass(frozen=True, slots=True)
class _Place:
    """Where pip-compile runs; a `direct.Place`."""

    request: CompileRequest
    environ: Mapping[str, str]
    directory: str
    signals: Signals
    until: float
    options: tuple[str, ...] = ()

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter that the lockfile is for."""
        return self.request.interpreter

    @property
    def cwd(self) -> str:
        """The directory that pip-compile runs in."""
        return self.request.cwd


def _raise_if_failed(place: _Place, result: ProcessResult, said: str, debug: str) -> None:
    request = place.request
    if result.timed_out:
        raise FetchTimeoutError(
            f"locking took longer than {request.timeout:g} s and was ended; {untouched(request.lockfile)}",
            hint="see whether the index answers; `[build] timeout` in venvship.toml allows more time",
            log=request.log,
            timeout=request.timeout,
        )
    if result.returncode and (beyond := beyond_bounds(said, memory=request.memory, file_size=bounds.FILE)):
        raise _error(replace(beyond, hint=_TOO_LARGE_HINT), request)
    if result.returncode and (short := host_error_in(said, "run pip-compile")):
        raise HostError(f"{short.message}; {untouched(request.lockfile)}", hint=short.hint, log=request.log)
    if result.returncode == _UNABLE:
        tools = " and ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pip-tools", "pip"))
        raise LockError(
            f"{request.interpreter.path}, Python {request.interpreter.version}, cannot run {tools}, which "
            f"venvship lends it: {lines_of(last_words(said))[0].removesuffix('.')}; "
            f"{untouched(request.lockfile)}",
            hint=f"{shell_line([sys.executable])} -m pip install --upgrade pip-tools pip, "
            "or set another `python`",
            log=request.log,
        )
    found = _diagnose(place, said, debug) if result.returncode else index_outage(debug)
    if found:
        raise _error(found, request)


def _diagnose(place: _Place, said: str, debug: str) -> Diagnosis:
    request = place.request
    replaced, kept = mismatched(said), {}
    if replaced:
        with contextlib.suppress(LockfileError):
            lockfile = read_lockfile([request.lockfile], read=lambda _: request.kept, sdists=request.sdists)
            if isinstance(lockfile.parsed, RequirementsTxt):
                kept = {pin.name: pin for pin in lockfile.parsed.requirements if pin.name in replaced}
    seen = look_at_pages([*kept.values()], place, until=place.until)
    return diagnose(said, debug, request.interpreter, None, seen, kept)


def _error(found: Diagnosis, request: CompileRequest) -> BuildError | HostError:
    about = f"{', '.join(found.names)}: " if found.names else ""
    first, *rest = lines_of(found.message)
    state = untouched(request.lockfile)
    return (found.kind if found.kind in _NOT_THE_INPUTS else LockError)(
        lines(about + first, *rest, state) if rest else f"{about}{first.removesuffix('.')}; {state}",
        hint=found.hint,
        log=request.log,
        **({"package": found.names[0]} if len(found.names) == 1 else {}),
        **found.data,
    )
