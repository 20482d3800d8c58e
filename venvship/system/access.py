"""May another user search a path, or write to a folder? By owner, groups and mode, as the kernel decides.

ACLs and capabilities are not looked at.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from venvship.system.accounts import HostAccounts

SEARCH: Final = stat.S_IXOTH
WRITE: Final = stat.S_IWOTH


def may(status: os.stat_result, uid: int, bits: int) -> bool:
    """Whether a user may do something with a file.

    Args:
        status: The file's.
        uid: The user.
        bits: `SEARCH`, `WRITE`, or both.
    """
    if uid == 0:
        return True
    mode = status.st_mode
    if status.st_uid == uid:
        mode >>= 6
    elif status.st_gid in HostAccounts().groups_of(uid):
        mode >>= 3
    return mode & bits == bits


def first_closed(folder: str, uid: int) -> str | None:
    """The first directory on the way to a folder, itself included, that a user may not search."""
    path = ""
    for part in os.path.realpath(folder).split("/"):
        path = f"{path}/{part}" if part else path
        if not may(os.stat(path or "/"), uid, SEARCH):
            return path or "/"
    return None


def primary_group(uid: int) -> int | None:
    """The primary group of a user; `None` for a user without an account."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return None
