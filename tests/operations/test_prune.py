"""What prune removes and what it never does, on real roots with real processes."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.roots import Site
from venvship.api import Root
from venvship.errors import DamagedError, NoSuchReleaseError, RejectedError, ReleaseError
from venvship.root import RootLayout
from venvship.system.signals import Signals
from venvship.workspace.workspace import Workspace


@pytest.fixture
def four(site: Site) -> list[str]:
    """Four proven releases, of which two are more than `keep = 2` would keep."""
    site.settings()
    ids = [site.release(version) for version in ("1.0", "1.1", "1.2", "1.3")]
    (site.path / "venvship.toml").write_text(f'name = "shop"\nstore = "{site.store}"\nkeep = 2\n')
    return ids


def prune(site: Site, **options: bool) -> dict[str, str]:
    """Prune eight days later, when hidden processes count no more; returns what was kept, and why."""
    result = site.open(clock=site.later(days=8)).prune(**options)
    return {decision.id: decision.reason for decision in result.kept}


def there(site: Site) -> set[str]:
    return set(os.listdir(site.path / "releases"))


WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"


def test_refused_releases_do_not_pile_up(site: Site) -> None:
    """Each of them is a whole environment, and a host whose check says no to all is looked at by nobody."""
    live = site.release("1.0")
    check = "[[check]]\nname = 'no'\nwhen = 'candidate'\ncommand = ['false']\n"
    site.settings(f"keep_failed = 1\n{check}")
    for version in ("1.1", "1.2", "1.3"):
        site.lock(version)
        with pytest.raises(RejectedError) as caught:
            site.open().release()
    assert there(site) == {live, caught.value.data["release"]}


def test_the_log_of_what_was_refused_can_be_read_even_if_no_failed_release_is_kept(site: Site) -> None:
    live = site.release("1.0")
    site.settings("keep_failed = 0\n[[check]]\nname = 'no'\nwhen = 'candidate'\ncommand = ['false']\n")
    site.lock("1.1")
    with pytest.raises(RejectedError) as caught:
        site.open().release()
    assert there(site) == {live}
    assert Path(caught.value.data["log"]).is_file()


def test_the_oldest_go_and_the_last_ones_stay(site: Site, four: list[str]) -> None:
    a, b, c, d = four
    assert prune(site) == {d: "current", c: "previous: where a rollback goes"}
    assert there(site) == {c, d}
    assert not {a, b} & set(os.listdir(site.path / "state" / "leases"))
    assert [view.id for view in site.open().list().releases] == [d, c]
    with pytest.raises(NoSuchReleaseError):
        site.open().show(a)


def test_what_was_live_within_the_hour_stays(site: Site, four: list[str]) -> None:
    kept = site.open().prune().kept
    assert [decision.id for decision in kept] == four[::-1]
    assert {decision.reason for decision in kept[2:]} == {"live within the last hour"}


def test_a_pinned_release_stays_until_it_is_unpinned(site: Site, four: list[str]) -> None:
    assert site.open().pin(four[0]).release.pinned
    assert prune(site)[four[0]] == "pinned"
    assert not site.open().unpin(four[0]).release.pinned
    prune(site)
    assert there(site) == set(four[2:])


@pytest.mark.parametrize("through", ["current", "release"])
def test_a_python_process_of_a_release_keeps_it_by_its_lease(
    site: Site, four: list[str], through: str
) -> None:
    a = four[0]
    site.open().promote(a)
    folder = site.path / ("current" if through == "current" else f"releases/{a}")
    with waiting(folder / "bin" / "python", "-c", WAIT, env={"PATH": os.defpath}):
        for release_id in (four[1], four[2], four[3]):
            site.open().promote(release_id)
        assert "in use" in prune(site)[a]
        assert a in there(site)
    prune(site)
    assert a not in there(site)


DAEMON = f"import os; os.chdir('/'); os.closerange(3, 4096); {WAIT}"


def test_a_daemon_that_has_closed_its_descriptors_keeps_what_was_live_at_its_start(
    site: Site, four: list[str]
) -> None:
    """Its lease went with them, and it has loaded no library: all it shows is how it was started."""
    a = four[0]
    site.open().promote(a)
    with waiting(site.path / "current" / "bin" / "python", "-c", DAEMON, env={"PATH": os.defpath}) as daemon:
        for release_id in (four[1], four[2], four[3]):
            site.open().promote(release_id)
        says = f"in use: process {daemon.pid}, which was started through current while this release was live"
        assert prune(site, dry_run=True)[a] == says
        assert prune(site)[a] == says
        assert a in there(site)
    prune(site)
    assert a not in there(site)


def test_a_process_that_only_reads_a_file_of_current_keeps_nothing(site: Site, four: list[str]) -> None:
    """It may do so for months, as `tail -F` does."""
    a = four[0]
    site.open().promote(a)
    with waiting("sh", "-c", "echo ready; exec cat", "sh", site.path / "current" / "pyvenv.cfg", cwd="/"):
        for release_id in (four[1], four[2], four[3]):
            site.open().promote(release_id)
        prune(site)
        assert a not in there(site)


def test_a_dry_run_says_what_would_go_and_touches_nothing(site: Site, four: list[str]) -> None:
    before = sorted((p, p.lstat().st_mtime_ns) for p in site.path.rglob("*"))
    result = site.open(clock=site.later(days=8)).prune(dry_run=True)
    assert [decision.id for decision in result.removed] == [four[1], four[0]]
    assert result.freed_bytes > 0
    assert sorted((p, p.lstat().st_mtime_ns) for p in site.path.rglob("*")) == before


def test_freed_bytes_are_those_that_no_other_release_and_no_store_has(site: Site, four: list[str]) -> None:
    def used() -> int:
        done = subprocess.check_output(["du", "-s", "--block-size=1", site.path / "releases", site.store])
        return sum(int(line.split()[0]) for line in done.splitlines())

    before = used()
    result = site.open(clock=site.later(days=8)).prune()
    assert abs(before - used() - result.freed_bytes) <= 64 * 1024


def test_a_release_that_is_being_tried_is_not_pruned(site: Site, four: list[str]) -> None:
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    with workspace.using(four[0]):
        assert "lease" in prune(site)[four[0]]
    prune(site)
    with pytest.raises(ReleaseError), workspace.using(four[0]):
        pass
    site.open().recover()
    assert sorted(os.listdir(site.path / "state" / "leases")) == sorted(there(site))


def test_logs_of_failed_builds_are_bounded_in_number(site: Site) -> None:
    a = site.release("1.0")
    for number in range(30):
        (site.path / "log" / f"20200101T0000{number:02}Z-0000000").mkdir(mode=0o700)
    site.open().prune()
    logs = sorted(os.listdir(site.path / "log"))
    assert logs == [*(f"20200101T0000{number:02}Z-0000000" for number in range(10, 30)), a]


# -- what changes meanwhile ---------------------------------------------------------------------------------


class Meddler(Signals):
    """Does something the first time that prune looks for signals: after its decisions, before it removes."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__()
        self._meddle: Callable[[], object] | None = meddle

    def raise_if_received(self) -> None:
        if self._meddle is not None:
            meddle, self._meddle = self._meddle, None
            meddle()


