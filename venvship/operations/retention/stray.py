"""Bytecode that is not part of a release: what counts as such, and the command that removes it.

A process of root can write it, and it harms nothing else: the files of the release are as they were sealed.
Any other file is damage, wherever it stands.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Sequence
from typing import Final

from venvship.printable import shell_line

PYCACHE: Final = "__pycache__"

_BYTECODE: Final = re.compile(r"\.(?:pyc(?:\.[0-9]+)?|nb[ic])$")
"""How the names of bytecode end: of Python, with a number where its writer was killed, and of numba."""

_MOST_NAMED: Final = 50
"""How many files a command names one by one."""


def is_stray(path: str, mode: int) -> bool:
    """Whether a path that is not part of a release is bytecode, or a folder for it.

    Args:
        path: Relative to the release.
        mode: Its `st_mode`, by lstat(2).
    """
    folder, _, name = path.rpartition("/")
    if stat.S_ISDIR(mode):
        return name == PYCACHE
    return stat.S_ISREG(mode) and folder.rpartition("/")[2] == PYCACHE and _BYTECODE.search(name) is not None


def removal(release_path: str, stray: Sequence[str], own: Collection[str]) -> str:
    """The command that removes the bytecode, and nothing else.

    `find` by the ends of names, such as `.cpython-311.opt-1.pyc`, where no file of the release ends like
    that; by whole names otherwise, the first `_MOST_NAMED`. Not by times: a restored backup has others.

    Args:
        release_path: The directory of the release; absolute.
        stray: Paths for which `is_stray` holds; relative.
        own: The paths of the release; relative. All that is there is one of these or stray.
    """
    files = [path for path in stray if path.rpartition("/")[2] != PYCACHE]
    endings = dict.fromkeys(_ending(path) for path in files)
    clear = [ending for ending in endings if not any(_matches(f"{release_path}/{p}", ending) for p in own)]
    named = [path for path in files if _ending(path) not in clear][:_MOST_NAMED]
    patterns = [f"*/{PYCACHE}/*{_escaped(ending)}" for ending in clear]
    patterns += [_escaped(f"{release_path}/{path}") for path in named]
    alternatives = []
    if patterns:
        paths = " -o ".join(f"-path {shell_line([pattern])}" for pattern in patterns)
        alternatives.append(f"-type f \\( {paths} \\)")
    if len(files) < len(stray):
        alternatives.append(f"-type d -name {PYCACHE} -empty")
    return f"find {shell_line([release_path])} \\( {' -o '.join(alternatives)} \\) -delete"


def _ending(path: str) -> str:
    """The end of a file's name that tells who wrote it: all from the tag of the interpreter on."""
    name = path.rpartition("/")[2]
    start = name.rfind(".cpython-")
    return name[start:] if start > 0 else f".{name.rpartition('.')[2]}"


def _matches(full_path: str, ending: str) -> bool:
    return f"/{PYCACHE}/" in full_path and full_path.endswith(ending)


def _escaped(text: str) -> str:
    """A text as a pattern of find(1) that matches only itself."""
    return re.sub(r"([\\*?\[])", r"\\\1", text)
