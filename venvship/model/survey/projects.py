"""The projects of a checkout: where each is, what it is called, and how it becomes part of a release."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from packaging.utils import canonicalize_name

from venvship.model.survey.files import Files, table, texts

BuildKind = Literal["wheel", "tree"]

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_PIN: Final = "--hash="
_INCLUDES: Final = re.compile(r"\s*(?:-r|--requirement)[ =]?\s*([^\s#]+)")
_MOST_LISTS: Final = 50


class Script(NamedTuple):
    """A console script: its name, and the module that it is in."""

    name: str
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project of a checkout.

    Attributes:
        folder: In the checkout; `""` is its top.
        name: Normalised (PEP 503); empty if nothing names it.
        build: How its code gets into a release: as a wheel, or as the tree that it is.
        reason: The reason for that, for people.
        packs: The only module or package that the wheel has, where the build backend goes by the name of the
            project; `""`: it is told which, or finds out.
        requires_python: Its specifier; empty without one.
        scripts: Its console scripts.
        dependencies: The normalised names of what it asks for, sorted, as far as its files say so.
    """

    folder: str
    name: str = ""
    build: BuildKind
    reason: str
    packs: str = ""
    requires_python: str = ""
    scripts: tuple[Script, ...] = ()
    dependencies: tuple[str, ...] = ()


def find_projects(files: Files) -> tuple[Project, ...]:
    """The projects of a checkout that a release could be of.

    Returns:
        Never none: a checkout without packaging is one project, at its top. That of the top comes first, if
        it is one; a workspace's members follow.
    """
    top = _project(files, "")
    folders = _members(files)
    members = [project for folder in folders if (project := _project(files, folder)) is not None]
    if top is None and not members:
        alone = sorted({posixpath.dirname(name) for name in files.names if _describes(name)} - {""})
        members = [project for folder in alone[:2] if (project := _project(files, folder)) is not None]
        if len(members) != 1:
            return (_plain(files),)
    return tuple(project for project in (top, *members) if project is not None)


def _describes(name: str) -> bool:
    return posixpath.basename(name) in {"pyproject.toml", "setup.py"} and name.count("/") == 1


def _members(files: Files) -> list[str]:
    """The folders of a uv workspace's members, sorted; none without a workspace."""
    workspace = table(files.toml("pyproject.toml"), "tool", "uv", "workspace")
    patterns, left_out = texts(workspace.get("members")), texts(workspace.get("exclude"))
    folders = {
        posixpath.dirname(name) for name in files.names if posixpath.basename(name) == "pyproject.toml"
    }

    def matches(folder: str, pattern: str) -> bool:
        pattern = posixpath.normpath(pattern)
        # A star stands for one folder, as in a glob.
        return folder.count("/") == pattern.count("/") and fnmatch.fnmatchcase(folder, pattern)

    return sorted(
        folder
        for folder in folders - {""}
        if any(matches(folder, one) for one in patterns) and not any(matches(folder, one) for one in left_out)
    )


def _project(files: Files, folder: str) -> Project | None:
    """The project of a folder; `None` if no file there describes one."""
    pyproject = files.toml(posixpath.join(folder, "pyproject.toml"))
    project, poetry = table(pyproject, "project"), table(pyproject, "tool", "poetry")
    setup_cfg = _setup_cfg(files, folder)
    has_setup_py = posixpath.join(folder, "setup.py") in files.names
    name = project.get("name") or poetry.get("name") or setup_cfg.get("metadata", "name", fallback="")
    described = name or project.get("dependencies") or has_setup_py or table(pyproject, "build-system")
    if not described:
        return None
    build, reason = _build_kind(pyproject, setup_py=has_setup_py, setup_cfg=bool(setup_cfg.sections()))
    scripts = {**table(poetry, "scripts"), **table(project, "scripts")}
    return Project(
        folder=folder,
        name=canonicalize_name(name) if isinstance(name, str) else "",
        build=build,
        reason=reason,
        packs=_packs(pyproject, name) if build == "wheel" and isinstance(name, str) else "",
        requires_python=_requires_python(project, poetry, setup_cfg),
        scripts=tuple(
            Script(script, target.partition(":")[0].strip())
            for script, target in sorted(scripts.items())
            if isinstance(target, str)
        ),
        dependencies=_dependencies(files, folder, pyproject, setup_cfg),
    )


