"""Recovery of a promotion: how often it is tried again, and where it ends."""

from __future__ import annotations

from pathlib import Path

from tests.support.roots import Site

KILLS_WHEN_PROMOTED = (
    "[hooks]\nrestart = ['sh', '-c', 'test $VENVSHIP_EVENT != promote || { kill -9 $PPID; sleep 9; }']\n"
)


def test_a_promotion_whose_restart_kills_venvship_is_tried_twice_and_then_taken_back(site: Site) -> None:
    a = site.release("1.0")
    site.settings(KILLS_WHEN_PROMOTED)
    site.lock("1.1")

    assert site.run("release").code == -9
    assert site.current != a
    assert site.run("recover").code == -9
    assert site.current != a
    done = site.run("recover")

    assert (done.code, site.current) == (22, a), done.err
    assert "interrupted 2 times" in done.err
    assert site.events()[-4:] == ["promoting", "promoting", "rolling-back", "rolled-back"]


def test_at_boot_a_promotion_is_taken_back_without_its_restart_and_its_checks(
    site: Site, tmp_path: Path
) -> None:
    a = site.release("1.0")
    check = f"[[check]]\nname = 'asked'\ncommand = ['touch', '{tmp_path}/asked']\n"
    site.settings(f"{KILLS_WHEN_PROMOTED}{check}")
    site.lock("1.1")
    assert site.run("release").code == -9

    done = site.run("recover", "--boot")

    assert (done.code, site.current) == (22, a), done.err
    assert not (tmp_path / "asked").exists()
    assert site.events()[-2:] == ["rolling-back", "rolled-back"]
