"""The first file in which two releases differ, as a person would look for it after two tree digests differ.

A test that compares digests alone says that something differs, and not where.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

_OTHER_BY_DESIGN = ("bin/activate", "bin/deactivate", "bin/pydoc", "bin/python", "pyvenv.cfg")
"""How the names of virtualenv's files begin: they hold a host's paths, and are fixed texts in the digest."""

_LONG_SHEBANG = re.compile(rb"""#!/bin/sh\n'''exec' '?(/release/bin/python)'? "\$0" "\$@"\n' '''\n""")
"""How a script begins whose interpreter's path is too long for a kernel, or has a blank."""

_SCRIPTS = b"../../../bin/"
"""How the rows of scripts in RECORD begin, which have a hash of the first line."""


def first_difference(one: Path, other: Path) -> str:
    """Name the first file that two releases differ in; `""` if there is none.

    The paths of the releases count as equal wherever they are written down. RECORD comes last, since it has
    the hashes of the others.

    Args:
        one: The directory of a release.
        other: That of another one, in the same root or not.
    """
    first, second = dict(_files(one)), dict(_files(other))
    for path in sorted(first.keys() | second.keys(), key=lambda path: (path.endswith("/RECORD"), path)):
        if first.get(path) != second.get(path):
            where = "both" if path in first and path in second else "one of the two"
            return f"{path}, in {where}"
    return ""


def _files(release: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    root = release.parents[1]
    places = ((release, b"/release"), (root / "state" / "leases" / release.name, b"/lease"))
    for path in sorted(release.rglob("*")):
        name = os.path.relpath(path, release)
        mode = path.lstat().st_mode
        if name.startswith((".venvship/", "generated", *_OTHER_BY_DESIGN)) or stat.S_ISDIR(mode):
            continue
        if stat.S_ISLNK(mode):
            yield name, ("link", os.readlink(path))
            continue
        data = path.read_bytes()
        for place, fixed in places:
            data = data.replace(os.fsencode(place), fixed)
        data = _LONG_SHEBANG.sub(rb"#!\1\n", data)
        if name.endswith("/RECORD"):
            data = b"".join(row for row in data.splitlines(True) if not row.startswith(_SCRIPTS))
        yield name, ("file", "x" if mode & 0o111 else "", hashlib.sha256(data).hexdigest())
