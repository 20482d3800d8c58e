"""`init --trust`: who, besides the owner of a root and root, may decide what runs there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

from venvship.errors import UsageError
from venvship.model.spelling import FORMAT
from venvship.model.trust import Trusted
from venvship.root import RootLayout
from venvship.system import files
from venvship.system.accounts import group_id, user_id
from venvship.workspace.runtime import Runtime
from venvship.workspace.trust_file import read_trusted, require_owners


def change_trust(layout: RootLayout, trust: Sequence[Trusted], untrust: Sequence[str]) -> tuple[Trusted, ...]:
    """Add users and groups to those that the owner of a root trusts, and remove others.

    Crash: `state/` may be there, empty; the file is the old one or the new one.

    Args:
        layout: The root.
        trust: From `accounts_named`.
        untrust: Names or numbers of users, and of groups behind a `%`, that are to be trusted no more.

    Returns:
        All that are trusted then.

    Raises:
        UsageError: One of `untrust` was not trusted.
        NotOwnerError: The root is another user's.
        UntrustedError: `state/` is, or others can write it.
        OSError: The file cannot be written.
    """
    layout.require_writable()
    before = read_trusted(layout)
    left = [one for one in before if not _is_named(one, untrust)]
    for name in untrust:
        if not any(_is_named(one, [name]) for one in before):
            known = ", ".join(one.argument for one in before) or "nobody"
            raise UsageError(f"--untrust {name}: not trusted; trusted: {known}. Nothing was changed")
    new = [one for one in trust if all((one.kind, one.id) != (old.kind, old.id) for old in left)]
    after = (*left, *new)
    if after != before:
        files.make_directory(layout.state, 0o755)
        write_trusted(layout, after)
    return after


def accounts_named(names: Sequence[str], runtime: Runtime) -> tuple[Trusted, ...]:
    """Find the users and groups that `--trust` names.

    Args:
        names: Names or numbers of users, and of groups behind a `%`.
        runtime: Who asks, and when.

    Raises:
        UsageError: There is no such user or group.
    """
    return tuple(_found(name, runtime) for name in names)


def _found(name: str, runtime: Runtime) -> Trusted:
    kind: Literal["user", "group"] = "group" if name.startswith("%") else "user"
    plain = name.removeprefix("%")
    number = group_id(plain) if kind == "group" else user_id(plain)
    if number is None:
        raise UsageError(
            f"--trust {name}: there is no such {kind}. Nothing was changed",
            hint="a group begins with %, as in --trust %team; a number stands for itself",
        )
    return Trusted(kind=kind, name=plain, id=number, at=runtime.clock(), by=runtime.actor)


def _is_named(one: Trusted, names: Sequence[str]) -> bool:
    number = f"%{one.id}" if one.kind == "group" else str(one.id)
    return one.argument in names or number in names


def write_trusted(layout: RootLayout, trusted: Sequence[Trusted]) -> None:
    """Record whom the owner of a root trusts. The caller is the owner, and `state/` is there.

    Crash: the file is the old one or the new one.

    Raises:
        UntrustedError: `state/` is another user's, or others can write it: nobody would read the file.
        OSError: It cannot be written.
    """
    require_owners(layout, str(layout.state), os.lstat(layout.state))
    data = {"format": FORMAT, "trusted": [one.to_json() for one in trusted]}
    files.write_json(layout.trust_file, data)
