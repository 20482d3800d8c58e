"""`[project] shared`: releases link to what outlives them, and no command takes it for a part of them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.operations.test_moved_root import moved
from tests.support.roots import Site
from venvship.errors import NotWritableError, ReleaseError
from venvship.system.files import make_directory
from venvship.system.trees import remove_tree

SHARED = '[project]\nshared = ["media", "var/data"]\n'


@pytest.fixture
def shop(site: Site) -> Site:
    site.settings(f"keep = 2\n{SHARED}")
    return site


def upload(site: Site, name: str = "cat.jpg") -> Path:
    """What the application does: it writes where it finds its media."""
    path = site.path / "current" / "shared" / "media" / name
    path.write_text("meow")
    return path


def test_what_is_written_through_a_release_outlives_it(shop: Site) -> None:
    first = shop.release("1.0")
    for name in ("shared", "shared/media", "shared/var", "shared/var/data"):
        status = (shop.path / name).lstat()
        assert stat.S_ISDIR(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o755
    file = upload(shop)
    for version in ("1.1", "1.2", "1.3"):
        shop.release(version)
        assert file.read_text() == "meow"
    pruned = shop.run("prune", "--json", env={})
    assert pruned.code == 0, pruned.err
    remove_tree(shop.path / "releases" / first)
    assert file.read_text() == "meow"
    assert file.resolve() == (shop.path / "shared/media/cat.jpg").resolve()
    shop.open().rollback()
    assert file.read_text() == "meow"


def test_a_removed_release_takes_nothing_along(shop: Site) -> None:
    releases = [shop.release(version) for version in ("1.0", "1.1", "1.2", "1.3")]
    file = upload(shop)
    result = shop.open(clock=shop.later(days=40)).prune()
    assert releases[0] in [one.id for one in result.removed]
    assert not (shop.path / "releases" / releases[0]).exists()
    assert file.read_text() == "meow"


def test_links_are_sealed_and_looked_at(shop: Site) -> None:
    release = shop.release("1.0")
    shop.release("1.1")
    upload(shop)
    assert shop.run("verify", "--all").code == 0
    link = shop.path / "releases" / release / "shared" / "media"
    folder = link.parent
    folder.chmod(0o755)
    link.unlink()
    link.symlink_to("/etc")
    folder.chmod(0o555)
    verified = shop.run("verify", release, "--json")
    assert verified.code == 40
    assert "points to /etc instead of ../../../shared/media" in verified.out
    with pytest.raises(ReleaseError, match="shared/media"):
        shop.open().rollback(release)


def test_what_is_there_already_is_left_as_it_is(shop: Site, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    make_directory(disk, 0o775)
    (disk / "old").touch()
    (shop.path / "shared").mkdir()
    (shop.path / "shared" / "media").symlink_to(disk)
    (shop.path / "shared" / "var").mkdir()
    (shop.path / "shared" / "var").chmod(0o770)
    shop.release("1.0")
    assert upload(shop).resolve() == disk / "cat.jpg"
    assert sorted(os.listdir(disk)) == ["cat.jpg", "old"]
    assert stat.S_IMODE((shop.path / "shared" / "var").stat().st_mode) == 0o770


def test_a_name_of_a_file_is_for_the_application_to_make(site: Site) -> None:
    site.settings('[project]\nshared = ["db.sqlite3", ".env", "var/x.log"]\n')
    site.release("1.0")
    assert os.listdir(site.path / "shared") == ["var"]
    assert os.listdir(site.path / "shared" / "var") == []
    (site.path / "current/shared/db.sqlite3").write_text("rows")
    assert (site.path / "shared/db.sqlite3").read_text() == "rows"


def test_other_links_make_another_environment(site: Site) -> None:
    site.lock("1.0")
    assert site.open().release().outcome == "released"
    assert site.open().release().outcome == "unchanged"
    site.settings(SHARED)
    assert site.open().release().outcome == "released"
    assert site.open().release().outcome == "unchanged"
    assert site.run_as_cron("update").out == ""


def test_a_folder_that_cannot_be_made_ends_the_release_before_it_is_built(shop: Site) -> None:
    (shop.path / "shared").touch()
    shop.lock("1.0")
    with pytest.raises(NotWritableError, match=r"cannot make .*shared/media"):
        shop.open().release()
    assert shop.current is None
    assert shop.debris() == []


def test_destroy_leaves_it_and_says_so(shop: Site) -> None:
    shop.release("1.0")
    upload(shop)
    result = shop.open().destroy(force=True)
    left = str(shop.path / "shared")
    assert left in result.left
    assert "outlives releases" in result.reasons[left]
    assert (shop.path / "shared/media/cat.jpg").read_text() == "meow"
    assert not (shop.path / "releases").exists()


def test_a_root_that_was_moved_takes_it_along(shop: Site) -> None:
    shop.release("1.0")
    upload(shop)
    here = moved(shop)
    before = json.loads((here.path / "current/.venvship/manifest.json").read_bytes())
    # Today's settings do not matter: its links and its files were made for each other.
    here.settings()
    done = here.run("relocate", "--json")
    assert done.code == 0, done.err
    assert len(done.data["relocated"]) == 1
    assert [warning["slug"] for warning in done.json["warnings"]] == []
    after = json.loads((here.path / "current/.venvship/manifest.json").read_bytes())
    assert after["tree_digest"] == before["tree_digest"]
    assert after["shared"] == ["media", "var/data"]
    file = here.path / "current/shared/media/cat.jpg"
    assert file.read_text() == "meow"
    assert file.resolve().is_relative_to(here.path.resolve())
