"""`init --trust`: who, besides the owner of a root and root, may decide what runs there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from venvship.errors import UsageError
from venvship.model.event import EventName
from venvship.model.spelling import FORMAT
from venvship.model.trust import Trusted
from venvship.system import files
from venvship.system.accounts import group_id, user_id
from venvship.workspace.folders import make_folders, refuse_closed_state
from venvship.workspace.runtime import Runtime
from venvship.workspace.workspace import Workspace


def change_trust(
    workspace: Workspace, trust: Sequence[Trusted], untrust: Sequence[str]
) -> tuple[Trusted, ...]:
    """Add users and groups to those that the owner of a root trusts, and remove others.

    The event comes before the change, so that the journal has every change that was made. A damaged journal
    does not keep anybody from being removed.

    Crash: the folders of a root may be there, empty, and the event without the change; the file is the old
    one or the new one. Run it again.

    Args:
        workspace: The root, which has its settings.
        trust: From `accounts_named`.
        untrust: Names or numbers of users, and of groups behind a `%`, that are to be trusted no more.

    Returns:
        All that are trusted then.

    Raises:
        UsageError: One of `untrust` was not trusted.
        NotOwnerError: The root is another user's.
        NotWritableError: `state/` cannot be written.
        UntrustedError: `state/` is another user's, or others can write it.
        OSError: The file cannot be written.
    """
    layout = workspace.layout
    layout.require_writable()
    workspace.trusted.require_state()
    before = workspace.trusted.accounts()
    after = _changed(before, trust, untrust)
    if after != before:
        refuse_closed_state(layout, workspace.runtime.environ)
        make_folders(layout)
        added = [one for one in after if one not in before]
        removed = [one for one in before if one not in after]
        workspace.record_if_possible(
            EventName.TRUST_CHANGED,
            release=None,
            reason=_told(added, removed),
            facts={"added": [_account(one) for one in added], "removed": [_account(one) for one in removed]},
            urgent=True,
        )
        data = {"format": FORMAT, "trusted": [one.to_json() for one in after]}
        files.write_json(layout.trust_file, data)
    return after


def _changed(
    before: Sequence[Trusted], trust: Sequence[Trusted], untrust: Sequence[str]
) -> tuple[Trusted, ...]:
    left = [one for one in before if not _is_named(one, untrust)]
    for name in untrust:
        if not any(_is_named(one, [name]) for one in before):
            known = ", ".join(one.argument for one in before) or "nobody"
            raise UsageError(f"--untrust {name}: not trusted; trusted: {known}. Nothing was changed")
    new = [one for one in trust if all((one.kind, one.id) != (old.kind, old.id) for old in left)]
    return (*left, *new)


def _told(added: Sequence[Trusted], removed: Sequence[Trusted]) -> str:
    """The change in words, with the ids, which decide: `added ci (uid 1003); removed %team (gid 1010)`."""

    def names(accounts: Sequence[Trusted]) -> str:
        return ", ".join(
            f"{one.argument} ({'gid' if one.kind == 'group' else 'uid'} {one.id})" for one in accounts
        )

    changes = (("added", added), ("removed", removed))
    return "; ".join(f"{word} {names(accounts)}" for word, accounts in changes if accounts)


def _account(one: Trusted) -> dict[str, object]:
    return {"kind": one.kind, "name": one.name, "id": one.id}


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
