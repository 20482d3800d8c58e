"""The look before every removal: which processes use a release.

Everything that removes a sealed tree takes it: prune, the sweep of debris and trash, `destroy`, and for its
entries the clean-up of the store. A tree in use stays, and the process is named.

What protects: the lease (`system/leases.py` has the order that leaves no gap), and /proc. A process that
cannot be looked into counts as a user of the releases that it may have started from, and one that was started
through `current` and shows no more as a user of the release that was live then; see `model.use`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from venvship.errors import VenvshipError
from venvship.model.history import History
from venvship.model.release import is_release_id
from venvship.model.use import Live, may_use, was_live
from venvship.root import TRASH_PREFIX, RootLayout
from venvship.system import proc
from venvship.system.accounts import user_name
from venvship.system.leases import lease_withheld
from venvship.workspace.lease_holder import lease_holder
from venvship.workspace.workspace import Workspace

STARTING: Final = 0.05
"""Seconds after which a process that was forked to start a program has started it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A process that cannot be looked into.

    Attributes:
        pid: Its number; 0 for all that /proc does not even list.
        started: The time of its start; `None` if unknown.
        named: Whether its command line names the root.
    """

    pid: int
    started: datetime | None
    named: bool

    def __str__(self) -> str:
        if not self.pid:
            return "perhaps a process that /proc hides"
        return f"process {self.pid}, which cannot be looked into"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process whose program was started by its path through `current`, and that shows no release.

    A daemon that closes all descriptors loses its lease. If it has loaded no library of its release, its
    command line is all that is left.

    Attributes:
        pid: Its number.
        started: The time of its start; `None` if unknown.
    """

    pid: int
    started: datetime | None

    def __str__(self) -> str:
        return f"process {self.pid}, which was started through current while this release was live"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at all processes.

    Attributes:
        seen: By id of a release, a process that was seen in it.
        hidden: The processes that cannot be looked into.
        started: The processes that were started through `current`, and show no release.
    """

    seen: dict[str, str] = field(default_factory=dict)
    hidden: tuple[Hidden, ...] = ()
    started: tuple[Started, ...] = ()

    def user(self, release_id: str, live: Live | None, now: datetime) -> str:
        """A process that uses a release, for people; `""` for none.

        Args:
            release_id: The release.
            live: When it was live; `None` if it never was.
            now: The time.
        """
        if release_id in self.seen:
            return self.seen[release_id]
        if live is not None:
            for one in self.started:
                if was_live(live, one.started):
                    return str(one)
        hidden = self.hidden_user(live, now)
        return str(hidden) if hidden is not None else ""

    def hidden_user(self, live: Live | None, now: datetime) -> Hidden | None:
        """A process that cannot be looked into and may use a release; arguments as for `user`."""
        if live is None:
            return None
        users = (one for one in self.hidden if may_use(live, one.started, now, named=one.named))
        return next(users, None)


def look_at_processes(layout: RootLayout) -> Look:
    """Look at all processes, for the releases of a root. Reads only."""
    found: dict[str, str] = {}
    hidden, through = [], []
    programs = f"{layout.current_link}/bin/"
    booted = proc.boot_time()
    # A lease that was removed with its file shows among the open files of its holder, and nowhere else.
    folders = f"{layout.releases}/", f"{layout.leases}/"
    ours = set(proc.ancestors(os.getpid()))  # as of sudo, whose arguments name the root
    for seen in proc.processes_under(str(layout.path), let_start=lambda: time.sleep(STARTING)):
        below = [path[len(f) :] for path in seen.paths for f in folders if path.startswith(f)]
        names = {
            path.split("/", 1)[0].removesuffix(" (deleted)").removeprefix(TRASH_PREFIX) for path in below
        }
        used = set(filter(is_release_id, names))
        for release_id in used:
            found.setdefault(release_id, f"process {seen.pid}")
        if not used and not seen.opaque and any(path.startswith(programs) for path in seen.paths):
            through.append(Started(pid=seen.pid, started=proc.started_at(seen.pid, booted)))
        # Process 1 is older than everything: it would keep every release until the host is started again.
        if seen.opaque and not used and seen.pid not in ours and (seen.pid != 1 or seen.paths):
            started = proc.started_at(seen.pid, booted) if seen.pid else None
            hidden.append(Hidden(pid=seen.pid, started=started, named=bool(seen.paths)))
    # Whoever names the root comes first in a reason.
    hidden.sort(key=lambda one: (not one.named, one.pid))
    return Look(found, tuple(hidden), tuple(through))


def live_times(layout: RootLayout, history: History, release_id: str) -> Live | None:
    """When a release was live, as far as the journal knows; `None` if it never was.

    One that the journal does not know may have been live since it was built, until it was found.
    """
    record = history.records.get(release_id)
    if record is not None and record.live_first is not None:
        current = release_id == history.expected
        return Live(record.live_first, None if current else record.live_until or record.live_first)
    if record is None or record.found_at is None:
        return None
    try:
        built = layout.manifest(release_id, None).created_at  # the journal does not know the release
    except VenvshipError:
        built = record.found_at
    return Live(built, record.found_at)


def holds_lease(layout: RootLayout, release_id: str) -> str:
    """The reason that a lease could not be had, for people.

    The holder need not run from the release: every user can lock the file. Then the release stays, which
    harms nothing but the room on the disk, and the name of the process tells whom to ask.
    """
    with contextlib.suppress(OSError):
        owner = os.stat(layout.lease(release_id)).st_uid
        if os.geteuid() not in {0, owner}:
            return f"its lease belongs to {user_name(owner)}, so that nobody else can say that it is removed"
    return f"{lease_holder(layout, release_id)}, which holds its lease"


@contextlib.contextmanager
def unused(workspace: Workspace, history: History, release_id: str) -> Iterator[str]:
    """Keep processes from starting in a release for the length of a `with` block, and look who uses it.

    Yields:
        The user, for people: then it must not be removed. `""` for none.
    """
    layout = workspace.layout
    with lease_withheld(str(layout.lease(release_id))) as free:
        if not free:
            yield holds_lease(layout, release_id)
            return
        live = live_times(layout, history, release_id)
        yield look_at_processes(layout).user(release_id, live, workspace.runtime.clock())
