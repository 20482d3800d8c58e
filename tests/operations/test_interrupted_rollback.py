"""A rollback after something else was killed on its way back, and the verdict that is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.roots import Site, refuses
from venvship.model.release import State


def effects(trace: Path, name: str, path: str) -> list[int]:
    """The numbers of the effects of one kind on one path."""
    lines = (line.split(" ", 2) for line in trace.read_text().splitlines())
    return [int(number) for number, what, where in lines if what == name and where.endswith(path)]


def state(site: Site, release: str) -> str:
    return next(str(view.state) for view in site.open().list().releases if view.id == release)


@pytest.fixture
def three(site: Site) -> tuple[str, str, str]:
    return site.release("1.0"), site.release("1.1"), site.release("1.2")


def kill_before_the_way_back(site: Site, release: str, tmp_path: Path) -> None:
    """Promote a release that does not pass; die when that is journalled and `current` still names it."""
    site.settings(refuses("1.0"))
    trace = tmp_path / "trace"
    assert site.run("promote", "--force", release, env={"VENVSHIP_FAILPOINTS": f"trace:{trace}"}).code == 22
    _there, back = effects(trace, "rename", "/current")
    assert site.run("promote", "--force", release, env={"VENVSHIP_FAILPOINTS": f"kill@{back}"}).code == -9
    assert site.events()[-1] == "rolling-back"
    assert site.current == release


def killed_on_trial(site: Site, version: str) -> str:
    """Release a version whose restart hook kills venvship, every time; returns the release."""
    site.lock(version)
    site.settings("[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    assert site.run("release", "--force").code == -9
    return site.current or ""


def test_a_rollback_on_a_way_back_goes_where_that_was_going(
    site: Site, three: tuple[str, str, str], tmp_path: Path
) -> None:
    """The release that did not pass is in the lineage too, further down, and is not gone on from there."""
    a, b, c = three
    kill_before_the_way_back(site, a, tmp_path)
    assert site.run("rollback").code == 0
    assert site.current == c
    assert site.previous == b


def test_a_rollback_from_a_trial_that_is_killed_and_recovered_leaves_it_inconclusive(
    site: Site, three: tuple[str, str, str], tmp_path: Path
) -> None:
    a, b, c = three
    tried = killed_on_trial(site, "1.3")
    assert tried not in {a, b, c}
    assert site.run("rollback").code == -9
    assert site.current == c
    site.settings()
    assert site.run("recover").code == 0
    assert state(site, tried) == State.INCONCLUSIVE


def test_a_rollback_from_a_trial_goes_where_the_trial_came_from_even_if_that_was_bad(site: Site) -> None:
    """The operator went to a bad release by its name. That is what was live, and the service ran from it."""
    site.release("1.1")
    site.settings(refuses("1.0"))
    site.lock("1.0")
    assert site.run("release").code == 22
    bad = next(view.id for view in site.open().list().releases if view.state is State.BAD)
    site.settings()
    assert site.run("rollback", bad).code == 0
    killed_on_trial(site, "1.2")
    site.settings()

    assert site.run("rollback").code == 0

    assert (site.current, state(site, bad)) == (bad, State.BAD)


def test_boot_calls_nothing_bad_since_nobody_asks_the_old_release(
    site: Site, three: tuple[str, str, str], tmp_path: Path
) -> None:
    site.lock("1.3")
    hook = "[ $VENVSHIP_EVENT = promote ] || { kill -9 $PPID; sleep 9; }; exit 1"
    site.settings(f"[hooks]\nrestart = ['sh', '-c', '{hook}']\n")
    assert site.run("release").code == -9
    newest = site.open().list().releases[0].id
    assert site.run("recover", "--boot").code == 22
    assert state(site, newest) == State.INCONCLUSIVE
    assert site.open().status().held is None


def test_boot_refuses_a_first_release_under_the_checks_that_refused_it(site: Site, tmp_path: Path) -> None:
    site.settings(refuses("1.0"))
    trace = tmp_path / "trace"
    assert site.run("release", env={"VENVSHIP_FAILPOINTS": f"trace:{trace}"}).code == 22
    (first,) = (view.id for view in site.open().list().releases)
    assert site.run("unhold").code == 0
    site.run("promote", "--force", first, env={"VENVSHIP_FAILPOINTS": f"trace:{trace}2"})
    back = effects(Path(f"{trace}2"), "unlink", "/current")[-1]
    assert site.run("unhold").code == 0
    assert site.run("promote", "--force", first, env={"VENVSHIP_FAILPOINTS": f"kill@{back}"}).code == -9
    assert site.run("recover", "--boot").code == 22
    assert site.current is None
    assert site.run("release").code == 25, "refused by the same check"
