"""`pylock.toml` (PEP 751), read and selected from through `packaging.pylock`.

Such a file is made for many interpreters, extras and dependency groups at once. So an entry that is
certain to be installed is refused when the file is read, and any other only if it is selected.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
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
from packaging.utils import canonicalize_name

from venvship.model import bounds
from venvship.model.filename import parse_wheel_filename
from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import (
    MARKER_ERRORS,
    Artifact,
    Requirement,
    add_pin,
    allowed_artifact,
    check_hashes,
    checked_path,
    checked_subdirectory,
    decode,
    line_for_pip,
    local_path,
    marker_environment,
    secret_in_url,
)

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

_PACKAGE_HEADER = re.compile(r"""[ \t]*\[\[[ \t]*(?:packages|"packages"|'packages')[ \t]*\]\]""")
_PACKAGE_INDEX = re.compile(r"packages\[(\d+)\]")

_Source = PackageVcs | PackageDirectory | PackageArchive | PackageWheel | PackageSdist


@dataclass(frozen=True, slots=True)
class PylockFile:
    """A pylock file that was read, and the lines of its packages.

    Attributes:
        path: Absolute.
        pylock: Its content.
        lines: The line of each entry of `pylock.packages`; all 1 where they could not be told.
        sdists: `[build] sdists`.
    """

    path: str
    pylock: Pylock
    lines: tuple[int, ...]
    sdists: frozenset[str]

    def select(
        self, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str], problems: Problems
    ) -> list[Requirement]:
        """Choose one file for each package: of the wheels, the one with the best tag; of equal pins, one.

        Args:
            interpreter: The interpreter to choose for, whichever runs this.
            extras: Extras to install.
            groups: Dependency groups to install; none: the file's default groups.
            problems: Where problems go.
        """
        pylock = self.pylock
        known_extras = _known("extras", extras, pylock.extras or (), self, problems)
        # The names of default groups need not be among the others (PEP 751, `default-groups`).
        declared_groups = dict.fromkeys([*(pylock.dependency_groups or ()), *(pylock.default_groups or ())])
        known_groups = _known("groups", groups, list(declared_groups), self, problems)
        line_of = {id(package): line for package, line in zip(pylock.packages, self.lines, strict=True)}
        tags = [Tag(*tag.split("-", 2)) for tag in interpreter.tags]
        environment = marker_environment(interpreter)
        selected: dict[str, Requirement] = {}
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
                        requirement = _requirement(self, package, source, line, frozenset(tags))
                    except ValueError as error:
                        problems.add(self.path, line, f"{package.name} {error}")
                    else:
                        add_pin(selected, requirement, problems, f"; both hold for {interpreter.label}")
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
        return list(selected.values())


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


def parse_pylock(path: str, data: bytes, *, sdists: Collection[str]) -> PylockFile:
    """Read a pylock file.

    Args:
        path: Absolute.
        data: Its bytes.
        sdists: `[build] sdists`.

    Raises:
        LockfileError: It cannot be read, or has something in it that no selection could make right.
    """
    problems = Problems(path)
    if len(data) > bounds.LOCKFILE:
        problems.refuse(
            path,
            None,
            f"{len(data):,} bytes: a lockfile has at most {bounds.LOCKFILE:,}; this is something else",
        )
    text = decode(path, data, problems)
    if text is None:
        raise problems.refusal()
    headers = [n for n, line in enumerate(text.split("\n"), start=1) if _PACKAGE_HEADER.match(line)]
    try:
        pylock = Pylock.from_dict(_load(path, text, problems))
    except PylockValidationError as error:
        problems.refuse(path, _line_of(error.context, headers), f"not a valid pylock file: {error}")
    lines = headers if len(headers) == len(pylock.packages) else [1] * len(pylock.packages)
    if not pylock.packages:
        problems.add(path, None, "it holds no package; nothing would be installed")
    document = PylockFile(path, pylock, tuple(lines), frozenset(sdists))
    for line, package in zip(lines, pylock.packages, strict=True):
        if problems.enough:
            break
        for message in _faults(document, package):
            problems.add(path, line, f"{package.name} {message}")
    problems.raise_if_any()
    return document


def _load(path: str, text: str, problems: Problems) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"\(at line (\d+)", str(error))
        problems.refuse(path, int(match[1]) if match else None, f"not TOML: {error}; write it again")
    except RecursionError:
        problems.refuse(path, None, "not a pylock file: it is nested too deeply")
    except ValueError as error:  # more digits than Python makes an integer of
        problems.refuse(path, None, f"not a pylock file: {error}")


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
        source = package.vcs or package.directory or package.archive or package.sdist
        assert source is not None
        try:
            _check_source(source, package.name, document)
        except ValueError as error:
            yield str(error)


def _hashes(hashes: Mapping[str, str]) -> list[str]:
    return [f"{algorithm}:{digits}" for algorithm, digits in hashes.items()]


def _check_source(source: _Source, name: str, document: PylockFile) -> tuple[str, Artifact]:
    """Refuse a file that has no hash, or that must be built from source and may not be.

    The message of the `ValueError` goes on after the package's name, as do those of the functions below.

    Returns:
        Where the file is, as in `Requirement.url`, and its facts.
    """
    if isinstance(source, PackageVcs):
        raise ValueError("is a VCS checkout, which has no hash to go by; build a wheel of it and lock that")
    if isinstance(source, PackageDirectory):
        raise ValueError(
            "is a directory, which has no hash to go by; build a wheel of it and lock that (`uv export`"
            " leaves the project out with --no-emit-project)"
        )
    check_hashes(_hashes(source.hashes))
    url, filename = _locate(source, document.path)
    artifact = allowed_artifact(name, url, filename, document.sdists)
    checked_subdirectory(_subdirectory(source), artifact)
    return url, artifact


def _subdirectory(source: PackageWheel | PackageSdist | PackageArchive) -> str:
    return (source.subdirectory or "") if isinstance(source, PackageArchive) else ""


def _locate(source: PackageWheel | PackageSdist | PackageArchive, path: str) -> tuple[str, str]:
    """Where a file is, as in `Requirement.url`, and its name."""
    if source.path:
        return _local(os.path.join(os.path.dirname(path), source.path), source)
    assert source.url is not None
    url = source.url
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _local(os.path.join(os.path.dirname(path), local_path(url)), source)
    if parts.scheme not in {"http", "https"} or any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError(f"has the URL {quote(url)}; it must begin with https://, http:// or file://")
    secret = secret_in_url(url)
    if secret:
        raise ValueError(
            f"has the URL {quote(url)} with {secret} in it; write ${{VARIABLE}} and set that in the"
            " environment"
        )
    return parts._replace(fragment="").geturl(), _named(source) or unquote(parts.path.rpartition("/")[2])


def _local(path: str, source: PackageWheel | PackageSdist | PackageArchive) -> tuple[str, str]:
    absolute = checked_path(os.path.normpath(path))
    name = os.path.basename(absolute)
    if _named(source) not in {None, name}:
        raise ValueError(f"is in {quote(absolute)}, which has to be called {quote(_named(source) or '')}")
    return absolute, name


def _named(source: PackageWheel | PackageSdist | PackageArchive) -> str | None:
    return None if isinstance(source, PackageArchive) else source.name


def _known(
    key: str, wanted: Sequence[str], declared: Sequence[str], document: PylockFile, problems: Problems
) -> list[str]:
    """Note the extras or groups that the file does not declare, and return the others.

    From 26.4 on, `Pylock.select` refuses an undeclared name itself and looks no further, so it gets none.
    """
    there = {canonicalize_name(each) for each in declared}
    unknown = sorted(each for each in wanted if canonicalize_name(each) not in there)
    if unknown:
        message = f"`[build] {key}` names {', '.join(unknown)}; the file has {', '.join(declared) or 'none'}"
        problems.add(document.path, None, message)
    return [each for each in wanted if each not in unknown]


def _requirement(
    document: PylockFile, package: Package, source: _Source, line: int, tags: frozenset[Tag]
) -> Requirement:
    """Make a selected file a requirement."""
    url, artifact = _check_source(source, package.name, document)
    assert not isinstance(source, PackageVcs | PackageDirectory)
    filename = _locate(source, document.path)[1]
    if (
        isinstance(source, PackageArchive)
        and artifact.is_wheel
        and not parse_wheel_filename(filename)[3] & tags
    ):
        raise ValueError(f"has only {quote(filename)}, which is for another interpreter or platform")
    requirement = Requirement(
        name=package.name,
        version=str(package.version) if package.version else artifact.version,
        marker=str(package.marker) if package.marker else None,
        hashes=check_hashes(_hashes(source.hashes)),
        url=url,
        indexed=not isinstance(source, PackageArchive),
        subdirectory=checked_subdirectory(_subdirectory(source), artifact),
        text="",
        file=document.path,
        line=line,
    )
    # The marker holds, which `extras` and groups may have decided; pip knows neither.
    return replace(requirement, text=line_for_pip(replace(requirement, marker=None)))
