"""What interrupted commands left behind goes with the next one, or is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.roots import Site


def test_only_what_is_ours_goes_from_the_state(site: Site) -> None:
    """Whatever keeps a hidden folder there, a file manager perhaps, stops no update, and loses nothing."""
    site.release("1.0")
    site.lock("1.0")
    state = site.path / "state"
    theirs = [state / ".snapshot", state / ".DS_Store", state / ".python.json.swp"]
    theirs[0].mkdir()
    theirs[1].touch()
    theirs[2].touch()
    ours = state / ".operation.json.0123abcd"
    ours.touch()
    assert site.run("update").code == 0
    assert not ours.exists()
    assert all(path.exists() for path in theirs)
    before = {path: path.stat().st_mtime_ns for path in state.iterdir()}
    assert site.run("update").code == 0
    assert {path: path.stat().st_mtime_ns for path in state.iterdir()} == before


def test_what_cannot_be_removed_from_the_store_is_tried_again(site: Site, tmp_path: Path) -> None:
    """The scratch says that a build was interrupted; without it, nobody would look into the store again."""
    site.release("1.0")
    scratch = site.path / "state" / "scratch-20200101T000000Z-0000000"
    unfinished = tmp_path / "store" / "wheels" / ".new-0123"
    trace = tmp_path / "trace"

    def recover(plan: str) -> list[str]:
        done = site.run("recover", "--json", env={"VENVSHIP_FAILPOINTS": plan})
        return [warning["slug"] for warning in done.json["warnings"]]

    def interrupted() -> None:
        (scratch / "downloads").mkdir(parents=True)
        unfinished.mkdir()

    interrupted()
    assert recover(f"trace:{trace}") == []
    (number,) = (
        line.split()[0] for line in trace.read_text().splitlines() if line.endswith(f"rmdir {unfinished}")
    )
    interrupted()
    assert recover(f"EACCES@{number}") == ["debris-left"]
    assert unfinished.exists()
    assert list(scratch.iterdir()) == []
    assert recover("") == []
    assert not unfinished.exists()
    assert not scratch.exists()


@pytest.mark.parametrize("command", ["recover", "update", "prune"])
def test_the_scratch_of_a_release_that_the_journal_knows_goes(site: Site, command: str) -> None:
    """It could not be removed after the seal; beside an older journal it would make the release debris."""
    site.release("1.0")
    site.lock("1.0")
    scratch = site.path / "state" / f"scratch-{site.current}"
    scratch.mkdir()
    assert site.run(command).code == 0
    assert not scratch.exists()
