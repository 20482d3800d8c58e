"""What is removed is looked at first, whatever removes it; what is in use stays, and is named."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.roots import Site
from tests.support.users import unprivileged
from venvship.model.use import Live
from venvship.operations.retention.use import Look, look_at_processes
from venvship.root import RootLayout

WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"


def standing(release: Path) -> AbstractContextManager[object]:
    return waiting("sh", "-c", "echo ready; exec cat", cwd=release)


def leasing(release: Path) -> AbstractContextManager[object]:
    return waiting(release / "bin" / "python", "-c", WAIT, cwd="/", env={"PATH": os.defpath})


@contextlib.contextmanager
def leasing_without_a_name(release: Path) -> Iterator[object]:
    """As a restore leaves it that replaces the files of leases: the kernel shows no lock on the new one.

    The process was started through a link, so that its command line does not name the release.
    """
    link = release.parent.parent / "live"
    link.symlink_to(f"releases/{release.name}")
    with leasing(link) as process:
        lease = release.parent.parent / "state" / "leases" / release.name
        lease.unlink()
        lease.touch()
        yield process


def trash(site: Site, release: str) -> Path:
    """As a prune that was killed after its look leaves it."""
    path = site.path / "releases" / f".trash-{release}"
    (site.path / "releases" / release).rename(path)
    return path


def interrupted_build(site: Site, release: str) -> Path:
    """A journal that was restored with the scratch of the build that it knows nothing of yet."""
    journal = site.path / "state" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if release.encode() in line)
    journal.write_bytes(b"".join(lines[:first]))
    (site.path / "state" / f"scratch-{release}").mkdir()
    return site.path / "releases" / release


@pytest.mark.parametrize("use", [standing, leasing, leasing_without_a_name])
@pytest.mark.parametrize("left", [trash, interrupted_build])
def test_debris_in_use_stays_and_the_process_is_named(
    site: Site,
    use: Callable[[Path], AbstractContextManager[object]],
    left: Callable[[Site, str], Path],
) -> None:
    """Not by `update`, which cron runs every five minutes: it leaves it, and writes and says nothing."""
    first = site.release("1.0")
    release = site.release("1.1")
    site.open().promote(first)
    (site.path / "previous").unlink()
    site.lock("1.0")
    with use(site.path / "releases" / release) as process:
        path = left(site, release)
        (site.path / "current").unlink()
        (site.path / "current").symlink_to(f"releases/{first}")
        said = [warning for warning in site.open().recover().warnings if warning.slug == "in-use"]
        assert [f"process {process.pid}" in warning.message for warning in said] == [True]  # type: ignore[attr-defined]
        assert (path / "bin" / "python").exists()
        before = len(site.events())
        assert site.open().update().warnings == ()
        assert len(site.events()) == before
    site.open().recover()
    assert not path.exists()
    assert site.debris() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process of another user")
def test_a_process_that_cannot_be_looked_into_uses_what_was_live_at_its_start(site: Site) -> None:
    """To whom is not root."""
    layout = RootLayout.at(site.path)
    (site.path / "releases").mkdir()
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    with waiting("sh", "-c", "echo ready; exec cat", cwd="/") as process:

        def ask(_folder: Path) -> None:
            hidden = tuple(one for one in look_at_processes(layout).hidden if one.pid == process.pid)
            look = Look({}, hidden)
            live, over = Live(now - hour, now + hour), Live(now - 2 * hour, now - hour)
            after = now + 2 * hour
            assert look.user("x", live, after) == f"process {process.pid}, which cannot be looked into"
            assert look.user("x", over, after) == ""

        unprivileged(ask)


def test_a_store_entry_that_a_process_stands_in_stays(site: Site) -> None:
    site.settings("keep = 2\n")
    for version in ("1.2", "1.3"):
        site.release(version)

    def prune(days: int) -> tuple[set[str], list[str]]:
        result = site.open(clock=site.later(days=days)).prune()
        assert result.store is not None
        return {dropped.path for dropped in result.store.removed}, [w.message for w in result.warnings]

    prune(1)
    prune(8)
    planned = site.open(clock=site.later(days=15)).prune(dry_run=True).store
    assert planned is not None
    wheel = next(dropped.path for dropped in planned.removed if "/wheels/" in dropped.path)
    with waiting("sh", "-c", "echo ready; exec cat", cwd=wheel) as process:
        gone, said = prune(15)
        assert gone
        assert wheel not in gone
        assert said == [f"{wheel} was not removed: in use: process {process.pid}"]
    for days in (16, 24, 32):  # its time begins again
        prune(days)
    assert not Path(wheel).exists()
