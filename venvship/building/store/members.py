"""Where the members of a wheel go, and which are refused. Pure rules on names; nothing is opened here.

Anybody may have uploaded a wheel, so a name counts as hostile until it has passed here: it must stay inside
its scheme, mean the same to every program that reads the archive, and leave alone the files of the virtualenv
and of venvship.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

STARTUP_PATTERN: Final = re.compile(r"[!~]venvship\.(?:pth|start)|_venvship(?:[./].*)?", re.DOTALL)
"""Matches (in full) every path below site-packages that no wheel may bring: the startup files that a release
gets (a `.start` file of our name would switch our `.pth` file off, PEP 829), and a package or an extension
module named like ours."""

APP: Final = "data/app/"
"""Where a project without packaging has its files: `app/` of a release, which is in `sys.path` then."""

LEFT_OUT: Final = frozenset(
    {"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"}
)
"""Files of a `.dist-info` that say how a wheel was installed (PEP 376, PEP 610); written per release."""

SCHEMES: Final = {
    "purelib": "site",
    "platlib": "site",
    "scripts": "scripts",
    "headers": "headers",
    "data": "data",
}
"""Folders of a wheel's `.data` directory, and the store's name for where they go."""

MAX_NAME: Final = 255
"""Bytes in one component of a path: NAME_MAX of every file system in use."""

MAX_PATH: Final = 1024
"""Bytes in one path. PATH_MAX is 4096, and the path of the release or the store comes in front."""

_INTERPRETER = re.compile(
    r"(?:python|pypy|graalpy)w?(?:[0-9]+(?:\.[0-9]+)*[a-z]{0,2})?(?:-(?:intel64|arm64|32|64))?(?:\.exe)?",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOWHERE: Final = frozenset({"", ".", ".."})
_SITE_IN_DATA = re.compile(r"data/lib(?:64)?/python[^/]*/(?:site|dist)-packages/(.+)", re.IGNORECASE)


def problem_with_name(name: str) -> str | None:
    """Find the problem with a member's name; `None` if there is none.

    Args:
        name: As the archive has it, without the slash at the end of a directory's.
    """
    if not name or name.startswith("/"):
        return "its path is absolute or empty"
    if "\\" in name:
        return "its path has a backslash"
    if _CONTROL.search(name):
        return "its path has a control character"
    parts = name.split("/")
    if not _NOWHERE.isdisjoint(parts):
        return "its path has an empty, '.' or '..' component"
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "its path is not UTF-8"
    too_long = len(encoded) > MAX_NAME and any(len(part.encode()) > MAX_NAME for part in parts)
    if len(encoded) > MAX_PATH or too_long:
        return "its path is too long"
    return None


def store_path(name: str, data_dirs: Iterable[str]) -> str:
    """Translate a member's name to its path in the store, scheme first.

    Purelib and platlib are one place: a virtualenv has one site-packages.

    Args:
        name: A name that `problem_with_name` let pass.
        data_dirs: The names that this wheel's `.data` directory may have.

    Raises:
        ValueError: It is in a `.data` directory that is not this wheel's, or in no known scheme.
    """
    top, _, rest = name.partition("/")
    if not (rest and top.endswith(".data")):
        return f"site/{name}"
    if top not in data_dirs:
        # pip would spread its contents over the schemes, installer would make it a package: no two readings.
        raise ValueError("it is in a .data directory of another name than the wheel's")
    key, _, inside = rest.partition("/")
    scheme = SCHEMES.get(key)
    if scheme is None or not inside:
        raise ValueError(f"it is in none of {', '.join(sorted(SCHEMES))} of its .data directory")
    return f"{scheme}/{inside}"


def problem_with_place(path: str, dist_info: str) -> str | None:
    """Find the reason why a file may not be in a release at all; `None` if it may.

    Args:
        path: As `store_path` gave it.
        dist_info: Name of the wheel's `.dist-info` directory.
    """
    scheme, _, inside = path.partition("/")
    if scheme == "site":
        return _problem_in_site(inside, dist_info)
    if scheme == "scripts":
        return problem_with_script(inside)
    if scheme == "data":
        if (site := _SITE_IN_DATA.fullmatch(path)) is not None:
            return _problem_in_site(site[1], "")
        top, _, rest = inside.partition("/")
        if top in {".venvship", "pyvenv.cfg"}:
            return "this file belongs to the release itself"
        if top == "app":
            return _problem_in_path(rest)
        if top == "bin":
            return problem_with_script(rest)
    return None


def _problem_in_path(inside: str) -> str | None:
    """The problem with a file below a folder of `sys.path`."""
    top = inside.partition("/")[0]
    if STARTUP_PATTERN.fullmatch(inside) or STARTUP_PATTERN.fullmatch(top):
        return "this is one of venvship's start-up files"
    if top.partition(".")[0] == "sitecustomize":
        return "every Python process of the release would run it"
    return None


def _problem_in_site(inside: str, dist_info: str) -> str | None:
    if (problem := _problem_in_path(inside)) is not None:
        return problem
    top = inside.partition("/")[0]
    if top.endswith(".dist-info") and top != dist_info:
        return "it would pass for another distribution"
    return None


def problem_with_script(name: str) -> str | None:
    """Find the reason why a script may not have this name; `None` if it may. For files and entry points."""
    if "/" not in name and _INTERPRETER.fullmatch(name):
        return "a script of this name would stand in for the interpreter"
    return None


def is_module(path: str) -> bool:
    """Whether a file of a wheel is Python source in a folder of `sys.path`, and so gets bytecode.

    A file that is called just ".py" is no module, and would have the bytecode of "py.py".
    """
    return path.startswith(("site/", APP)) and path.endswith(".py") and not path.endswith("/.py")


def is_left_out(path: str, dist_info: str) -> bool:
    """Whether a file is dropped: bytecode, which is compiled here, and files that are written per release."""
    folder, _, name = path.rpartition("/")
    return "__pycache__" in path.split("/") or (folder == f"site/{dist_info}" and name in LEFT_OUT)


def folders_above(path: str) -> Iterator[str]:
    """Every folder above a path, the nearest first."""
    while path := path.rpartition("/")[0]:
        yield path
