"""Results as lines: numbers have their noun, and each form of a result has its own words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from venvship import (
    DiffResult,
    FileDifference,
    FileDifferenceKind,
    LockfileState,
    LockResult,
    PackageChange,
    PackageDiff,
    PromoteResult,
    ReleaseResult,
    ReleaseView,
    RollbackResult,
    State,
    StatusResult,
    TreeDiff,
    TreeRow,
    VerifyResult,
)
from venvship.cli.changes import changes, differences
from venvship.cli.fitting import counted, length
from venvship.cli.lock_text import lock_lines
from venvship.cli.steps import step_lines
from venvship.cli.style import unstyled as unstyle
from venvship.cli.text import (
    Page,
    diff_lines,
    promote_lines,
    recover_lines,
    release_lines,
    rollback_lines,
    status_lines,
    update_lines,
    verify_lines,
)
from venvship.model.event import Event
from venvship.model.hold import SWITCH_HOLD, Hold, HoldKind
from venvship.model.progress import DONE, Step
from venvship.operations.recover import RecoverResult
from venvship.operations.retention.verifying import Verified
from venvship.operations.switching.chosen import HoldChange
from venvship.workspace.underway import Operation

NOW = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)
PIPE = Page(width=None, now=NOW)
TERMINAL = Page(width=80, now=NOW)


def view(packages: int, **changes: Any) -> ReleaseView:
    made = ReleaseView(
        id="20261122T094143Z-3f9a1c2",
        path="/srv/shop/releases/20261122T094143Z-3f9a1c2",
        state=State.PROVEN,
        created_at=NOW,
        lockfile_sha256="",
        environment_digest="",
        tree_digest="",
        python="3.11.7",
        packages=packages,
        current=True,
        previous=False,
        pinned=False,
        problem=None,
        message="",
    )
    return made._replace(**changes)


def status(**changes: Any) -> StatusResult:
    made = StatusResult(
        name="shop",
        root="/srv/shop",
        current=view(1),
        live_since=None,
        previous=None,
        held=None,
        operation=None,
        interrupted=False,
        releases=1,
    )
    return made._replace(**changes)


@pytest.mark.parametrize(("number", "text"), [(0, "0 packages"), (1, "1 package"), (1200, "1,200 packages")])
def test_a_number_has_its_noun_in_the_singular_or_the_plural(number: int, text: str) -> None:
    assert counted(number, "package") == text


@pytest.mark.parametrize(("packages", "noun"), [(1, "1 package"), (2, "2 packages")])
def test_packages_are_counted_in_every_text(packages: int, noun: str) -> None:
    locked = LockResult(
        lockfile="/l", changed=True, first=True, diff=PackageDiff(), packages=packages, python="3.11.7"
    )
    added = tuple(PackageChange(f"package-{number}", None, "1.0") for number in range(packages))
    released = ReleaseResult(outcome="released", release=view(packages), diff=PackageDiff(added))
    planned = ReleaseResult(outcome="planned", plan="build", packages=packages, python="3.11.7")
    for lines in (
        lock_lines(locked, PIPE),
        release_lines(released, PIPE),
        release_lines(planned, PIPE),
        status_lines(status(current=view(packages)), PIPE),
    ):
        assert any(f" {noun}" in f" {unstyle(line)}" and f"{noun}s" not in line for line in lines), lines


def test_one_file_and_one_process_are_singular() -> None:
    result = VerifyResult((Verified(id="20261122T094143Z-3f9a1c2", files=1, damaged=()),))
    assert unstyle(verify_lines(result, PIPE)[0]).endswith("intact, 1 file")
    one, two = (status_lines(status(old_processes={"20261122T09": pids}), PIPE) for pids in ((7,), (7, 8)))
    assert "at least 1 process still runs from 20261122T09: venvship ps" in one[-2]
    assert "at least 2 processes still run from 20261122T09: venvship ps" in two[-2]


def test_a_status_without_findings_is_healthy() -> None:
    *_, problems, verified = status_lines(status(), PIPE)
    assert problems == "Problems  none known"
    assert verified.startswith("Files     never verified")
    other = LockfileState(changed=True)
    changed = [unstyle(line) for line in status_lines(status(lockfile=other), PIPE)]
    assert not any(line.startswith("Problems") for line in changed)
    assert any(line.startswith("Lockfile  differs from the live release") for line in changed)


def test_a_hold_is_one_sentence_and_an_event_is_prose() -> None:
    hold = Hold(kind=HoldKind.STANDING, since=NOW, by="deploy", reason="no tea")
    event = Event(
        seq=3, at=NOW, event="rolled-back", release=view(1).id, actor="deploy", reason="no tea", facts={}
    )
    lines = [unstyle(line) for line in status_lines(status(holds=(hold,), live_since=event), PIPE)]
    since = "2026-11-22 09:41:43 UTC (just now)"
    assert f"HELD      unattended releases, since {since} by deploy: no tea" in lines
    assert f"          {hold.end}" in lines
    assert f"Since     {since}, rolled back by deploy: no tea" in lines


@pytest.mark.parametrize("running", [True, False])
def test_an_operation_is_under_way_or_interrupted(running: bool) -> None:
    operation = Operation("release", "deploy", 7, "2026-11-22T09:41:43.000000Z", running)
    line = unstyle(status_lines(status(operation=operation), PIPE)[-2])
    begins = "Now       release is under way, since" if running else "Interrupted  release, since"
    assert line.startswith(begins)
    cleans = "" if running else "; `venvship recover` removes what it has left"
    assert line.endswith(f" by deploy, process 7{cleans}")


def test_where_nothing_is_live_that_is_a_sentence() -> None:
    built = ReleaseResult(outcome="built", release=view(1))
    assert unstyle(release_lines(built, PIPE)[0]) == f"Built: {view(1).id}. Nothing is live"
    recovered = RecoverResult(outcome="abandoned", current=None, debris=())
    assert recover_lines(recovered, PIPE)[0] == "Nothing is live"


def test_an_update_without_news_is_silent_off_a_terminal() -> None:
    result = ReleaseResult(name="shop", outcome="unchanged", release=view(2))
    assert update_lines(result, PIPE) == []
    assert update_lines(result, TERMINAL) != []


def test_a_first_release_lists_its_packages_and_a_later_one_those_that_it_changes() -> None:
    added = tuple(PackageChange(name, None, "1.0") for name in ("app", "dep"))
    first = ReleaseResult(outcome="released", release=view(2), diff=PackageDiff(added))
    later = ReleaseResult(outcome="released", release=view(2), previous=view(0), diff=PackageDiff(added))
    assert differences(first, None) == ["  2 packages: app 1.0 · dep 1.0"]
    assert differences(later, None) == ["  new: app 1.0 · new: dep 1.0"]


def test_another_python_is_a_change_beside_the_packages() -> None:
    python = PackageChange("python", "3.11.7", "3.12.1")
    assert changes(PackageDiff(python=python), None) == ["  CPython 3.11.7 → 3.12.1 · the same packages"]
    compared = DiffResult(view(1).id, view(1).id, PackageDiff(python=python))
    assert [unstyle(line) for line in diff_lines(compared, PIPE)[1:]] == [
        "  CPython  3.11.7  →  3.12.1",
        "  the same packages",
    ]


def test_the_files_that_differ_follow_the_packages() -> None:
    rows = [TreeRow(f"lib/{name}.py", "file", False, name * 64) for name in "abc"]
    examples = tuple(FileDifference(row.path, FileDifferenceKind.ADDED, None, row) for row in rows)
    change = PackageDiff(added=(PackageChange("app", None, "1.0"),))

    def said(diff: PackageDiff, tree: TreeDiff) -> list[str]:
        return [unstyle(line) for line in diff_lines(DiffResult("OLD", "NEW", diff, tree=tree), PIPE)[2:]]

    several = TreeDiff(same=False, differing=1003, examples=examples)
    assert said(PackageDiff(), TreeDiff(same=True)) == []
    assert said(PackageDiff(), several) == [
        "Files     1,003 files differ",
        *(f"  lib/{name}.py: only in NEW" for name in "abc"),
        "  and 1,000 more",
    ]
    first = "the first is lib/a.py: only in NEW"
    assert said(change, several) == [f"Files     1,003 files differ, {first}"]
    one = TreeDiff(same=False, differing=1, examples=examples[:1], problem="OLD is old")
    assert said(PackageDiff(), one) == [f"Files     1 file differs, {first}", "          OLD is old"]
    unknown = TreeDiff(same=False, differing=None, problem="its list is gone")
    assert said(change, unknown) == ["Files     differ; which ones is not known: its list is gone"]


@pytest.mark.parametrize("no_promote", [False, True])
def test_a_plan_heeds_that_nothing_is_promoted(no_promote: bool) -> None:
    plan: Any
    for plan, live, built in (
        ("build", "and make it live", "and leave current as it is"),
        ("reactivate", "Would promote", "Would check"),
    ):
        planned = ReleaseResult(outcome="planned", plan=plan, release=view(1), no_promote=no_promote)
        assert (built if no_promote else live) in release_lines(planned, PIPE)[0]


@pytest.mark.parametrize("state", State)
def test_a_release_that_was_never_live_is_not_promoted_again(state: State) -> None:
    planned = ReleaseResult(outcome="planned", plan="reactivate", release=view(1, state=state, current=False))
    [line] = release_lines(planned, PIPE)[:1]
    assert (" again: " in line) == (state in {State.UNCHECKED, State.PROVEN})
    assert ("which is built already" in line) != (" again: " in line)


def test_a_plan_says_which_hold_it_would_end_or_begin() -> None:
    hold = Hold(kind=HoldKind.SWITCH, since=NOW, by="deploy", reason="no tea")
    since = "since 2026-11-22 09:41:43 UTC (just now) by deploy: no tea"
    ending = HoldChange(ended=hold)
    planned = ReleaseResult(outcome="planned", plan="build", packages=1, python="3.11.7", holds=ending)
    assert unstyle(release_lines(planned, PIPE)[-1]) == f"Would end: unattended releases, {since}"
    live = PromoteResult(
        outcome="planned", release=view(1), previous=view(1), diff=PackageDiff(), changed=True, holds=ending
    )
    assert [unstyle(line) for line in promote_lines(live, PIPE)] == [
        f"Would switch nothing: {view(1).id} is live",
        f"Would end: unattended releases, {since}",
    ]
    begins = ReleaseResult(
        outcome="planned", plan="build", packages=1, python="3.11.7", holds=HoldChange(held=hold)
    )
    assert unstyle(release_lines(begins, PIPE)[-1]) == f"Afterwards: {SWITCH_HOLD}"


def test_the_step_that_names_a_hold_is_whole_on_every_terminal() -> None:
    why = f"{'orders fail, ' * 9}says the shop"
    text = f"ends if the release stays live: held since 2026-11-22 10:07 UTC (just now) by deploy: {why}"
    for width in (40, 80, 200):
        lines = step_lines(Step(name="hold", state=DONE, facts={"text": text}), width)
        assert max(map(length, lines)) < width
        whole = " ".join(" ".join(map(unstyle, lines)).split())
        assert whole == f"✓ hold {text}"
    cut = step_lines(Step(name="switch", state=DONE, facts={"text": text}), 80)
    assert len(cut) == 1
    assert step_lines(Step(name="hold", state=DONE), 80) == []


def test_a_release_that_is_built_and_not_live_is_not_called_live() -> None:
    built = view(1, current=False)
    result = ReleaseResult(outcome="unchanged", release=built, no_promote=True)
    assert [unstyle(line) for line in release_lines(result, PIPE)] == [
        f"Nothing changed: {built.id} is built already. Nothing is live",
        f"Make it live: venvship promote {built.id}",
    ]


def test_after_a_rollback_the_search_for_the_package_to_blame_is_suggested() -> None:
    said = "Which package is to blame: venvship bisect current @{1}"
    for outcome, previous, suggested in (
        ("switched", view(2), True),
        ("switched", None, False),
        ("planned", view(2), False),
        ("unchanged", None, False),
    ):
        back = RollbackResult(outcome=outcome, release=view(1), previous=previous, changed=True)
        assert (said in map(unstyle, rollback_lines(back, PIPE))) == suggested


@pytest.mark.parametrize("changed", [False, True])
def test_a_planned_switch_is_told_in_the_conditional(changed: bool) -> None:
    promoted = PromoteResult(
        outcome="planned", release=view(1), previous=None, diff=PackageDiff(), changed=changed
    )
    back = RollbackResult(outcome="planned", release=view(1), previous=None, changed=changed)
    for line in (promote_lines(promoted, PIPE)[0], rollback_lines(back, PIPE)[0]):
        assert unstyle(line).startswith("Would " if changed else f"Would do nothing: {view(1).id}")
