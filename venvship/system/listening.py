"""Who listens on a socket of this host, as far as proc(5) shows it. Reads only.

Elsewhere than on Linux there is no /proc: nobody is found. Other network namespaces are other hosts here.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from venvship.system.proc import PROC

_LISTEN: Final = "0A"
"""The state TCP_LISTEN, in the tables of TCP (include/net/tcp_states.h)."""

_ACCEPTS: Final = 0x10000
"""The flag of a Unix socket that listens, in their table (__SO_ACCEPTCON, include/linux/net.h)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def host_tells() -> bool:
    """Whether there are tables of sockets to read."""
    return os.path.exists(f"{PROC}/net/unix")


def tcp_listeners(host: str, port: int) -> frozenset[int]:
    """The inodes of the sockets that listen for connections to an address of this host.

    Those that listen on all addresses are among them. Several can be bound to one address (SO_REUSEPORT,
    socket(7)): the kernel then gives each of them a part of the connections.

    Args:
        host: The numeric address that a connection was made to.
        port: Its port.
    """
    wanted = _plain(ipaddress.ip_address(host.partition("%")[0]))
    found = set()
    for table in ("tcp", "tcp6"):
        for fields in _table(table):
            if len(fields) > 9 and fields[3] == _LISTEN:
                address, bound = _address(fields[1])
                if bound == port and (address == wanted or address.is_unspecified):
                    found.add(int(fields[9]))
    return frozenset(found)


def unix_listeners(path: str) -> frozenset[int]:
    """The inodes of the sockets that listen at a path, or at the path that a link leads to.

    The kernel shows the path as it was bound. A socket that was renamed since is not found.
    """
    names = {path, os.path.realpath(path)}
    return frozenset(
        int(fields[6])
        for fields in _table("unix")
        if len(fields) > 7 and int(fields[3], 16) & _ACCEPTS and " ".join(fields[7:]) in names
    )


def holders(inodes: Collection[int]) -> Mapping[int, frozenset[int]]:
    """The processes that have sockets open, by inode; of those that this user may look into."""
    links = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, set[int]] = {inode: set() for inode in inodes}
    try:
        names = os.listdir(PROC) if links else []
    except OSError:
        names = []
    for name in filter(str.isdigit, names):
        for link in _descriptors(name):
            if link in links:
                found[links[link]].add(int(name))
    return {inode: frozenset(pids) for inode, pids in found.items()}


def _descriptors(pid: str) -> Iterator[str]:
    folder = f"{PROC}/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:  # gone, or another user's
        return
    for name in names:
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def _table(name: str) -> Iterator[list[str]]:
    """The rows of a table of /proc/net, without its heading."""
    try:
        with open(f"{PROC}/net/{name}", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()[1:]
    except OSError:
        return
    yield from map(str.split, lines)


def _address(text: str) -> tuple[Address, int]:
    """Read `0100007F:1F90`: words of four bytes in the host's order, and a port."""
    digits, _, port = text.partition(":")
    words = [int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8)]
    return _plain(ipaddress.ip_address(b"".join(words))), int(port, 16)


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as one of IPv6 (`::ffff:127.0.0.1`), as what it is."""
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
