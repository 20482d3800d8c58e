"""What a snapshot keeps: folding on from it says what folding everything says."""

from __future__ import annotations

import ast
import copy
import hashlib
import inspect
import json
from datetime import timedelta
from types import ModuleType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.journals import START, journals
from venvship.model import history as history_module
from venvship.model import history_snapshot
from venvship.model.history import Event, History, fold
from venvship.model.history_snapshot import FOLD, KEPT_SWITCHES, forget, from_json, resume, to_json
from venvship.model.release import canonical_json
from venvship.system import journal_lines

SOURCE = {2: "3a345462e73e4871"}
"""By the number in `FOLD`: the digest of what decides what a snapshot says."""


def through_json(history: History) -> History:
    return from_json(json.loads(canonical_json(to_json(history))))


def has_nan(events: list[Event]) -> bool:
    return any("nan" in repr(event.facts) for event in events)


class Life:
    """A journal as the operations write it, made up step by step: ids are never used again."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.there: list[str] = []
        self.gone: list[str] = []

    def write(self, event: str, release: str | None, **facts: object) -> None:
        seq = len(self.events) + 1
        self.events.append(
            Event(
                seq=seq,
                at=START + timedelta(minutes=seq),
                event=event,
                release=release,
                actor="alice",
                facts={key.rstrip("_"): value for key, value in facts.items()},
            )
        )

    def seal(self) -> str:
        release = f"R{len(self.there) + len(self.gone)}"
        self.there.append(release)
        self.write("sealed", release, environment_digest=f"environment of {release}")
        return release

    def promote(self, release: str, *, unattended: bool = True) -> None:
        origin = fold(self.events).expected
        self.write("promoting", release, from_=origin, via="update", unattended=unattended)
        self.write("promoted", release, from_=origin, via="update", unattended=unattended)

    def fail(self, release: str, verdict: str) -> None:
        origin = fold(self.events).expected
        self.write("promoting", release, from_=origin, via="update", unattended=True)
        self.write("rolling-back", origin, from_=release, cause="no", says_no=verdict == "bad")
        self.write("rolled-back", origin, from_=release, manual=False, verdict=verdict)

    def rollback(self, release: str | None) -> None:
        left = fold(self.events).expected
        self.write("rolling-back", release, from_=left, manual=True)
        self.write("rolled-back", release, from_=left, manual=True)

    def prune(self, release: str) -> None:
        self.there.remove(release)
        self.gone.append(release)
        self.write("pruned", release)

    def age(self, releases: int) -> Life:
        """So many are released, and pruned five releases later."""
        for _ in range(releases):
            self.promote(self.seal())
            if len(self.there) > 5:
                self.prune(self.there[0])
        return self


STEPS = ["seal", "promote", "promote", "prune", "prune", "bad", "inconclusive", "rollback"]
STEPS += [
    "prune",
    "gone",
    "gone",
    "observed",
    "gone",
    "pinned",
    "unpinned",
    "held",
    "unheld",
    "promoting",
    "abandoned",
    "set back",
]


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Up to forty steps of a root, old or young; now and then one that is about a release that is gone."""
    life = Life().age(draw(st.integers(1, 9)))
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=draw(st.integers(0, 12)), max_size=40)):
        release = draw(st.sampled_from(life.there)) if life.there else life.seal()
        current = fold(life.events).expected
        if step == "seal":
            life.seal()
        elif step == "promote":
            life.promote(draw(st.sampled_from([release, life.seal()])), unattended=draw(st.booleans()))
        elif step == "prune":
            if release != current:
                life.prune(release)
        elif step in {"bad", "inconclusive"}:
            life.fail(release, step)
        elif step == "rollback":
            life.rollback(fold(life.events).rollback_target(current, life.there.__contains__))
        elif step == "observed":
            life.write("observed", draw(st.sampled_from([release, None])))
        elif step == "gone" and life.gone:
            event = draw(st.sampled_from(["observed", "promoted", "rolled-back", "refused", "pinned"]))
            life.write(event, draw(st.sampled_from(life.gone)), from_=release, manual=True)
        elif step == "promoting":
            life.write(step, release, from_=current)
        elif step == "set back":
            life.events[-1] = life.events[-1]._replace(at=START - timedelta(days=len(life.events)))
        elif step in {"pinned", "unpinned", "held", "unheld", "abandoned"}:
            life.write(step, release)
    return life.events


def same_answers(short: History, whole: History) -> None:
    """Hold every question that may be put to the one against the other."""
    for release in (None, *short.records):
        assert release is None or short.records[release] == whole.records[release]
        for there in ({*short.records}, {r for r in short.records if not short.records[r].pruned}, {release}):
            target = whole.rollback_target(release, there.__contains__)
            assert short.rollback_target(release, there.__contains__) == target
            after = whole.rollback_target_after(release or "", there.__contains__)
            assert short.rollback_target_after(release or "", there.__contains__) == after
        assert short.is_on_trial(release) == whole.is_on_trial(release)
    for ago in range(len(whole.switches) + 2):
        assert not short.knows_switch(ago) or short.was_current(ago) == whole.was_current(ago)
    assert all(short.knows([name]) or record.pruned for name, record in whole.records.items()), (
        "only what is pruned may be unknown"
    )
    for name in (
        "seq", "at", "switch_seq", "expected", "intent", "last_outcome", "root_hold", "environment_holds",
        "bad_in_a_row", "lockfile_due",
    ):  # fmt: skip
        assert getattr(short, name) == getattr(whole, name), name
    assert short.switches[-1:] == whole.switches[-1:]


