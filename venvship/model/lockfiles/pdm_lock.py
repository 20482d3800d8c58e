"""`pdm.lock` that was locked with `inherit_metadata`, pdm's default: each package has its groups and marker.

Without that strategy, pdm resolves again at each install. Such a lock is refused.

Source: `pdm/models/repositories/lock.py`, and pdm's "Lock strategies". See ADR 0046.
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
    is_archive,
    repository,
)

DEFAULT: Final = "default"
"""The group of the project's own dependencies."""

_KIND: Final = "a pdm.lock"
_VERSION: Final = re.compile(r"(\d{1,4})(?:\.\d{1,4})*")
_FORGES: Final = ("hg", "svn", "bzr")
_HERE: Final = re.compile(r"file:///\$\{PROJECT_ROOT\}/?")


def parse_pdm_lock(path: str, data: bytes, *, sdists: Collection[str]) -> ToolLock:
    """Read a pdm.lock.

    Args:
        path: Absolute.
        data: Its bytes.
        sdists: `[build] sdists`.

    Raises:
        LockfileError: It cannot be read, or it was locked with a strategy that cannot be selected from.
    """
    problems = Problems(path, hint=kind_of(path).lock_again(path))
    text = document.lockfile_text(path, data, problems)
    lock = document.load_toml(path, text, problems, _KIND)
    try:
        metadata = document.subtable(lock, "metadata")
        _check_version(document.string(metadata, "lock_version"))
        packages = document.tables(lock, "package")
        groups = document.strings(metadata, "groups")
        strategy = document.strings(metadata, "strategy")
    except ValueError as error:
        problems.refuse(path, None, f"it {error}")
    if "inherit_metadata" not in strategy:
        problems.hint = kind_of(path).in_folder(path, "pdm", "lock", "--strategy", "inherit_metadata")
        problems.refuse(
            path,
            None,
            "it was locked without the strategy `inherit_metadata`, so it does not tell the groups and the"
            " markers of a package",
        )
    lines = document.table_lines(text, "package", len(packages))
    entries = []
    for package, line in zip(packages, lines, strict=True):
        if problems.enough:
            break
        try:
            entries.append(_entry(Place(path=path, line=line, sdists=sdists), package, groups))
        except ValueError as error:
            problems.add(path, line, f"{_named(package)} {error}")
    problems.raise_if_any()
    known = dict.fromkeys([DEFAULT, *map(canonicalize_name, groups)])
    return ToolLock(
        path=path, entries=tuple(entries), default=DEFAULT, groups=tuple(known), extras=None, sdists=sdists
    )


def _check_version(version: str) -> None:
    match = _VERSION.fullmatch(version)
    if match is None or int(match[1]) != 4:
        raise ValueError(f"has lock_version {quote(version)}, and this venvship knows 4")


def _named(package: Mapping[str, Any]) -> str:
    name = package.get("name")
    return quote(name) if isinstance(name, str) else "a package"


def _entry(place: Place, package: Mapping[str, Any], every_group: Collection[str]) -> Entry:
    """Read one package. The message of the `ValueError` goes on after its name."""
    name = entry_name(document.string(package, "name"))
    marker = document.string(package, "marker", "")
    groups = document.strings(package, "groups")
    found: Requirement | SourcedEntry | str
    try:
        found = _found(place, name, package)
    except ValueError as error:
        found = str(error)
    # pdm takes an entry without groups for one of all groups.
    in_groups = map(canonicalize_name, groups or [DEFAULT, *every_group])
    return Entry(
        name=name,
        line=place.line,
        markers=dict.fromkeys(in_groups, marker),
        found=found,
        files=tuple(
            document.string(file, "file", "") or document.string(file, "url", "").rpartition("/")[2]
            for file in document.tables(package, "files")
        ),
    )


def _found(place: Place, name: str, package: Mapping[str, Any]) -> Requirement | SourcedEntry:
    hashes = [document.string(file, "hash") for file in document.tables(package, "files")]
    extras = document.strings(package, "extras")
    folder = document.string(package, "subdirectory", "")
    editable = document.boolean(package, "editable")
    if "git" in package:
        url, commit = document.string(package, "git"), document.string(package, "revision", "")
        return repository(place, name, url, commit, folder, editable=editable)
    if other := next((forge for forge in _FORGES if forge in package), ""):
        raise ValueError(f"is from a repository of {other}; venvship knows git")
    if "path" in package or "url" in package:
        place_of = document.string(package, "path" if "path" in package else "url")
        place_of = _HERE.sub("./", place_of)
        if is_archive(place_of.partition("#")[0]):
            return archive(place, name, place_of, hashes, folder=folder, extras=extras)
        if "://" in place_of:
            raise ValueError(f"is at {quote(place_of)}, which is neither a wheel nor an archive of source")
        return directory(place, name, f"{place_of}/{folder}" if folder else place_of, editable=editable)
    return indexed(place, name, document.string(package, "version"), hashes, extras)
