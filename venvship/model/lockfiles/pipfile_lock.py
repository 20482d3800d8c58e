"""`Pipfile.lock` of pipenv: one section for each category of packages, and the indexes that they come from.

Source: the specification of pypa/pipfile, `pipenv/utils/dependencies.py` and `plette`. See ADR 0046.
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
"""The section of `[packages]`."""

_KIND: Final = "a Pipfile.lock"
_SPEC: Final = 6
_FORGES: Final = ("hg", "svn", "bzr")
_MARKER_KEYS: Final = (
    "implementation_name", "implementation_version", "os_name", "platform_machine",
    "platform_python_implementation", "platform_release", "platform_system", "platform_version",
    "python_full_version", "python_version", "sys_platform",
)  # fmt: skip
"""Variables of a marker that an entry may have as keys of their own."""


def parse_pipfile_lock(path: str, data: bytes, *, sdists: Collection[str]) -> ToolLock:
    """Read a Pipfile.lock.

    Args:
        path: Absolute.
        data: Its bytes.
        sdists: `[build] sdists`.

    Raises:
        LockfileError: It cannot be read, or its format is another one.
    """
    problems = Problems(path, hint=kind_of(path).lock_again(path))
    text = document.lockfile_text(path, data, problems)
    lock = document.load_json(path, text, problems, _KIND)
    try:
        meta = document.subtable(lock, "_meta")
        if meta.get("pipfile-spec") != _SPEC:
            raise ValueError(f"has no `pipfile-spec` of {_SPEC} in `_meta`")
        sources = _Sources(document.tables(meta, "sources"))
        sections = {name: document.subtable(lock, name) for name in lock if name != "_meta"}
    except ValueError as error:
        problems.refuse(path, None, f"it {error}")
    lines = _Lines(text)
    entries = []
    for section, packages in sections.items():
        lines.enter(section)
        for name, package in packages.items():
            if problems.enough:
                break
            line = lines.of(name)
            try:
                place = Place(path=path, line=line, sdists=sdists)
                entries.append(_entry(place, section, name, package, sources))
            except ValueError as error:
                problems.add(path, line, f"{quote(name)} {error}")
    problems.raise_if_any()
    groups = dict.fromkeys([DEFAULT, *map(canonicalize_name, sections)])
    return ToolLock(
        path=path,
        entries=tuple(entries),
        default=DEFAULT,
        groups=tuple(groups),
        trusted=sources.trusted,
    )


class _Sources:
    """The indexes in `_meta`: the first is the default one."""

    def __init__(self, tables: list[Mapping[str, Any]]) -> None:
        rows = [
            (document.string(one, "name", ""), document.string(one, "url"), one.get("verify_ssl", True))
            for one in tables
        ]
        self._urls: dict[str, str] = {name: url for name, url, _ in reversed(rows)}
        self._first: str = rows[0][1] if rows else ""
        self.trusted = frozenset(url for _, url, verified in rows if verified is False)

    def url(self, name: str) -> str:
        """The URL of an index by its name; without one, that of the first."""
        if not name:
            return self._first
        if name not in self._urls:
            raise ValueError(f"is from the index {quote(name)}, which is not in `_meta.sources`")
        return self._urls[name]


class _Lines:
    """Finds the lines of entries, in the layout that pipenv writes; 1 in any other."""

    def __init__(self, text: str) -> None:
        self._sections: dict[str, dict[str, int]] = {}
        section: dict[str, int] = {}
        for number, line in enumerate(text.split("\n"), start=1):
            if match := re.fullmatch(r'( {4}| {8})"([^"\\]+)": \{\}?,?\r?', line):
                if len(match[1]) == 4:
                    section = self._sections.setdefault(match[2], {})
                else:
                    section.setdefault(match[2], number)
        self._section = section

    def enter(self, section: str) -> None:
        """Go on with another section."""
        self._section = self._sections.get(section, {})

    def of(self, name: str) -> int:
        """The line of an entry of the section."""
        return self._section.get(name, 1)


def _entry(place: Place, section: str, name: str, package: object, sources: _Sources) -> Entry:
    """Read one package. The message of the `ValueError` goes on after its name."""
    if not isinstance(package, dict):
        raise ValueError("is no table")
    normal = entry_name(name)
    found: Requirement | SourcedEntry | str
    try:
        found = _found(place, normal, package)
    except ValueError as error:
        found = str(error)
    return Entry(
        name=normal,
        line=place.line,
        markers={canonicalize_name(section): _marker(package)},
        found=found,
        index=sources.url(document.string(package, "index", "")),
    )


def _marker(package: Mapping[str, Any]) -> str:
    parts = [document.string(package, "markers", "")]
    parts += [f"{key} {document.string(package, key)}" for key in _MARKER_KEYS if key in package]
    return " and ".join(f"({part})" for part in parts if part)


def _found(place: Place, name: str, package: Mapping[str, Any]) -> Requirement | SourcedEntry:
    hashes, extras = document.strings(package, "hashes"), document.strings(package, "extras")
    folder = document.string(package, "subdirectory", "")
    editable = document.boolean(package, "editable")
    if "git" in package:
        url, commit = document.string(package, "git"), document.string(package, "ref", "")
        return repository(place, name, url.removeprefix("git+"), commit, folder, editable=editable)
    if other := next((forge for forge in _FORGES if forge in package), ""):
        raise ValueError(f"is from a repository of {other}; venvship knows git")
    if "path" in package or "file" in package:
        url = document.string(package, "path" if "path" in package else "file")
        if is_archive(url.partition("#")[0]):
            return archive(place, name, url, hashes, folder=folder, extras=extras)
        if "://" in url:
            raise ValueError(f"is at {quote(url)}, which is neither a wheel nor an archive of source")
        return directory(place, name, f"{url}/{folder}" if folder else url, editable=editable)
    version = document.string(package, "version")
    if not version.startswith("=="):
        raise ValueError(f"has the version {quote(version)}, which is no pin with ==")
    return indexed(place, name, version.removeprefix("=="), hashes, extras)
