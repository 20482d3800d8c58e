"""`poetry.lock`, from lock-version 2.1 on, where each package has its groups and its marker.

Older ones name neither: to tell what belongs to the main group, poetry resolves again. They are refused.

Source: `poetry/packages/locker.py`, and poetry's "The poetry.lock file". See ADR 0046.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from venvship.model.lock_kinds import kind_of
from venvship.model.lockfiles import document
from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.lockfiles.selection import SourcedEntry
from venvship.model.lockfiles.tool_lock import (
    Entry,
    Place,
    ToolLock,
    archive,
    directory,
    entry_name,
    indexed,
    repository,
)

MAIN: Final = "main"
"""The group of the project's own dependencies."""

_KIND: Final = "a poetry.lock"
_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\..*)?")


def parse_poetry_lock(path: str, data: bytes, *, sdists: Collection[str]) -> ToolLock:
    """Read a poetry.lock.

    Args:
        path: Absolute.
        data: Its bytes.
        sdists: `[build] sdists`.

    Raises:
        LockfileError: It cannot be read, or its format is too old or too new.
    """
    problems = Problems(path, hint=kind_of(path).lock_again(path))
    text = document.lockfile_text(path, data, problems)
    lock = document.load_toml(path, text, problems, _KIND)
    try:
        _check_version(document.string(document.subtable(lock, "metadata"), "lock-version"))
        packages = document.tables(lock, "package")
        extras = tuple(canonicalize_name(name) for name in document.subtable(lock, "extras"))
    except ValueError as error:
        problems.refuse(path, None, f"it {error}")
    lines = document.table_lines(text, "package", len(packages))
    entries = []
    for package, line in zip(packages, lines, strict=True):
        if problems.enough:
            break
        try:
            entries.append(_entry(Place(path=path, line=line, sdists=sdists), package))
        except ValueError as error:
            problems.add(path, line, f"{_named(package)} {error}")
    problems.raise_if_any()
    groups = dict.fromkeys([MAIN, *(group for entry in entries for group in entry.markers)])
    return ToolLock(
        path=path,
        entries=tuple(entries),
        default=MAIN,
        groups=tuple(groups),
        extras=extras,
        sdists=sdists,
    )


def _check_version(version: str) -> None:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"has the lock-version {quote(version)}, which is none")
    number = int(match[1]), int(match[2])
    if number < (2, 1):
        raise ValueError(
            f"has lock-version {version}, which does not tell the groups of a package: poetry 2.0 and later"
            " write 2.1"
        )
    if number >= (3, 0):
        raise ValueError(f"has lock-version {version}, and this venvship knows 2")


def _named(package: Mapping[str, Any]) -> str:
    name = package.get("name")
    return quote(name) if isinstance(name, str) else "a package"


def _entry(place: Place, package: Mapping[str, Any]) -> Entry:
    """Read one package. The message of the `ValueError` goes on after its name."""
    name = entry_name(document.string(package, "name"))
    source = document.subtable(package, "source")
    kind = document.string(source, "type", "")
    found: Requirement | SourcedEntry | str
    try:
        found = _found(place, name, package, kind)
    except ValueError as error:
        found = str(error)
    return Entry(
        name=name,
        line=place.line,
        markers=_markers(package),
        found=found,
        index=document.string(source, "url") if kind == "legacy" else "",
        files=tuple(document.string(file, "file", "") for file in document.tables(package, "files")),
    )


def _markers(package: Mapping[str, Any]) -> dict[str, str]:
    groups = document.strings(package, "groups")
    if not groups:
        raise ValueError("is in no group")
    markers = package.get("markers", "")
    if isinstance(markers, str):
        return dict.fromkeys(map(canonicalize_name, groups), markers)
    if not isinstance(markers, dict):
        raise ValueError("has `markers` that are neither a string nor a table")
    return {canonicalize_name(group): document.string(markers, group, "") for group in groups}


def _found(place: Place, name: str, package: Mapping[str, Any], kind: str) -> Requirement | SourcedEntry:
    version = document.string(package, "version")
    source = document.subtable(package, "source")
    hashes = [document.string(file, "hash") for file in document.tables(package, "files")]
    editable = document.boolean(package, "develop")
    if kind in {"", "legacy"}:
        return indexed(place, name, version, hashes)
    url, folder = document.string(source, "url"), document.string(source, "subdirectory", "")
    match kind:
        case "url" | "file":
            return archive(place, name, url, hashes, folder=folder)
        case "directory":
            return directory(place, name, url, editable=editable)
        case "git":
            commit = document.string(source, "resolved_reference", "")
            return repository(place, name, url, commit, folder, editable=editable)
    raise ValueError(f"has a source of the type {quote(kind)}, which venvship does not know")
