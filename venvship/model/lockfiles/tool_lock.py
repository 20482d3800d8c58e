"""A lock of poetry, pdm or pipenv, once its format is read: entries with groups and markers.

These locks are made for many interpreters and groups at once. So an entry that cannot be installed is refused
only if it is selected. The formats are read by `poetry_lock`, `pdm_lock` and `pipfile_lock`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from venvship.model.filename import parse_wheel_filename
from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import (
    MARKER_ERRORS,
    SOURCES,
    Requirement,
    add_pin,
    allowed_artifact,
    check_hashes,
    checked_subdirectory,
    checked_url,
    line_for_pip,
    local_file,
    marker_environment,
    may_build,
)
from venvship.model.lockfiles.selection import (
    Selection,
    SourcedEntry,
    add_source,
    checked_repository,
    index_options,
    known_names,
    source_folder,
)

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PIECES: Final = re.compile(
    r"""(?P<string>"[^"]*"|'[^']*')|\bextra[ \t]*(?P<operator>==|!=)[ \t]*(?P<value>"[^"]*"|'[^']*')"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One package of a lock.

    Attributes:
        name: Normalised.
        line: From 1.
        markers: The groups that it is in, each with the marker that must hold; `""`: it always does.
        found: The requirement, or the source in its place, or the reason why it cannot be installed, which
            goes on after its name.
        index: The URL of the index that has it; `""`: the default one.
        files: Names of the files that an index has of it; none: the lock does not tell.
    """

    name: str
    line: int
    markers: Mapping[str, str]
    found: Requirement | SourcedEntry | str
    index: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLock:
    """A lock that was read; a `Parsed`.

    Attributes:
        path: Absolute.
        entries: In the order of the file.
        default: The group that is always installed.
        groups: All groups, by their normalised names.
        extras: The extras of the project; `None`: they are groups.
        trusted: URLs of indexes whose certificates are not verified.
        sdists: `[build] sdists`.
    """

    path: str
    entries: tuple[Entry, ...]
    default: str
    groups: tuple[str, ...]
    extras: tuple[str, ...] | None = ()
    trusted: frozenset[str] = frozenset()
    sdists: Collection[str] = ()

    def select(
        self, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str], problems: Problems
    ) -> Selection:
        """Choose the entries of the default group and of those wanted besides, whose markers hold.

        Args:
            interpreter: The interpreter to choose for.
            extras: Extras to install.
            groups: Groups to install besides the default one.
            problems: Where problems go.
        """
        if self.extras is None:
            groups = [
                *known_names("groups", groups, self.groups, problems, self.path),
                *known_names("extras", extras, self.groups, problems, self.path),
            ]
            extras = ()
        else:
            groups = known_names("groups", groups, self.groups, problems, self.path)
            extras = known_names("extras", extras, self.extras, problems, self.path)
        wanted = {self.default, *map(canonicalize_name, groups)}
        holds = _Markers(interpreter, {canonicalize_name(extra) for extra in extras}, wanted)
        pins: dict[str, Requirement] = {}
        sources: dict[str, SourcedEntry] = {}
        indexes: list[tuple[str, int]] = []
        for entry in self.entries:
            if problems.enough:
                break
            try:
                if not any(holds(marker) for group, marker in entry.markers.items() if group in wanted):
                    continue
            except MARKER_ERRORS as error:
                message = f"{entry.name}: cannot evaluate its marker for {interpreter.label}: {error}"
                problems.add(self.path, entry.line, message)
                continue
            if isinstance(entry.found, str):
                problems.add(self.path, entry.line, f"{entry.name} {entry.found}")
            elif isinstance(entry.found, SourcedEntry):
                add_source(sources, entry.found, problems, self.path)
            elif (
                entry.found.url is None
                and not may_build(entry.name, self.sdists)
                and not _runs(entry.files, interpreter)
            ):
                message = f"{entry.name} has no wheel for {interpreter.label}, and `[build] sdists` does not"
                problems.add(self.path, entry.line, f"{message} allow building it; allow it there")
            else:
                add_pin(pins, entry.found, problems, f"; both hold for {interpreter.label}")
                if entry.found.url is None:
                    indexes.append((entry.index, entry.line))
        for name in pins.keys() & sources.keys():
            message = f"{name} is locked by version and as a source; both hold for {interpreter.label}"
            problems.add(self.path, sources[name].line, message)
        return Selection(
            tuple(pins.values()),
            tuple(sources.values()),
            index_options(indexes, problems, self.path, self.trusted),
        )


def _runs(names: Sequence[str], interpreter: Interpreter) -> bool:
    """Whether one of some files is a wheel for an interpreter, or that cannot be told."""
    known = frozenset(interpreter.tags)
    for name in names:
        if name.lower().endswith(".whl"):
            try:
                tags = parse_wheel_filename(name)[3]
            except InvalidWheelFilename:
                return True
            if not known.isdisjoint(map(str, tags)):
                return True
    return not names


class _Markers:
    """Evaluates markers of locks, each text once. `extra == "x"` holds for every extra that is wanted."""

    def __init__(self, interpreter: Interpreter, extras: Collection[str], groups: Collection[str]) -> None:
        # pipenv has packages of its category `develop` with the marker `'dev' in dependency_groups`.
        development = {"dev"} if "develop" in groups else set()
        self._environment: dict[str, Any] = {
            **marker_environment(interpreter),
            "extras": frozenset(extras),
            "dependency_groups": frozenset({*groups, *development}),
        }
        self._known: dict[str, bool] = {"": True}

    def __call__(self, marker: str) -> bool:
        """Whether it holds.

        Raises:
            ValueError: It cannot be evaluated; or another one of `MARKER_ERRORS`.
        """
        if marker not in self._known:
            plain = _PIECES.sub(_membership, marker)
            self._known[marker] = Marker(plain).evaluate(self._environment, context="lock_file")
        return self._known[marker]


def _membership(match: re.Match[str]) -> str:
    """Write a comparison with `extra` as PEP 751 has it, which knows several extras at once."""
    if match["string"]:
        return match["string"]
    return f"{match['value']} {'in' if match['operator'] == '==' else 'not in'} extras"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place in a lock that an entry is read from.

    Attributes:
        path: The lockfile; absolute.
        line: The line of the entry, from 1.
        sdists: `[build] sdists`.
    """

    path: str
    line: int
    sdists: Collection[str]


