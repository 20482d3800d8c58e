"""Which interpreter a root's releases run on: found once, asked once, recorded by the caller.

Everything known of an interpreter comes from running it with `-I -S`, so that no environment variable, no
user site and no `.pth` file of its installation has a say.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

from venvship.errors import HostError, InterpreterError, ProgramNotFoundError
from venvship.model.interpreter import Interpreter
from venvship.system.host import host_error_in, host_faults
from venvship.system.interpreters import run_probe
from venvship.system.signals import Signals

OLDEST: Final = (3, 11)
"""The oldest CPython that releases can run on."""

_PROBE_SECONDS: Final = 30.0


def resolve_interpreter(setting: str | None, *, environ: Mapping[str, str], signals: Signals) -> Interpreter:
    """Find the interpreter that the settings mean, down to a versioned, real path.

    Shims, `python3` links and virtual environments are followed to the installation behind them: what they
    point to may change tomorrow, and a release is built for one interpreter.

    Args:
        setting: A version such as `"3.11"` or `"3.11.7"`, an absolute path, or `None`: the interpreter that
            runs venvship.
        environ: The environment to look in: `PATH`, and what pyenv and uv go by.
        signals: Signals that end the search.

    Raises:
        InterpreterError: There is none, it does not run, it is no CPython, or it is older than 3.11.
        HostError: The host has nothing left to run one.
        InterruptedByError: A signal came.
    """
    if setting is None:
        # Of a virtual environment, the base: that environment may be deleted, and its link may move.
        own = getattr(sys, "_base_executable", None) or sys.executable
        return _settle(own, environ=environ, signals=signals)
    if "/" in setting:
        return _settle(setting, environ=environ, signals=signals)
    interpreter = _settle(_discover(setting, environ), environ=environ, signals=signals)
    if not f"{interpreter.version}.".startswith(f"{setting}."):
        raise InterpreterError(
            f"looked for Python {setting} and found {interpreter.path}, which is {interpreter.version}",
            hint="name the interpreter by its path in venvship.toml",
            path=interpreter.path,
        )
    return interpreter


def probe(
    path: str, *, environ: Mapping[str, str] | None = None, signals: Signals | None = None
) -> Interpreter:
    """Ask the interpreter at exactly this path for its facts.

    Args:
        path: The executable, absolute; it is recorded as it is.
        environ: The environment to run it in, which may have to say where its libraries are.
        signals: Signals that end the wait.

    Raises:
        InterpreterError: It does not run, it is no CPython, or it is older than 3.11.
        HostError: The host has nothing left to run it.
        InterruptedByError: A signal came.
    """
    facts = _ask(path, environ=environ or {}, signals=signals or Signals())
    return Interpreter(
        path=path,
        version=facts["version"],
        implementation=facts["implementation"],
        soabi=facts["identity"]["soabi"],
        platform=facts["identity"]["platform"],
        magic=facts["identity"]["magic"],
        tags=tuple(facts["tags"]),
        markers=facts["markers"],
    )


def _discover(version: str, environ: Mapping[str, str]) -> str:
    """Search as virtualenv does: the running interpreter, PATH with shims resolved, uv's installations."""
    # Imported late: it is needed once in the life of a root.
    from python_discovery import get_interpreter

    found, failure = None, ""
    try:
        with host_faults(f"look for Python {version}"):
            found = get_interpreter(f"cpython{version}", env=environ)
    except RuntimeError as error:  # one that it has found does not answer
        failure = f": {error}"
    path = (found.system_executable or found.executable) if found is not None else None
    if path is None:
        path = _installed_by_pyenv(version, environ)
    if path is None:
        # Where no program can be started, the search finds none either, and reports nothing.
        probe(sys.executable, environ=environ)
        raise InterpreterError(
            f"found no CPython {version} in PATH, nor one that pyenv or uv installed{failure}",
            hint=f"install it, or set `python` in venvship.toml to the path of a CPython {version}",
            setting=version,
        )
    return path


def _installed_by_pyenv(version: str, environ: Mapping[str, str]) -> str | None:
    """Look among all that pyenv installed: its shims lead only to those that are selected."""
    root = environ.get("PYENV_ROOT") or os.path.join(environ.get("HOME", "/nonexistent"), ".pyenv")
    try:
        names = os.listdir(os.path.join(root, "versions"))
    except OSError:
        return None
    matching = [name for name in names if re.fullmatch(rf"{re.escape(version)}(\.\d+)*", name, re.ASCII)]
    minor = ".".join(version.split(".")[:2])
    for name in sorted(matching, key=lambda text: [int(part) for part in text.split(".")], reverse=True):
        path = os.path.join(root, "versions", name, "bin", f"python{minor}")
        if os.access(path, os.X_OK):
            return path
    return None


def _settle(path: str, *, environ: Mapping[str, str], signals: Signals) -> Interpreter:
    """Follow what was found to the real executable behind it, and ask that one."""
    facts = _ask(path, environ=environ, signals=signals)
    real = _versioned(os.path.realpath(facts["base_executable"]), facts["version_info"])
    return probe(real, environ=environ, signals=signals)


def _versioned(real: str, version: list[int]) -> str:
    """Prefer `pythonX.Y` where the real file is called `python`, if both are the same file."""
    sibling = os.path.join(os.path.dirname(real), f"python{version[0]}.{version[1]}")
    try:
        return sibling if os.path.samefile(real, sibling) and not os.path.islink(sibling) else real
    except OSError:
        return real


def _ask(path: str, *, environ: Mapping[str, str], signals: Signals) -> dict[str, Any]:
    import packaging

    if not os.path.exists(path):
        raise _unusable_error(path, f"there is no interpreter {path}")
    assert packaging.__file__ is not None
    library = os.path.dirname(os.path.dirname(os.path.abspath(packaging.__file__)))
    try:
        result = run_probe(path, environ=environ, signals=signals, timeout=_PROBE_SECONDS, library=library)
    except (ProgramNotFoundError, OSError) as error:
        raise _unusable_error(path, f"{path} cannot be run: {error}") from error
    if result.timed_out:
        raise _unusable_error(path, f"{path} did not answer within {_PROBE_SECONDS:g} s")
    if result.returncode == -signal.SIGKILL:
        raise HostError(
            f"{path} was killed while it was asked for its version",
            hint="if the host had no memory left, its kernel did that: see `dmesg`; then try again",
        )
    if result.returncode and (short := host_error_in(result.output, f"run {path}")):
        raise short
    try:
        facts = json.loads(result.stdout)
        version, name = tuple(facts["version_info"]), facts["implementation"]
    except (ValueError, KeyError, TypeError) as error:
        said = result.output.decode(errors="replace").strip().splitlines()[-1:]
        raise _unusable_error(
            path, f"{path} does not work as a Python interpreter" + "".join(f": {line}" for line in said)
        ) from error
    if name != "cpython":
        raise _unusable_error(path, f"{path} is {name} {facts['version']}; releases run on CPython")
    if version < OLDEST:
        oldest = f"{OLDEST[0]}.{OLDEST[1]}"
        raise _unusable_error(path, f"{path} is Python {facts['version']}; releases need {oldest} or later")
    return dict(facts)


def _unusable_error(path: str, message: str) -> InterpreterError:
    hint = 'set `python` in venvship.toml to a version such as "3.11", or to an interpreter\'s path'
    return InterpreterError(message, hint=hint, path=path)
