"""The root of a command that names none: the nearest directory upwards that holds `venvship.toml`.

A user who can write to a directory above could make such a file there, so a root that is found by going
upwards counts only if it is the caller's own. One that is named with `-C` or `VENVSHIP_ROOT`, or in which the
command is typed, may belong to another user.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from venvship.errors import NotARootError, RootError, SettingsError, UntrustedError
from venvship.model.trust import ROOT_UID, Trust
from venvship.root import SETTINGS_NAME, RootLayout
from venvship.system.accounts import callers, user_name
from venvship.system.ownership import Finding, Ownership
from venvship.workspace.settings_files import read_layers
from venvship.workspace.trust_file import trust_of
from venvship.workspace.trust_hints import facts, hint, told
from venvship.workspace.trusted import TrustedFiles


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
        ask = Ownership(Trust(users))
        found = _findings(ask, folder, status)
        layout = RootLayout(Path(folder))
        if found and status.st_uid in users:
            more = trust_of(TrustedFiles(layout, environ).accounts())
            ask = Ownership(ask.trust.widened(more), ask.accounts)
            found = _findings(ask, folder, status)
    except OSError as error:
        raise UntrustedError(f"cannot find out who may write {folder}: {error.strerror}") from error
    if not found:
        return
    raise UntrustedError(
        f"{told(found)}, so the root {folder}, which was found from here, was not taken",
        hint=hint(found, layout, ask, environ) if status.st_uid in users else None,
        root=folder,
        root_owner=user_name(status.st_uid),
        **facts(found),
    )


def can_be_named(root: str, environ: Mapping[str, str]) -> bool:
    """Whether commands in a root that was found, and not taken, work if they name it.

    Those that the root's owner runs, or this user: a file that counts for `SUDO_UID` alone is refused to the
    owner.
    """
    layout = RootLayout(Path(root))
    alone = {name: value for name, value in environ.items() if name != "SUDO_UID"}
    trusted = TrustedFiles(layout, alone)
    try:
        trusted.require_path(str(layout.settings_file))
        with contextlib.suppress(SettingsError):  # commands report that; here it is only asked whose files
            read_layers(layout._replace(ask=trusted.require))
    except RootError:
        return False
    return True


def _findings(ownership: Ownership, folder: str, status: os.stat_result) -> tuple[Finding, ...]:
    """The problems of a root's directory, and of the way to it. A sticky one is no root of one user alone."""
    return (*ownership.of_entry(folder, status), *ownership.of_way(folder))
