"""The two slots of a service: their links and sockets, and which of them were started. Writes nothing.

In the folder of `[service] socket_dir`:

    a, b            links to the release that each slot runs, or ran last
    a.sock, b.sock  made by the servers themselves
    live.sock       link to one of these; the web server asks it

A socket's file proves nothing: several servers leave theirs behind. That something answers does.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import VenvshipError
from venvship.model import json_fields as fields
from venvship.model.event import Event, EventName
from venvship.model.settings_service import NO_SERVICE, SLOT, SLOTS, ServiceSettings
from venvship.model.spelling import FORMAT
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system import proc
from venvship.system.json_files import read_json

if TYPE_CHECKING:
    from venvship.workspace.reading import ReadingWorkspace

LIVE: Final = "live.sock"

UNKNOWN: Final = -1
"""Of `Slots.peer`: whether anything listens cannot be told."""

_OUTCOMES: Final = frozenset(
    {EventName.PROMOTED, EventName.ROLLED_BACK, EventName.ROLLBACK_FAILED, EventName.RESTARTED}
)
"""The events that end what is live on trial."""


class Slots(NamedTuple):
    """The slots of a root, as the links in a folder show them."""

    layout: RootLayout
    folder: str

    @classmethod
    def of(cls, layout: RootLayout, service: ServiceSettings) -> Slots:
        """The slots that the settings name."""
        return cls(layout, os.path.normpath(os.path.join(layout.path, service.socket_dir)))

    def link(self, slot: str) -> str:
        """The link to a slot's release."""
        return f"{self.folder}/{slot}"

    def socket(self, slot: str) -> str:
        """The socket that a slot's server listens on."""
        return f"{self.folder}/{slot}.sock"

    @property
    def live_link(self) -> str:
        """The link to the socket that customers reach."""
        return f"{self.folder}/{LIVE}"

    def live(self) -> str | None:
        """The slot that customers reach; `None` without a link, or for another one."""
        target = _read_link(self.live_link)
        return next((slot for slot in SLOTS if target == f"{slot}.sock"), None)

    def release(self, slot: str) -> str | None:
        """The release of this root that a slot's link names."""
        folder, _, release_id = (_read_link(self.link(slot)) or "").rpartition("/")
        return release_id if folder == str(self.layout.releases) else None

    def serves_current(self) -> bool:
        """Whether customers are led to the current release, as the links tell; nothing is asked."""
        current, live = self.layout.current(), self.live()
        return current is None or (live is not None and self.release(live) == current)

    def live_since(self) -> float:
        """When `live.sock` was made, in seconds since the epoch; 0 if it is not there."""
        try:
            return os.lstat(self.live_link).st_mtime
        except OSError:
            return 0.0

    def strays(self) -> list[str]:
        """The links in the making, as a crash leaves them while no command holds slots.mutex."""
        try:
            return [f"{self.folder}/{name}" for name in os.listdir(self.folder) if is_stray(name)]
        except OSError:
            return []

    def is_socket(self, slot: str) -> bool:
        """Whether there is a socket of a slot's name, whoever listens on it."""
        try:
            return stat.S_ISSOCK(os.lstat(self.socket(slot)).st_mode)
        except OSError:
            return False

    def accepts(self, slot: str) -> bool:
        """Whether something may accept connections on a slot's socket now: also where that is unknown."""
        return self.peer(slot) is not None

    def surely_accepts(self, slot: str) -> bool:
        """Whether something accepts connections on a slot's socket now, for certain."""
        return self.peer(slot) not in {None, UNKNOWN}

    def listener(self, slot: str) -> int:
        """The process that listens on a slot's socket, see unix(7), `SO_PEERCRED`; 0 if none is known."""
        return max(self.peer(slot) or 0, 0)

    def peer(self, slot: str) -> int | None:
        """The process that listens on a slot's socket, by one connection.

        Returns:
            `None` if nothing accepts connections there. 0 if something does, and the kernel does not tell
            which process. `UNKNOWN` if this user may not connect, or this process cannot: the socket may be
            that of a server that has ended.
        """
        import socket  # late: `status` and an idle update look at links alone
        import struct

        try:
            sock = socket.socket(socket.AF_UNIX)
        except OSError:  # the host is short of something, which does not show that nothing listens
            return UNKNOWN
        with contextlib.suppress(OSError), sock:
            sock.setblocking(False)  # a socket of this host accepts at once, or its queue is full
            try:
                sock.connect(self.socket(slot))
            except BlockingIOError:  # its queue is full: EAGAIN of connect(2)
                return 0
            except PermissionError:
                return UNKNOWN
            if not hasattr(socket, "SO_PEERCRED"):
                return 0
            pid: int = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            return max(pid, 0)
        return None


def is_stray(name: str) -> bool:
    """Whether a name in the folder of the slots is that of a link in the making."""
    return name.startswith(".to.")


def is_of_slots(name: str) -> bool:
    """Whether a name in the folder of the slots is that of a link or socket, or of a link in the making."""
    return name in {LIVE, *SLOTS, *(f"{slot}.sock" for slot in SLOTS)} or is_stray(name)


