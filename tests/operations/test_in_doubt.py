"""Directories of which journal and disk disagree: reported, kept for a week, taken up or pruned."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.roots import Site
from venvship.api import Root
from venvship.model.release import State

STANDS = ("sh", "-c", "echo ready; exec cat")


def put_older_journal_back(site: Site, tmp_path: Path) -> str:
    """As a backup over a living root: it does not know the second release."""
    first, journal = site.release("1.0"), site.path / "state" / "journal.jsonl"
    shutil.copy(journal, tmp_path / "older")
    second = site.release("1.1")
    shutil.copy(tmp_path / "older", journal)
    (site.path / "current").unlink()
    (site.path / "current").symlink_to(f"releases/{first}")
    (site.path / "previous").unlink()
    return second


def lose_manifest(site: Site, tmp_path: Path) -> str:
    first, second = site.release("1.0"), site.release("1.1")
    site.open().promote(first)
    folder = site.path / "releases" / second / ".venvship"
    folder.chmod(0o755)
    (folder / "manifest.json").unlink()
    (site.path / "previous").unlink()  # made again by the next command that recovers, to another release
    return second


def live_again(site: Site, tmp_path: Path) -> str:
    """It was live when its manifest was lost, and is not live any more."""
    second = lose_manifest(site, tmp_path)
    first = site.current
    (site.path / "current").unlink()
    (site.path / "current").symlink_to(f"releases/{second}")
    site.open().recover()
    assert second in there(site), "what is live is never removed"
    site.open().rollback(first)
    site.open().unhold()
    return second


@pytest.fixture(params=[put_older_journal_back, lose_manifest, live_again])
def doubtful(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The id of a directory in doubt; the lockfile asks for what is live."""
    release: str = request.param(site, tmp_path)
    site.lock("1.0")
    return release


def there(site: Site) -> set[str]:
    return set(os.listdir(site.path / "releases"))


def warned(root: Root, command: str) -> list[str]:
    return [warning.slug for warning in getattr(root, command)().warnings]


def test_it_is_reported_once_by_update_and_always_by_reads(site: Site, doubtful: str) -> None:
    """A warning of `update` is a mail, and cron runs it every five minutes."""
    if "found" not in site.events():
        assert warned(site.open(), "update") == ["release-in-doubt"]
    before = {path: path.stat().st_mtime_ns for path in (site.path / "state").iterdir()}
    assert warned(site.open(), "update") == []
    assert {path: path.stat().st_mtime_ns for path in (site.path / "state").iterdir()} == before
    assert warned(site.open(), "status") == warned(site.open(), "list") == ["release-in-doubt"]
    assert str(site.path / "releases" / doubtful) not in site.open().list().debris
    assert site.events().count("found") == 1


def test_it_is_pruned_a_week_after_it_was_found_unless_a_process_uses_it(site: Site, doubtful: str) -> None:
    site.open().recover(boot=True)

    def prune(days: float) -> str:
        result = site.open(clock=site.later(days=days)).prune()
        reasons = [decision.reason for decision in result.kept if decision.id == doubtful]
        assert (doubtful in there(site)) == bool(reasons)
        return "".join(reasons)

    assert prune(6.9).startswith("in doubt, until ")
    with waiting(*STANDS, cwd=site.path / "releases" / doubtful) as process:
        assert prune(7.1) == f"in use: process {process.pid}"
    planned = site.open(clock=site.later(days=7.1)).prune(dry_run=True)
    assert [decision.id for decision in planned.removed] == [doubtful]
    assert prune(7.1) == ""
    assert site.debris() == []


def test_recover_takes_it_up_if_it_is_intact(site: Site, tmp_path: Path) -> None:
    release = put_older_journal_back(site, tmp_path)
    assert site.open().recover(boot=True).outcome == "clean"
    assert release not in {view.id for view in site.open().list().releases}
    recovered = site.open().recover()
    assert (recovered.taken_up, recovered.warnings) == ((release,), ())
    assert {view.id: view.state for view in site.open().list().releases}[release] is State.SEALED
    assert site.open().promote(release).release.id == release


def test_recover_takes_up_nothing_that_is_not_intact(site: Site, tmp_path: Path) -> None:
    release = put_older_journal_back(site, tmp_path)
    app = next((site.path / "releases" / release).glob("lib/*/site-packages/app.py"))
    app.parent.chmod(0o755)
    app.unlink()
    assert [warning.slug for warning in site.open().recover().warnings] == ["release-in-doubt"]
    assert release in there(site)


def test_a_build_that_was_interrupted_after_its_seal_is_debris_and_in_no_doubt(site: Site) -> None:
    """Its scratch tells: a crash between manifest and journal leaves no other sign."""
    release = site.release("1.0")
    unknown = release[:-7] + "0000000"
    folder = site.path / "releases" / unknown
    shutil.copytree(site.path / "releases" / release, folder, symlinks=True)
    (site.path / "state" / f"scratch-{unknown}").mkdir()
    assert warned(site.open(), "status") == []
    assert unknown in site.open().recover().debris
    assert there(site) == {release}
