"""The search finds exactly the changes that were planted, with few trials, and passes the rest."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.planted import PACKAGES, Planted, mixes
from venvship.model.upgrades.changes import Pinned
from venvship.model.upgrades.closure import Mixes
from venvship.model.upgrades.search import Findings, Search, Verdict

CASES = 240


def independent(count: int) -> Mixes:
    """Packages that need nothing of each other: `p00` …, from 1.0 to 2.0."""
    names = [f"p{number:02}" for number in range(count)]
    return mixes([Pinned(name, "1.0") for name in names], [Pinned(name, "2.0") for name in names])


def searched(
    search: Search,
    is_bad: Callable[[set[str]], bool],
    is_unknown: Callable[[set[str]], bool] = lambda _: False,
) -> Findings:
    """Drive a search. A trial has the names of the packages at 2.0."""
    seen = set()
    while (trial := search.trial) is not None:
        key = tuple(sorted(one.key for one in trial.packages.values()))
        assert key not in seen, "no environment is tried twice"
        seen.add(key)
        new = {name for name, one in trial.packages.items() if one.version == "2.0"}
        search.tell(Verdict.UNKNOWN if is_unknown(new) else Verdict.BAD if is_bad(new) else Verdict.GOOD)
    return search.findings


def names(changes: Iterable[object]) -> list[str]:
    return [str(getattr(change, "name")) for change in changes]  # noqa: B009 - any of the changes


def found(findings: Findings) -> list[list[str]]:
    return sorted(names(one.changes) for one in findings.sets)


def test_planted_sets_are_found_exactly_and_the_rest_passes(
    record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    margins: dict[int, list[float]] = {}
    kinds: Counter[str] = Counter()
    for seed in range(CASES):
        case = Planted(seed)

        def is_bad(new: set[str], sets: list[set[str]] = case.sets) -> bool:
            return any(one <= new for one in sets)

        findings = searched(Search(case.mixes), is_bad)

        assert found(findings) == case.expected(), seed
        blamed = {name for one in findings.sets for name in names(one.changes)}
        waits = {name for name in case.names if case.ties[name] & blamed} - blamed
        assert set(names(findings.waiting)) == waits, seed
        assert set(names(findings.good)) == set(case.names) - blamed - waits, seed
        assert not findings.untold
        assert all(one.certain for one in findings.sets)
        margins.setdefault(case.changes, []).append(findings.trials)
        kinds[f"{'+'.join(str(len(one)) for one in case.sets)}{' tied' if case.tied else ''}"] += 1
    record_property("cases", CASES)
    with capsys.disabled():
        print()
        for changes, trials in sorted(margins.items()):
            most = 2 * changes * math.log2(PACKAGES) + 8
            print(
                f"{changes} planted: {len(trials)} cases, median {statistics.median(trials):g} trials,"
                f" most {max(trials)}, bound {most:.1f}"
            )
            assert statistics.median(trials) <= most
        print(dict(sorted(kinds.items())))
    assert len(kinds) == 10


def test_a_good_upgrade_takes_one_trial_and_blames_nothing() -> None:
    findings = searched(Search(independent(5), before=Verdict.GOOD), lambda _: False)

    assert (findings.outcome, findings.sets, findings.trials) == ("after-not-bad", (), 1)


def test_where_the_set_before_fails_too_nothing_is_blamed() -> None:
    findings = searched(Search(independent(5)), lambda _: True)

    assert (findings.outcome, findings.sets, findings.trials) == ("before-not-good", (), 2)
    assert len(findings.held) == 5


def test_known_verdicts_are_not_tried_again() -> None:
    search = Search(independent(4), before=Verdict.GOOD, after=Verdict.BAD)
    tried = []
    while search.trial is not None:
        tried.append(" ".join(names(search.trial.taken)))
        search.tell(Verdict.BAD if "p02" in names(search.trial.taken) else Verdict.GOOD)

    assert tried == ["p00 p01", "p00 p01 p02", "p02", "p00 p01 p03"]


def test_a_set_that_is_found_is_minimal_by_trial() -> None:
    """A check that fails with p01 alone, and also with p00 and p03: both are found."""
    findings = searched(
        Search(independent(6)), lambda new: "p01" in new or {"p00", "p03"} <= new or {"p00", "p01"} <= new
    )

    assert found(findings) == [["p00", "p03"], ["p01"]]


def test_what_came_along_is_named_apart() -> None:
    search = Search(
        mixes([Pinned("a", "1.0"), Pinned("b", "1.0")], [Pinned("a", "2.0", ("b>=2",)), Pinned("b", "2.0")])
    )
    findings = searched(search, lambda new: "a" in new)

    assert found(findings) == [["a"]]
    assert names(findings.sets[0].along) == ["b"]
    assert names(findings.good) == ["b"]


def test_a_change_that_needs_a_bad_one_waits() -> None:
    search = Search(
        mixes([Pinned("a", "1.0"), Pinned("b", "1.0")], [Pinned("a", "2.0", ("b>=2",)), Pinned("b", "2.0")])
    )
    findings = searched(search, lambda new: "b" in new)

    assert found(findings) == [["b"]]
    assert names(findings.waiting) == ["a"]
    assert findings.good == ()


def test_trials_that_cannot_be_judged_leave_neighbours_in_doubt() -> None:
    """Every trial with p03 and without p04 cannot be judged: p04 is bad, and p03 may be."""
    findings = searched(
        Search(independent(8)),
        lambda new: "p04" in new,
        lambda new: "p03" in new and "p04" not in new,
    )

    assert [(names(one.changes), one.certain) for one in findings.sets] == [(["p03", "p04"], False)]
    assert names(findings.good) == ["p00", "p01", "p02", "p05", "p06", "p07"]


def test_a_rest_that_cannot_be_judged_is_not_shown_good() -> None:
    findings = searched(
        Search(independent(4)), lambda new: "p00" in new, lambda new: new == {"p01", "p02", "p03"}
    )

    assert found(findings) == [["p00"]]
    assert names(findings.untold) == ["p01", "p02", "p03"]
    assert names(findings.held) == ["p00", "p01", "p02", "p03"]


@pytest.mark.parametrize("most", range(20))
def test_a_bound_on_trials_holds_everything_that_is_not_shown_good(most: int) -> None:
    search = Search(independent(16), most=most)
    findings = searched(search, lambda new: {"p03", "p11"} <= new)

    assert findings.trials <= most
    held, good = set(names(findings.held)), set(names(findings.good))
    assert held | good == {f"p{number:02}" for number in range(16)}
    assert not held & good
    assert not {"p03", "p11"} <= good
    assert {one.name for one in findings.packages.values() if one.version == "2.0"} == good


def test_a_stopped_search_has_the_result_so_far() -> None:
    search = Search(independent(16), before=Verdict.GOOD, after=Verdict.BAD)
    while not search.sets:
        assert search.trial is not None
        search.tell(Verdict.BAD if "p03" in names(search.trial.taken) else Verdict.GOOD)
    search.stop()

    assert search.trial is None
    assert found(search.findings) == [["p03"]]
    assert names(search.findings.good) == ["p00", "p01", "p02"]
    with pytest.raises(RuntimeError, match="the search is over"):
        search.tell(Verdict.GOOD)


def test_two_equal_sets_have_nothing_to_search() -> None:
    findings = searched(Search(independent(0)), lambda _: True)

    assert (findings.outcome, findings.trials) == ("before-not-good", 1)


@given(
    planted=st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=4),
    unknown=st.sets(st.integers(0, 9), max_size=2),
)
def test_any_sets_end_in_a_rest_that_passes(planted: list[set[int]], unknown: set[int]) -> None:
    """Also where sets overlap, and where some trials cannot be judged, no mix that fails is called good."""
    bad = [{f"p{number:02}" for number in one} for one in planted]
    doubt = {f"p{number:02}" for number in unknown}

    def is_bad(new: set[str]) -> bool:
        return any(one <= new for one in bad)

    findings = searched(
        Search(independent(10)),
        is_bad,
        lambda new: len(doubt & new) == 1 and not is_bad(new),
    )

    assert not is_bad(set(names(findings.good)))
    for one in findings.sets:
        blamed = set(names(one.changes))
        assert is_bad(blamed)
        if one.certain:
            assert not any(is_bad(blamed - {name}) for name in blamed)
