"""Invariant I8, and all else that retention promises, for whatever releases there may be and any clock."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venvship.model.release import State
from venvship.model.retention import LEAST_GOOD, RECENTLY_LIVE, Decision, Facts, Policy, decide

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1500)

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
    if draw(st.booleans()):
        # As they mostly are: long out of use, so that something goes.
        rows = [
            replace(row, pinned=False, in_operation=False, in_use="", live_until=LONG_AGO) for row in rows
        ]
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

quickly = settings(deadline=None, max_examples=100)


def by_id(decisions: list[Decision]) -> dict[str, Decision]:
    return {decision.id: decision for decision in decisions}


def keeps(releases: list[Facts], policy: Policy, now: datetime) -> set[str]:
    return {decision.id for decision in decide(releases, policy, now) if decision.keep}


def good(releases: list[Facts]) -> list[Facts]:
    """The proven ones, then the unchecked ones, of either the last that were live first."""
    found = [r for r in releases if r.state in {State.PROVEN, State.UNCHECKED}]
    return sorted(found, key=lambda r: (r.state is State.PROVEN, r.last_live_seq, r.seq), reverse=True)


def failed(releases: list[Facts]) -> list[Facts]:
    """Bad, inconclusive and rejected ones, the newest first."""
    found = [r for r in releases if r.state in {State.BAD, State.INCONCLUSIVE, State.REJECTED}]
    return sorted(found, key=lambda r: r.seq, reverse=True)


def is_untried(r: Facts) -> bool:
    return r.state is State.SEALED


def current_seq(releases: list[Facts]) -> list[int]:
    return [r.seq for r in releases if r.current]


# -- what stays --------------------------------------------------------------------------------------


STAYS: dict[str, Callable[[Facts, list[Facts], Policy, datetime], bool]] = {
    "is current, previous, pinned, mid-operation or in use": lambda r, *_: bool(
        r.current or r.previous or r.pinned or r.in_operation or r.in_use
    ),
    "was live within the last hour, or later than now": lambda r, _all, _policy, now: (
        r.live_until is not None and r.live_until > now - RECENTLY_LIVE
    ),
    "is one of the two good ones that come first": lambda r, all_, *_: r in good(all_)[:LEAST_GOOD],
    "is one of the good ones that were asked for": lambda r, all_, policy, _now: (
        r in good(all_)[: max(policy.keep, 0)]
    ),
    "was live within the days that were asked for": lambda r, _all, policy, now: (
        r.live_until is not None and (now - r.live_until).total_seconds() < policy.keep_days * 86_400
    ),
    "is one of the last failed ones": lambda r, all_, policy, _now: (
        r in failed(all_)[: max(policy.keep_failed, 0)]
    ),
    "waits to be promoted: newer than current, or nothing is current": lambda r, all_, *_: (
        is_untried(r) and all(r.seq > seq for seq in current_seq(all_))
    ),
}


@pytest.mark.parametrize("why", STAYS)
def test_a_release_stays_for_each_of_these_reasons_whatever_the_policy_and_the_clock(why: str) -> None:
    @quickly
    @given(roots(), POLICIES, CLOCKS)
    def hold(releases: list[Facts], policy: Policy, now: datetime) -> None:
        kept = keeps(releases, policy, now)
        for r in releases:
            assert r.id in kept or not STAYS[why](r, releases, policy, now), r

    hold()


PROTECTIONS: list[dict[str, Any]] = [
    {"current": True},
    {"previous": True},
    {"pinned": True},
    {"in_operation": True},
    {"in_use": "process 1"},
    {"live_until": timedelta(minutes=-59)},
    {"live_until": timedelta(days=1)},
]


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_whatever_would_go_stays_for_each_of_these_alone(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    goes = {r.id for r in releases} - keeps(releases, policy, now)

    for r in releases:
        for protection in PROTECTIONS if r.id in goes else ():
            change = {
                key: now + value if isinstance(value, timedelta) else value
                for key, value in protection.items()
            }
            protected = [replace(o, **change) if o is r else o for o in releases]
            assert r.id in keeps(protected, policy, now), change


# -- what the policy adds -----------------------------------------------------------------------------------


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_the_rules_are_a_union(releases: list[Facts], policy: Policy, now: datetime) -> None:
    """What a count keeps, days do not take away, and the other way round."""
    bare = replace(policy, keep=0, keep_days=0.0, keep_failed=0)
    parts = [
        keeps(releases, replace(bare, keep=policy.keep), now),
        keeps(releases, replace(bare, keep_days=policy.keep_days), now),
        keeps(releases, replace(bare, keep_failed=policy.keep_failed), now),
    ]
    assert keeps(releases, policy, now) == set().union(*parts)


@quickly
@given(roots(), POLICIES, CLOCKS, st.lists(ROWS, min_size=1, max_size=4))
def test_what_failed_neither_pushes_good_ones_out_nor_keeps_them(
    releases: list[Facts], policy: Policy, now: datetime, more: list[Facts]
) -> None:
    before = by_id(decide(releases, policy, now))
    extra = [
        replace(
            row,
            id=f"x{number}",
            seq=100 + number,
            state=[State.BAD, State.INCONCLUSIVE, State.REJECTED][number % 3],
        )
        for number, row in enumerate(more)
    ]
    after = by_id(decide([*releases, *extra], policy, now))

    for r in releases:
        if r not in failed(releases):
            assert before[r.id] == after[r.id]


# -- the clock ----------------------------------------------------------------------------------------------


@quickly
@given(roots(), POLICIES)
def test_the_counts_hold_whatever_the_clock_says(releases: list[Facts], policy: Policy) -> None:
    """Forward by decades, only the counts are left; back, everything that was ever live stays."""
    forward = keeps(releases, replace(policy, keep_days=0.0), NOW + timedelta(days=20_000))
    back = keeps(releases, policy, NOW - timedelta(days=20_000))

    last = good(releases)[: max(policy.keep, LEAST_GOOD)]
    assert {r.id for r in last} <= forward & back
    assert {r.id for r in releases if r.live_until is not None} <= back


# -- decisions ----------------------------------------------------------------------------------------------

Is = Callable[[Facts, list[Facts], Policy, datetime, re.Match[str]], Any]


def live_within(r: Facts, span: float, now: datetime) -> bool:
    return r.live_until is not None and 0 <= (now - r.live_until).total_seconds() < span


TRUE_OF_KEPT: dict[str, Is] = {
    r"current": lambda r, *_: r.current,
    r"previous: where a rollback goes": lambda r, *_: r.previous,
    r"pinned": lambda r, *_: r.pinned,
    r"an operation on it has no outcome yet": lambda r, *_: r.in_operation,
    r"in use: (.+)": lambda r, _all, _policy, _now, m: r.in_use == m[1],
    r"live until a time that is still to come: .*": lambda r, _all, _p, now, _m: r.live_until > now,
    r"live within the last hour": lambda r, _all, _p, now, _m: live_within(r, 3600, now),
    r"one of the last 2 proven or unchecked": lambda r, all_, *_: r in good(all_)[:2],
    r"proven or unchecked (\d+) of (\d+)": lambda r, all_, policy, _now, m: (
        good(all_).index(r) + 1 == int(m[1]) <= int(m[2]) == policy.keep
    ),
    r"live within (\S+) days": lambda r, _all, policy, now, m: (
        live_within(r, policy.keep_days * 86_400, now) and m[1] == f"{policy.keep_days:g}"
    ),
    r"failed (\d+) of (\d+), to look into": lambda r, all_, policy, _now, m: (
        failed(all_).index(r) + 1 == int(m[1]) <= int(m[2]) == policy.keep_failed
    ),
    r"newer than current": lambda r, all_, *_: is_untried(r) and r.seq > current_seq(all_)[0],
    r"not promoted yet, and nothing is live": lambda r, all_, *_: is_untried(r) and not current_seq(all_),
}
TRUE_OF_GONE: dict[str, Is] = {
    r"not one of the (\d+) proven or unchecked releases to keep": lambda r, all_, policy, _now, m: (
        good(all_).index(r) >= int(m[1]) == max(policy.keep, 2)
    ),
    r"never promoted, and older than current": lambda r, all_, *_: (
        is_untried(r) and r.seq < current_seq(all_)[0]
    ),
    r"failed, and no failed releases are to be kept": lambda r, all_, policy, *_: (
        r in failed(all_) and policy.keep_failed <= 0
    ),
    r"older than the (\d+) failed releases to keep": lambda r, all_, policy, _now, m: (
        failed(all_).index(r) >= int(m[1]) == policy.keep_failed
    ),
}


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_every_release_has_one_decision_with_a_reason_that_is_true_newest_first(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    decisions = decide(releases, policy, now)

    assert [d.id for d in decisions] == [r.id for r in sorted(releases, key=lambda r: r.seq, reverse=True)]
    facts = {r.id: r for r in releases}
    for d in decisions:
        said = [
            is_true(facts[d.id], releases, policy, now, match)
            for pattern, is_true in (TRUE_OF_KEPT if d.keep else TRUE_OF_GONE).items()
            if (match := re.fullmatch(pattern, d.reason))
        ]
        assert said, f"an unknown reason: {d}"
        assert all(said), f"{d} of {facts[d.id]}"


@quickly
@given(roots(), POLICIES, CLOCKS)
def test_deciding_again_after_the_removal_removes_nothing_more(
    releases: list[Facts], policy: Policy, now: datetime
) -> None:
    kept = keeps(releases, policy, now)

    assert keeps([r for r in releases if r.id in kept], policy, now) == kept


@quickly
@given(roots(), POLICIES, CLOCKS, st.randoms(use_true_random=False))
def test_the_order_in_which_releases_come_does_not_matter(
    releases: list[Facts], policy: Policy, now: datetime, chance: random.Random
) -> None:
    shuffled = chance.sample(releases, len(releases))

    assert decide(shuffled, policy, now) == decide(releases, policy, now)