class Trying(NamedTuple):
    """A release that a command has started, and has not led customers to yet.

    The entry of a command that was killed stays until its slot is stopped, or customers are led there.

    Attributes:
        slot: The slot.
        pid: The process of the command.
        since: When that began, as in `proc.start_ticks`.
        before: The release that the slot's link named before; empty for none.
    """

    slot: str
    pid: int
    since: str
    before: str = ""


class Notes(NamedTuple):
    """What `state/slots.json` has: what venvship has started.

    Attributes:
        started: The slots that were started and not stopped since. After a boot it may name some although
            nothing runs.
        folder: The folder of their links and sockets; empty if that is not known.
        stop: The command that stops one, as `service.stop` was when they were started; empty if that is not
            known.
        trying: The release that is about to be proven, or was.
    """

    started: frozenset[str] = frozenset()
    folder: str = ""
    stop: tuple[str, ...] = ()
    trying: Trying | None = None

    def elsewhere(self, slots: Slots) -> str | None:
        """The folder in which slots were started and not stopped, if the settings name another one now.

        `None` also where nothing listens there any more, as after a boot.
        """
        if self.folder in {"", slots.folder}:
            return None
        there = Slots(slots.layout, self.folder)
        return self.folder if any(map(there.accepts, self.started)) else None

    def tried_by(self, slot: str) -> int:
        """The other process that has started a slot, and has not led customers there yet; 0 for none.

        It has proven a release there, or is about to, and goes on with it. One that was killed does not.
        """
        one = self.trying
        if one is None or one.slot != slot or one.pid == os.getpid():
            return 0
        return one.pid if proc.is_running(one.pid, one.since) else 0

    def to_json(self) -> dict[str, object]:
        """The content of the file."""
        return {
            "format": FORMAT,
            "started": sorted(self.started),
            "socket_dir": self.folder,
            "stop": list(self.stop),
            **({"trying": self.trying._asdict()} if self.trying is not None else {}),
        }


def read_notes(layout: RootLayout) -> Notes:
    """Read `state/slots.json`. All slots count as started if it cannot be read."""
    try:
        data = read_json(layout.slots_file, layout.ask)
    except VenvshipError:
        return Notes(frozenset(SLOTS))
    if data is None:
        return Notes()
    named, stop = data.get("started"), data.get("stop")
    try:
        folder = fields.plain(data.get("socket_dir", ""))
    except ValueError:
        folder = ""
    return Notes(
        started=frozenset(slot for slot in SLOTS if not isinstance(named, list) or slot in named),
        folder=folder,
        stop=tuple(map(str, stop)) if isinstance(stop, list) else (),
        trying=_trying(data.get("trying")),
    )


def _trying(value: object) -> Trying | None:
    try:
        entry = fields.mapping(value)
        return Trying(
            slot=fields.text(entry["slot"]),
            pid=fields.count(entry["pid"]),
            since=fields.text(entry["since"]),
            before=fields.text(entry.get("before", "")),
        )
    except (KeyError, ValueError):
        return None


def started_slots(layout: RootLayout) -> frozenset[str]:
    """`Notes.started`."""
    return read_notes(layout).started


def drain_began(slots: Slots, events: Sequence[Event]) -> float:
    """When the drain of the slot that is not live began: with the outcome of the last switch, or restart.

    That is later than `live.sock`, which is moved before the live checks. The journal's times are whole
    seconds, rounded down: the drain may be one second longer, not shorter.

    Args:
        slots: The slots.
        events: Those of the journal.

    Returns:
        Seconds since the epoch; 0 without a `live.sock`.
    """
    moved = slots.live_since()
    ended = next((one.at.timestamp() + 1 for one in reversed(events) if one.event in _OUTCOMES), 0.0)
    return max(moved, ended) if moved else 0.0


def rest_of_drain(service: ServiceSettings, began: float, now: datetime) -> float:
    """Seconds that are left. A clock set back makes it `drain` at the longest, one set on ends it."""
    return min(max(service.drain - (now.timestamp() - began), 0.0), service.drain) if began else 0.0


def warn_of_orphans(workspace: ReadingWorkspace) -> None:
    """Warn of slots that run on although the settings have no `[service]` any more.

    A root that never had one pays for one file that is not there.
    """
    layout = workspace.layout
    notes = read_notes(layout)
    there = Slots(layout, notes.folder) if notes.folder else Slots.of(layout, NO_SERVICE)
    up = sorted(filter(there.accepts, notes.started))
    if not up:
        return
    runs = " and ".join(f"slot {slot} still runs {there.release(slot) or 'a release'}" for slot in up)
    argvs = ([word.replace(SLOT, slot) for word in notes.stop] for slot in up if notes.stop)
    commands = "; ".join(dict.fromkeys(f"`{shell_line(argv)}`" for argv in argvs))
    workspace.warn(
        "slot-orphaned",
        f"{runs}, and the settings have no service any more: no release reaches it, and venvship does not "
        f"stop it. To end it: {commands or 'the stop command that [service] had'}; or put [service] back",
    )


def _read_link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
