"""`changed` and `outcome`: could a later command see a difference, and in a dry run, would it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_start import snapshot
from tests.support.roots import Site, refuses
from venvship import Root, errors
from venvship.model.event import EventName, is_visible

REJECTS = "[[check]]\nname = 'no'\nwhen = 'candidate'\ncommand = ['false']\n"
FAILS = "[[check]]\nname = 'no'\ncommand = ['false']\ndeadline = 0\n"


def found(result: Any) -> tuple[str | None, bool]:
    """The outcome and `changed` of a result, as the JSON has them."""
    data = result.to_json()
    return data.get("outcome"), data["changed"]


def failed(call: Any, *arguments: Any, **options: Any) -> tuple[str | None, bool]:
    """The same of the error that a call ends with."""
    with pytest.raises(errors.VenvshipError) as caught:
        call(*arguments, **options)
    error = caught.value
    assert error.changed is not None
    if error.result is None:
        return None, error.changed
    assert found(error.result)[1] is error.changed
    return found(error.result)


def test_a_release_that_is_only_built_is_built_once(site: Site) -> None:
    root = site.open()
    before = snapshot(site.path)
    assert found(root.release(dry_run=True)) == ("planned", True)
    planned = root.release(dry_run=True, no_promote=True)
    assert (planned.plan, planned.changed) == ("build", True)
    assert [change.name for change in planned.diff.added] == ["app", "dep"]
    assert snapshot(site.path) == before

    built = root.release(no_promote=True)
    assert found(built) == ("built", True)
    again = root.release(no_promote=True)
    assert found(again) == ("unchanged", False)
    assert built.release is not None
    assert again.release is not None
    assert again.release.id == built.release.id
    assert (again.previous, site.current) == (None, None)
    planned = root.release(dry_run=True, no_promote=True)
    assert (planned.plan, planned.changed) == ("unchanged", False)
    assert found(root.release(dry_run=True)) == ("planned", True)

    assert found(root.release()) == ("reactivated", True)
    assert found(root.release()) == ("unchanged", False)
    assert found(root.release(dry_run=True)) == ("planned", False)
    assert found(root.release(rebuild=True, no_promote=True)) == ("built", True)
    assert found(root.update()) == ("unchanged", False)
    assert found(root.recover()) == ("clean", False)


def test_a_switch_is_planned_made_and_then_unchanged(stocked: Site) -> None:
    site = stocked
    a, b = site.release("1.0"), site.release("1.1")
    root = site.open()
    before = snapshot(site.path)
    for planned, target, left in (
        (root.promote(a, dry_run=True), a, b),
        (root.rollback(dry_run=True), a, b),
        (root.rollback(a, from_=b, dry_run=True), a, b),
    ):
        assert found(planned) == ("planned", True)
        assert planned.previous is not None
        assert (planned.release.id, planned.previous.id) == (target, left)
    assert found(root.promote(b, dry_run=True)) == ("planned", False)
    assert found(root.rollback(b, dry_run=True)) == ("planned", False)
    assert failed(root.rollback, dry_run=True, from_=a) == (None, False)
    assert failed(root.promote, "2099", dry_run=True) == (None, False)
    assert snapshot(site.path) == before

    assert found(root.promote(b)) == ("unchanged", False)
    assert found(root.rollback(b)) == ("unchanged", False)
    assert found(root.rollback()) == ("switched", True)
    assert found(root.promote(b, force=True)) == ("promoted", True)
    assert site.current == b


def test_marks_change_something_once(stocked: Site) -> None:
    site = stocked
    a = site.release("1.0")
    root = site.open()
    for mark in (root.pin, root.unpin):
        assert [found(mark(a))[1] for _ in range(2)] == [True, False]
    assert found(root.hold())[1] is True
    events = len(site.events())
    assert [found(root.unhold())[1] for _ in range(2)] == [True, False]
    assert len(site.events()) == events + 1, "nothing is recorded of nothing"
    assert "changed" not in root.status().to_json()


def test_prune_changes_something_if_a_release_goes(site: Site) -> None:
    for version in ("1.0", "1.1", "1.2"):
        site.release(version)
    root = site.open(clock=site.later(days=30))
    assert found(root.prune(keep=3, keep_days=0, dry_run=True))[1] is False
    assert found(root.prune(keep=2, keep_days=0, dry_run=True))[1] is True
    assert found(root.prune(keep=2, keep_days=0))[1] is True
    assert found(root.prune(keep=2, keep_days=0))[1] is False


def test_init_and_lock_change_a_file_once(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "new"
    assert found(Root.init(path, runtime=site.runtime()))[1] is True
    assert failed(Root.init, path, runtime=site.runtime()) == (None, False)
    assert failed(site.open().lock) == (None, False)


def test_an_error_has_the_outcome_and_what_was_changed_before_it(site: Site) -> None:
    a = site.release("1.0")
    root = site.open()
    (site.path / "requirements.txt").write_text(f"gone==1.0 --hash=sha256:{'0' * 64}\n")
    assert failed(root.release) == (None, False)
    (site.path / "requirements.txt").unlink()
    assert failed(root.release) == (None, False)
    site.settings(REJECTS)
    site.lock("1.1")
    assert failed(root.release) == ("rejected", True)
    assert failed(root.release) == ("rejected", False)
    [b] = [view.id for view in root.list().releases if view.id != a]
    assert failed(root.promote, b) == ("rejected", False)
    site.settings(FAILS)
    assert failed(root.promote, b) == ("rollback-failed", False)
    assert failed(root.release) == ("rolled-back", True), "it is built anew"
    site.settings(refuses("1.1"))
    assert failed(root.promote, b) == ("rolled-back", True)
    site.settings()
    assert found(root.promote(b, force=True)) == ("promoted", True)
    site.settings(FAILS)
    assert failed(root.rollback) == ("rollback-failed", True)
    assert (site.current, failed(root.rollback)) == (a, (None, False))


def test_an_interrupted_promotion_that_is_undone_is_a_change(stocked: Site) -> None:
    site = stocked
    site.release("1.0")
    site.settings("[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    site.lock("1.1")
    assert site.run("release").code == -9
    done = site.run("recover", "--boot", "--json")
    assert (done.code, done.data["changed"], done.data["outcome"]) == (22, True, "rolled-back")


def test_a_switch_by_hand_is_a_change_that_the_next_command_records(stocked: Site) -> None:
    site = stocked
    a = site.release("1.0")
    site.release("1.1")
    (site.path / "current").unlink()
    (site.path / "current").symlink_to(f"releases/{a}")
    root = site.open()
    for planned in (root.release(dry_run=True), root.promote(a, dry_run=True), root.prune(dry_run=True)):
        assert planned.changed
    recovered = root.recover()
    assert (recovered.outcome, recovered.changed) == ("observed", True)
    assert root.promote(a, dry_run=True).changed is False


def test_a_dry_run_counts_what_it_would_sweep(site: Site) -> None:
    a = site.release("1.0")
    debris = site.path / "releases" / "20200101T000000Z-0000000"
    root = site.open()
    for make in (debris.mkdir, (site.path / "releases" / f".trash-{debris.name}").mkdir):
        make()
        for planned in (root.release(dry_run=True), root.promote(a, dry_run=True), root.prune(dry_run=True)):
            assert planned.changed
        [name] = root.prune(dry_run=True).debris
        assert found(root.rollback(a, dry_run=True)) == ("planned", False), "a rollback sweeps nothing"
        assert found(root.release()) == ("unchanged", True)
        assert not (site.path / "releases" / name).exists()
        assert found(root.release(dry_run=True)) == ("planned", False)


def test_a_rollback_that_cannot_be_recorded_is_a_change_all_the_same(stocked: Site) -> None:
    site = stocked
    site.release("1.0")
    site.release("1.1")
    journal = site.path / "state" / "journal.jsonl"
    journal.write_text("damaged\n" + journal.read_text())
    result = site.open().rollback()
    assert found(result) == ("switched", True)
    assert "journal-not-written" in [warning.slug for warning in result.warnings]


@pytest.mark.parametrize(
    ("event", "facts", "visible"),
    [
        (EventName.ROLLED_BACK, {"verdict": "bad"}, True),
        (EventName.ROLLED_BACK, {"verdict": "inconclusive"}, False),
        (EventName.ROLLED_BACK, {"verdict": "inconclusive", "turned_back": True}, True),
        (EventName.ROLLBACK_FAILED, {"manual": True}, True),
        (EventName.ROLLBACK_FAILED, {"manual": False}, False),
        (EventName.PROMOTING, {}, False),
        (EventName.REFUSED, {}, False),
        (EventName.OBSERVED, {}, True),
    ],
)
def test_an_event_is_visible_if_it_leaves_a_switch_a_release_a_hold_or_a_pin(
    event: EventName, facts: dict[str, object], visible: bool
) -> None:
    assert is_visible(event, facts) is visible
