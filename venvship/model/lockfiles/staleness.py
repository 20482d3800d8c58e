"""Whether a lock of poetry, pdm or pipenv is older than the dependencies that it was made from.

Each tool writes a hash of the declared dependencies into its lock. The hash is computed here as the tool
does, from the parsed TOML of the project's file beside the lock. uv has no such hash. It is asked itself, by
`uv lock --check`.

Source: `Locker._get_content_hash` in poetry, `PyProject.content_hash` in pdm, `Pipfile.get_hash` in plette.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from venvship.errors import StaleLockfileError
from venvship.model import bounds
from venvship.model.lock_kinds import kind_of

_POETRY_LEGACY: Final = ("dependencies", "source", "extras", "dev-dependencies")
_POETRY_PROJECT: Final = ("requires-python", "dependencies", "optional-dependencies")
_POETRY_BY: Final = re.compile(r"#[^\n]*Poetry (\d{1,4})\.(\d{1,4})")
_GROUPS_HASHED: Final = (2, 3)
"""The first poetry whose hash covers `[dependency-groups]`."""

_ALGORITHMS: Final = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s"})
_PIPFILE_SECTIONS: Final = frozenset({
    "source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop",
})  # fmt: skip
_PIPFILE_SOURCE: Final = {"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}


def require_fresh(path: str, text: str, project: bytes | None) -> None:
    """Refuse a lock that its own tool would find out of date.

    A project's file that cannot be parsed, or has nothing in it that the tool takes, says nothing.

    Args:
        path: The lockfile; its name tells the tool.
        text: Its text, which was parsed before.
        project: The project's file beside it; `None`: there is none, and nothing is asked.

    Raises:
        StaleLockfileError: The dependencies have changed since it was locked.
    """
    kind = kind_of(path)
    asked = _ASKED.get(kind.lockfile)
    if project is None or asked is None or len(project) > bounds.LOCKFILE:
        return
    try:
        declared = tomllib.loads(project.decode("utf-8-sig"))
        fresh = asked(text, declared)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return
    if not fresh:
        raise stale(path)


def stale(path: str) -> StaleLockfileError:
    """The error of a lockfile that is out of date."""
    kind = kind_of(path)
    return StaleLockfileError(
        f"{path} is out of date: the dependencies in the {kind.project} beside it have changed since"
        f" {kind.tool} wrote it; nothing was built",
        hint=f"lock again: {kind.lock_again(path)}",
        path=path,
        tool=kind.tool,
    )


def _poetry(text: str, declared: Mapping[str, Any]) -> bool:
    metadata = tomllib.loads(text)["metadata"]
    if "content-hash" not in metadata:
        return False
    found = metadata["content-hash"]
    if _poetry_hash(declared, groups=True) == found:
        return True
    by = _POETRY_BY.match(text)
    older = by is not None and (int(by[1]), int(by[2])) < _GROUPS_HASHED
    return bool(older and _poetry_hash(declared, groups=False) == found)


def _poetry_hash(declared: Mapping[str, Any], *, groups: bool) -> str:
    project, poetry = declared.get("project", {}), declared.get("tool", {}).get("poetry", {})
    group_content = declared.get("dependency-groups", {}) if groups else {}
    of_project = {key: project[key] for key in _POETRY_PROJECT if project.get(key) is not None}
    of_poetry = {
        key: poetry.get(key)
        for key in (*_POETRY_LEGACY, "group")
        if poetry.get(key) is not None or (key in _POETRY_LEGACY and not of_project and not group_content)
    }
    content: dict[str, Any] = {}
    if of_project:
        content["project"] = of_project
    if group_content:
        content["dependency-groups"] = group_content
    content = {**content, "tool": {"poetry": of_poetry}} if content else of_poetry
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _pdm(text: str, declared: Mapping[str, Any]) -> bool:
    metadata = tomllib.loads(text)["metadata"]
    settings = declared.get("tool", {}).get("pdm", {})
    if "lock_inputs" in metadata or settings.get("workspace") or not declared.get("project"):
        # Hashed otherwise: with the other projects, or from another tool's form of this file.
        return True
    algorithm, _, found = metadata.get("content_hash", "").partition(":")
    if not found:
        return False
    if algorithm not in _ALGORITHMS:
        return True
    return found in {
        hashlib.new(algorithm, json.dumps(data, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
        for data in _pdm_forms(declared["project"], settings, declared.get("dependency-groups", {}))
    }


def _pdm_forms(
    project: Mapping[str, Any], settings: Mapping[str, Any], groups: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """What pdm hashes now, what it hashed before 2.20, and before 2.16."""
    development: dict[str, list[Any]] = {}
    for table in (groups, settings.get("dev-dependencies", {})):
        for name, requirements in table.items():
            development.setdefault(canonicalize_name(name), []).extend(requirements)
    resolution = settings.get("resolution", {})
    data = {
        "sources": settings.get("source", []),
        "dependencies": project.get("dependencies", []),
        "dev-dependencies": development,
        "optional-dependencies": project.get("optional-dependencies", {}),
        "requires-python": project.get("requires-python", ""),
    }
    older = {**data, "dev-dependencies": settings.get("dev-dependencies", {})}
    yield {**data, "resolution": resolution}
    yield {**older, "resolution": resolution}
    yield {**older, "overrides": resolution.get("overrides", {})}


def _pipenv(text: str, declared: Mapping[str, Any]) -> bool:
    found = json.loads(text)["_meta"].get("hash", {}).get("sha256")
    content = {
        "_meta": {
            "sources": declared.get("source", [_PIPFILE_SOURCE]),
            "requires": declared.get("requires", {}),
        },
        "default": declared.get("packages", {}),
        "develop": declared.get("dev-packages", {}),
        **{key: value for key, value in declared.items() if key not in _PIPFILE_SECTIONS},
    }
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return bool(hashlib.sha256(written.encode()).hexdigest() == found)


_ASKED: Final[Mapping[str, Callable[[str, Mapping[str, Any]], bool]]] = {
    "poetry.lock": _poetry,
    "pdm.lock": _pdm,
    "Pipfile.lock": _pipenv,
}
