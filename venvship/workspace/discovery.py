"""The root of a command that names none: the nearest directory upwards that holds `venvship.toml`.

A user who can write to a directory above could make such a file there, so a root that is found by going
upwards counts only if it is the caller's own. One that is named with `-C` or `VENVSHIP_ROOT`, or in which the
command is typed, may belong to another user.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from venvship.errors import NotARootError, UntrustedError
from venvship.model.trust import ROOT_UID, Trust, described
from venvship.root import SETTINGS_NAME, RootLayout
from venvship.system.accounts import group_name, user_name
from venvship.system.ownership import Finding, Ownership
from venvship.workspace.trust_file import read_trusted, trust_of
from venvship.workspace.trusted import callers, hint


def find_root(start: Path, environ: Mapping[str, str]) -> Path:
    """The nearest directory, from `start` upwards, that holds `venvship.toml`.

    Args:
        start: Absolute, and without links.
        environ: The process environment, for `SUDO_UID`.

    Raises:
        NotARootError: There is none.
        UntrustedError: It is above `start`, and it or a directory above it is not the caller's or root's, or
            others can write it.
    """
    for folder in (start, *start.parents):
        if os.path.isfile(folder / SETTINGS_NAME):  # Path.is_file() raises below a folder that is not ours
            if folder != start:
                _require_own(str(folder), environ)
            return folder
    raise NotARootError(
        f"no {SETTINGS_NAME} in {start} or above it",
        hint="name the root with -C ROOT or VENVSHIP_ROOT, or make one with `venvship init`",
    )


def _require_own(folder: str, environ: Mapping[str, str]) -> None:
    try:
        status = os.stat(folder)
        users = callers(environ) | {ROOT_UID}
        ownership = Ownership(Trust(users))
        found = _findings(ownership, folder, status)
        if found and status.st_uid in users:
            more = trust_of(read_trusted(RootLayout(Path(folder))))
            found = _findings(Ownership(ownership.trust.widened(more), ownership.accounts), folder, status)
    except OSError as error:
        raise UntrustedError(f"cannot find out who may write {folder}: {error.strerror}") from error
    if not found:
        return
    first = found[0]
    owner, group = user_name(first.owned.uid), group_name(first.owned.gid)
    problem = described(first.problem, first.owned, owner=owner, group=group)
    raise UntrustedError(
        f"{first.path} {problem}, so the root {folder}, which was found from here, was not taken",
        hint=hint(found, folder, user_name(status.st_uid)) if status.st_uid in users else None,
        path=first.path,
        owner=owner,
        mode=f"{stat.S_IMODE(first.owned.mode):04o}",
        root=folder,
        root_owner=user_name(status.st_uid),
    )


def _findings(ownership: Ownership, folder: str, status: os.stat_result) -> tuple[Finding, ...]:
    """The problems of a root's directory, and of the way to it. A sticky one is no root of one user alone."""
    return (*ownership.of_entry(folder, status), *ownership.of_way(folder))
