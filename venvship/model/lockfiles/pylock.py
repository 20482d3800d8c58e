"""`pylock.toml` (PEP 751), read and selected from through `packaging.pylock`.

Such a file is made for many interpreters, extras and dependency groups at once. So an entry that is
certain to be installed is refused when the file is read, and any other only if it is selected.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)
from packaging.tags import Tag

from venvship.model.filename import parse_wheel_filename
from venvship.model.lockfiles.document import header_lines, load_toml, lockfile_text
from venvship.model.lockfiles.problems import HINT, Problems, quote
from venvship.model.lockfiles.requirement import (
    MARKER_ERRORS,
    Artifact,
    Requirement,
    add_pin,
    allowed_artifact,
    check_hashes,
    checked_subdirectory,
    checked_url,
    line_for_pip,
    local_file,
    marker_environment,
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

_PACKAGE_INDEX = re.compile(r"packages\[(\d+)\]")

_File = PackageArchive | PackageWheel | PackageSdist
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class PylockFile:
    """A pylock file that was read, and the lines of its packages.

    Attributes:
        path: Absolute.
        pylock: Its content.
        lines: The line of each entry of `pylock.packages`; all 1 where they could not be told.
        sdists: `[build] sdists`.
        by_index: Whether a package is taken from its index by version and hashes, and not from the URL of its
            file: a mirror or a proxy that pip is set up with serves it then.
    """

    path: str
    pylock: Pylock
    lines: tuple[int, ...]
    sdists: frozenset[str]
    by_index: bool = False

    def select(
        self, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str], problems: Problems
    ) -> Selection:
        """Choose one file for each package: of the wheels, the one with the best tag; of equal pins, one.

        Args:
            interpreter: The interpreter to choose for, whichever runs this.
            extras: Extras to install.
            groups: Dependency groups to install; none: the file's default groups.
            problems: Where problems go.
        """
        pylock = self.pylock
        # From 26.4 on, `Pylock.select` refuses an undeclared name itself and looks no further.
        known_extras = known_names("extras", extras, pylock.extras or (), problems, self.path)
        # The names of default groups need not be among the others (PEP 751, `default-groups`).
        declared_groups = dict.fromkeys([*(pylock.dependency_groups or ()), *(pylock.default_groups or ())])
        known_groups = known_names("groups", groups, declared_groups, problems, self.path)
        line_of = {id(package): line for package, line in zip(pylock.packages, self.lines, strict=True)}
        tags = [Tag(*tag.split("-", 2)) for tag in interpreter.tags]
        environment = marker_environment(interpreter)
        selected: dict[str, Requirement] = {}
        sourced: dict[str, SourcedEntry] = {}
        indexes: list[tuple[str, int]] = []
        # `Pylock.select` refuses two entries of one name, even equal ones, so it gets one after the other.
        for packages in _apart(pylock.packages):
            try:
                for package, source in replace(pylock, packages=packages).select(
                    environment=environment,  # type: ignore[arg-type]  # a TypedDict of the same keys
                    tags=tags,
                    extras=known_extras,
                    dependency_groups=known_groups if groups else None,
                ):
                    line = line_of[id(package)]
                    try:
                        if isinstance(source, PackageVcs | PackageDirectory):
                            add_source(sourced, _sourced(package, source, line), problems, self.path)
                            continue
                        requirement = _requirement(self, package, source, line, frozenset(tags))
                    except ValueError as error:
                        problems.add(self.path, line, f"{package.name} {error}")
                    else:
                        add_pin(selected, requirement, problems, f"; both hold for {interpreter.label}")
                        if requirement.url is None:
                            indexes.append((package.index or "", line))
            except PylockSelectError as error:
                # Its message names `packages[3]`; a line is easier to find.
                message = f"nothing can be selected for {interpreter.label}: {error};"
                message += " lock it for that, or change `python`"
                lines = [line_of[id(package)] for package in packages]
                problems.add(self.path, _line_of(str(error), lines), message)
                break
            except MARKER_ERRORS as error:
                message = f"a marker cannot be evaluated for {interpreter.label}: {error}"
                problems.add(self.path, None, message)
                break
        options = index_options(indexes, problems, self.path)
        return Selection(tuple(selected.values()), tuple(sourced.values()), options)


def _apart(packages: Sequence[Package]) -> list[list[Package]]:
    """Deal entries of one name out to several lists, in order; where no name stands twice, to one."""
    lists: list[list[Package]] = []
    seen: Counter[str] = Counter()
    for package in packages:
        if seen[package.name] == len(lists):
            lists.append([])
        lists[seen[package.name]].append(package)
        seen[package.name] += 1
    return lists


def parse_pylock(
    path: str,
    data: bytes,
    *,
    sdists: Collection[str],
    by_index: bool = False,
    line_of: Callable[[str, str], int] | None = None,
    hint: str = HINT,
) -> PylockFile:
    """Read a pylock file.

    Args:
        path: Absolute; of an export, that of the lockfile that was exported.
        data: Its bytes.
        sdists: `[build] sdists`.
        by_index: As of `PylockFile`.
        line_of: Returns the line of a package in the lockfile that was exported, by its name and version.
        hint: The next step after a refusal.

    Raises:
        LockfileError: It cannot be read, or has something in it that no selection could make right.
    """
    problems = Problems(path, hint=hint)
    text = lockfile_text(path, data, problems)
    loaded = load_toml(path, text, problems, "a pylock file")
    headers = header_lines(text, "packages")
    try:
        pylock = Pylock.from_dict(loaded)
    except PylockValidationError as error:
        line = None if line_of else _line_of(error.context, headers)
        problems.refuse(path, line, f"not a valid pylock file: {error}")
    lines = headers if len(headers) == len(pylock.packages) else [1] * len(pylock.packages)
    if line_of is not None:
        lines = [line_of(package.name, str(package.version or "")) for package in pylock.packages]
    if not pylock.packages:
        problems.add(path, None, "it holds no package; nothing would be installed")
    document = PylockFile(path, pylock, tuple(lines), frozenset(sdists), by_index)
    for line, package in zip(lines, pylock.packages, strict=True):
        if problems.enough:
            break
        for message in _faults(document, package):
            problems.add(path, line, f"{package.name} {message}")
    problems.raise_if_any()
    return document


def _line_of(context: str | None, lines: Sequence[int]) -> int | None:
    """The line of the package that an error of `packaging.pylock` is about."""
    match = _PACKAGE_INDEX.search(context or "")
    position = int(match[1]) if match else len(lines)
    return lines[position] if position < len(lines) else None


def _faults(document: PylockFile, package: Package) -> Iterator[str]:
    """The mistakes in an entry that concern every interpreter."""
    for wheel in package.wheels or ():
        try:
            check_hashes(_hashes(wheel.hashes))
            _locate(wheel, document.path)
        except ValueError as error:
            yield str(error)
            return
    if package.marker is None and not package.wheels:
        source = package.archive or package.sdist
        if source is None:
            return  # a source tree; whoever selects it decides
        try:
            _check_source(source, package.name, document)
        except ValueError as error:
            yield str(error)


def _hashes(hashes: Mapping[str, str]) -> list[str]:
    return [f"{algorithm}:{digits}" for algorithm, digits in hashes.items()]


def _check_source(source: _File, name: str, document: PylockFile) -> tuple[str, Artifact]:
    """Refuse a file that has no hash, or that must be built from source and may not be.

    The message of the `ValueError` goes on after the package's name, as do those of the functions below.

    Returns:
        Where the file is, as in `Requirement.url`, and its facts.
    """
    check_hashes(_hashes(source.hashes))
    url, filename = _locate(source, document.path)
    artifact = allowed_artifact(name, url, filename, document.sdists)
    checked_subdirectory(_subdirectory(source), artifact)
    return url, artifact


def _sourced(package: Package, source: PackageVcs | PackageDirectory, line: int) -> SourcedEntry:
    """Make a selected source an entry of the selection."""
    if isinstance(source, PackageDirectory):
        folder = os.path.join(source.path, source.subdirectory) if source.subdirectory else source.path
        return SourcedEntry(package.name, "", "", source_folder(folder), bool(source.editable), line)
    if source.type != "git":
        raise ValueError(f"is from a repository of {source.type}; venvship knows git")
    url = checked_repository(source.url or source.path or "")
    if not _COMMIT.fullmatch(source.commit_id):
        raise ValueError(f"is from {quote(url)}, not pinned to a full commit; lock it again")
    return SourcedEntry(
        package.name, url, source.commit_id, source_folder(source.subdirectory or ""), False, line
    )


def _subdirectory(source: _File) -> str:
    return (source.subdirectory or "") if isinstance(source, PackageArchive) else ""


def _locate(source: _File, path: str) -> tuple[str, str]:
    """Where a file is, as in `Requirement.url`, and its name."""
    if source.path:
        return _local(source.path, path, source)
    assert source.url is not None
    if source.url.startswith("file:"):
        return _local(source.url, path, source)
    url = checked_url(source.url)
    return url, _named(source) or unquote(urlsplit(url).path.rpartition("/")[2])


def _local(path: str, lockfile: str, source: _File) -> tuple[str, str]:
    absolute = local_file(path, lockfile)
    name = os.path.basename(absolute)
    if _named(source) not in {None, name}:
        raise ValueError(f"is in {quote(absolute)}, which has to be called {quote(_named(source) or '')}")
    return absolute, name


def _named(source: _File) -> str | None:
    return None if isinstance(source, PackageArchive) else source.name


def _requirement(
    document: PylockFile, package: Package, source: _File, line: int, tags: frozenset[Tag]
) -> Requirement:
    """Make a selected file a requirement."""
    url, artifact = _check_source(source, package.name, document)
    filename = _locate(source, document.path)[1]
    if (
        isinstance(source, PackageArchive)
        and artifact.is_wheel
        and not parse_wheel_filename(filename)[3] & tags
    ):
        raise ValueError(f"has only {quote(filename)}, which is for another interpreter or platform")
    by_index = document.by_index and package.index is not None and package.version is not None
    files: list[_File] = [source]
    if by_index:
        files += [*(package.wheels or ()), *filter(None, [package.sdist])]
    requirement = Requirement(
        name=package.name,
        version=str(package.version) if package.version else artifact.version,
        marker=str(package.marker) if package.marker else None,
        hashes=check_hashes([value for file in files for value in _hashes(file.hashes)]),
        url=None if by_index else url,
        indexed=not isinstance(source, PackageArchive) and not by_index,
        subdirectory=checked_subdirectory(_subdirectory(source), artifact),
        text="",
        file=document.path,
        line=line,
    )
    # The marker holds, which `extras` and groups may have decided; pip knows neither.
    return replace(requirement, text=line_for_pip(replace(requirement, marker=None)))
