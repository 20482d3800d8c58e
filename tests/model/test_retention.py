"""What is kept and what goes, by example; `tests/property/test_retention.py` has the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from venvship.model.release import State
from venvship.model.retention import RECENTLY_LIVE, Facts, Policy, decide

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)


def proven(number: int, **changes: Any) -> Facts:
    """The release that was sealed and live as the number says, long ago."""
    return replace(
        Facts(id=f"r{number}", seq=number, last_live_seq=number, state=State.PROVEN, live_until=LONG_AGO),
        **changes,
    )


def failed(number: int, state: State = State.BAD, **changes: Any) -> Facts:
    return replace(Facts(id=f"r{number}", seq=number, state=state, live_until=LONG_AGO), **changes)


def sealed(number: int, **changes: Any) -> Facts:
    return replace(Facts(id=f"r{number}", seq=number), **changes)


def kept(releases: list[Facts], now: datetime = NOW, **policy: Any) -> list[str]:
    policy = {"keep": 2, "keep_failed": 0, **policy}
    return [d.id for d in decide(releases, Policy(**policy), now) if d.keep]


def reason(releases: list[Facts], release: str, now: datetime = NOW, **policy: Any) -> str:
    policy = {"keep": 2, "keep_failed": 0, **policy}
    return next(d.reason for d in decide(releases, Policy(**policy), now) if d.id == release)


FIVE = [proven(n) for n in range(1, 5)] + [proven(5, current=True, live_until=None)]


# -- counts -------------------------------------------------------------------------------------------------


def test_the_proven_releases_that_were_live_last_are_kept() -> None:
    assert kept(FIVE, keep=3) == ["r5", "r4", "r3"]
    assert reason(FIVE, "r3", keep=3) == "proven or unchecked 3 of 3"
    assert reason(FIVE, "r2", keep=3) == "not one of the 3 proven or unchecked releases to keep"


def test_last_means_last_live_not_last_built() -> None:
    """The oldest was promoted again, and is what a rollback would want."""
    releases = [proven(1, last_live_seq=9), *FIVE[1:]]

    assert kept(releases, keep=2) == ["r5", "r1"]


def test_failed_releases_are_counted_apart_newest_first() -> None:
    releases = [
        failed(1),
        failed(2, State.INCONCLUSIVE),
        failed(3, State.REJECTED),
        failed(4),
        proven(5),
        proven(6, current=True),
    ]

    assert kept(releases, keep_failed=3) == ["r6", "r5", "r4", "r3", "r2"]
    assert reason(releases, "r4", keep_failed=3) == "failed 1 of 3, to look into"
    assert reason(releases, "r1", keep_failed=3) == "older than the 3 failed releases to keep"


def test_unchecked_releases_count_after_the_proven_ones() -> None:
    """However many are promoted with no check, the two that passed one stay."""
    unchecked = [proven(n, state=State.UNCHECKED) for n in (3, 4, 5)]
    releases = [proven(1), proven(2), *unchecked, proven(6, state=State.UNCHECKED, current=True)]

    assert kept(releases, keep=2) == ["r6", "r2", "r1"]
    assert kept(releases, keep=4) == ["r6", "r5", "r2", "r1"]
    assert kept(releases[2:], keep=2) == ["r6", "r5"]
    assert reason(releases, "r5", keep=4) == "proven or unchecked 4 of 4"


def test_days_and_counts_are_a_union() -> None:
    recent = NOW - timedelta(days=6)
    releases = [proven(1), proven(2, live_until=recent), proven(3), *FIVE[3:]]

    assert kept(releases, keep=2, keep_days=7) == ["r5", "r4", "r2"]
    assert kept(releases, keep=3, keep_days=7) == ["r5", "r4", "r3", "r2"]
    assert kept(releases, keep=2, keep_days=5) == ["r5", "r4"]
    assert reason(releases, "r2", keep_days=7) == "live within 7 days"
    assert reason(releases, "r2", keep_days=6.5) == "live within 6.5 days"


def test_days_count_for_whatever_was_live() -> None:
    releases = [failed(1, live_until=NOW - timedelta(days=1)), *FIVE[1:]]

    assert kept(releases, keep_days=2) == ["r5", "r4", "r1"]


@pytest.mark.parametrize("days", [1e12, float("inf")])
def test_more_days_than_there_are_keep_everything_that_was_live(days: float) -> None:
    assert len(kept(FIVE, keep_days=days)) == 5


def test_what_was_built_and_not_promoted_stays_while_it_is_newer_than_current() -> None:
    releases = [sealed(1), proven(2), proven(3, current=True), sealed(4)]

    assert kept(releases) == ["r4", "r3", "r2"]
    assert reason(releases, "r4") == "newer than current"
    assert reason(releases, "r1") == "never promoted, and older than current"


def test_before_the_first_promotion_nothing_that_was_built_goes() -> None:
    assert kept([sealed(1), sealed(2)]) == ["r2", "r1"]
    assert reason([sealed(1), sealed(2)], "r1") == "not promoted yet, and nothing is live"


def test_where_no_failed_releases_are_kept_that_is_the_reason() -> None:
    assert reason([failed(1), *FIVE[1:]], "r1") == "failed, and no failed releases are to be kept"


def test_nothing_to_decide() -> None:
    assert decide([], Policy(keep=5), NOW) == []


# -- protection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protection", "said"),
    [
        ({"current": True}, "current"),
        ({"previous": True}, "previous: where a rollback goes"),
        ({"pinned": True}, "pinned"),
        ({"in_operation": True}, "an operation on it has no outcome yet"),
        ({"in_use": "process 4711"}, "in use: process 4711"),
        ({"live_until": NOW - timedelta(minutes=59)}, "live within the last hour"),
    ],
)
@pytest.mark.parametrize("make", [proven, failed, sealed])
def test_a_protected_release_stays_whatever_it_is(make: Any, protection: dict[str, Any], said: str) -> None:
    unprotected = [make(1), *FIVE[1:]]
    assert "r1" not in kept(unprotected)

    releases = [make(1, **protection), *FIVE[1:]]
    assert "r1" in kept(releases)
    assert reason(releases, "r1") == said


def test_the_hour_ends() -> None:
    for ago, stays in [(RECENTLY_LIVE - timedelta(seconds=1), True), (RECENTLY_LIVE, False)]:
        assert ("r1" in kept([proven(1, live_until=NOW - ago), *FIVE[1:]])) == stays


def test_a_time_in_the_future_is_no_reason_to_call_it_long_ago() -> None:
    assert reason([proven(1, live_until=NOW), *FIVE[1:]], "r1") == "live within the last hour"
    releases = [proven(1, live_until=NOW + timedelta(days=3)), *FIVE[1:]]
    assert reason(releases, "r1") == "live until a time that is still to come: the clock was set back"


def test_what_was_relocated_counts_for_nothing_and_goes_once_nothing_uses_it() -> None:
    relocated = [proven(6, relocated=True), failed(7, relocated=True), sealed(8, relocated=True)]
    assert kept([*FIVE, *relocated], keep=3, keep_failed=2, keep_days=999) == kept(
        FIVE, keep=3, keep_days=999
    )
    assert reason([*FIVE, *relocated], "r6") == "relocated: another release took its place"
    assert kept([*FIVE, proven(6, relocated=True, in_use="process 7")])[0] == "r6"
    assert kept([*FIVE, proven(6, relocated=True, live_until=NOW)])[0] == "r6", "live within the last hour"


# -- damage -------------------------------------------------------------------------------------------------


def test_a_damaged_release_that_a_person_wants_gone_counts_for_nothing() -> None:
    damaged = "damaged, as `venvship verify` found"
    releases = [*FIVE[:3], proven(4, damaged=damaged), FIVE[4]]
    assert kept(releases, keep=2) == ["r5", "r3"]
    assert reason(releases, "r4", keep=4, keep_days=1000) == damaged
    assert kept([failed(1, damaged=damaged), failed(2)], keep_failed=2) == ["r2"]


@pytest.mark.parametrize("needs", ["current", "previous", "pinned", "in_operation", "in_use", "live_until"])
def test_a_damaged_release_that_something_needs_stays(needs: str) -> None:
    value = {"in_use": "process 1", "live_until": NOW - RECENTLY_LIVE / 2}.get(needs, True)
    assert kept([proven(1, damaged="damaged", **{needs: value}), *FIVE[1:]], keep=2)[-1] == "r1"
