"""Read a lockfile, and select from it for one interpreter.

`read_lockfile` needs no interpreter, and refuses a file that is wrong for all. `select` chooses for one.
Each format has a module with a function that parses it, and a value with a method that selects: see `Parsed`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from venvship.errors import LockfileMissingError
from venvship.model.lock_kinds import is_tool_lock, kind_of
from venvship.model.lock_neighbours import Export, digests, read_beside
from venvship.model.lockfiles.problems import HINT, Problems
from venvship.model.lockfiles.requirement import Requirement, may_build
from venvship.model.lockfiles.selection import Selection, SourcedEntry
from venvship.model.source import Source
from venvship.model.spelling import digest
from venvship.printable import lines

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
"""A full id of git: the beginning of one may come to mean another commit."""

_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")


class Parsed(Protocol):
    """A lockfile in one format, parsed. The module of each format has one."""

    def select(
        self, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str], problems: Problems
    ) -> Selection:
        """Choose the requirements for an interpreter, and note whatever keeps them from being installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    """A lockfile that was read and not refused.

    Attributes:
        path: Absolute; of several files, the first.
        sha256: Of `content`.
        content: Its bytes as they were. Of several files, all of them in reading order, each under a line
            `# file: <path relative to the first>`.
        parsed: The requirements in it, for `select`.
        options: Option lines about indexes, to put before the requirements that pip gets.
        beside: Names and SHA-256 digests of the files beside a lock of another tool that it was compared
            with.
        made: The selection of a lock of another tool, as a requirements file; empty for other lockfiles.
    """

    path: str
    sha256: str
    content: bytes = field(repr=False)
    parsed: Parsed = field(repr=False, compare=False)
    options: tuple[str, ...] = ()
    beside: tuple[tuple[str, str], ...] = ()
    made: bytes = field(default=b"", repr=False)


def read_lockfile(
    paths: Sequence[str],
    *,
    read: Callable[[str], bytes],
    sdists: Collection[str],
    real: Callable[[str], str] = os.path.normpath,
    export: Export | None = None,
) -> Lockfile:
    """Read a lockfile, strictly, and report everything that is wrong with it at once.

    Args:
        paths: Absolute. One requirements file or several, or one file of another kind.
        read: Returns a file's bytes; raises `OSError`. Called once per file.
        sdists: `[build] sdists`: names that may be built from source, or `"*"`.
        real: Returns the path that a path leads to. An error quotes no line of an included file that is
            outside of the folders of `paths`: a lockfile may include `/etc/shadow`.
        export: Exports a uv.lock. `None`: such a file is looked at, and nothing can be selected from it.

    Raises:
        LockfileMissingError: One of `paths` does not exist or cannot be read.
        StaleLockfileError: A lock of another tool is older than the project's file beside it.
        LockfileError: It is refused. `data["problems"]` holds `{"file", "line", "message"}` for each reason.
    """
    if not paths or not all(os.path.isabs(path) for path in paths):
        raise RuntimeError(f"absolute paths of lockfiles are wanted, not {paths!r}")
    contents = _read_all(paths, read)
    parsed: Parsed
    options: tuple[str, ...] = ()
    if len(paths) == 1 and is_tool_lock(paths[0]):
        return _tool_lock(paths[0], contents[paths[0]], read, sdists, export)
    if len(paths) == 1 and _PYLOCK.fullmatch(os.path.basename(paths[0])):
        from venvship.model.lockfiles.pylock import parse_pylock

        content = contents[paths[0]]
        parsed = parse_pylock(paths[0], content, sdists=sdists)
    else:
        from venvship.model.lockfiles.requirements_txt import parse_requirements_txt

        parsed = found = parse_requirements_txt(contents, read=read, sdists=sdists, real=real)
        content, options = _concatenated(found.files), found.options
    sha256 = hashlib.sha256(content).hexdigest()
    return Lockfile(path=paths[0], sha256=sha256, content=content, parsed=parsed, options=options)


def _tool_lock(
    path: str,
    content: bytes,
    read: Callable[[str], bytes],
    sdists: Collection[str],
    export: Export | None,
) -> Lockfile:
    """Read the lockfile of another tool, and compare it with the project's files beside it."""
    # Late: most roots have a lockfile of another kind.
    from venvship.model.lockfiles.pdm_lock import parse_pdm_lock
    from venvship.model.lockfiles.pipfile_lock import parse_pipfile_lock
    from venvship.model.lockfiles.poetry_lock import parse_poetry_lock
    from venvship.model.lockfiles.staleness import require_fresh
    from venvship.model.lockfiles.uv_lock import parse_uv_lock

    beside = read_beside(path, content, read)
    kind = kind_of(path)
    parsed: Parsed
    if kind.lockfile == "uv.lock":
        parsed = parse_uv_lock(path, content, beside, sdists=sdists, export=export)
    else:
        parse = {
            "poetry.lock": parse_poetry_lock,
            "pdm.lock": parse_pdm_lock,
            "Pipfile.lock": parse_pipfile_lock,
        }[kind.lockfile]
        parsed = parse(path, content, sdists=sdists)
        require_fresh(path, content.decode("utf-8-sig"), beside.get(kind.project))
    return Lockfile(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        parsed=parsed,
        beside=digests(beside),
    )