def prune_while(site: Site, meddle: Callable[[], object]) -> dict[str, str]:
    root = site.open(clock=site.later(days=8), signals=Meddler(meddle))
    return {decision.id: decision.reason for decision in root.prune().kept}


def test_what_is_pinned_after_the_decision_stays(site: Site, four: list[str]) -> None:
    assert prune_while(site, lambda: site.open().pin(four[0]))[four[0]] == "pinned"
    assert there(site) == {four[0], *four[2:]}


def test_what_is_promoted_after_the_decision_stays(site: Site, four: list[str]) -> None:
    kept = prune_while(site, lambda: site.open().promote(four[0]))
    assert kept[four[0]] == "current"
    assert site.current == four[0]
    assert there(site) == {four[0], *four[2:]}


def test_what_somebody_made_current_by_hand_after_the_decision_stays(site: Site, four: list[str]) -> None:
    def by_hand() -> None:
        (site.path / "new").symlink_to(f"releases/{four[0]}")
        (site.path / "new").rename(site.path / "current")

    assert prune_while(site, by_hand)[four[0]] == "current"
    assert four[0] in there(site)


def test_what_is_used_after_the_decision_stays(site: Site, four: list[str]) -> None:
    with contextlib.ExitStack() as stack:
        started = waiting("sh", "-c", "echo ready; cat", cwd=site.path / "releases" / four[0])
        kept = prune_while(site, lambda: stack.enter_context(started))
        assert kept[four[0]].startswith("in use: process ")
    prune(site)
    assert there(site) == set(four[2:])


