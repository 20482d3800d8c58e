"""The wheel of a project without packaging: its files, everything below `app/`, written by venvship itself.

A wheel like every other: the store keeps it by its hash, its modules are compiled, its files are linked,
listed and hashed, and nothing else of venvship has to know that no build backend made it. Its bytes follow
from the names, executable bits and contents of the files, and from the name and version of the project.

Source: the binary distribution format (PEP 427), "the .data directory": what is in `data` goes to the root of
the virtual environment.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from venvship.building.store.members import problem_with_name, problem_with_place
from venvship.errors import CheckoutError
from venvship.model.project_files import (
    POINTER_SIZE,
    Choice,
    ProjectFile,
    Rules,
    choose,
    first_line_for_release,
    is_lfs_pointer,
    without_links,
)
from venvship.model.source import SOURCE_DATE_EPOCH
from venvship.model.wheel import WheelFile
from venvship.printable import lines, shell_line
from venvship.system.archives import NewMember, write_archive
from venvship.system.faults import build_faults
from venvship.system.files import hash_file
from venvship.system.regular import open_regular
from venvship.system.trees import walk

APP: Final = "app"
"""The folder of a release that the project's files are in."""

FIXED_VERSION: Final = "0"
"""The version of a project that has none. The store names wheels by their hash, so it never has to change."""

_PIECE: Final = 1 << 20
_SHOWN: Final = 10
_NOT_FETCHED: Final = "it is a pointer of Git LFS, and not the file"


class TreeWheel(NamedTuple):
    """A wheel that was written.

    Attributes:
        wheel: The wheel.
        choice: The files that are in it, and those that are not.
    """

    wheel: WheelFile
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project without packaging.

    Attributes:
        name: Normalised (PEP 503).
        copy: A clean copy of its folder, absolute: no other process writes there.
        tracked: The names that belong to it, relative to its folder. Those that are no longer there do not
            count: a program that ran in the copy may have removed them.
        origin: Its folder in the checkout, for people.
        rules: The settings.
        version: As its pyproject.toml has it.
    """

    name: str
    copy: str
    tracked: Sequence[str]
    origin: str
    rules: Rules
    version: str = FIXED_VERSION


def write_tree_wheel(project: Project, folder: str, between: Callable[[], None]) -> TreeWheel:
    """Write the wheel of a project.

    Crash: the wheel is missing or incomplete; the folder is the caller's.

    Args:
        project: The project.
        folder: An existing directory for the wheel.
        between: Called between files; an exception from it ends the writing. For signals.

    Raises:
        CheckoutError: A file of the project cannot be in a release, or none is.
        DiskFullError: There is no room.
        BuildError: A file cannot be read, or the wheel not be written.
        InterruptedByError: Or whatever else `between` raises.
    """
    with build_faults("collect the files of the project", project.copy):
        others = files_in(project.copy) if project.rules.include else ()
        choice = choose(project.tracked, others, project.rules)
        files = _regular_files(project, choice.files)
    stem = f"{re.sub('[-_.]+', '_', project.name)}-{project.version}"
    path = os.path.join(folder, f"{stem}-py3-none-any.whl")
    with build_faults("write the wheel of the project", path):
        write_archive(path, _members(project, stem, files, between), epoch=SOURCE_DATE_EPOCH)
        return TreeWheel(WheelFile(path, hash_file(path)), choice)


class _Repositories:
    """The paths that end in `.git`: of the copy's own repository, and of those of submodules."""

    def __contains__(self, path: object) -> bool:
        return str(path).rpartition("/")[2] == ".git"


def files_in(copy: str) -> Iterator[str]:
    """The names of all files and links in a copy of a project, but for git's own.

    Raises:
        OSError: A folder cannot be read.
    """
    repositories = _Repositories()
    for path, status in walk(copy, but=repositories):
        if not stat.S_ISDIR(status.st_mode) and path not in repositories:
            yield path


