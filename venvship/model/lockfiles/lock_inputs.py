"""The input and the output of pip-compile, around which venvship does three things itself.

pip-compile resolves. The pins that it keeps are taken from the lockfile. Options of the inputs about where
packages come from are found, to be written alone: pip-compile would write them together with everything that
pip's configuration of this host adds. Its absolute paths of wheels that an input names by a relative one are
made relative again.

Source: pip's "Requirements File Format", and pip-tools' `writer.py`.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from venvship.model.lockfiles.requirement import MARKER_ERRORS, URL, local_path
from venvship.model.lockfiles.requirements_txt_lines import (
    LogicalLine,
    RefusedError,
    logical_lines,
    split_options,
)
from venvship.model.lockfiles.requirements_txt_options import (
    FLAGS,
    FORMATS,
    INCLUDES,
    WHERE_FROM,
    option_line,
    read_options,
)
from venvship.model.release import Package

PROJECT_FILES: Final = frozenset({"pyproject.toml", "setup.cfg", "setup.py"})
"""Inputs that pip-compile reads as the metadata of a project, not as requirements."""

_INCLUDES: Final = {*INCLUDES, "-c", "--constraint"}
_UNWANTED: Final = {"--require-hashes"}
"""Flags that every lockfile is read with anyway."""

_HASHES: Final = ("sha256:", "sha384:", "sha512:")
"""The hashes that pip takes in `--hash`."""

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*===?\s*([^\s;,=]+)\s*(?:;.*)?")
_ARCHIVE = re.compile(r"(?P<path>.+\.(?:whl|tar\.gz|zip))\s*(?:\[[^\]]*\])?\s*(?:;.*)?", re.IGNORECASE)
_FILE_PIN = re.compile(rb"(?m)^[A-Za-z0-9][A-Za-z0-9._-]* @ (file://[^\s\\]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The parts of a lockfile's inputs that pip-compile does not carry into it.

    Attributes:
        texts: Of the inputs and of all that they include.
        options: Lines for the lockfile: where from, and flags of pip.
        archives: Absolute paths of wheels and archives that are named by relative ones.
        refused: By the absolute path of an included file that is not read, because it would take for ever or
            is too large, the reason.
        folders: Paths of folders that `--find-links` names, from which pip-compile chooses: absolute, or they
            begin with `~`.
    """

    texts: tuple[str, ...] = field(repr=False)
    options: tuple[str, ...]
    archives: frozenset[str]
    refused: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()


def read_inputs(
    paths: Sequence[str],
    *,
    cwd: str,
    lockfile: str,
    read: Callable[[str], bytes],
    exists: Callable[[str], bool],
) -> Inputs:
    """Read the inputs and the files that they include, leniently: pip reports their problems.

    Args:
        paths: Absolute.
        cwd: Where pip-compile runs: relative paths of archives start there.
        lockfile: Absolute; relative paths in it start beside it.
        read: Returns a file's bytes; raises `OSError`.
        exists: Whether there is such a file or folder.
    """
    reader = _Reader(cwd=cwd, beside=os.path.dirname(lockfile), read=read, exists=exists)
    for path in paths:
        reader.take(path)
    # The last one stays: a later --index-url overrides an earlier one.
    options = list(dict.fromkeys(reversed(reader.options)))
    return Inputs(
        texts=tuple(reader.texts.values()),
        options=tuple(reversed(options)),
        archives=frozenset(reader.archives),
        refused=reader.refused,
        folders=tuple(dict.fromkeys(reader.folders)),
    )


def asked_names(path: str, text: str, environment: Mapping[str, str]) -> frozenset[str]:
    """The normalised names of the packages that an input asks for itself, best effort.

    Files that it includes are left out, and so are the dependencies that only a build of a project tells.

    Args:
        path: Of the input. A `pyproject.toml` is one, too.
        text: Of the input.
        environment: The marker environment of the interpreter that asks.
    """
    name = os.path.basename(path)
    if name in PROJECT_FILES:
        asked = _of_pyproject(text) if name == "pyproject.toml" else []
    else:
        asked = [requirement for _, requirement, _ in _lines(text) if requirement]
    return frozenset(name for one in asked if (name := _asked_name(one, environment)))


def asked_versions(path: str, text: str, package: str) -> tuple[str, ...]:
    """The versions of a package that an input or a constraint asks for, such as `<6`, best effort.

    Args:
        path: Of the input. A `pyproject.toml` is one, too.
        text: Of the input.
        package: The normalised name of the package.
    """
    if os.path.basename(path) in PROJECT_FILES:
        asked = _of_pyproject(text)
    else:
        asked = [requirement for _, requirement, _ in _lines(text) if requirement]
    found = []
    for one in asked:
        with contextlib.suppress(*MARKER_ERRORS):
            parsed = Requirement(one)
            if canonicalize_name(parsed.name) == package and str(parsed.specifier):
                found.append(str(parsed.specifier))
    return tuple(found)


def _of_pyproject(text: str) -> list[str]:
    try:
        project = tomllib.loads(text).get("project")
    except (ValueError, RecursionError):
        return []
    found = project.get("dependencies") if isinstance(project, dict) else None
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _asked_name(requirement: str, environment: Mapping[str, str]) -> str:
    """The name of a requirement; `""` where a marker rules it out, or it cannot be told."""
    try:
        parsed = Requirement(requirement)
        wanted = parsed.marker is None or parsed.marker.evaluate(dict(environment))
    except MARKER_ERRORS:
        return ""
    return canonicalize_name(parsed.name) if wanted else ""