def test_what_another_prune_removed_meanwhile_is_no_failure(site: Site, four: list[str]) -> None:
    def again() -> None:
        site.open(clock=site.later(days=8)).prune()

    assert list(prune_while(site, again)) == [four[3], four[2]]
    assert there(site) == set(four[2:])
    assert site.events().count("pruned") == 2


# -- clocks -------------------------------------------------------------------------------------------------


def test_nothing_goes_by_the_clock_where_it_is_set_back_a_year_and_forward_ten(site: Site) -> None:
    """Order comes from the journal; ids are never used twice; prune and rollback go by the order."""
    site.settings("keep = 3\n")
    days = {"1.0": 0, "1.1": -365, "1.2": 3650, "1.3": -365}
    ids = []
    for version, ahead in days.items():
        site.lock(version)
        result = site.open(clock=site.later(days=ahead)).release()
        assert result.release is not None
        ids.append(result.release.id)
    a, b, c, d = ids
    assert sorted(ids) != ids
    assert len(set(ids)) == 4

    def listed() -> list[str]:
        return [view.id for view in site.open().list().releases]

    assert listed() == [d, c, b, a]
    assert (site.current, site.previous) == (d, c)
    # What the clock of the time said of a is a year ahead now, and what it said of c ten: both are clamped.
    kept = {decision.id: decision.reason for decision in site.open(clock=site.later(days=-364)).prune().kept}
    assert kept == {
        d: "current",
        c: "previous: where a rollback goes",
        b: "proven or unchecked 3 of 3",
    }
    assert site.open().rollback().release.id == c
    assert site.open().rollback().release.id == b
    assert listed() == [d, c, b]


def test_two_releases_in_the_same_second_have_two_ids(site: Site) -> None:
    """Though the random part is the same as well, as far as what is there and what failed is concerned."""
    now = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)
    tokens = iter(["0000000", "0000000", "0000001"])
    runtime = site.runtime(clock=lambda: now)._replace(token=lambda: next(tokens))
    root = Root.open(site.path, runtime=runtime)
    ids = [root.release(rebuild=True).release for _ in range(2)]
    assert [view.id for view in ids if view] == ["20261122T094143Z-0000000", "20261122T094143Z-0000001"]


def damage_module(site: Site, release: str) -> None:
    """Change a file in place, as a bad disk does: every release that links to it, and the store, has it."""
    [module] = (site.path / "releases" / release).glob("lib/python*/site-packages/late.py")
    module.chmod(0o644)
    module.write_bytes(b"#" * module.stat().st_size)
    module.chmod(0o444)


def follow(site: Site, hint: str) -> None:
    """Type the commands of a remedy."""
    for line in re.findall(r"`([^`]+)`", hint):
        if line.startswith("find "):
            subprocess.run(["sh", "-c", line], check=True)


@pytest.mark.parametrize("live", [False, True])
def test_the_remedy_for_a_damaged_release_ends_with_a_root_that_verify_finds_whole(
    site: Site, live: bool
) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    damaged = b if live else a
    site.open().pin(damaged)
    damage_module(site, damaged)
    with pytest.raises(DamagedError) as caught:
        site.open().verify(all=True)
    hint = str(caught.value.hint)
    commands = re.findall(r"`venvship ([^`]+)`", hint)
    assert commands == [
        *(["release --rebuild --force"] if live else []),
        f"unpin {damaged}",
        "prune --damaged",
        *(["verify --all"] if live else []),
    ]
    assert site.open(clock=site.later(days=8)).prune().removed == (), "it may be the only way back"

    follow(site, hint)
    if live:
        assert site.run("release", "--rebuild", "--force").code == 0
        assert site.open().prune(damaged=True).removed == (), "it was live within the hour"
    site.open().unpin(damaged)
    pruned = site.open(clock=site.later(days=8)).prune(damaged=True)
    [gone] = pruned.removed
    assert gone.id == damaged
    assert gone.reason.startswith("damaged, as `venvship verify` found on ")
    assert all(found.ok for found in site.open().verify(all=True).releases)


def test_damage_that_was_mended_keeps_a_release(site: Site) -> None:
    a, _b = site.release("1.0"), site.release("1.1")
    [module] = (site.path / "releases" / a).glob("lib/python*/site-packages/late.py")
    sealed = module.read_bytes()
    damage_module(site, a)
    with pytest.raises(DamagedError):
        site.open().verify(all=True)
    module.chmod(0o644)
    module.write_bytes(sealed)
    module.chmod(0o444)
    assert site.open(clock=site.later(days=8)).prune(damaged=True).removed == ()
