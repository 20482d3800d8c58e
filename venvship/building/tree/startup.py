"""The start-up files of a release, which every Python process of it runs before anything else.

They keep a process on the release it started from, and take a lease for it. What they do, and why in that
way, is told in `startup_module.py`, which becomes one of them.

What they cannot do:

* Nothing runs under `python -S`, nor in a program that embeds Python without `site`.
* A switch to a release of another Python version, between the exec of `current/bin/python` and the listing of
  its site-packages: the interpreter of the one finds no directory of its version in the other.
* The main script, `sys.argv`, `sys.orig_argv` and the environment are as the caller gave them, but for a
  script in `app/`: there the process begins again by its real path. Directories in `sys.path` keep their
  spelling if they are added after start-up, whether they lead through the link or, as the directory of the
  script and the working directory may by then, into `bin/` or `app/` of another release; the modules that are
  imported from them are those of this release.
* On Python 3.15 to 3.17 a switch while `site` reads the `.pth` files can make it run import lines of both
  releases: it has read them all before it runs the first.
* Open files, working directories and programs other than Python go where the link goes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FIRST_NAME: Final = "!venvship.pth"
"""Sorts before every other `.pth` file: `!` is the first printable character after the space."""

LAST_NAME: Final = "~venvship.pth"
"""Sorts after every other `.pth` file: `~` is the last character of ASCII."""

MODULE_NAME: Final = "_venvship"
"""The module that both import. It is the same in all releases."""

START_NAMES: Final = ("!venvship.start", "~venvship.start")
"""The same pair for versions that no longer run the `import` lines of `.pth` files."""

STARTUP_NAMES: Final = frozenset(
    {FIRST_NAME, LAST_NAME, *START_NAMES, f"{MODULE_NAME}.py", f"{MODULE_NAME}.txt"}
)
"""Names in site-packages that are ours in some release, whichever its Python version."""

FIRST_VERSION_WITHOUT_PTH: Final = (3, 18)
"""PEP 829: from here on `import` lines in `.pth` files are ignored, and `.start` files are the only way.

3.15 has `.start` files too, but runs them after the `import` lines of *all* `.pth` files, and a `.start` file
silences the `.pth` file of its name. Up to 3.17 a line in a `.pth` file is earlier, which is what matters.
"""


def startup_files(
    release_path: str, *, lease_path: str, site_packages: str, app: bool = False
) -> dict[str, bytes]:
    """Write the start-up files of one release.

    The contents depend on the arguments only. The `.pth` files are ASCII whatever the paths hold, since
    `site` decodes them in the encoding of the locale until Python 3.12; and paths are bytes in them, since a
    path is another string in a process with another encoding.

    Args:
        release_path: Absolute path of the release, as it is to appear in `sys.prefix`.
        lease_path: Absolute path of the file that processes hold a shared flock(2) on; its name is that of
            the release. It may be missing whenever a process starts.
        site_packages: The release's site-packages relative to it, such as `"lib/python3.11/site-packages"`.
        app: Whether `app/` of the release is to be in `sys.path`.

    Returns:
        The files' contents by their names in site-packages.

    Raises:
        ValueError: `site_packages` is not of that form, or a path is not absolute and normal.
    """
    version = re.fullmatch(r"lib/python(\d+)\.(\d+)t?/site-packages", site_packages)
    if version is None:
        raise ValueError(f"not a site-packages directory of a virtualenv: {site_packages!r}")
    for path in (release_path, lease_path):
        if not re.fullmatch(r"(?:/(?!\.{1,2}(?:/|$))[^/\0\n]+)+", path):
            raise ValueError(f"not an absolute, normal path: {path!r}")
    module = {f"{MODULE_NAME}.py": startup_source()}
    if (int(version[1]), int(version[2])) >= FIRST_VERSION_WITHOUT_PTH:
        first, last = START_NAMES
        paths = os.fsencode(f"{release_path}\n{lease_path}\n{'app' if app else ''}\n")
        call = f"{MODULE_NAME}:start\n".encode()
        return {first: call, last: call, f"{MODULE_NAME}.txt": paths, **module}
    note = "# Keeps a process on the release it started from, and the release from being pruned (venvship)."
    # The module comes from the release that this file names, not from where the link leads by now. No
    # bytecode is written: root could, into a sealed release.
    packages, release, lease = map(os.fsencode, (f"{release_path}/{site_packages}", release_path, lease_path))
    # Not in a copy, whose file names the original: that release is another root's. `site` shows our line the
    # path of this file, under a name that depends on the version; see `first`.
    found = f"v for v in list(locals().values()) if isinstance(v, str) and v.endswith({'/' + FIRST_NAME!r})"
    load = (
        "try:\n"
        f" found = next(({found}), '').rsplit('/', 4)[0]\n"
        f" if os.path.samefile(found + '/..', os.path.dirname(os.fsdecode({release!a}))):\n"
        "  path, flag = sys.path, sys.dont_write_bytecode\n"
        f"  sys.path, sys.dont_write_bytecode = [os.fsdecode({packages!a})], True\n"
        f"  try: import {MODULE_NAME}\n"
        "  finally: sys.path, sys.dont_write_bytecode = path, flag\n"
        "except Exception: pass\n"
    )
    found = f'sys.modules.get("{MODULE_NAME}")'
    nothing = "lambda *_: None"
    first = f'getattr({found}, "first", {nothing})(locals(), {release!a}, {lease!a}, {app})'
    last = f'getattr({found}, "last", {nothing})(locals())'
    return {
        FIRST_NAME: (
            f'{note}\nimport os, sys; "{MODULE_NAME}" in sys.modules or exec({load!a})\nimport sys; {first}\n'
        ).encode("ascii"),
        LAST_NAME: f"{note}\nimport sys; {last}\n".encode("ascii"),
        **module,
    }


def startup_source() -> bytes:
    """The module of the start-up files, the same in every release that this version of venvship builds."""
    return Path(__file__).with_name("startup_module.py").read_bytes()


def sorted_outside(names: Iterable[str]) -> tuple[str, ...]:
    """Find start-up files that `site` would read before our first or after our last.

    Args:
        names: Names of files directly in a site-packages directory; other kinds of files are passed over.

    Returns:
        The offending names, sorted; empty where all is well. Ours are never among them.
    """
    found = []
    for name in names:
        _, dot, suffix = name.rpartition(".")
        if dot and suffix in {"pth", "start"} and name not in STARTUP_NAMES:
            first, last = (ours.replace(".pth", f".{suffix}") for ours in (FIRST_NAME, LAST_NAME))
            if not first < name < last:
                found.append(name)
    return tuple(sorted(found))
