"""The interpreter for a project that says which Pythons it runs on.

An interpreter in somebody's home cannot be executed by the user of a service, so one of the host comes first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from venvship.building.interpreter import OLDEST, resolve_interpreter
from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.system.accounts import home_folders
from venvship.system.signals import Signals

_NAME: Final = re.compile(r"python3(?:\.(\d+))?", re.ASCII)
_NEWER: Final = 8
"""The number of minor versions that are looked for in the homes, from the oldest."""

_FOLDERS: Final = ("/usr/bin", "/usr/local/bin")


class Chosen(NamedTuple):
    """An interpreter for a project.

    Attributes:
        interpreter: The interpreter.
        home: The home that it is in; empty for one that every user of the host can be let at.
    """

    interpreter: Interpreter
    home: str


def choose_interpreter(
    requires_python: str, version: str, *, environ: Mapping[str, str], signals: Signals
) -> Chosen:
    """Choose an interpreter that fits a project.

    In this order: those of the host, the version that the project names first, then the host's `python3`,
    then the newest; the one that runs venvship; one that pyenv or uv has installed in the caller's home.

    Args:
        requires_python: The project's `Requires-Python`; empty for any.
        version: The `X.Y` that the project names, as in `.python-version`; empty for none.
        environ: The environment to look in.
        signals: Signals that end the search.

    Raises:
        InterpreterError: None fits.
        HostError: The host has nothing left to run one.
        InterruptedByError: A signal came.
    """
    homes = home_folders(environ)
    found: dict[str, Interpreter] = {}
    for setting in _candidates(version, environ, homes):
        try:
            interpreter = resolve_interpreter(setting, environ=environ, signals=signals)
        except InterpreterError:
            continue
        found.setdefault(interpreter.path, interpreter)
        if fits(interpreter.version, requires_python) and f"{interpreter.version}.".startswith(version):
            return _chosen(interpreter, homes)
    fitting = [one for one in found.values() if fits(one.version, requires_python)]
    if fitting:
        return _chosen(fitting[0], homes)
    there = ", ".join(f"{one.path} ({one.version})" for one in found.values())
    named = re.search(r"3\.\d+", f"{version} {requires_python}")
    asked = named[0] if named else "3.13"
    raise InterpreterError(
        f"the project asks for Python {requires_python or version}, and no interpreter here fits"
        + (f"; there are {there}" if there else ""),
        hint="install one for all users, and name it with --python: "
        f"uv python install --install-dir /opt/python {asked}",
    )


def _chosen(interpreter: Interpreter, homes: Iterable[str]) -> Chosen:
    home = next((home for home in homes if interpreter.path.startswith(f"{home}/")), "")
    return Chosen(interpreter, home)


def _candidates(version: str, environ: Mapping[str, str], homes: Iterable[str]) -> Iterator[str | None]:
    """Settings for `resolve_interpreter`, the likeliest first."""
    yield from _of_the_host(version, environ, homes)
    yield None
    if version:
        yield version
    for minor in range(OLDEST[1], OLDEST[1] + _NEWER):
        yield f"3.{minor}"


def fits(found: str, requires_python: str) -> bool:
    """Whether a version is one that a project runs on. A specifier that is none excludes nothing."""
    try:
        return SpecifierSet(requires_python).contains(found, prereleases=True)
    except InvalidSpecifier:
        return True


def _of_the_host(version: str, environ: Mapping[str, str], homes: Iterable[str]) -> Iterator[str]:
    """The paths of the host's interpreters, the likeliest first, each file once."""
    folders = dict.fromkeys([*_FOLDERS, *environ.get("PATH", "").split(os.pathsep)])
    found: dict[str, tuple[bool, bool, int, str]] = {}
    for place, folder in enumerate(folders):
        for name in _names(folder):
            path = os.path.join(folder, name)
            real = os.path.realpath(path)
            if any(real.startswith(f"{home}/") for home in homes) or not os.access(real, os.X_OK):
                continue
            minor = _NAME.fullmatch(os.path.basename(real)) or _NAME.fullmatch(name)
            number = int(minor[1]) if minor and minor[1] else 0
            rank = (f"3.{number}" != version, name != "python3", -number, f"{place:04}{name}")
            found[real] = min(rank, found.get(real, rank))
    yield from sorted(found, key=found.__getitem__)


def _names(folder: str) -> list[str]:
    if not os.path.isabs(folder):
        return []
    try:
        return [name for name in os.listdir(folder) if _NAME.fullmatch(name)]
    except OSError:
        return []