def _plain(files: Files) -> Project:
    """A checkout that nothing describes: scripts, or an application with a list of requirements."""
    return Project(
        folder="",
        build="tree",
        reason="no pyproject.toml and no setup.py",
        dependencies=_dependencies(files, "", {}, configparser.ConfigParser()),
    )


def _build_kind(pyproject: Any, *, setup_py: bool, setup_cfg: bool) -> tuple[BuildKind, str]:  # noqa: ANN401
    if table(pyproject, "tool", "poetry").get("package-mode") is False:
        return "tree", "`package-mode = false` in pyproject.toml"
    packaged = table(pyproject, "tool", "uv").get("package")
    if packaged is False:
        return "tree", "`package = false` below [tool.uv] in pyproject.toml"
    backend = table(pyproject, "build-system").get("build-backend")
    if table(pyproject, "build-system"):
        return "wheel", f"pyproject.toml names the build backend {backend or 'setuptools'}"
    if setup_py:
        return "wheel", "setup.py"
    if setup_cfg:
        return "wheel", "setup.cfg"
    if packaged is True:
        return "wheel", "`package = true` below [tool.uv] in pyproject.toml"
    return "tree", "pyproject.toml has no [build-system]"


_BY_NAME: Final = {
    "hatchling.build": ("hatch", "build"),
    "flit_core.buildapi": ("flit",),
    "uv_build": ("uv", "build-backend"),
}
"""Build backends that pack the one package which has the project's name, and the tables in which a project
says otherwise, below `[tool]`. Sources: Hatch's "Wheel builder", flit's "pyproject.toml", uv's "The uv build
backend".
"""


def _packs(pyproject: Any, name: str) -> str:  # noqa: ANN401 - parsed TOML
    backend = table(pyproject, "build-system").get("build-backend")
    where = _BY_NAME.get(backend) if isinstance(backend, str) else None
    if where is None or table(pyproject, "tool", *where):
        return ""
    return canonicalize_name(name).replace("-", "_")


def as_it_has_to_go(project: Project, modules: Collection[str]) -> Project:
    """A project whose wheel would lack all modules that start it goes into a release as the tree that it is.

    Args:
        project: The project.
        modules: The settings of Django, or the modules with the application.
    """
    tops = {module.partition(".")[0] for module in modules}
    if not project.packs or not tops or project.packs in {top.lower() for top in tops}:
        return project
    return replace(
        project,
        build="tree",
        reason=f"the build backend packs {project.packs} alone, and not {min(tops)}",
    )


