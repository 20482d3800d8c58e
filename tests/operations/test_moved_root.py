"""A root that was moved, copied, mounted elsewhere, or whose link leads to another disk.

Its releases hold the path that they were built for. Elsewhere their scripts lead to nothing or, in a copy,
into the original: no command may vouch for them then, or start anything from them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.roots import Site

HEALTH = """
[hooks]
restart = ["{bin}/app"]
notify = ["{bin}/app"]
[[check]]
name = "candidate"
when = "candidate"
command = ["app"]
[[check]]
name = "live"
deadline = 0
command = ["app"]
"""


@pytest.fixture
def two(site: Site) -> Site:
    """Two releases, with hooks and checks that run a script of the release."""
    site.settings(HEALTH)
    site.release("1.0")
    site.release("1.1")
    return site


def copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


def moved(site: Site) -> Site:
    return replace(site, path=site.path.rename(site.path.with_name("moved")))


def copied(site: Site) -> Site:
    return replace(site, path=copy(site.path, site.path.with_name("copied")))


def repointed(site: Site) -> Site:
    """The root is known by a link, which leads to a new disk, with a copy of the root, from now on."""
    link = site.path.with_name("link")
    link.symlink_to(copy(site.path, site.path.parent / "disk" / "root"))
    return replace(site, path=link)


def trap(root: Path, mark: Path) -> None:
    """Let every Python process that starts from a release of a root leave a mark."""
    for site_packages in root.glob("releases/*/lib/python*/site-packages"):
        site_packages.chmod(0o755)
        for name in ("sitecustomize.py", "_venvship.py"):
            (site_packages / name).unlink(missing_ok=True)
            (site_packages / name).write_text(f"open({str(mark)!r}, 'w').close()\n")


@pytest.mark.parametrize("way", [moved, copied, repointed])
def test_no_command_vouches_for_releases_of_another_path_or_runs_the_original(
    two: Site, tmp_path: Path, way: Callable[[Site], Site]
) -> None:
    original, mark = two.path, tmp_path / "the original ran"
    first, second = two.previous, two.current
    assert first
    assert second
    here = way(two)
    trap(original, mark)

    status = here.run("status", "--json").json
    problem = status["data"]["current"]["usable"]["problem"]
    assert problem.startswith(f"it was built for {original}/releases/{second}, which is ")
    assert [warning["slug"] for warning in status["warnings"]] == ["root-moved"]
    said = here.run("status")
    assert "Problems  none" not in said.out
    assert said.err.count("moved or copied") == 1
    assert not any(release["usable"]["ok"] for release in here.run("list", "--json").data["releases"])
    for command in (
        ["check"],
        ["verify"],
        ["verify", "--all"],
        ["run", "--", "app"],
        ["promote", "current"],
        ["promote", first],
        ["rollback", first],
    ):
        done = here.run(*command)
        assert (done.code, here.current) == (13, second), command
        assert f"built for {original}/releases/" in done.err, command
    done = here.run("rollback")
    assert done.code == 24
    assert "venvship relocate" in done.err

    (here.path / "requirements.txt").write_text("nothing==1 --hash=sha256:" + "0" * 64 + "\n")
    assert here.run("release").code == 20, "the notify hook runs, without a script of the live release"
    here.lock("1.1")
    done = here.run("release" if way is moved else "update")
    assert done.code == 0, done.err
    assert "Back:" not in done.out, "there is no way back to a release of another path"
    assert here.current not in {first, second}
    assert here.run("run", "--", "app").out == "1.1 1.1\n"
    assert here.run("status", "--json").data["current"]["usable"] == {"ok": True, "problem": None}
    assert here.run("release", "--json").data["outcome"] == "unchanged"
    assert here.run("verify").code == 0
    assert not mark.exists()


def test_a_way_back_to_a_release_of_another_path_starts_nothing(two: Site, tmp_path: Path) -> None:
    original, mark = two.path, tmp_path / "the original ran"
    here = copied(two)
    live = here.current
    trap(original, mark)
    log = tmp_path / "restarted"
    here.settings(
        f"[hooks]\nrestart = ['sh', '-c', 'echo $VENVSHIP_EVENT >> {log}']\n"
        "[[check]]\nname = 'no'\ndeadline = 0\ncommand = ['false']\n"
    )
    done = here.run("release")
    assert (done.code, here.current) == (23, live)
    assert f"{live} cannot be used: it was built for {original}" in done.err
    assert log.read_text() == "promote\n", "no restart into a release that would run another root's code"
    assert not mark.exists()


@contextmanager
def bound(source: Path, target: Path) -> Iterator[None]:
    """Mount a directory at a second place as well."""
    target.mkdir()
    subprocess.run(["mount", "--bind", source, target], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


def cannot_mount() -> str:
    if os.geteuid() != 0:
        return "only root may mount"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "root may not mount here"


@pytest.mark.skipif(bool(cannot_mount()), reason=cannot_mount())
def test_a_bind_mount_of_a_root_is_that_root(two: Site, tmp_path: Path) -> None:
    first, second = two.previous, two.current
    with bound(two.path, tmp_path / "mounted"):
        here = replace(two, path=tmp_path / "mounted")
        status = here.run("status", "--json").json
        assert status["data"]["current"]["usable"]["ok"]
        assert status["warnings"] == []
        assert here.run("verify", "--all").code == 0
        assert here.run("check").code == 0
        assert here.run("run", "--", "app").out == "1.1 1.1\n"
        assert here.run("release", "--json").data["outcome"] == "unchanged"
        assert here.run("rollback").code == 0
        assert (here.current, second) == (first, here.run("list", "--json").data["releases"][0]["id"])


def test_a_link_at_the_path_of_before_makes_a_moved_root_usable(two: Site) -> None:
    here = moved(two)
    assert here.run("run", "--", "app").code == 13
    two.path.symlink_to(here.path)
    assert here.run("run", "--", "app").out == "1.1 1.1\n"
    assert here.run("status", "--json").json["warnings"] == []
