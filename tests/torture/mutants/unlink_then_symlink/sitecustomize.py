"""Mutant: `current` is removed and made anew, instead of renamed over."""

from __future__ import annotations

import contextlib
import os

with contextlib.suppress(ImportError):
    from venvship.system import failpoints, files

    original = files.rename

    def rename(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        if os.path.basename(target) != "current":
            original(source, target)
            return
        failpoints.reach("unlink", target)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        failpoints.reach("symlink", target)
        os.symlink(os.readlink(source), target)
        os.unlink(source)

    files.rename = rename