def _read_all(paths: Iterable[str], read: Callable[[str], bytes]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    missing: list[dict[str, object]] = []
    for path in paths:
        if path in contents:
            continue
        try:
            contents[path] = read(path)
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            missing.append({"file": path, "line": None, "message": message})
    if missing:
        raise LockfileMissingError(
            lines(*(f"the lockfile {problem['file']} {problem['message']}" for problem in missing)),
            path=missing[0]["file"],
            problems=missing,
        )
    return contents


def _concatenated(files: Mapping[str, bytes]) -> bytes:
    if len(files) == 1:
        return next(iter(files.values()))
    folder = os.path.dirname(next(iter(files)))
    parts = []
    for path, data in files.items():
        end = b"" if data.endswith(b"\n") or not data else b"\n"
        # Relative, so that the same files give the same hash wherever the root is.
        name = os.path.relpath(path, folder).encode("utf-8", "surrogateescape")
        parts += [b"# file: ", name, b"\n", data, end]
    return b"".join(parts)


def select(
    lockfile: Lockfile, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str]
) -> Selection:
    """Choose the requirements to install on one interpreter.

    Depends on the arguments only, not on the interpreter that runs this.

    Args:
        lockfile: From `read_lockfile`.
        interpreter: The root's.
        extras: `[build] extras`. A requirements file has none.
        groups: `[build] groups`. A pylock file has default groups instead where none is named; the lock of
            another tool has a main group, which is always installed.

    Returns:
        At least one requirement or source, each name once, sorted by name.

    Raises:
        LockfileError: It selects nothing, or two pins of one name, or something that is refused.
    """
    problems = Problems(lockfile.path, hint=_again(lockfile.path))
    chosen = lockfile.parsed.select(interpreter, extras=extras, groups=groups, problems=problems)
    if not chosen.requirements and not chosen.sourced and not problems.found:
        problems.add(
            lockfile.path,
            None,
            f"it selects nothing for {interpreter.label}: no marker holds; lock it for this"
            " interpreter, or set `python` in venvship.toml to the one it is for",
        )
    problems.raise_if_any()
    return chosen._replace(
        requirements=tuple(sorted(chosen.requirements, key=lambda requirement: requirement.name)),
        sourced=tuple(sorted(chosen.sourced)),
    )


def _again(path: str) -> str:
    """The next step after a refusal of a lockfile: with the tool that wrote it."""
    return kind_of(path).lock_again(path) if is_tool_lock(path) else HINT


def with_selection(lockfile: Lockfile, selection: Selection, interpreter: Interpreter) -> Lockfile:
    """Add the options of a selection, and the selection itself as a requirements file.

    A lockfile of requirements or a pylock file is returned as it is, but for the options.
    """
    options = (*lockfile.options, *selection.options)
    if not is_tool_lock(lockfile.path):
        return replace(lockfile, options=options)
    name = os.path.basename(lockfile.path)
    head = f"# The part of {name} that this release has, for {interpreter.label}."
    rows = [head, *options, *(requirement.text for requirement in selection.requirements), ""]
    return replace(lockfile, options=options, made="\n".join(rows).encode())


def sourced_requirements(
    lockfile: Lockfile, sourced: Iterable[SourcedEntry], *, sdists: Collection[str], recipe: str
) -> tuple[Requirement, ...]:
    """The requirements that are built from a full commit of another repository, where that is allowed.

    The commit stands for the files, so nothing is fetched to know them.

    Args:
        lockfile: The lockfile that pins them.
        sourced: Of its selection.
        sdists: `[build] sdists`.
        recipe: As of `Source`.
    """
    return tuple(
        Requirement(
            name=entry.name,
            version=None,
            hashes=(),
            text="",
            file=lockfile.path,
            line=entry.line,
            source=Source(
                repository=entry.repository,
                commit=entry.commit,
                folder=entry.folder,
                tree=f"{entry.commit}:{entry.folder}",
                recipe=recipe,
                ref=entry.commit,
            ),
        )
        for entry in sourced
        if entry.repository and _COMMIT.fullmatch(entry.commit) and may_build(entry.name, sdists)
    )


def refuse_sources(lockfile: Lockfile, sourced: Iterable[SourcedEntry]) -> None:
    """Refuse packages that come from a source tree.

    Raises:
        LockfileError: There is one; all are named.
    """
    problems = Problems(lockfile.path, hint=_again(lockfile.path))
    for entry in sourced:
        problems.add(
            lockfile.path,
            entry.line,
            f"{entry.name} is {'a VCS checkout' if entry.repository else 'a directory'} ({entry.label}),"
            " which has no hash to go by; "
            + (
                f'build it here from that commit by `[build] sdists = ["{entry.name}"]`'
                if entry.repository and _COMMIT.fullmatch(entry.commit)
                else "build a wheel of it and lock that"
            ),
        )
    problems.raise_if_any()


def environment_digest(
    selected: Iterable[Requirement], interpreter: Interpreter, build: Mapping[str, object]
) -> str:
    """Digest the environment of a lockfile. Equal digests make equal releases.

    Comments, the order of lines, the files they are in and markers do not enter; nor does the interpreter's
    patch level. A local wheel enters by its file name and hash, since moving it changes nothing. A member
    that is built from source enters by its files; see `Source.digest`.

    Args:
        selected: From `select`.
        interpreter: The root's.
        build: The build settings that change the release, as JSON values.
    """
    rows = [
        [
            one.name,
            one.version,
            sorted(one.extras),
            sorted(one.hashes),
            os.path.basename(one.url) if one.url is not None and one.is_local else one.url,
            *filter(None, [one.subdirectory]),
        ]
        if one.source is None
        else [one.name, one.version, sorted(one.extras), one.source.digest]
        for one in selected
    ]
    return digest(
        {
            "requirements": sorted(rows, key=repr),
            "interpreter": interpreter.identity.to_json(),
            "build": dict(build),
        }
    )
