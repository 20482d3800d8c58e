"""`state/trust.json`: the users and groups that the owner of a root trusts, set by `init --trust`.

It widens the rule of `venvship.model.trust`, so it is not read by that rule: it must belong to the owner of
the root, like `state/`, and no other user may write either, whatever the file says.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from venvship.errors import StateError, UntrustedError
from venvship.model.trust import Trust, Trusted
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system.accounts import user_name
from venvship.system.json_files import read_json


def read_trusted(layout: RootLayout) -> tuple[Trusted, ...]:
    """Read whom the owner of a root trusts.

    Raises:
        UntrustedError: Another user than the owner can write the file.
        StateError: It is damaged, or cannot be read.
        FormatError: A newer venvship wrote it.
    """
    path = layout.trust_file

    def ask(name: str, status: os.stat_result) -> None:
        require_owners(layout, str(layout.state), os.lstat(layout.state))
        for found in (status, os.lstat(name)):
            require_owners(layout, name, found)

    data = read_json(path, ask)
    if data is None:
        return ()
    try:
        return tuple(map(Trusted.from_json, data["trusted"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"{path} is damaged", hint="remove it, and trust again with `venvship init --trust`"
        ) from error


def require_owners(layout: RootLayout, name: str, found: os.stat_result) -> None:
    """Refuse `state/`, or the file in it, unless it is the owner's, no link, and nobody else can write it."""
    owner = user_name(os.stat(layout.path).st_uid)
    if (
        found.st_uid == os.stat(layout.path).st_uid
        and not found.st_mode & 0o022
        and not stat.S_ISLNK(found.st_mode)
    ):
        return
    path, told = shell_line([name]), user_name(found.st_uid)
    kind = "is a link, which " if stat.S_ISLNK(found.st_mode) else ""
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    raise UntrustedError(
        f"{name} {kind}belongs to {told} (mode {mode}), so nobody is trusted by it: it has to be {owner}'s, "
        "no link, and not writable by group or others",
        hint=f"rm {path}" if kind else f"chown {owner} {path} && chmod go-w {path}",
        path=name,
        owner=told,
        mode=mode,
    )


def trust_of(trusted: Iterable[Trusted]) -> Trust:
    """The ids of users and groups."""
    known = tuple(trusted)
    return Trust(
        frozenset(one.id for one in known if one.kind == "user"),
        frozenset(one.id for one in known if one.kind == "group"),
    )