@dataclass(slots=True, kw_only=True)
class _Reader:
    cwd: str
    beside: str
    read: Callable[[str], bytes]
    exists: Callable[[str], bool]
    texts: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    archives: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    def take(self, path: str) -> None:
        path = os.path.normpath(path)
        if path in self.texts or os.path.basename(path) in PROJECT_FILES:
            return
        try:
            self.texts[path] = _text(self.read(path))
        except OSError as error:
            # Of a file that is not there, pip tells. At a FIFO it would wait for ever.
            if not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
                self.refused[path] = error.strerror or str(error)
            return
        except ValueError:
            return
        for _, requirement, options in _lines(self.texts[path]):
            if requirement:
                self._take_archive(requirement)
            else:
                for name, value in options:
                    self._take_option(path, name, value or "")

    def _take_archive(self, requirement: str) -> None:
        match = _ARCHIVE.fullmatch(requirement)
        if match and not URL.match(requirement) and "@" not in requirement and not os.path.isabs(requirement):
            self.archives.add(os.path.normpath(os.path.join(self.cwd, match["path"])))

    def _take_option(self, path: str, name: str, value: str) -> None:
        if name in _INCLUDES:
            if (local := _local(value)) is not None:
                self.take(os.path.join(os.path.dirname(path), local))
        elif name in WHERE_FROM:
            option = WHERE_FROM[name]
            if option == "--find-links" and (local := _local(value)) is not None:
                here = os.path.join(os.path.dirname(path), local)
                there = here if self.exists(here) else os.path.join(self.cwd, local)
                self.folders.append(local if local.startswith("~") else there)
            self.options.append(option_line(option, self._moved(path, option, value)))
        elif name in FORMATS:
            self.options.append(option_line(name, value))
        elif name in FLAGS and name not in _UNWANTED:
            self.options.append(name)

    def _moved(self, path: str, option: str, value: str) -> str:
        """Make a path relative to the lockfile; it is relative to the input, or to `cwd`, as for pip."""
        if option != "--find-links" or URL.match(value) or value.startswith(("/", "~", "${")):
            return value
        here = os.path.join(os.path.dirname(path), value)
        return os.path.relpath(here if self.exists(here) else os.path.join(self.cwd, value), self.beside)


def _lines(text: str) -> Iterator[tuple[LogicalLine, str, list[tuple[str, str | None]]]]:
    """Yield each line, its requirement, and its options; invalid lines are left out."""
    for line in logical_lines(text.replace("\r\n", "\n")):
        try:
            requirement, words = split_options(line.text)
        except RefusedError:
            continue
        yield line, requirement.strip(), list(read_options(words))


def _local(value: str) -> str | None:
    """The path that an option names, also by a `file:` URL; `None` for another URL."""
    if not URL.match(value):
        return value
    try:
        return local_path(value)
    except ValueError:
        return None


def _text(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


def kept_pins(lockfile: bytes, environment: Mapping[str, str]) -> bytes:
    """The part of a lockfile that pip-compile keeps: its pins by version, with their hashes.

    Everything else in it is made anew from the inputs; so are hashes that pip would refuse. Line ends stay
    what they are: pip-compile goes by them.

    Args:
        lockfile: Its bytes.
        environment: The marker environment of its interpreter: pip-compile goes by names, not by markers.
    """
    text = _text(lockfile)
    sources = [
        source
        for line, requirement, options in _lines(text)
        if (source := _kept(line, requirement, options, environment))
    ]
    end = "\r\n" if "\r\n" in text else "\n"
    return "".join(f"{source}\n" for source in sources).replace("\n", end).encode()


def _kept(
    line: LogicalLine,
    requirement: str,
    options: Sequence[tuple[str, str | None]],
    environment: Mapping[str, str],
) -> str:
    """The part of a line that is kept; `""` for nothing."""
    pin = _PIN.fullmatch(requirement)
    try:
        parsed = Requirement(requirement)
        holds = parsed.marker is None or parsed.marker.evaluate(dict(environment))
    except MARKER_ERRORS:
        return ""
    if pin is None or not holds:
        return ""
    is_plain = all(name == "--hash" and (value or "").startswith(_HASHES) for name, value in options)
    return line.source if is_plain else f"{pin[1]}=={pin[2]}"


def pinned_packages(lockfile: bytes) -> list[Package]:
    """The names and versions that a lockfile pins, however wrong the rest of it is."""
    found = [_PIN.fullmatch(requirement) for _, requirement, _ in _lines(_text(lockfile))]
    return [Package(canonicalize_name(match[1]), match[2]) for match in found if match]


def kept_hashes(lockfile: bytes) -> dict[str, frozenset[str]]:
    """The hashes that a lockfile allows, by normalised name, however wrong the rest of it is."""
    found: dict[str, frozenset[str]] = {}
    for _, requirement, options in _lines(_text(lockfile)):
        if match := _PIN.fullmatch(requirement):
            hashes = {(value or "").lower() for name, value in options if name == "--hash"}
            name = canonicalize_name(match[1])
            found[name] = found.get(name, frozenset()) | hashes
    return found


def completed(compiled: bytes, inputs: Inputs, *, lockfile: str) -> bytes:
    """Add the options and the relative paths to the output of pip-compile.

    Args:
        compiled: Its output, written without any options.
        inputs: Of it.
        lockfile: The absolute path that it is meant for.
    """

    def relative(match: re.Match[bytes]) -> bytes:
        try:
            try:
                path = local_path(match[1].decode())
            except ValueError:
                return match[0]
        except ValueError:
            return match[0]
        if path not in inputs.archives:
            return match[0]
        return os.path.relpath(path, os.path.dirname(lockfile)).encode()

    content = _FILE_PIN.sub(relative, compiled)
    if not inputs.options:
        return content
    end = b"\r\n" if b"\r\n" in content else b"\n"
    lines = content.split(end)
    header = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
    return end.join([*lines[:header], *(option.encode() for option in inputs.options), b"", *lines[header:]])
