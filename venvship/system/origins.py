"""Which release of a root a process runs from, as leases and proc(5) show it. Reads only.

The lease tells best: every Python process of a release shares the lock of one file, and /proc/locks shows the
number of that process to all users. Of a process that may be looked into, its descriptors, its program, its
mapped files and its arguments tell it too. A fork shares the lease of its parent.

What a process only has open, or stands in, does not make it one of the release: a web server has the files
open that it delivers. `Origins.used` finds that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from typing import Final, Literal, NamedTuple

from venvship.model.release import is_release_id
from venvship.system import proc
from venvship.system.flocks import Flocks

Evidence = Literal["lease", "program", "mapped", "arguments", "directory", "open"]
"""What shows that a process has to do with a release."""

_DELETED: Final = r"(?: \(deleted\))?"
"""What the kernel adds to the name of a file that has none any more (proc_pid_exe(5))."""


class Origin(NamedTuple):
    """The releases that a process may run from.

    Attributes:
        releases: Their ids, or names of other directories in their folder. Several if one was inherited from
            the process that started it, and which one cannot be told.
        evidence: What shows it.
    """

    releases: frozenset[str]
    evidence: Evidence


class Origins:
    """Tells which release of a root a process runs from.

    Args:
        releases: The folder of releases; real.
        leases: The folder of leases.
        trash: What the name of a release that is being deleted begins with, before its id.
        flocks: The flocks of this moment; by default they are read.
    """

    def __init__(self, releases: str, leases: str, *, trash: str, flocks: Flocks | None = None) -> None:
        leases = os.path.realpath(leases)
        try:
            names = os.listdir(leases)
        except OSError:
            names = []
        self._holders: dict[int, set[str]] = {}
        held = (flocks or Flocks()).holders([f"{leases}/{name}" for name in names], shared=True)
        for path, pids in held.items():
            for pid in pids:
                self._holders.setdefault(pid, set()).add(os.path.basename(path))
        self._lease = re.compile(rf"^{re.escape(leases)}/([^/]+?){_DELETED}$")
        below = rf"{re.escape(releases)}/(?:{re.escape(trash)})?([^/:]+?){_DELETED}"
        self._file = re.compile(rf"^{below}/")
        self._argument = re.compile(rf"(?:^|[=:]){below}/")
        self._inside = re.compile(rf"^{below}(?:/|$)")

    def of(self, pid: int, look: proc.Look | None) -> Origin | None:
        """The releases that a process runs from; `None` for none, as far as the host tells.

        Args:
            pid: Its number.
            look: What it shows of itself; `None` if it is gone.
        """
        if pid in self._holders:
            return _origin(self._holders[pid], "lease")
        if look is None:
            return None
        leases = _matches(self._lease, look.opened)
        if len(leases) == 1:
            return _origin(leases, "lease")
        # Of several leases, all but one were inherited from the process that started it. A fork shares the
        # lock of its parent, and /proc/locks has the parent's number.
        parent = self._forked_from(pid, look, several=len(leases) > 1)
        if parent is not None:
            return _origin(self._holders[parent], "lease")
        shown: Iterable[tuple[re.Pattern[str], Collection[str], Evidence]] = (
            (self._file, look.program, "program"),
            (self._file, look.mapped, "mapped"),
            (self._argument, look.arguments, "arguments"),
        )
        for pattern, paths, evidence in shown:
            if found := leases | _matches(pattern, paths):
                return _origin(found, "lease" if leases else evidence)
        return None

    def used(self, look: proc.Look) -> Origin | None:
        """The releases that a process has files of open, or stands in; `None` for none."""
        shown: Iterable[tuple[Collection[str], Evidence]] = (
            (look.opened, "open"),
            (look.directory, "directory"),
        )
        for paths, evidence in shown:
            if found := _matches(self._inside, paths):
                return _origin(found, evidence)
        return None

    def _forked_from(self, pid: int, look: proc.Look, *, several: bool) -> int | None:
        """The ancestor with a lease that a process is a fork of; `None` if it seems to be of none.

        A fork that may be looked into has its parent's descriptors, so the lease is among them, unless it has
        closed them all. Then it still has the arguments of its parent; another program mostly has others.
        """
        if not self._holders:
            return None
        name = proc.command_name(pid)
        for parent in proc.ancestors(pid):
            if parent not in self._holders or proc.command_name(parent) != name:
                continue
            if several or look.opaque or _arguments(parent) == look.arguments:
                return parent
        return None


def _origin(releases: Collection[str], evidence: Evidence) -> Origin:
    """Names that are no ids count as well: a copy that somebody has made beside the releases."""
    ids = frozenset(filter(is_release_id, releases))
    return Origin(ids or frozenset(releases), evidence)


def _matches(pattern: re.Pattern[str], paths: Collection[str]) -> set[str]:
    return {match[1] for path in paths if (match := pattern.search(path))}


def _arguments(pid: int) -> tuple[str, ...] | None:
    try:
        return proc.command_line(pid)
    except OSError:
        return None
