"""Fixes in the journal: what a lockfile must not bring back, and what a recovery goes on with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from venvship.model.event import Event, EventName
from venvship.model.history_fold import fold
from venvship.model.security_fix import Fix, brought_back, fix_facts, fixes_of
from venvship.operations.switching.errand import Errand, errand_of

NOW = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)
FIX = Fix("django", "5.2.18", "5.2.19", ("PYSEC-2026-7",), ("cooldown",))
ALONG = Fix("sqlparse", "0.4", "0.5")


def event(seq: int, name: EventName, release: str = "new", **facts: object) -> Event:
    return Event(seq, NOW, name, release, "deploy", "", {"from": "old", **facts})


def test_the_facts_are_read_back_and_malformed_ones_count_as_missing() -> None:
    assert fixes_of(event(1, EventName.PROMOTED, **fix_facts([FIX, ALONG]))) == (FIX, ALONG)
    assert fix_facts([]) == {}
    for wrong in (None, 1, {}, [1, {"package": 1, "to": "2"}, {"package": "django"}]):
        assert fixes_of(event(1, EventName.PROMOTED, fixes=wrong)) == ()


def test_a_fix_counts_once_its_release_has_stayed_and_a_recovery_goes_on_with_it() -> None:
    promoting = event(1, EventName.PROMOTING, **Errand(via="update", fixes=(FIX,)).to_facts())
    begun = fold([promoting])
    assert begun.fixes == {}
    assert begun.intent is not None
    assert errand_of(begun.intent).fixes == (FIX,)
    done = fold([promoting, event(2, EventName.PROMOTED, **Errand(via="update", fixes=(FIX,)).to_facts())])
    assert [(one.fix, one.release) for one in done.fixes.values()] == [(FIX, "new")]
    back = fold([promoting, event(2, EventName.ROLLED_BACK, "old", verdict="bad")])
    assert back.fixes == {}


@pytest.mark.parametrize(
    ("asked", "live", "is_brought_back"),
    [
        ("5.2.18", "5.2.19", True),
        ("4.2.27", "5.2.19", True),
        ("5.2.19", "5.2.19", False),
        ("5.2.19.1", "5.2.19", False),
        ("6.0", "5.2.19", False),
        ("5.2.18", "6.0", True),
        ("5.2.18", None, True),
        ("5.2.18", "5.2.17", False),
        (None, "5.2.19", False),
        ("no version", "5.2.19", False),
    ],
)
def test_a_version_below_the_fix_is_brought_back_unless_the_live_one_is_below_it(
    asked: str | None, live: str | None, is_brought_back: bool
) -> None:
    history = fold([event(1, EventName.PROMOTED, **fix_facts([FIX, ALONG]))])
    packages = {} if live is None else {"django": live}
    found = brought_back(history.fixes, {"django": asked, "sqlparse": "0.1"}, packages)
    assert bool(found) is is_brought_back
