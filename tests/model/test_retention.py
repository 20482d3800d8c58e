"""What is kept and what goes: first by example, then invariant I8 for whatever there may be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venvship.model.release import State
from venvship.model.retention import GRACE, LEAST_PROVEN, Decision, Facts, Policy, decide

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
    assert reason(FIVE, "r3", keep=3) == "proven 3 of 3"
    assert reason(FIVE, "r2", keep=3) == "older than the 3 proven releases to keep"


@pytest.mark.parametrize("keep", [2, 1, 0, -7])
def test_never_fewer_than_two(keep: int) -> None:
    assert kept(FIVE, keep=keep) == ["r5", "r4"]


def test_last_means_last_live_not_last_built() -> None:
    """The oldest was promoted again, and is what a rollback would want."""
    releases = [proven(1, last_live_seq=9), *FIVE[1:]]

    assert kept(releases, keep=2) == ["r5", "r1"]


def test_failed_releases_do_not_push_proven_ones_out() -> None:
    releases = [proven(1), proven(2, current=True), *(failed(n) for n in range(3, 9))]

    assert kept(releases, keep=2, keep_failed=2) == ["r8", "r7", "r2", "r1"]


def test_failed_releases_are_counted_apart_newest_first() -> None:
    releases = [
        failed(1),
        failed(2, State.INCONCLUSIVE),
        sealed(3, rejected=True),
        failed(4),
        proven(5),
        proven(6, current=True),
    ]

    assert kept(releases, keep_failed=3) == ["r6", "r5", "r4", "r3", "r2"]
    assert reason(releases, "r4", keep_failed=3) == "failed 1 of 3, to look into"
    assert reason(releases, "r1", keep_failed=3) == "older than the 3 failed releases to keep"


def test_a_proven_release_that_was_refused_later_is_no_failed_one() -> None:
    releases = [proven(1, rejected=True), proven(2), proven(3, current=True)]

    assert kept(releases, keep=3, keep_failed=0) == ["r3", "r2", "r1"]


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
    assert reason(releases, "r1") == "never live, and older than current"


def test_before_the_first_promotion_nothing_that_was_built_goes() -> None:
    assert kept([sealed(1), sealed(2)]) == ["r2", "r1"]


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
    for ago, stays in [(GRACE - timedelta(seconds=1), True), (GRACE, False)]:
        assert ("r1" in kept([proven(1, live_until=NOW - ago), *FIVE[1:]])) == stays


def test_a_time_in_the_future_is_no_reason_to_call_it_long_ago() -> None:
    assert "r1" in kept([proven(1, live_until=NOW + timedelta(days=3)), *FIVE[1:]])


# -- invariant I8 -------------------------------------------------------------------------------------------

MOMENTS = st.one_of(
    st.none(),
    st.integers(-400 * 86_400, 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.integers(-7_200, 7_200).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)


SELDOM = st.sampled_from([False, False, False, False, True])
ROWS = st.builds(
    Facts,
    id=st.just(""),
    seq=st.just(0),
    last_live_seq=st.integers(0, 40),
    state=st.sampled_from(State),
    rejected=st.booleans(),
    pinned=SELDOM,
    in_operation=SELDOM,
    in_use=st.sampled_from(["", "", "", "process 1", "a process holds its lease"]),
    live_until=MOMENTS,
)


@st.composite
def roots(draw: st.DrawFn) -> list[Facts]:
    count = draw(st.integers(0, 8))
    seqs = draw(st.permutations(range(1, count + 1)))
    current, previous = draw(st.tuples(st.integers(-1, count), st.integers(-1, count)))
    rows = draw(st.lists(ROWS, min_size=count, max_size=count))
    return [
        replace(
            row, id=f"r{number}", seq=seqs[number], current=number == current, previous=number == previous
        )
        for number, row in enumerate(rows)
    ]


POLICIES = st.builds(
    Policy,
    keep=st.integers(-2, 8),
    keep_days=st.sampled_from([0.0, 0.5, 1.0, 30.0, 1e9]) | st.floats(0, 1000),
    keep_failed=st.integers(-1, 5),
)
CLOCKS = st.integers(-(10**9), 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds)) | st.just(NOW)

quickly = settings(deadline=None, max_examples=80)


def by_id(decisions: list[Decision]) -> dict[str, Decision]:
    return {decision.id: decision for decision in decisions}


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_every_release_has_exactly_one_decision_with_a_reason_newest_first(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    decisions = decide(releases, policy, now)

    newest = sorted(releases, key=lambda r: r.seq, reverse=True)
    assert [d.id for d in decisions] == [r.id for r in newest]
    assert all(d.reason for d in decisions)


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_never_pruned_are_current_previous_pinned_mid_operation_and_in_use(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    """Whatever the policy, and whatever the clock says."""
    decisions = by_id(decide(releases, policy, now))

    for r in releases:
        if r.current or r.previous or r.pinned or r.in_operation or r.in_use:
            assert decisions[r.id].keep, r


@quickly
@given(roots(), POLICIES)
def test_never_pruned_is_what_was_live_within_the_last_hour(releases: list[Facts], policy: Policy) -> None:
    decisions = by_id(decide(releases, policy, NOW))

    for r in releases:
        if r.live_until is not None and r.live_until > NOW - GRACE:
            assert decisions[r.id].keep, r


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_never_fewer_than_two_proven_while_two_exist(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    decisions = by_id(decide(releases, policy, now))

    there = [r for r in releases if r.state is State.PROVEN]
    stay = [r for r in there if decisions[r.id].keep]
    assert len(stay) >= min(LEAST_PROVEN, len(there))
    # …and they are those that were live last.
    last = sorted((r.last_live_seq for r in there), reverse=True)[:LEAST_PROVEN]
    assert sorted((r.last_live_seq for r in stay), reverse=True)[: len(last)] == last


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_the_rules_are_a_union(releases: list[Facts], policy: Policy, now: datetime) -> None:
    """What a count keeps, days do not take away, and the other way round."""

    def keeps(policy: Policy) -> set[str]:
        return {d.id for d in decide(releases, policy, now) if d.keep}

    bare = replace(policy, keep=0, keep_days=0.0, keep_failed=0)
    parts = [
        keeps(replace(bare, keep=policy.keep)),
        keeps(replace(bare, keep_days=policy.keep_days)),
        keeps(replace(bare, keep_failed=policy.keep_failed)),
    ]
    assert keeps(policy) == set().union(*parts)


@quickly
@given(roots(), POLICIES, CLOCKS, st.integers(1, 4))
def test_failed_releases_neither_push_proven_ones_out_nor_keep_them(
    releases: list[Facts], policy: Policy, now: datetime, more: int
) -> None:
    before = by_id(decide(releases, policy, now))
    extra = [failed(100 + n) for n in range(more)]
    after = by_id(decide([*releases, *extra], policy, now))

    for r in releases:
        if r.state is State.PROVEN:
            assert before[r.id] == after[r.id]


@quickly
@given(roots(), POLICIES)
def test_the_counts_hold_whatever_the_clock_says(releases: list[Facts], policy: Policy) -> None:
    """Forward by decades, only the counts are left; back, everything that was ever live stays."""
    forward = by_id(decide(releases, replace(policy, keep_days=0.0), NOW + timedelta(days=20_000)))
    back = by_id(decide(releases, policy, NOW - timedelta(days=20_000)))

    proven_here = sorted(
        (r for r in releases if r.state is State.PROVEN), key=lambda r: r.last_live_seq, reverse=True
    )
    for r in proven_here[: max(policy.keep, LEAST_PROVEN)]:
        assert forward[r.id].keep
        assert back[r.id].keep
    assert all(back[r.id].keep for r in releases if r.live_until is not None)


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_deciding_again_after_the_removal_removes_nothing_more(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    goes = {d.id for d in decide(releases, policy, now) if not d.keep}
    stay = [r for r in releases if r.id not in goes]

    assert all(d.keep for d in decide(stay, policy, now))
