"""The line to type where the root, or a link to it, is another user's: it works, or is not offered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.roots import Site, command
from tests.support.users import NOBODY, as_root_only

pytestmark = as_root_only


@pytest.fixture
def link(site: Site, tmp_path: Path) -> Path:
    """A link to the root that another user may exchange."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    path = shared / "link"
    path.symlink_to(site.path)
    os.lchown(path, NOBODY, NOBODY)
    return path


def test_a_root_behind_a_link_of_another_user_is_named_by_its_real_path(site: Site, link: Path) -> None:
    for given, typed in (
        (["-C", str(link), "schedule", "cron"], ["-C", str(site.path), "schedule", "cron"]),
        ([f"-C{link}", "schedule", "cron"], [f"-C{site.path}", "schedule", "cron"]),
        (["schedule", f"--root={link}", "cron"], ["schedule", f"--root={site.path}", "cron"]),
    ):
        done = site.run(*given)
        assert done.code == 12
        assert f"{link} belongs to nobody" in done.err
        assert "--trust" not in done.err, "nothing is wrong with the root"
        assert f"  → name the root by its real path: {' '.join([command(), *typed])}\n" in done.err
        assert site.run(*typed).code == 0
    done = site.run("schedule", "cron", env={"VENVSHIP_ROOT": str(link)}, cwd=Path("/"))
    assert f"real path: {command()} -C {site.path} schedule cron\n" in done.err


def test_a_root_that_was_found_is_offered_by_name_only_if_that_works(site: Site) -> None:
    below = site.path / "below"
    below.mkdir()
    try:
        os.chown(site.path, NOBODY, NOBODY)
        done = site.run("update", cwd=below)
        assert done.code == 12
        assert f"-u nobody {command()} -C {site.path} update" in done.err.replace("nobody -- ", "nobody ")
        site.path.chmod(0o777)  # that is refused to nobody, too
        done = site.run("update", cwd=below)
        assert done.code == 12
        assert "if you trust it" not in done.err
        assert "name another root with -C ROOT" in done.err
    finally:
        os.chown(site.path, 0, 0)
        site.path.chmod(0o755)