def indexed(
    place: Place, name: str, version: str, hashes: Sequence[str], extras: Sequence[str] = ()
) -> Requirement:
    """A package that an index has.

    Raises:
        ValueError: It cannot be installed. The message goes on after the name, as those below.
    """
    try:
        normal = str(Version(version))
    except ValueError as error:
        raise ValueError(f"has the version {quote(version)}, which is none") from error
    return _written(
        Requirement(
            name=name,
            version=normal,
            extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
            hashes=check_hashes(hashes),
            text="",
            file=place.path,
            line=place.line,
        )
    )


def archive(
    place: Place, name: str, url: str, hashes: Sequence[str], *, folder: str = "", extras: Sequence[str] = ()
) -> Requirement:
    """A wheel or an archive of source that the lock names by its URL, or by its path beside the lock.

    Raises:
        ValueError: It cannot be installed.
    """
    if "://" in url and not url.startswith("file:"):
        where = checked_url(url)
        filename = unquote(urlsplit(where).path.rpartition("/")[2])
    else:
        where = local_file(url, place.path)
        filename = posixpath.basename(where)
    checked = check_hashes(hashes)
    artifact = allowed_artifact(name, where, filename, place.sdists)
    return _written(
        Requirement(
            name=name,
            version=artifact.version,
            extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
            hashes=checked,
            url=where,
            subdirectory=checked_subdirectory(folder, artifact),
            text="",
            file=place.path,
            line=place.line,
        )
    )


def is_archive(path: str) -> bool:
    """Whether a path names a wheel or an archive of source, and not a folder."""
    return path.lower().endswith((".whl", *SOURCES))


def directory(place: Place, name: str, path: str, *, editable: bool) -> SourcedEntry:
    """A project in a folder beside the lock.

    Raises:
        ValueError: The path is none that a source can have.
    """
    return SourcedEntry(name, "", "", source_folder(path), editable, place.line)


def repository(
    place: Place, name: str, url: str, commit: str, folder: str, *, editable: bool = False
) -> SourcedEntry:
    """A project in a git repository.

    Raises:
        ValueError: It is not pinned to a full commit, or no URL.
    """
    if not _COMMIT.fullmatch(commit):
        raise ValueError(f"is from {quote(url)}, not pinned to a full commit; lock it again")
    checked_repository(url)
    inside = source_folder(folder)
    if inside.startswith(".."):
        raise ValueError(f"is in the folder {quote(folder)}, which leads out of its repository")
    return SourcedEntry(name, url, commit, inside, editable, place.line)


def entry_name(name: str) -> str:
    """The normalised name of an entry.

    Raises:
        ValueError: No package has this name.
    """
    return canonicalize_name(name, validate=True)


def _written(requirement: Requirement) -> Requirement:
    return replace(requirement, text=line_for_pip(requirement))
