"""Which paths a root may have."""

from __future__ import annotations

import os

from venvship.errors import RootError


def refuse_path(path: str) -> None:
    """Refuse a path that PATH, a shebang line or a text file could not carry.

    Raises:
        RootError: It holds a colon or a line break, or is not UTF-8.
    """
    if ":" in path or "\n" in path or "\r" in path:
        raise RootError(f"the path of a root may hold no colon and no line break: {path!r}")
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeError as error:
        raise RootError(f"the path of a root has to be UTF-8: {path!r}") from error
