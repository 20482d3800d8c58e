"""One look at all processes of the host, for the releases of a root. Reads only.

It finds the processes that a removal looks for (`operations/retention/use.py`). Of those that name a link to
a release in their command lines and show no more, it does not tell which release that is.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from venvship.model.release import is_release_id
from venvship.root import TRASH_PREFIX, RootLayout
from venvship.system import proc
from venvship.system.flocks import Flocks
from venvship.system.leases import is_leased
from venvship.system.origins import Evidence, Origin, Origins


@dataclass(frozen=True, slots=True)
class Found:
    """A process that has to do with a release.

    Attributes:
        pid: Its number.
        release: The id of the release; `None` if the host does not tell.
        seen_by: What shows it.
        arguments: Its command line, as far as it is known.
    """

    pid: int
    release: str | None
    seen_by: Evidence
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Processes:
    """One look at all processes.

    Attributes:
        found: Those that have to do with a release.
        hidden: The numbers of those that cannot be looked into, besides.
        unlisted: Whether /proc leaves some out.
        leases: Releases whose lease none of `found` holds, and yet a process.
    """

    found: tuple[Found, ...]
    hidden: tuple[int, ...]
    unlisted: bool
    leases: tuple[str, ...]


def look_at_processes(layout: RootLayout, current: str | None, flocks: Flocks) -> Processes:
    """Look at all processes but this one, for the releases of a root. Reads only.

    Args:
        layout: The root.
        current: The live release.
        flocks: The flocks of this moment.
    """
    origins = Origins(str(layout.releases), str(layout.leases), trash=TRASH_PREFIX, flocks=flocks)
    links = [f"{link}/" for link in links_to_releases(layout)]
    ours = {*proc.ancestors(os.getpid())}  # as of sudo, whose arguments name this venvship
    listed = proc.listing()
    found: list[Found] = []
    hidden: list[int] = []
    for pid in listed.pids:
        look = proc.look_at(pid)
        origin = origins.of(pid, look) or (origins.used(look) if look is not None else None)
        arguments = look.arguments if look is not None else ()
        if origin is not None:
            found.append(Found(pid, _one(origin, current), origin.evidence, arguments))
            continue
        hides = look is not None and look.opaque and pid not in ours and proc.may_use_files(pid)
        # Its program, where the rest shows that it is none of the wrappers that start programs, such as sudo:
        # a daemon that has closed its descriptors lost its lease with them.
        naming = arguments if hides else arguments[:1]
        if any(link in argument for argument in naming for link in links):
            found.append(Found(pid, None, "arguments", arguments))
        elif hides:
            hidden.append(pid)
    holding = {one.release for one in found if one.seen_by == "lease"}
    leases = tuple(held_unseen(layout, flocks, current, holding))
    return Processes(tuple(found), tuple(hidden), listed.hides, leases)


def links_to_releases(layout: RootLayout) -> tuple[str, ...]:
    """The links through which processes are started from a release, so that command lines name them."""
    return str(layout.current_link), str(layout.previous_link)


def _one(origin: Origin, current: str | None) -> str:
    """One release of several: another than the live one, so that no process of an old one is missed."""
    return min(origin.releases, key=lambda release: (release == current, release))


def held_unseen(
    layout: RootLayout, flocks: Flocks, current: str | None, holding: Collection[str | None]
) -> Iterator[str]:
    """The releases whose lease a process holds that nobody sees here.

    It may be in another container, be another user's, or have got the lease from a process that has ended.

    To ask for a lease takes its flock for a moment, and a process that starts just then would do without one.
    So it is asked only where /proc/locks shows a lock; in a container, which does not show those of others,
    also where it shows none, but for the live release: that is where processes start.

    Args:
        layout: The root.
        flocks: The flocks of this moment.
        current: The live release.
        holding: Releases with a process that is seen to hold the lease.
    """
    try:
        names = sorted(filter(is_release_id, os.listdir(layout.leases)))
    except OSError:
        return
    paths = {str(layout.lease(name)): name for name in names if name not in holding}
    shown = flocks.shared(paths)
    everywhere = proc.is_first_namespace()
    for path, name in paths.items():
        if (path in shown or not (everywhere or name == current)) and is_leased(path):
            yield name
