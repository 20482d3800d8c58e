"""The examples of the lineage, on a real root: where a rollback goes, and what `previous` said before."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.patches import a_reader_is_put_to_sleep
from tests.support.roots import Site
from venvship.errors import InterruptedByError, NothingToRollBackToError
from venvship.model.release import State
from venvship.system.signals import Signals


def test_a_rollback_goes_down_the_lineage_one_release_at_a_time(site: Site) -> None:
    a, b, _c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    assert site.previous == b
    site.open().rollback()
    assert (site.current, site.previous) == (b, a)
    site.open().rollback()
    assert (site.current, site.previous) == (a, None)
    with pytest.raises(NothingToRollBackToError):
        site.open().rollback()
    assert site.current == a


def test_who_goes_back_twice_comes_back_to_neither(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    for release in (a, b):
        site.open().promote(release)
    site.open().rollback()
    assert (site.current, site.previous) == (a, None)
    with pytest.raises(NothingToRollBackToError) as caught:
        site.open().rollback()
    assert caught.value.hint is not None
    assert "venvship rollback @{1}" in caught.value.hint
    assert site.open().rollback("@{1}").release.id == b
    assert (site.current, site.previous) == (b, a)


def test_where_previous_leads_elsewhere_a_rollback_goes_where_the_journal_says(site: Site) -> None:
    _a, b, c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    (site.path / "previous").unlink()
    (site.path / "previous").symlink_to(f"releases/{c}")
    site.open().rollback()
    assert site.current == b


def test_previous_names_no_release_that_the_restart_hook_of_a_rollback_has_damaged(site: Site) -> None:
    a, b, c, _d = (site.release(version) for version in ("1.0", "1.1", "1.2", "1.3"))
    python = f"releases/{b}/bin/python"
    hook = f'cd "$VENVSHIP_ROOT" && chmod u+w {os.path.dirname(python)} && rm {python}'
    site.settings(f"[hooks]\nrestart = ['sh', '-c', '{hook}']\n")

    site.open().rollback()

    assert (site.current, site.previous) == (c, a)


def test_a_signal_before_the_switch_ends_a_rollback(site: Site) -> None:
    site.release("1.0")
    site.release("1.1")
    signals, live, events = Signals(), site.current, site.events()
    with signals.install():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedByError):
            site.open(signals=signals).rollback()
    assert (site.current, site.events()) == (live, events)


@pytest.mark.parametrize("command", ["list", "status"])
def test_a_release_between_the_looks_at_journal_and_link_is_not_taken_for_a_switch_by_hand(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    site.release("1.0")
    root = site.open()
    made: list[str] = []
    a_reader_is_put_to_sleep(monkeypatch, lambda: made.append(site.release("1.1")))
    if command == "list":
        found = root.list()
        assert [view.id for view in found.releases if view.current] == made
        assert found.warnings == ()
    else:
        status = root.status()
        assert status.current is not None
        assert (status.current.id, status.current.state) == (made[0], State.UNCHECKED)
        assert status.warnings == ()
