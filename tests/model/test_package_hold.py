"""Holds of packages, with events as the commands write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.journals import START
from venvship.model.event import Event
from venvship.model.history_fold import fold
from venvship.model.package_hold import HeldVersion, PackageHold, end_facts, ended_reason, hold_facts


def held(seq: int, *packages: HeldVersion, reason: str = "", **facts: Any) -> Event:
    """An event `package-held`."""
    known = hold_facts(packages, **facts)
    return Event(seq, START + timedelta(minutes=seq), "package-held", None, "ann", reason, known)


def unheld(seq: int, *ended: PackageHold) -> Event:
    """An event `package-unheld`."""
    reason = ended_reason(ended, "ended by hand")
    at = START + timedelta(minutes=seq)
    return Event(seq, at, "package-unheld", None, "ann", reason, end_facts(ended))


def in_force(*events: Event, **later: float) -> list[str]:
    """The holds after these events, as arguments of `hold`."""
    return [hold.spelled for hold in fold(events).held_packages(START + timedelta(**later))]


FROZEN = HeldVersion("django", None, "5.2.0")
PAIR = HeldVersion("app", "2.0", "1.0"), HeldVersion("base", "3.0", "2.9")


def test_the_packages_of_a_set_are_held_together_and_end_one_by_one() -> None:
    first = held(1, *PAIR, reason="app==2.0, base==3.0: 'imports' failed", searched=True, check="imports")
    app, base = fold([first]).held_packages(START)
    assert (app.version, app.before, app.check, app.by) == ("2.0", "1.0", "imports", "venvship")
    assert app.together == base.together == ("app", "base")
    assert app.reason == "'imports' failed", "the names are the event's, for `history`"
    assert in_force(first, unheld(2, app)) == ["base==3.0"]


def test_a_package_at_its_version_and_a_version_that_is_held_back_are_two_holds() -> None:
    both = [held(1, FROZEN), held(2, HeldVersion("django", "5.2.1", "5.2.0"))]
    assert in_force(*both) == ["django", "django==5.2.1"]
    back = fold(both).held_packages(START)[1]
    assert in_force(*both, unheld(3, back)) == ["django"]
    later = held(3, HeldVersion("django", "5.2.2", "5.2.0"))
    assert in_force(*both, later) == ["django", "django==5.2.2"], "the later version takes its place"


def test_a_hold_ends_at_its_time() -> None:
    event = held(1, FROZEN, until=START + timedelta(days=1))
    assert in_force(event, hours=23) == ["django"]
    assert in_force(event, hours=24) == []


def test_holds_of_packages_and_of_the_root_leave_each_other_alone() -> None:
    root = [Event(n, START, name, None, "ann") for n, name in ((2, "held"), (3, "unheld"))]
    assert in_force(held(1, FROZEN), *root) == ["django"]
    history = fold([root[0], held(4, FROZEN), unheld(5, *fold([held(4, FROZEN)]).held_packages(START))])
    assert len(history.holds(START)) == 1


def test_three_bad_upgrades_in_a_row_hold_no_root_where_the_culprits_are_held() -> None:
    events: list[Event] = []

    def write(name: str, release: str | None, **facts: Any) -> None:
        at = START + timedelta(minutes=len(events))
        events.append(Event(len(events) + 1, at, name, release, "ann", "", facts))

    for number, release in enumerate("ABCD"):
        write("sealed", release, environment_digest=release.lower())
        write("promoting", release)
        write("rolled-back", None, **{"from": release, "verdict": "bad"})
        assert [hold.kind for hold in fold(events).holds(START)] == []
        if number < 3:
            packages = [{"name": f"p{number}", "version": "2", "before": "1"}]
            write("package-held", None, packages=packages, environment_digest=release.lower())
    history = fold(events)
    assert history.bad_in_a_row == ["d"]
    assert sorted(history.environment_holds) == ["a", "b", "c", "d"], "each of them stays refused"


def test_the_root_is_free_again_once_the_third_culprit_is_held() -> None:
    events: list[Event] = []
    for number, release in enumerate("ABC"):
        sealed = {"environment_digest": release.lower()}
        events.append(Event(2 * number + 1, START, "sealed", release, "ann", "", sealed))
        gone = {"from": release, "verdict": "bad"}
        events.append(Event(2 * number + 2, START, "rolled-back", None, "ann", "", gone))
    assert [hold.kind for hold in fold(events).holds(START)] == ["bad-in-a-row"]
    held_now = held(7, *PAIR, searched=True, environment_digest="c")
    assert fold([*events, held_now]).holds(START) == ()


@pytest.mark.parametrize("packages", [None, "django", ["django"], [{}], [{"name": 1}], [{"name": ""}]])
def test_an_event_of_another_form_counts_as_missing(packages: object) -> None:
    for name in ("package-held", "package-unheld"):
        event = Event(2, START, name, None, "ann", "", {"packages": packages, "until": "soon", "check": 1})
        assert in_force(held(1, FROZEN), event) == ["django"]