@settings(deadline=None, max_examples=200)
@given(journals() | lives(), st.data())
def test_a_history_survives_its_json_and_goes_on_from_there(events: list[Event], data: st.DataObject) -> None:
    if has_nan(events):
        return
    n = data.draw(st.integers(0, len(events)))
    before = fold(events[:n])
    read = through_json(before)
    assert read == before

    assert resume(read, events[n:]) == fold(events)

    assert read == before, "what was folded on is another one"


@settings(deadline=None, max_examples=250)
@given(lives(), st.data())
def test_what_was_forgotten_changes_no_answer(events: list[Event], data: st.DataObject) -> None:
    """Snapshots at any lines, each made from the one before, as far as it can be folded on."""
    lines = sorted(data.draw(st.lists(st.integers(0, len(events)), min_size=1, max_size=8)))
    kept = data.draw(st.integers(1, 4))
    short: History | None = History()
    for start, end in zip([0, *lines], [*lines, len(events)], strict=True):
        whole = fold(events[:end])
        short = resume(through_json(short), events[start:end]) if short is not None else None
        if short is None:
            short = fold(events[:end])
        same_answers(short, whole)
        assert not short.whole or short == whole
        unchanged = copy.deepcopy(short)
        cut = forget(short, switches=kept)
        assert short == unchanged
        same_answers(cut, whole)
        short = cut


def test_an_event_about_a_release_that_was_forgotten_takes_the_whole_journal() -> None:
    life = Life().age(10)
    snapshot = forget(fold(life.events))
    seq = len(life.events)
    life.write("observed", life.gone[0])

    assert not snapshot.whole
    assert not snapshot.knows([life.gone[0]])
    assert resume(snapshot, life.events[seq:]) is None


def test_an_event_that_is_not_folded_may_name_what_was_forgotten() -> None:
    life = Life().age(10)
    snapshot = forget(fold(life.events))
    seq = len(life.events)
    life.write("refused", life.gone[0])

    assert resume(snapshot, life.events[seq:]) is not None


def test_nothing_is_forgotten_of_a_young_root() -> None:
    life = Life().age(5)
    assert forget(fold(life.events)) == fold(life.events)
    assert forget(fold(life.events)).whole


@pytest.mark.parametrize("state", ["", "on trial"])
def test_what_is_live_or_being_switched_is_never_forgotten(state: str) -> None:
    life = Life().age(3)
    a, b, c = life.there
    if state:
        life.write("promoting", a, from_=c)
    for release in (a, b, c):
        life.prune(release)
    expected = {a, c} if state else {c}
    assert set(forget(fold(life.events)).records) == expected


def test_a_snapshot_does_not_grow_with_the_age_of_a_root() -> None:
    young, old = (len(canonical_json(to_json(forget(fold(Life().age(n).events))))) for n in (150, 1500))
    assert old < 1.1 * young


def test_a_hundred_switches_are_known() -> None:
    history = forget(fold(Life().age(KEPT_SWITCHES + 10).events))
    assert history.knows_switch(KEPT_SWITCHES - 1)
    assert not history.knows_switch(KEPT_SWITCHES)


@example([Event(seq=1, at=START + timedelta(microseconds=5), event="held", release=None, actor="")])
@given(lives())
@settings(deadline=None, max_examples=20)
def test_times_are_kept_to_the_last_digit(events: list[Event]) -> None:
    assert through_json(fold(events)).at == fold(events).at


@pytest.mark.parametrize(
    "damage",
    [
        {"records": 5},
        {"records": [{}]},
        {"intent": {"seq": 1}},
        {"intent": "promote"},
        {"at": 5},
        {"at": "yesterday"},
        {"switches": [{}]},
        {"root_hold": {"scope": "root"}},
        {"environment_holds": []},
        {"another key": 1},
    ],
)
def test_another_form_is_refused(damage: dict[str, object]) -> None:
    data = to_json(fold(Life().age(2).events))
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        from_json({**data, **damage})


def test_a_missing_key_is_refused_where_it_would_be_missed() -> None:
    data = to_json(fold(Life().age(2).events))
    for key in data.keys() - {"seq", "whole", "switch_seq", "lineage", "expected", "bad_in_a_row"}:
        with pytest.raises(KeyError):
            from_json({name: value for name, value in data.items() if name != key})


# -- which rules made it -----------------------------------------------------------------------------------


def code_of(*modules: ModuleType) -> str:
    """A digest of the lines of modules that are no docstrings, comments or blanks."""
    digest = hashlib.sha256()
    for module in modules:
        source = inspect.getsource(module)
        said = {
            number
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        for number, line in enumerate(source.splitlines(), start=1):
            if number not in said and line.strip() and not line.strip().startswith("#"):
                digest.update(line.encode() + b"\n")
    return digest.hexdigest()[:16]


def test_whoever_changes_how_events_are_folded_raises_the_number_of_the_fold() -> None:
    """Snapshots that other rules made must not be used: raise `FOLD`, then note the new digest here.

    What cannot change what a snapshot says, such as a new method of `History`, takes only a new digest.
    """
    assert list(SOURCE) == [FOLD]
    assert code_of(history_module, history_snapshot, journal_lines) == SOURCE[FOLD]