def _regular_files(project: Project, names: Iterable[str]) -> dict[str, ProjectFile]:
    """The regular file that stands at each name in the release, links followed.

    Raises:
        CheckoutError: Something cannot be in a release; all of it is named.
        OSError: Something cannot be looked at.
    """
    problems: dict[str, str] = {}
    found: list[ProjectFile] = []
    for name in names:
        try:
            status = os.lstat(f"{project.copy}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISLNK(status.st_mode):
            found.append(ProjectFile(name, target=os.readlink(f"{project.copy}/{name}")))
        elif stat.S_ISREG(status.st_mode):
            found.append(ProjectFile(name, executable=bool(status.st_mode & 0o100)))
        elif stat.S_ISDIR(status.st_mode):
            problems[name] = "it is a submodule that was not fetched"
        else:
            problems[name] = "it is neither a file nor a link"
    files, broken = without_links(found)
    problems |= {name: f"a link, and {problem}" for name, problem in broken.items()}
    for name, file in files.items():
        place = f"data/{APP}/{name}"
        if (problem := problem_with_name(place) or problem_with_place(place, "")) is not None:
            problems[name] = problem
        elif _is_pointer(f"{project.copy}/{file.path}"):
            problems[name] = _NOT_FETCHED
    if problems:
        raise _refusal(project, problems)
    if not files:
        raise CheckoutError(
            f"no file of {project.origin} would be in the release",
            hint="look at `include`, `exclude` and `shared` under [project] in venvship.toml",
            path=project.origin,
        )
    return files


def _is_pointer(path: str) -> bool:
    fd, status = open_regular(path)
    with open(fd, "rb", buffering=0) as stream:
        return status.st_size < POINTER_SIZE and is_lfs_pointer(status.st_size, stream.read(POINTER_SIZE))


def _refusal(project: Project, problems: Mapping[str, str]) -> CheckoutError:
    texts = [f"{os.path.join(project.origin, name)}: {problem}" for name, problem in sorted(problems.items())]
    shown = texts[:_SHOWN] + ([f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else [])
    hint = "change them and commit, or leave them out with `exclude` under [project] in venvship.toml"
    if _NOT_FETCHED in problems.values():
        hint = f"{shell_line(['git', '-C', project.origin, 'lfs', 'pull'])}; or {hint}"
    return CheckoutError(
        lines("files that cannot be in a release:", *(f"  {text}" for text in shown)),
        hint=hint,
        path=project.origin,
        names=sorted(problems)[:1000],
    )


def _members(
    project: Project, stem: str, files: Mapping[str, ProjectFile], between: Callable[[], None]
) -> Iterator[NewMember]:
    """Yield the members of the wheel in its order: the files sorted, and RECORD last."""
    rows: list[tuple[str, str, str]] = []

    def listed(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            yield piece
        text = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
        rows.append((name, f"sha256={text}", str(size)))

    for name in sorted(files):
        between()
        member, file = f"{stem}.data/data/{APP}/{name}", files[name]
        contents = _contents(project, file)
        size = os.stat(f"{project.copy}/{file.path}").st_size
        yield NewMember(member, listed(member, contents), size, file.executable)
    for name, text in (
        ("METADATA", f"Metadata-Version: 2.1\nName: {project.name}\nVersion: {project.version}\n"),
        ("WHEEL", "Wheel-Version: 1.0\nGenerator: venvship\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ):
        member = f"{stem}.dist-info/{name}"
        yield NewMember(member, listed(member, [text.encode()]), len(text))
    rows.append((f"{stem}.dist-info/RECORD", "", ""))
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    record = stream.getvalue().encode()
    yield NewMember(f"{stem}.dist-info/RECORD", [record], len(record))


def _contents(project: Project, file: ProjectFile) -> Iterator[bytes]:
    """Yield the contents of a file as they are to be in the release.

    Raises:
        OSError: It cannot be read.
    """
    with open(open_regular(f"{project.copy}/{file.path}")[0], "rb", buffering=0) as stream:
        piece = stream.read(_PIECE)
        if file.executable:
            piece = first_line_for_release(piece)
        while piece:
            yield piece
            piece = stream.read(_PIECE)
