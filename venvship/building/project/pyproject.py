"""A project's own description: its name, version, Python and dependencies. Nothing of it is run.

Source: the "pyproject.toml specification" of PyPA. Older projects have the tables of Poetry, `setup.cfg`, or
literal arguments of `setup()`.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from venvship.errors import CheckoutError

_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")

Read = Callable[[str], str | None]
"""Returns the text of a file of the project by its name; `None` if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's own description.

    Attributes:
        name: Normalised; `""` if only a build tells it.
        version: Normalised; `None` if only a build tells it.
        requires_python: Its specifier; empty for any.
        dependencies: Normalised names of what it needs in every environment, and for its extras.
        is_package: Whether it can be built: it has a build backend, or a setup script.
        members: Patterns of folders of the workspace that it is the top of.
        without: Patterns of folders that are not in that workspace.
        paths: By normalised name, the folder of a dependency that is named by its path, relative to it.
    """

    name: str
    version: str | None
    requires_python: str
    dependencies: frozenset[str]
    is_package: bool
    members: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    paths: Mapping[str, str]

    @property
    def can_be_built(self) -> bool:
        """Whether it is a package with a name."""
        return self.is_package and bool(self.name)

    def problem_with_python(self, version: str) -> str:
        """Why the project does not run on a Python of this full version; empty if it does."""
        try:
            wanted = SpecifierSet(self.requires_python)
        except InvalidSpecifier:
            return f"`requires-python` is {self.requires_python!r}, which is no specifier"
        if wanted.contains(version, prereleases=True):
            return ""
        return f"`requires-python` is {self.requires_python!r}, and this is Python {version}"


def read_project(read: Read, where: str) -> Project:
    """Read the description of the project in a folder.

    Args:
        read: Reads its files.
        where: The folder, for messages.

    Raises:
        CheckoutError: A file of it is no TOML, or has a name or version that no project has.
    """
    text = read("pyproject.toml")
    try:
        found: Mapping[str, Any] = {} if text is None else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        path = posixpath.join(where, "pyproject.toml")
        raise CheckoutError(f"{path} is not TOML: {error}", path=path) from error
    project, tool = _table(found, "project"), _table(found, "tool")
    poetry, uv = _table(tool, "poetry"), _table(tool, "uv")
    old = {} if project.get("name") or poetry.get("name") else _old(read)
    name = project.get("name") or poetry.get("name") or old.get("name", "")
    version = project.get("version", poetry.get("version") if not project.get("dynamic") else None)
    if version is None and "version" not in project.get("dynamic", ()):
        version = old.get("version")
    workspace = _table(uv, "workspace")
    is_package = "build-system" in found or any(read(one) is not None for one in _FILES[1:])
    return Project(
        name=_name(name, where),
        version=_version(version, where),
        requires_python=_text(project.get("requires-python", old.get("python_requires", ""))),
        dependencies=frozenset(_dependencies(project, poetry)),
        is_package=is_package and uv.get("package", True) is not False,
        members=_texts(workspace.get("members")),
        without=_texts(workspace.get("exclude")),
        paths=dict(_paths(uv, poetry)),
    )


def unpackaged(name: str) -> Project:
    """The description of an application without packaging.

    Args:
        name: The application's; any text.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "app"
    return Project(
        name=plain, version="0", requires_python="", dependencies=frozenset(), is_package=False, paths={}
    )


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _name(value: object, where: str) -> str:
    name = _text(value)
    try:
        return str(canonicalize_name(name, validate=True)) if name else ""
    except ValueError as error:
        raise CheckoutError(f"{where}: {name!r} is no name of a project", path=where) from error


def _version(value: object, where: str) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return str(Version(value))
    except InvalidVersion as error:
        raise CheckoutError(f"{where}: {value!r} is no version (PEP 440)", path=where) from error


def _dependencies(project: Mapping[str, Any], poetry: Mapping[str, Any]) -> Iterator[str]:
    extras = project.get("optional-dependencies")
    groups = [project.get("dependencies"), *(extras.values() if isinstance(extras, Mapping) else ())]
    for line in (line for group in groups for line in _texts(group)):
        with contextlib.suppress(InvalidRequirement):
            yield str(canonicalize_name(Requirement(line).name))
    for name in _table(poetry, "dependencies"):
        yield str(canonicalize_name(name))


def _paths(uv: Mapping[str, Any], poetry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for table in (_table(uv, "sources"), _table(poetry, "dependencies")):
        for name, source in table.items():
            if isinstance(source, Mapping) and isinstance(source.get("path"), str):
                yield str(canonicalize_name(name)), source["path"]


def _old(read: Read) -> dict[str, str]:
    """Name, version and Python of a project that has them in `setup.cfg` or `setup.py`."""
    found: dict[str, str] = {}
    if (script := read("setup.py")) is not None:
        found |= _arguments_of_setup(script)
    if (text := read("setup.cfg")) is not None:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error):
            parser.read_string(text)
        for section, key in (("metadata", "name"), ("metadata", "version"), ("options", "python_requires")):
            value = parser.get(section, key, fallback="").strip()
            if value and not value.startswith(("attr:", "file:")):
                found[key] = value
    return found


def _arguments_of_setup(script: str) -> dict[str, str]:
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        keyword.arg: keyword.value.value
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] == "setup"
        for keyword in call.keywords
        if keyword.arg in {"name", "version", "python_requires"}
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }
