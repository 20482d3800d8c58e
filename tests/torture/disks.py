"""Full disks: file systems without a byte or an inode left, and what every command does there.

A rollback switches and a prune makes room; everything else does what it says or fails clean. Once there is
room again, the next command settles what could not be recorded.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.support.roots import Finished, Site
from tests.torture import filesystems, invariants
from tests.torture.filesystems import BTRFS, EXT4, XFS, Disk, Kind
from tests.torture.lab import Lab, Scenario, write_settings
from tests.torture.tally import Scale, Tally
from venvship.root import RootLayout
from venvship.workspace import reserve
from venvship.workspace.workspace import Workspace

FULL = {
    kind.name: kind
    for kind in (
        Kind("ext4, bytes", EXT4, 64),
        Kind("ext4, inodes", (*EXT4, "-N", "1024"), 64),
        Kind("xfs, bytes", XFS, 320),
        Kind("btrfs, data", BTRFS[:3], 128),
        Kind("btrfs, metadata", BTRFS[:3], 128),
        Kind("tmpfs, bytes", (), 32, options="size=32m"),
        Kind("tmpfs, inodes", (), 32, options="size=64m,nr_inodes=1200"),
    )
}
"""The file systems, and what there is none left of."""

NO_RENAME = "btrfs, metadata"
"""Where there is no room for metadata, btrfs refuses every rename; a rollback can only fail clean there."""

CLEAN = {12, 20}
"""How a command may fail for want of room."""

SETTINGS = """\
[hooks]
restart = ["true"]
[[check]]
name = "starts"
import = ["app"]
deadline = 0
"""


def reason_to_skip(filesystem: str) -> str:
    """Why this cannot be run here; `""` if it can."""
    kind = FULL[filesystem]
    return filesystems.reason_to_skip(*([kind] if kind.make else []))


@dataclass
class _Full:
    """A full file system with a root on it.

    Attributes:
        kind: The file system, and what there is none left of.
        site: The root.
        before: It, before anything was run.
    """

    kind: Kind
    site: Site
    before: invariants.Before

    def make_room(self) -> None:
        """Remove what fills the disk."""
        subprocess.run(["rm", "-rf", self.site.path.parent / "filler"], check=True)
        os.sync()  # btrfs gives it back with its next commit

    def fill(self) -> None:
        """Fill it again: what was removed gave room."""
        fill(self.site.path.parent, self.kind)

    def run(self, *arguments: str) -> Finished:
        """Run a command."""
        return self.site.run(*arguments)

    def settle(self, *current: str | None) -> list[str]:
        """Make room; then the next command has to leave everything as it should be."""
        self.make_room()
        done = self.run("recover")
        wrong = [] if done.code == 0 else [f"I5 recover ended with {done.code}: {done.err.strip()[-300:]}"]
        return wrong + invariants.settled(self.site, self.before, current=current)


def _rollback(full: _Full) -> list[str]:
    goal = full.site.previous
    wrong = _roll_back(full, goal)
    return wrong if full.site.current != goal else wrong + _recorded_later(full, goal)


def _rollback_twice(full: _Full) -> list[str]:
    first = full.site.previous
    wrong = _roll_back(full, first)
    if full.site.current != first:
        return wrong
    history = _workspace(full.site).history()
    # Where the first one could not be recorded, nothing tells what comes below: that is no failure of it.
    if history.expected != full.site.current and full.site.previous is None:
        return wrong + _recorded_later(full, full.site.current)
    goal = history.way_back(full.site.current, lambda _name: None, datetime.now(UTC)).release_id
    return [*wrong, *_roll_back(full, goal), *_recorded_later(full, goal)]


def _roll_back(full: _Full, goal: str | None) -> list[str]:
    lines = len(full.site.events())
    done = full.run("rollback", "--json")
    if done.code != 0 and full.kind.name == NO_RENAME:
        return _clean(full, done)
    if done.code != 0:
        return [f"rollback ended with {done.code}: {(done.out or done.err).strip()[-400:]}"]
    wrong = []
    if full.site.current != goal:
        wrong.append(f"rollback went to {full.site.current} instead of {goal}")
    recorded = "rolled-back" in full.site.events()[lines:]
    warned = any(warning["slug"] == "journal-not-written" for warning in done.json["warnings"])
    if not recorded and not warned:
        wrong.append("the rollback is not in the journal, and it did not say so")
    return wrong


def _recorded_later(full: _Full, goal: str | None) -> list[str]:
    wrong = full.settle(goal)
    if not {"rolled-back", "observed"} & set(full.site.events()[-4:]):
        wrong.append(f"I3 the journal has no word of the rollback: {full.site.events()[-4:]}")
    return wrong


def _prune(full: _Full) -> list[str]:
    return _pruned(full) + full.settle(full.before.current)


def _rollback_fill_prune(full: _Full) -> list[str]:
    """The reserve is gone with the rollback, and somebody's log fills what it gave."""
    goal = full.site.previous
    wrong = _roll_back(full, goal)
    if full.site.current != goal:
        return wrong
    full.fill()
    return wrong + _pruned(full) + full.settle(goal)


def _pruned(full: _Full) -> list[str]:
    here = full.site.path.parent
    room = _room(here)
    done = full.run("prune", "--json")
    if done.code != 0:
        return [f"prune ended with {done.code}: {(done.out or done.err).strip()[-400:]}"]
    os.sync()
    wrong = [] if done.data["removed"] else ["prune removed nothing"]
    # btrfs says that nothing is free while its metadata is full, whatever was removed.
    more = any(now > then for now, then in zip(_room(here), room, strict=True))
    if not more and full.kind.name != NO_RENAME:
        wrong.append(f"prune made no room: {room} before, {_room(here)} after")
    return wrong


def _fails_clean(*arguments: str) -> Callable[[_Full], list[str]]:
    """It does what it says or ends with an error of the right kind; `current` is only moved by success."""

    def point(full: _Full) -> list[str]:
        done = full.run(*arguments)
        return _clean(full, done)

    return point


def _clean(full: _Full, done: Finished) -> list[str]:
    if done.code == 0:
        return full.settle(full.site.current)
    wrong = []
    if done.code not in CLEAN or "Traceback" in done.err:
        wrong.append(f"it ended with {done.code}: {done.err.strip()[-400:]}")
    if full.site.current != full.before.current:
        wrong.append(f"I9 it failed, and current is {full.site.current}")
    return wrong + full.settle(full.before.current)


def _release(full: _Full) -> list[str]:
    """What is missing is said in figures, before anything is built."""
    done = full.run("release", "--rebuild")
    wrong = _clean(full, done)
    if "not enough room" not in done.err or done.code != 20:
        wrong.append(
            f"it ended with {done.code}, and does not say how much room is needed: {done.err[-300:]}"
        )
    return wrong


def _init(full: _Full) -> list[str]:
    done = full.run("-C", str(full.site.path.parent / "new"), "init")
    if done.code != 0 and (done.code not in CLEAN or "Traceback" in done.err):
        return [f"it ended with {done.code}: {done.err.strip()[-400:]}"]
    return full.settle(full.before.current)


POINTS: dict[str, Callable[[_Full], list[str]]] = {
    "rollback": _rollback,
    "prune": _prune,
    "release": _release,
    "rollback twice": _rollback_twice,
    "rollback, fill, prune": _rollback_fill_prune,
    "promote": _fails_clean("promote", "@{1}"),
    "update": _fails_clean("update"),
    "hold": _fails_clean("hold"),
    "pin": _fails_clean("pin", "current"),
    "init": _init,
}
"""What is done on a full disk, most important first."""


def full_disks(lab: Lab, filesystem: str, scale: Scale) -> Tally:
    """Run everything on one full file system: with a reserve, and without one."""
    tally = Tally(f"full disk, {filesystem}")
    with tally.timed(), contextlib.closing(_points(lab, FULL[filesystem], scale)) as points:
        for label, wrong in points:
            tally.point(label, wrong)
    return tally


def _points(lab: Lab, kind: Kind, scale: Scale) -> Generator[tuple[str, list[str]], None, None]:
    every = [(name, with_reserve) for name in POINTS for with_reserve in (True, False)]
    with filesystems.disk(lab.path / "disks", kind) as disk:
        bench = _Bench(lab, disk)
        for name, with_reserve in every[: scale.points]:
            full = bench.full(with_reserve=with_reserve)
            label = f"{kind.name}, {name}, {'with' if with_reserve else 'without'} a reserve"
            yield label, POINTS[name](full)


