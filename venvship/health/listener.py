"""Which release a service runs from: who holds the socket that it listens on. For `from_release` of a check.

An answer can come from the wrong process: the old service while it shuts down, one that holds a second socket
on the same port (SO_REUSEPORT), or a program that has nothing to do with the release. So every process that
has a listening socket of the address must run from the release. A master and its workers share the socket,
and each of them counts.

`system/origins.py` tells which release a process runs from.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from venvship.health.context import Context
from venvship.printable import printable
from venvship.root import TRASH_PREFIX
from venvship.system import listening, proc
from venvship.system.accounts import user_name
from venvship.system.origins import Origins

REMEDY: Final = 'use `body = "{release}"` of an http check instead, or run venvship as root'
"""The way out where the host does not tell."""

REMEDY_ELSEWHERE: Final = 'use `body = "{release}"` of an http check instead'
"""The way out where there is no /proc."""


class Peer(NamedTuple):
    """The other end of the connection that a check made, as `network_worker` reports it.

    Attributes:
        socket: The path of a Unix socket; `""` for TCP.
        pid: Of a Unix socket: the process that called listen(2), see unix(7); 0 if the kernel does not tell.
        address: The numeric address of TCP.
        port: Its port.
    """

    socket: str = ""
    pid: int = 0
    address: str = ""
    port: int = 0


def foreign_listener(peer: Peer, context: Context) -> str:
    """Why it cannot be said that this release alone listens; `""` if it does.

    Args:
        peer: The other end of a connection that was made just now.
        context: The release that is on trial.

    Returns:
        The reason, in words that fit after "but".
    """
    if not listening.host_tells():
        return f"this system does not tell which process listens there; {REMEDY_ELSEWHERE}"
    held = _unix_sockets(peer) if peer.socket else _tcp_sockets(peer)
    if not peer.socket and not held:
        return "no process of this host listens there"
    releases = _Releases(context)
    runs_from = {pid: releases.of(pid) for pid in frozenset[int]().union(*held.values())}
    own = {pid for pid, release in runs_from.items() if release == context.release_id}
    for pid, release in runs_from.items():
        if release and pid not in own:
            return f"process {pid} of {release} listens there{' too' if own else ''}"
    for pids in held.values():
        for pid in sorted(pids):
            if runs_from[pid] == "" and not _opens_for(pid, own & pids):
                name = printable(proc.command_name(pid)) or "gone by now"
                return f"process {pid} ({name}) listens there, which does not run from this release"
    for pid, release in runs_from.items():
        if release is None:
            owner = proc.owner(pid)
            whose = "" if owner is None else f" of user {user_name(owner)}"
            return f"the host does not tell what process {pid}{whose} runs from; {REMEDY}"
    if not own or not all(held.values()):
        return f"the host does not tell which process listens there; {REMEDY}"
    return ""


def _tcp_sockets(peer: Peer) -> Mapping[int, frozenset[int]]:
    return listening.holders(listening.tcp_listeners(peer.address, peer.port))


def _unix_sockets(peer: Peer) -> Mapping[int, frozenset[int]]:
    """The socket that answered, with its holders.

    An old service may go on with a socket whose name was removed and bound again, and nobody reaches it any
    more. The table shows both with the name; the process that called listen(2) tells which one has answered.
    """
    held = listening.holders(listening.unix_listeners(peer.socket))
    listener = frozenset({peer.pid}) if peer.pid > 0 and proc.start_ticks(peer.pid) else frozenset[int]()
    answering = {inode: pids for inode, pids in held.items() if pids & listener}
    if answering or not listener:
        return answering or held
    # Another user's process, or a socket that was renamed: it is known by its number alone.
    return {0: listener}


class _Releases:
    """Tells which release of the root a process runs from."""

    def __init__(self, context: Context) -> None:
        self._asked = context.release_id
        releases = os.path.dirname(context.release_path)
        self._origins = Origins(releases, context.leases, trash=TRASH_PREFIX)

    def of(self, pid: int) -> str | None:
        """The release of a process; `""` for none of this root, `None` where the host does not tell."""
        look = proc.look_at(pid)
        origin = self._origins.of(pid, look)
        if origin is not None:
            # Of several, another than the one that is asked about, since that alone may listen.
            return min(origin.releases, key=lambda release: (release == self._asked, release))
        return None if look is not None and look.opaque else ""


def _opens_for(pid: int, children: Collection[int]) -> bool:
    """Whether a process holds the socket for its children, as systemd and other supervisors do."""
    return any(pid in proc.ancestors(child) for child in children)
