"""Read a lockfile, and select from it for one interpreter.

`read_lockfile` needs no interpreter, and refuses a file that is wrong for all. `select` chooses for one.
Each format has a module with a function that parses it, and a value with a method that selects: see `Parsed`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from venvship.errors import LockfileMissingError
from venvship.model.lockfiles.problems import Problems
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.spelling import digest
from venvship.printable import lines

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")


class Parsed(Protocol):
    """A lockfile in one format, parsed. The module of each format has one."""

    def select(
        self, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str], problems: Problems
    ) -> list[Requirement]:
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
    """

    path: str
    sha256: str
    content: bytes = field(repr=False)
    parsed: Parsed = field(repr=False, compare=False)
    options: tuple[str, ...] = ()


def read_lockfile(
    paths: Sequence[str],
    *,
    read: Callable[[str], bytes],
    sdists: Collection[str],
    real: Callable[[str], str] = os.path.normpath,
) -> Lockfile:
    """Read a lockfile, strictly, and report everything that is wrong with it at once.

    Args:
        paths: Absolute. One requirements file or several, or one pylock file.
        read: Returns a file's bytes; raises `OSError`. Called once per file.
        sdists: `[build] sdists`: names that may be built from source, or `"*"`.
        real: Returns the path that a path leads to. An error quotes no line of an included file that is
            outside of the folders of `paths`: a lockfile may include `/etc/shadow`.

    Raises:
        LockfileMissingError: One of `paths` does not exist or cannot be read.
        LockfileError: It is refused. `data["problems"]` holds `{"file", "line", "message"}` for each reason.
    """
    if not paths or not all(os.path.isabs(path) for path in paths):
        raise RuntimeError(f"absolute paths of lockfiles are wanted, not {paths!r}")
    contents = _read_all(paths, read)
    parsed: Parsed
    options: tuple[str, ...] = ()
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
) -> tuple[Requirement, ...]:
    """Choose the requirements to install on one interpreter.

    Depends on the arguments only, not on the interpreter that runs this.

    Args:
        lockfile: From `read_lockfile`.
        interpreter: The root's.
        extras: `[build] extras`, for a pylock file.
        groups: `[build] groups`, for a pylock file; none: its default groups.

    Returns:
        At least one requirement, each name once, sorted by name.

    Raises:
        LockfileError: It selects nothing, or two pins of one name, or something that is refused.
    """
    problems = Problems(lockfile.path)
    chosen = lockfile.parsed.select(interpreter, extras=extras, groups=groups, problems=problems)
    if not chosen and not problems.found:
        problems.add(
            lockfile.path,
            None,
            f"it selects nothing for {interpreter.label}: no marker holds; lock it for this"
            " interpreter, or set `python` in venvship.toml to the one it is for",
        )
    problems.raise_if_any()
    return tuple(sorted(chosen, key=lambda requirement: requirement.name))


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
