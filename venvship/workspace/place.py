"""Does a release stand in the directory that it was built for?

Its scripts and start-up files hold that path. After a root was moved or copied, or its link led to another
disk, the path leads nowhere, or into another root: then a script of this release would run that root's code.
"""

from __future__ import annotations

import os
import re
from typing import Final

from venvship.model import bounds
from venvship.model.release import Manifest
from venvship.root import RootLayout
from venvship.system.regular import read_regular

STARTUP_FILE: Final = "!venvship.pth"
"""The start-up file of Python up to 3.17 that holds the release's path, in site-packages."""

STARTUP_TEXT: Final = "_venvship.txt"
"""The same for later versions: the path is its first line."""

_PINNED = re.compile(rb"""\(locals\(\), (b'(?:[^'\\]|\\.)*'|b"(?:[^"\\]|\\.)*"), b""")


def built_for(layout: RootLayout, manifest: Manifest) -> str | None:
    """The directory that a release was built for; `None` if neither manifest nor start-up files have it."""
    return manifest.path or _path_in_startup_file(layout, manifest)


def place_problem(layout: RootLayout, manifest: Manifest) -> str | None:
    """Why a release cannot be used where it stands; `None` if it was built for this very directory.

    Device and inode decide, so that a link or a bind mount at the recorded path will do. Costs two calls of
    stat(2) where the paths differ, and nothing where they are equal.
    """
    here = str(layout.release_path(manifest.id))
    recorded = built_for(layout, manifest)
    if recorded is None or recorded == here:
        return None
    try:
        if os.path.samestat(os.stat(recorded), os.stat(here)):
            return None
        found = "which is another directory"
    except FileNotFoundError:
        found = "which is gone"
    except OSError as error:
        found = f"which cannot be reached: {error.strerror}"
    return f"it was built for {recorded}, {found}"


def _path_in_startup_file(layout: RootLayout, manifest: Manifest) -> str | None:
    """Read the path of a release that an older venvship built."""
    python = manifest.environment.python
    threads = "t" if re.match(r"cpython-\d+t", python.get("soabi", "")) else ""
    release = layout.release_path(manifest.id)
    site_packages = release / "lib" / f"python{python.get('version', '')}{threads}" / "site-packages"
    for name, path_in in ((STARTUP_FILE, _path_in_first), (STARTUP_TEXT, _path_in_text)):
        try:
            return path_in(read_regular(site_packages / name, bounds.STARTUP).data)
        except OSError:
            continue
    return None


def _path_in_first(data: bytes) -> str | None:
    import ast  # late: every command imports this module, and few roots have such old releases

    found = _PINNED.search(data)
    try:
        return _usable_path(ast.literal_eval(found[1].decode("ascii"))) if found else None
    except (ValueError, SyntaxError):  # bytes of another hand
        return None


def _path_in_text(data: bytes) -> str | None:
    return _usable_path(data.partition(b"\n")[0])


def _usable_path(path: bytes) -> str | None:
    return os.fsdecode(path) if path and b"\0" not in path else None