_PREPARED: dict[Path, Scenario] = {}


class _Bench:
    """A disk, and images of it that are full."""

    def __init__(self, lab: Lab, disk: Disk) -> None:
        self._lab = lab
        self._disk = disk
        self._images: dict[bool, Path] = {}
        self._site: Site | None = None

    def full(self, *, with_reserve: bool) -> _Full:
        """A fresh one."""
        if not self._disk.kind.make:
            self._disk.insert()
            site = self._prepare(with_reserve)
        else:
            if with_reserve not in self._images:
                self._disk.insert()
                self._site = self._prepare(with_reserve)
                self._images[with_reserve] = self._disk.keep(f"full-{with_reserve}")
            self._disk.insert(self._images[with_reserve])
            assert self._site is not None
            site = self._site
            fill(self._disk.path, self._disk.kind)  # mounting may have given something back
        return _Full(self._disk.kind, site, invariants.observe(site))

    def _prepare(self, with_reserve: bool) -> Site:
        """Put the root there, with a journal that ends at the end of a block, and fill the disk."""
        scenario = _PREPARED.get(self._lab.path)
        if scenario is None:
            scenario = _PREPARED[self._lab.path] = self._lab.scenario("prune", on=self._disk.path)
        else:
            subprocess.run(["cp", "-a", scenario.snapshot, scenario.site.path], check=True)
        site = scenario.site
        write_settings(site, SETTINGS)
        _end_journal_with_a_block(site)
        layout = RootLayout.at(site.path)
        layout.reserve_file.unlink(missing_ok=True)  # a copied one may be nothing but a hole
        if with_reserve:
            reserve.keep(layout)
            assert layout.reserve_file.exists()
        fill(self._disk.path, self._disk.kind)
        return site


def _end_journal_with_a_block(site: Site) -> None:
    """Let the next line need a new block: what follows the end of a file is free room otherwise."""
    journal = site.path / "state" / "journal.jsonl"
    sizes = [journal.stat().st_size]
    for text in ("x", None):
        rest = 4096 - sizes[-1] % 4096
        length = sizes[-1] - sizes[0]  # of a line with one letter
        site.open().hold(message=text or "x" * (1 + (rest - length - 8) % 4096))
        sizes.append(journal.stat().st_size)
    assert 4096 - sizes[-1] % 4096 < 40, sizes


def fill(path: Path, kind: Kind) -> None:
    """Fill a file system, as far as root can."""
    folder = path / "filler"
    folder.mkdir(exist_ok=True)
    what = 1 if kind.name.endswith("inodes") else 0
    before = -1
    while _room(path)[what] != before:  # a sync may find room that was only set aside
        before = _room(path)[what]
        if not kind.name.endswith("inodes"):
            _fill_bytes(folder / "large")
        if kind.name != "btrfs, data":
            _fill_names(folder)
        if not kind.name.endswith("inodes"):
            _fill_bytes(folder / "large")
        os.sync()


def _fill_bytes(path: Path) -> None:
    for size in (1 << 20, 1 << 16, 4096, 512, 1):
        with contextlib.suppress(_FullError):
            _append(path, size)


def _fill_names(folder: Path) -> None:
    number = len(os.listdir(folder))
    with contextlib.suppress(_FullError):
        while True:
            number += 1
            _append(folder / str(number), 1500, times=1)


class _FullError(Exception):
    """There is no more room."""


def _append(path: Path, size: int, *, times: int = 1 << 30) -> None:
    """Append chunks until there is no room for another one.

    Raises:
        _FullError: That is so.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for _ in range(times):
                os.write(fd, bytes(size))
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _FullError from error


def _room(path: Path) -> tuple[int, int]:
    """Free blocks and inodes."""
    found = os.statvfs(path)
    return found.f_bavail, found.f_favail


def _workspace(site: Site) -> Workspace:
    return Workspace(RootLayout.at(site.path), site.runtime())
