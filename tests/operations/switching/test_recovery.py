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


def test_after_a_kill_in_a_build_recover_says_what_was_interrupted(site: Site) -> None:
    a = site.release("1.0")
    site.lock("1.1")
    releasing = site.start("release", env={"VENVSHIP_FAILPOINTS": "kill@60"})
    releasing.communicate(timeout=120)
    assert (releasing.returncode, site.current) == (-9, a)
    assert site.debris(), "it had begun to build"
    status = site.run("status").out
    assert "Interrupted  release, since " in status
    assert "`venvship recover` removes what it has left" in status

    done = site.run("recover")

    assert done.code == 0, done.err
    assert f", process {releasing.pid}, was interrupted before a switch; " in done.out
    assert "Release, since " in done.out
    assert "othing was interrupted" not in done.out
    assert (site.debris(), "Interrupted" in site.run("status").out) == ([], False)
    assert "Nothing was interrupted." in site.run("recover").out


def test_left_overs_alone_tell_that_something_was_interrupted(site: Site) -> None:
    """After a power cut nobody knows any more what it was."""
    site.release("1.0")
    (site.path / "releases" / ".trash-20200101T000000Z-0000000").mkdir()
    done = site.run("recover", "--json")
    assert (done.data["outcome"], done.data["interrupted"]) == ("clean", None)
    (site.path / "releases" / ".trash-20200101T000000Z-0000000").mkdir()
    assert "An operation was interrupted before a switch; 1 left-over removed." in site.run("recover").out


def test_the_sign_of_a_command_that_died_with_the_switch_mutex_is_taken_down(site: Site) -> None:
    site.release("1.0")
    site.settings("[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    site.lock("1.1")
    assert site.run("release").code == -9
    site.settings()
    assert site.run("recover").code == 0
    assert site.open().status().operation is None
