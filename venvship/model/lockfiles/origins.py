"""The source of each package, in the comments of a lockfile that venvship generates.

A line `# from SOURCE` at the end of the header is the source of all packages but those that have a line of
their own, `    # from SOURCE`, as uv writes it. A source is the URL of an index or the path of a folder. It
never has credentials: users, passwords and queries are left out, and what looks like a token is masked.

A folder's path is relative to the lockfile where the folder is in the root, so that a root can be moved.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from venvship.model.redaction import MASK

_PINNED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*===?\s*[^\s;,=]")
_FROM: Final = re.compile(r"(\s*)# from (\S+)\s*")
_TOKEN: Final = re.compile(
    r"(?<=/)(?:[0-9a-fA-F]{32,}|(?=[^/]*[a-z])(?=[^/]*[A-Z])(?=[^/]*\d)[\w=-]{20,})(?=/|$)", re.ASCII
)
"""A part of a path that looks like a token, which some services have there."""


def origin_recorded(origin: str, redact: Callable[[str], str]) -> str:
    """A source as it is recorded and shown, with its secrets masked.

    Args:
        origin: A URL without credentials, in which the unprintable is quoted, or an absolute path.
        redact: Masks known secrets; a `Redactor`.
    """
    return _TOKEN.sub(MASK, redact(origin)) if "://" in origin else origin


def recorded_origins(lockfile: bytes, folder: str) -> dict[str, str]:
    """The source of each package, by normalised name, as far as a lockfile tells.

    Args:
        lockfile: Its bytes.
        folder: Its absolute folder.
    """
    found: dict[str, str] = {}
    default, name, is_header = "", "", True
    for line in lockfile.decode("utf-8-sig", "replace").splitlines():
        is_header = is_header and line.startswith("#")
        match = _FROM.fullmatch(line)
        if match and is_header:
            default = _read(match[2], folder)
        elif match and match[1] and name:
            found[name] = _read(match[2], folder)
        elif line[:1].strip():
            pin = _PINNED.match(line)
            name = canonicalize_name(pin[1]) if pin else ""
            if name and default:
                found.setdefault(name, default)
    return found


def with_origins(lockfile: bytes, origins: Mapping[str, str], *, folder: str, root: str) -> bytes:
    """Write the sources into the output of pip-compile.

    Args:
        lockfile: The output, with its header and no lines of options.
        origins: The source of each package, as `origin_recorded` returns it.
        folder: The absolute folder of the lockfile.
        root: The absolute path of the root.
    """
    if not origins:
        return lockfile
    end = b"\r\n" if b"\r\n" in lockfile else b"\n"
    lines = lockfile.decode().split(end.decode())
    default = max(Counter(origins.values()).items(), key=lambda item: (item[1], item[0]))[0]
    done: list[str] = []
    name, is_header = "", True
    for line in [*lines[:-1], None, *lines[-1:]]:
        if line is None or not line.startswith((" ", "\t")):
            own = origins.get(name, default)
            if own != default:
                done.append(f"    # from {_written(own, folder, root)}")
            name = ""
        if line is None:
            continue
        if is_header and not line.startswith("#"):
            done += [f"# from {_written(default, folder, root)}", "#"]
            is_header = False
        if pin := _PINNED.match(line):
            name = canonicalize_name(pin[1])
        done.append(line)
    return end.join(line.encode() for line in done)


def _written(origin: str, folder: str, root: str) -> str:
    if origin.startswith("/"):
        inside = os.path.commonpath([origin, root]) == root
        path = os.path.relpath(origin, folder) if inside else origin
        origin = path if path.startswith(("/", ".")) else f"./{path}"
        return quote(origin, safe="/.~")
    return origin


def _read(text: str, folder: str) -> str:
    if text.startswith(("/", ".")):
        return os.path.normpath(os.path.join(folder, unquote(text)))
    return text