def _setup_cfg(files: Files, folder: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(files.text(posixpath.join(folder, "setup.cfg")) or "")
    except configparser.Error:
        return configparser.ConfigParser()
    # Others keep the settings of their tools there.
    return parser if parser.has_section("metadata") else configparser.ConfigParser()


def _requires_python(project: Any, poetry: Any, setup_cfg: configparser.ConfigParser) -> str:  # noqa: ANN401
    value = project.get("requires-python")
    if isinstance(value, str):
        return value
    value = table(poetry, "dependencies").get("python")
    if isinstance(value, str):
        return _specifier(value)
    return setup_cfg.get("options", "python_requires", fallback="")


def _specifier(constraint: str) -> str:
    """A version constraint of Poetry as a specifier (PEP 440); empty for what it cannot say.

    `^3.11` is `>=3.11,<4`; `~3.11` is `>=3.11,<3.12`. See https://python-poetry.org/docs/dependency-specification/.
    """
    parts: list[str] = []
    for part in filter(None, (one.strip() for one in constraint.split(","))):
        sign, digits = part[0], part[1:].strip()
        numbers = digits.split(".")
        if sign not in "^~" or digits.startswith("="):
            parts.append(part)
        elif not all(number.isdigit() for number in numbers):
            return ""
        elif sign == "^" or len(numbers) == 1:
            parts.append(f">={digits},<{int(numbers[0]) + 1}")
        else:
            parts.append(f">={digits},<{numbers[0]}.{int(numbers[1]) + 1}")
    return "" if "||" in constraint or constraint.strip() == "*" else ",".join(parts)


def _dependencies(
    files: Files,
    folder: str,
    pyproject: Any,  # noqa: ANN401 - parsed TOML
    setup_cfg: configparser.ConfigParser,
) -> tuple[str, ...]:
    found = [*texts(table(pyproject, "project").get("dependencies"))]
    found += table(pyproject, "tool", "poetry", "dependencies")
    found += setup_cfg.get("options", "install_requires", fallback="").splitlines()
    found += table(files.toml(posixpath.join(folder, "Pipfile")), "packages")
    found += _setup_py_requirements(files.python(posixpath.join(folder, "setup.py")))
    for name in requirement_files(files, folder):
        found += requirement_lines(files, name)
    names = {canonicalize_name(match[1]) for line in found if (match := _NAME.match(line))}
    return tuple(sorted(names - {"python"}))


def _setup_py_requirements(module: ast.Module | None) -> list[str]:
    if module is None:
        return []
    return [
        item.value
        for node in ast.walk(module)
        if isinstance(node, ast.keyword) and node.arg == "install_requires"
        for item in ast.walk(node.value)
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
    ]


def requirement_files(files: Files, folder: str) -> tuple[str, ...]:
    """The lists of requirements of a project that stand for production, the likeliest first."""
    names = (
        "requirements.txt",
        "requirements/production.txt",
        "requirements/prod.txt",
        "requirements/base.txt",
        "requirements/main.txt",
        "requirements.in",
        "requirements/requirements.txt",
        "requirements-prod.txt",
    )
    whole = [posixpath.join(folder, name) for name in names]
    return tuple(name for name in whole if name in files.names)


def requirement_lines(files: Files, name: str) -> list[str]:
    """The lines of a list of requirements, and of the lists that it includes."""
    found: list[str] = []
    queue, seen = [name], {name}
    while queue and len(seen) < _MOST_LISTS:
        one = queue.pop(0)
        for line in (files.text(one) or "").splitlines():
            if match := _INCLUDES.match(line):
                included = posixpath.normpath(posixpath.join(posixpath.dirname(one), match[1]))
                if included not in seen:
                    seen.add(included)
                    queue.append(included)
            else:
                found.append(line)
    return found


class Lock(NamedTuple):
    """What pins the dependencies of a project, or what could be locked.

    Attributes:
        file: A lockfile in the checkout, by its path; empty if nothing is locked.
        inputs: Without one: the files to lock, by their paths; none if nothing lists requirements.
    """

    file: str = ""
    inputs: tuple[str, ...] = ()


NO_LOCK: Final = Lock()
"""Nothing is locked, and nothing lists requirements."""


def find_lock(files: Files, project: Project) -> Lock:
    """Find what pins a project's dependencies: beside it, or at the top for a workspace's member."""
    folders = dict.fromkeys((project.folder, ""))
    for folder in folders:
        for name in ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock"):
            if posixpath.join(folder, name) in files.names:
                return Lock(posixpath.join(folder, name))
    for folder in folders:
        for name in requirement_files(files, folder):
            if name.endswith(".txt") and any(_PIN in line for line in requirement_lines(files, name)):
                return Lock(name)
    listed = requirement_files(files, project.folder)
    inputs = [name for name in listed if name.endswith(".in")] or list(listed[:1])
    if not inputs and project.dependencies:
        described = [
            posixpath.join(project.folder, name) for name in ("pyproject.toml", "setup.cfg", "setup.py")
        ]
        inputs = [name for name in described if name in files.names][:1]
    return Lock("", tuple(inputs))
