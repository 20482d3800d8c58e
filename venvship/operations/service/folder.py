"""The folder of the slots: may it be trusted, and can the users reach it who have to?

It belongs to the root's owner, is writable for the service's user, who makes sockets there, and sticky, so
that this user cannot touch venvship's links (inode(7), `S_ISVTX`).
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from venvship.errors import ServiceFolderError, SettingsError
from venvship.model.settings_service import LONGEST_SOCKET, SLOTS, ServiceSettings
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system import access, files
from venvship.system.accounts import group_name, user_id, user_name
from venvship.workspace.slots import LIVE, Slots

_MODE: Final = 0o1775
"""The mode of a folder that venvship makes."""


def require_folder(layout: RootLayout, service: ServiceSettings, *, strict: bool = True) -> Slots:
    """Make the folder of the slots if it is missing, and refuse one that will not do.

    Crash: the folder may be there with another mode or group; the next call says what to type.

    Args:
        layout: The root.
        service: The service.
        strict: Whether users that are unknown, or cannot reach it, are a reason. On a way back they are none:
            what ran there before did, whoever was named.

    Raises:
        SettingsError: See `planned_folder`; or a user is unknown.
        ServiceFolderError: The folder cannot be made, or others could change the links, or a user cannot
            reach it.
    """
    slots = planned_folder(layout, service)
    owner = os.stat(layout.path).st_uid
    user = owner
    if service.user is not None:
        known = user_id(service.user)
        user = _id_of(service.user, "user") if strict or known is not None else owner
    if not os.path.lexists(slots.folder):
        _make(slots.folder, user)
    status = _refuse_foreign(slots.folder, owner)
    for slot in SLOTS:
        _refuse_other_root(layout, slots.link(slot))
    if not strict:
        return slots
    if not access.may(status, user, access.WRITE | access.SEARCH):
        raise ServiceFolderError(
            f"{user_name(user)}, whom the service runs as, cannot make a socket in {slots.folder}",
            hint=_remedy(slots.folder, owner, user),
        )
    for name, setting in ((service.user, "user"), (service.web_user, "web_user")):
        if name is not None:
            _require_reachable(slots.folder, _id_of(name, setting), name)
    return slots


def planned_folder(layout: RootLayout, service: ServiceSettings) -> Slots:
    """The slots, once the path that the settings give will do; nothing on the disk is looked at.

    Raises:
        SettingsError: A path is too long or contains a colon, or the folder has other things of the root.
    """
    slots = Slots.of(layout, service)
    longest = f"{slots.folder}/{LIVE}"
    if len(os.fsencode(longest)) > LONGEST_SOCKET:
        raise SettingsError(
            f"service.socket_dir: {longest} has {len(os.fsencode(longest))} bytes; the path of a socket has "
            f"{LONGEST_SOCKET} at most",
            hint="name a shorter folder, such as /run/" + layout.path.name[:20],
        )
    inside = os.path.relpath(slots.folder, layout.path).split("/")[0]
    taken = {layout.releases.name, layout.state.name, layout.logs.name, layout.shared.name, "store", "."}
    if inside in {*taken, layout.current_link.name, layout.previous_link.name}:
        raise SettingsError(
            f"service.socket_dir: {slots.folder} has other things of the root",
            hint='socket_dir = "run", or a folder below /run',
        )
    if ":" in longest:
        raise SettingsError(f"service.socket_dir: {slots.folder} contains a colon")
    return slots


def allowed_owners(layout: RootLayout, service: ServiceSettings) -> frozenset[int]:
    """The users whose sockets customers may be led to."""
    named = None if service.user is None else user_id(service.user)
    return frozenset({0, os.geteuid(), os.stat(layout.path).st_uid, *(() if named is None else (named,))})


def socket_problem(slots: Slots, slot: str, owners: frozenset[int]) -> str:
    """Why customers must not be led to the socket of a slot; `""` if they may."""
    path = slots.socket(slot)
    try:
        found = os.lstat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISSOCK(found.st_mode):
        return f"{path} is not a socket"
    if found.st_uid not in owners:
        return f"{path} belongs to {user_name(found.st_uid)}, who is neither the service's user nor the owner"
    return ""


def _id_of(name: str, setting: str) -> int:
    found = user_id(name)
    if found is None:
        raise SettingsError(f"service.{setting}: there is no user {name!r} on this host")
    return found


def _make(folder: str, user: int) -> None:
    group = access.primary_group(user)
    try:
        files.make_directory(folder, 0o755)
        if group is not None and os.stat(folder).st_gid != group:
            with contextlib.suppress(PermissionError):  # not ours to give: what follows says so
                files.set_group(folder, group)
        files.set_mode(folder, _MODE)
    except OSError as error:
        raise ServiceFolderError(
            f"cannot make {folder}: {error.strerror}",
            hint="below /run it comes from tmpfiles.d(5): `venvship service systemd` prints the line",
        ) from error


def _refuse_foreign(folder: str, owner: int) -> os.stat_result:
    try:
        status = os.lstat(folder)
    except OSError as error:
        raise ServiceFolderError(f"cannot look at {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise ServiceFolderError(f"{folder} is not a directory", hint="name another service.socket_dir")
    if status.st_uid not in {owner, 0, os.geteuid()}:
        raise ServiceFolderError(
            f"{folder} belongs to {user_name(status.st_uid)}, who could lead customers elsewhere",
            hint=shell_line(["chown", user_name(owner), folder]),
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX:
        raise ServiceFolderError(
            f"{folder} can be written by others and is not sticky: they could replace its links",
            hint=shell_line(["chmod", "+t", folder]),
        )
    for slot in SLOTS:
        _refuse_foreign_link(f"{folder}/{slot}", owner)
    _refuse_foreign_link(f"{folder}/{LIVE}", owner)
    return status


def _refuse_foreign_link(path: str, owner: int) -> None:
    try:
        found = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISLNK(found.st_mode) or found.st_uid not in {owner, 0, os.geteuid()}:
        raise ServiceFolderError(
            f"{path} is not a link that venvship made; it belongs to {user_name(found.st_uid)}",
            hint=shell_line(["rm", path]),
        )


def _refuse_other_root(layout: RootLayout, link: str) -> None:
    """Refuse a folder whose slots are those of another root: it would stop that one's service."""
    try:
        releases = os.path.dirname(os.readlink(link))
    except OSError:
        return
    root = os.path.dirname(releases)
    if releases != str(layout.releases) and os.path.exists(f"{root}/state/journal.jsonl"):
        raise ServiceFolderError(
            f"{link} is a slot of another root, {root}",
            hint="give each root a service.socket_dir of its own, and start and stop of its own too",
        )


def _require_reachable(folder: str, user: int, name: str) -> None:
    at = access.first_closed(folder, user)
    if at is not None:
        raise ServiceFolderError(
            f"{name} cannot reach {folder}: {at} is closed to that user",
            hint="open it with chmod, or name a service.socket_dir elsewhere, such as below /run",
        )


def _remedy(folder: str, owner: int, user: int) -> str:
    group = access.primary_group(user)
    whose = f"{user_name(owner)}:{group_name(group)}" if group is not None else user_name(owner)
    return f"{shell_line(['chown', whose, folder])} && {shell_line(['chmod', f'{_MODE:o}', folder])}"
