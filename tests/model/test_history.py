"""What the journal's events amount to, with events as the operations write them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.journals import START, journals
from venvship.model.event import Event
from venvship.model.history import History
from venvship.model.history_fold import fold
from venvship.model.hold import Asker, Hold, HoldKind
from venvship.model.hold_fold import BAD_IN_A_ROW
from venvship.model.release import State
from venvship.model.retention import Facts, Policy, decide
from venvship.model.spelling import format_time

HEALTH = "h" * 64


def anything(_release: str) -> bool:
    return True


def target_of(
    history: History, current: str | None, usable: Callable[[str], bool] = anything, **later: float
) -> str | None:
    """Where a rollback without a name goes from a release; `later`: so long after the last event."""
    now = (history.at or START) + timedelta(**later)
    return history.way_back(current, lambda release: None if usable(release) else "damaged", now).release_id


def target_after(history: History, promoted: str, usable: Callable[[str], bool] = anything) -> str | None:
    """Where it will go once a release has been promoted."""
    now = history.at or START
    problem_of = lambda release: None if usable(release) else "damaged"  # noqa: E731
    return history.way_back_after(promoted, problem_of, now).release_id


class Story:
    """A journal in the making: each method writes the events that the command of its name writes."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.hours = 0.0
        """How much later the next events are."""

    def write(
        self, event: str, release: str | None, *, reason: str = "", actor: str = "alice", **facts: Any
    ) -> Event:
        seq = len(self.events) + 1
        written = Event(
            seq=seq,
            at=START + timedelta(minutes=seq, hours=self.hours),
            event=event,
            release=release,
            actor=actor,
            reason=reason,
            facts={key.rstrip("_"): value for key, value in facts.items()},
        )
        # Whatever is folded has been through the journal's JSON.
        self.events.append(Event.from_json(written.to_json()))
        return self.events[-1]

    @property
    def now(self) -> Any:
        return fold(self.events)

    def held(self, kind: HoldKind = HoldKind.SWITCH) -> Hold | None:
        """The root's hold of a kind."""
        found: Hold | None = self.now.root_holds.get(kind)
        return found

    def target(self, usable: Callable[[str], bool] = anything) -> str | None:
        """What a rollback without a name goes to, when `current` is what the journal says."""
        return target_of(self.now, self.now.expected, usable)

    def seal(self, *releases: str, environment: str = "") -> Story:
        for release in releases:
            self.write(
                "sealed",
                release,
                environment_digest=environment or f"environment of {release}",
                lockfile_sha256=f"lockfile of {release}",
                tree_digest="t" * 64,
            )
        return self

    def promoting(self, release: str, *, unattended: bool = False, tries: int = 1) -> Story:
        self.write(
            "promoting",
            release,
            from_=self.now.expected,
            tries=tries,
            via="update" if unattended else "release",
            unattended=unattended,
        )
        return self

    def promote(
        self, *releases: str, unattended: bool = False, own: str | None = "itself", proved: bool = True
    ) -> Story:
        """Each is sealed first, unless it was.

        Args:
            releases: In this order.
            unattended: Whether it is an update.
            own: The environment of the root's own lockfile; by default the release's. `None`: not recorded.
        """
        for release in releases:
            if release not in self.now.records:
                self.seal(release)
            origin = self.now.expected
            lockfile = self.now.records[release].environment_digest if own == "itself" else own
            fact = {} if unattended or own is None else {"lockfile_environment": lockfile}
            self.promoting(release, unattended=unattended)
            facts = {"via": "release", "unattended": unattended, "proved": proved, **fact}
            self.write("promoted", release, from_=origin, **facts)
        return self

    def fail(
        self, release: str, *, says_no: bool = True, health: str = HEALTH, proved: bool = False
    ) -> Story:
        """A promotion that is taken back, after which what was live before passes."""
        if release not in self.now.records:
            self.seal(release)
        origin = self.now.expected
        self.promoting(release)
        cause = "check 'answers' failed: HTTP 503" if says_no else "interrupted: SIGTERM"
        self.write("rolling-back", origin, reason=cause, from_=release, cause=cause, says_no=says_no)
        self.write(
            "rolled-back",
            origin,
            reason=cause,
            from_=release,
            cause=cause,
            manual=False,
            verdict="bad" if says_no else "inconclusive",
            health_digest=health,
            proved=proved,
        )
        return self

    def fail_both(self, release: str, **outcome: bool) -> Story:
        """A promotion that is taken back, after which what was live before fails too."""
        self.seal(release)
        origin = self.now.expected
        self.promoting(release)
        self.write("rolling-back", origin, reason="no", from_=release, cause="no", says_no=True)
        self.write(
            "rollback-failed",
            origin,
            reason="no either",
            from_=release,
            cause="no",
            manual=False,
            verdict="inconclusive",
            then="no either",
            target_failed=True,
            **outcome,
        )
        return self

    def rollback(
        self,
        release: str | None = None,
        *,
        passes: bool = True,
        message: str = "",
        own: str = "",
        **outcome: bool | None,
    ) -> str:
        """A person's rollback; returns where it went. `own` is as for `promote`; empty: not recorded.

        A fact of its outcome is left out if it is `None`.
        """
        left = self.now.expected
        goal = release or self.target()
        assert goal is not None
        facts: dict[str, Any] = {"from_": left, "manual": True}
        if own:
            facts["lockfile_environment"] = own
        self.write("rolling-back", goal, reason=message, **facts)
        event = "rolled-back" if passes else "rollback-failed"
        facts |= {"proved": False} if passes else {"target_failed": True}
        facts = {key: value for key, value in {**facts, **outcome}.items() if value is not None}
        self.write(event, goal, reason=message or "rolled back by hand", **facts)
        return goal


@pytest.fixture
def story() -> Story:
    return Story()


# -- lineage ------------------------------------------------------------------------------------------------


def test_rollbacks_go_down_one_release_after_the_other(story: Story) -> None:
    story.promote("A", "B", "C")

    assert story.rollback() == "B"
    assert story.rollback() == "A"

    assert story.now.lineage == ["A"]
    assert story.target() is None


def test_a_rollback_does_not_go_back_to_what_was_left_before(story: Story) -> None:
    story.promote("A", "B", "C")
    story.rollback()
    story.promote("D")

    assert story.rollback() == "B"
    assert story.now.lineage == ["A", "B"]


def test_an_old_release_promoted_again_is_on_top_of_what_was_live(story: Story) -> None:
    story.promote("A", "B", "C", "A")

    assert story.rollback() == "C"
    assert story.rollback() == "B"
    assert story.target() is None, "A was left by the first of them"


def test_who_goes_back_twice_comes_back_to_neither(story: Story) -> None:
    """Each was promoted twice, so each has an entry further down."""
    story.promote("X", "A", "B", "A", "B")

    assert story.rollback() == "A"
    assert story.now.lineage == ["X", "A"]
    assert story.rollback() == "X"
    assert story.target() is None

    story.promote("B")
    assert story.now.lineage == ["X", "B"], "a later promotion puts it back"
    story.promote("C")
    assert story.target() == "B"


@pytest.mark.parametrize("recorded", ["not", "as observed", "as announced"])
def test_a_rollback_without_an_outcome_has_left_the_release_all_the_same(story: Story, recorded: str) -> None:
    story.promote("X", "A", "B", "A", "B")
    if recorded == "as observed":
        story.write("observed", "A", expected="B")
    elif recorded == "as announced":
        story.write("rolling-back", "A", from_="B", manual=True)

    assert target_of(story.now, "A") == "X"


@pytest.mark.parametrize("settled", ["by the rollback", "turned back", "by itself"])
def test_a_rollback_from_a_trial_has_left_the_release_that_was_tried(story: Story, settled: str) -> None:
    story.promote("A", "C", "B").promoting("C")
    if settled == "by the rollback":
        story.write("rolling-back", "B", from_="C", manual=True)
        assert target_of(story.now, "B") == "A", "it was interrupted after its switch"
        story.write("rolled-back", "B", from_="C", manual=True, verdict="inconclusive")
    else:
        story.write("rolling-back", "B", from_="C", cause="turned back by a rollback")
        turned = {"turned_back": True} if settled == "turned back" else {}
        story.write("rolled-back", "B", from_="C", manual=False, verdict="inconclusive", **turned)
        if settled == "by itself":
            assert story.target() == "C", "no person has left it"
            story.write("held", "C", after_rollback=True)

    assert story.now.lineage == ["A", "B"]
    assert story.target() == "A"


def test_a_rollback_by_name_to_what_is_not_below_is_a_step_forward(story: Story) -> None:
    """From there, the way back is the release that was left."""
    story.promote("A", "B")
    story.rollback()
    story.rollback("B")

    assert story.now.lineage == ["A", "B"]
    assert story.target() == "A"


def test_a_named_rollback_goes_down_to_the_nearest_time_that_the_release_was_live(story: Story) -> None:
    story.promote("A", "B", "C", "A", "D")

    story.rollback("A")

    assert story.now.lineage == ["A", "B", "C", "A"]
    assert story.target() == "C"


def test_a_named_rollback_to_a_release_that_is_not_below_pushes_it(story: Story) -> None:
    story.promote("A", "B", "C")
    story.rollback()  # to B; C is not in the lineage any more

    story.rollback("C")

    assert story.now.lineage == ["A", "B", "C"]
    assert story.target() == "B"


def test_only_proven_and_usable_releases_are_rolled_back_to(story: Story) -> None:
    story.promote("A", "B", "C", "D")
    story.write("observed", "X", reason="somebody", expected="D")  # never passed a check
    story.promote("E")

    assert story.target() == "D"
    assert story.target(lambda release: release != "D") == "C"
    assert story.target(lambda release: release == "A") == "A"
    assert story.target(lambda _release: False) is None


def test_a_promotion_that_was_taken_back_is_no_part_of_the_lineage(story: Story) -> None:
    story.promote("A", "B").fail("C")

    assert story.now.expected == "B"
    assert story.now.lineage == ["A", "B"]
    assert story.target() == "A"


def test_while_a_release_is_on_trial_everything_lies_below_it(story: Story) -> None:
    story.promote("A", "B", "C").promoting("A")

    assert target_of(story.now, "A") == "C"


def test_a_rollback_passes_over_what_is_recorded_as_pruned_and_still_there() -> None:
    story = Story()
    story.promote("A", "B", "C").write("pruned", "B")

    assert target_of(story.now, "C") == "A"
    assert target_after(story.now, "D") == "C"
    story.write("pruned", "A")
    assert target_of(story.now, "C") is None


def test_on_the_way_back_from_a_trial_everything_still_lies_below_it(story: Story) -> None:
    """The way back is journalled, and `current` is still the release that did not pass."""
    story.promote("A", "B", "C").promoting("A")
    story.write("rolling-back", "C", from_="A", cause="no", says_no=True)

    assert target_of(story.now, "A") == "C"
    assert target_of(story.now, "C") == "B", "and once it is C again, it goes on from there"

    story.write("rolling-back", "C", from_="A", manual=True)
    assert target_of(story.now, "A") == "C"


def test_a_rollback_that_leaves_no_trial_goes_on_from_where_it_is(story: Story) -> None:
    story.promote("X", "A", "B", "C", "A")
    story.write("rolling-back", "B", from_="A", manual=True)

    assert target_of(story.now, "A") == "C"
    assert target_of(story.now, "B") == "X", "A was left"


def test_where_a_rollback_will_go_is_known_before_the_promotion_is_recorded(story: Story) -> None:
    story.promote("A", "B", "C")

    assert target_after(story.now, "A") == "C"
    assert target_after(story.now, "D") == "C"
    assert target_after(story.now, "C") == "B"
    assert target_after(story.now, "D", lambda release: release == "A") == "A"


def test_a_rollback_that_could_not_be_recorded_is_not_undone_by_the_next_one(story: Story) -> None:
    """On a full disk `current` says B while the journal still says C."""
    story.promote("A", "B", "C")

    assert target_of(story.now, "B") == "A"


def test_a_release_that_the_journal_never_saw_live_has_all_of_the_lineage_below_it(story: Story) -> None:
    story.promote("A", "B")

    assert target_of(story.now, "X") == "B"
    assert target_of(story.now, None) == "B"


# -- states -------------------------------------------------------------------------------------------------


def test_a_release_is_sealed_then_proven(story: Story) -> None:
    story.seal("A")
    assert story.now.state("A") is State.SEALED

    story.promote("A")
    assert story.now.state("A") is State.PROVEN
    assert story.now.state("never heard of") is State.SEALED


def test_bad_needs_a_release_that_said_no_and_an_old_one_that_said_yes(story: Story) -> None:
    story.promote("A").fail("B").fail("C", says_no=False).fail_both("D")

    assert story.now.state("B") is State.BAD
    assert story.now.state("C") is State.INCONCLUSIVE
    assert story.now.state("D") is State.INCONCLUSIVE


def test_a_first_release_that_fails_is_bad_and_nothing_is_current(story: Story) -> None:
    story.fail("A")

    assert story.now.state("A") is State.BAD
    assert story.now.expected is None
    assert story.now.lineage == []


def test_bad_is_not_softened_by_a_later_interruption(story: Story) -> None:
    story.promote("A").fail("B").fail("B", says_no=False)

    assert story.now.state("B") is State.BAD


def test_inconclusive_becomes_bad_or_proven_by_a_later_trial(story: Story) -> None:
    story.promote("A").fail("B", says_no=False).fail("C", says_no=False)

    story.fail("B").promote("C")

    assert story.now.state("B") is State.BAD
    assert story.now.state("C") is State.PROVEN


def test_a_bad_release_that_passes_after_all_is_proven(story: Story) -> None:
    story.promote("A").fail("B").promote("B")

    assert story.now.state("B") is State.PROVEN


def test_a_persons_rollback_marks_nothing_bad(story: Story) -> None:
    story.promote("A", "B")
    story.rollback(passes=False)

    assert [story.now.state(release) for release in "AB"] == [State.PROVEN, State.PROVEN]
    assert story.now.environment_holds == {}


def test_going_back_from_an_interrupted_promotion_says_nothing_about_it(story: Story) -> None:
    story.promote("A").seal("B").promoting("B")
    facts = {"from_": "B", "manual": True, "verdict": "inconclusive"}
    story.write("rolling-back", "A", **facts)
    story.write("rolled-back", "A", **facts)

    assert story.now.state("B") is State.INCONCLUSIVE
    assert story.now.lineage == ["A"]
    assert story.held() is not None


def test_going_on_from_an_interrupted_way_back_leaves_what_was_tried_inconclusive(story: Story) -> None:
    """`current` is A again, nothing has judged C yet, and a person goes further back."""
    story.promote("A", "B").promoting("C")
    story.write("rolling-back", "B", from_="C", cause="no", says_no=True)

    story.write("rolling-back", "A", from_="B", manual=True)

    assert story.now.state("C") is State.INCONCLUSIVE
    assert story.now.state("B") is State.PROVEN


def test_what_was_on_trial_when_somebody_moved_the_link_was_live_until_then(story: Story) -> None:
    story.promote("A", "B").seal("C").promoting("C")

    seen = story.write("observed", "A", expected="B")

    assert story.now.records["C"].live_until == seen.at


def test_a_refused_candidate_is_rejected_until_it_is_tried(story: Story) -> None:
    story.seal("A").write("rejected", "A", reason="check 'imports' failed")
    assert story.now.state("A") is State.REJECTED

    story.promoting("A")
    assert story.now.state("A") is State.SEALED, "it has passed its rehearsal"
    story.write("abandoned", "A")
    story.write("rejected", "A", reason="check 'imports' failed")
    story.write("accepted", "A")
    assert story.now.state("A") is State.SEALED, "it has passed, and was not to be promoted"
    story.promote("A").write("rejected", "A", reason="check 'imports' failed")
    assert story.now.state("A") is State.PROVEN


# -- proven and unchecked -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"proved": True}, "proven"),
        ({"proved": False}, "unchecked"),
        ({}, "proven"),
        ({"proved": 0}, "proven"),
    ],
)
def test_proven_needs_a_live_check_that_passed_or_a_journal_from_before(
    story: Story, facts: dict[str, Any], state: str
) -> None:
    story.seal("A").write("promoted", "A", from_=None, **facts)

    assert story.now.state("A") == state


def test_unchecked_becomes_proven_or_bad_by_a_later_check_and_nothing_else_takes_it_back(
    story: Story,
) -> None:
    story.promote("A").promote("B", proved=False).promote("C")

    story.fail("B", says_no=False).write("rejected", "B")
    assert story.now.state("B") is State.UNCHECKED

    other = copy.deepcopy(story)
    other.promote("B", proved=True).promote("C").promote("B", proved=False)
    assert other.now.state("B") is State.PROVEN

    story.fail("B")
    assert story.now.state("B") is State.BAD


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_release_that_passes_a_check_after_a_rollback_is_proven(story: Story, by_hand: bool) -> None:
    """Of either kind: the checks were set after it was released."""
    story.promote("A", proved=False)
    if by_hand:
        story.promote("B")
        story.rollback(proved=True)
    else:
        story.fail("B", proved=True)

    assert story.now.expected == "A"
    assert story.now.state("A") is State.PROVEN


@pytest.mark.parametrize(("proved", "state"), [(True, "proven"), (False, "unchecked"), (None, "sealed")])
def test_what_a_person_rolls_back_to_by_name_is_not_sealed_any_more(
    story: Story, proved: bool | None, state: str
) -> None:
    """Sealed means that it was never live. A journal of before does not say how it went."""
    story.promote("A").seal("S")
    story.rollback("S", proved=proved)

    assert story.now.state("S") == state


def test_a_rollback_passes_over_what_was_unchecked_and_live_for_less_than_a_day(story: Story) -> None:
    story.promote("A", proved=False)
    story.hours = 23.9
    story.promote("B", proved=False)
    assert story.target() == "A", "there is no better one"

    story.hours = 48
    story.promote("C", proved=False)
    assert story.target() == "B", "live for two days"

    story.promote("D", proved=False)
    way_back = story.now.way_back("D", lambda _release: None, story.events[-1].at)
    assert way_back.release_id == "B"
    assert [(passed.id, passed.reason) for passed in way_back.passed_over] == [
        ("C", "unchecked, and live for 3 minutes")
    ]
    assert story.target(lambda release: release != "B") == "C", "then the nearest one"
    assert story.target(lambda release: release == "A") == "A"


def test_a_proven_release_goes_before_a_nearer_unchecked_one(story: Story) -> None:
    story.promote("A").promote("B", "C", "D", proved=False)

    assert story.target() == "A"
    assert story.target(lambda release: release != "A") == "C"
    assert target_after(story.now, "E") == "A"


def test_the_day_of_an_unchecked_release_is_one_without_a_break_and_is_not_forgotten(story: Story) -> None:
    story.promote("A").promote("B", proved=False)
    story.hours = 13
    story.promote("C").promote("B", proved=False).promote("C")
    assert not story.now.records["B"].has_lived_long(story.events[-1].at), "twice thirteen hours"

    story.promote("B", proved=False)
    story.hours = 38
    story.promote("C").promote("B", proved=False).promote("C")
    later = story.events[-1].at + timedelta(days=9)
    assert story.now.records["B"].has_lived_long(later), "a short time after it does not count against it"


def test_the_time_of_a_trial_does_not_count(story: Story) -> None:
    story.promote("A").promote("B", proved=False).promote("C")
    story.hours = 72
    story.fail("B", says_no=False)

    assert not story.now.records["B"].has_lived_long(story.events[-1].at + timedelta(days=9))


def test_a_day_that_a_clock_made_up_does_not_count(story: Story) -> None:
    """It was ten years ahead when B was left, and has been set back since."""
    story.promote("A").promote("B", proved=False)
    story.hours = 87_600
    story.promote("C", proved=False)
    story.hours = 0
    story.promote("D")

    assert story.target() == "A"
    assert story.target(lambda release: release != "A") == "C", "neither has lived long"


def test_while_another_link_is_there_the_time_of_the_release_that_was_live_still_counts(story: Story) -> None:
    """Somebody moved the link yesterday, and no command has recorded that yet."""
    story.promote("A").promote("B", proved=False)

    assert target_of(story.now, "X", hours=23) == "A"
    assert target_of(story.now, "X", hours=25) == "B"


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_failed_as_the_target_of_a_rollback_is_none_any_more(story: Story, by_hand: bool) -> None:
    story.promote("A", "B")
    if by_hand:
        story.promote("C")
        story.rollback(passes=False)
    else:
        story.fail_both("C", turned_back=True)
    story.promote("D")

    way_back = story.now.way_back("D", lambda _release: None, story.events[-1].at)
    assert way_back.release_id == "A"
    assert [passed.id for passed in way_back.passed_over] == ["B"]
    assert way_back.passed_over[0].reason.startswith("failed when a rollback went there, 2026-11-22 ")

    for again in (lambda s: s.promote("B"), lambda s: s.rollback("B", proved=True)):
        other = copy.deepcopy(story)
        again(other)
        other.promote("E")
        assert other.target() == "B"


@pytest.mark.parametrize("proved", [True, False])
def test_what_fails_when_it_is_restored_automatically_stays_a_target(story: Story, proved: bool) -> None:
    """Both failed, so that neither is found to be the cause, and nobody chose the one that was restored."""
    story.promote("A", "B", proved=proved).fail_both("C").promote("D", proved=proved)

    assert story.now.records["B"].failed_at is None
    assert story.target() == "B"
    assert story.now.state("B") is (State.PROVEN if proved else State.UNCHECKED)


@pytest.mark.parametrize("ends", ["promoted", "rolled back", "moved by hand", "checked"])
def test_a_person_is_needed_until_another_outcome_or_a_check_that_passes(story: Story, ends: str) -> None:
    story.promote("A", "B").fail_both("C")
    failed = story.events[-1]
    assert story.now.needs_person == failed
    story.write("checked", "A", proved=True)
    story.promoting("D").write("abandoned", "D")
    assert story.now.needs_person == failed

    match ends:
        case "promoted":
            story.promote("D")
        case "rolled back":
            story.rollback("A")
        case "moved by hand":
            story.write("observed", "A", expected="B")
        case "checked":
            story.write("checked", "B", proved=False)
    assert story.now.needs_person is None


@pytest.mark.parametrize("proved", [True, False])
def test_a_target_that_passes_a_check_later_is_one_again(story: Story, proved: bool) -> None:
    story.promote("A", "B", "C")
    story.rollback(passes=False)
    story.write("checked", "B", proved=proved)
    story.promote("D")

    assert story.target() == ("B" if proved else "A")


def test_a_target_that_could_not_be_asked_has_not_failed(story: Story) -> None:
    story.promote("A", "B", "C")
    story.rollback(passes=False, target_failed=False)
    story.promote("D")

    assert story.target() == "B"


def test_where_nothing_is_left_everything_is_passed_over_with_its_reason(story: Story) -> None:
    story.promote("A").fail("B").write("observed", "B", expected="A")
    story.promote("C")

    way_back = story.now.way_back("C", lambda _release: "its interpreter is gone", story.events[-1].at)
    assert way_back.release_id is None
    assert [(passed.id, passed.reason) for passed in way_back.passed_over] == [
        ("B", "bad"),
        ("A", "cannot be used: its interpreter is gone"),
    ]


def test_on_trial_the_way_back_is_the_release_that_was_left_whatever_it_is(story: Story) -> None:
    story.promote("A").promote("B", proved=False).promoting("C")

    assert target_of(story.now, "C") == "B"
    assert target_of(story.now, "C", lambda release: release != "B") == "A"
    assert target_after(story.now, "C") == "A", "once it is kept"


# -- holds --------------------------------------------------------------------------------------------------


PERSON, SCRIPT, UPDATE = Asker(person=True), Asker(), Asker(unattended=True)
RESUMING = Asker(unattended=True, resumes=True)


def stopped(story: Story, release: str, asker: Asker) -> bool:
    """Whether a hold of the root stops a promotion of a release, which need not be sealed."""
    hold = story.now.stopping(asker, f"environment of {release}", story.events[-1].at)
    return hold is not None


def test_a_persons_rollback_holds_the_root(story: Story) -> None:
    story.promote("A", "B")
    story.rollback(message="orders fail", own="environment of L")

    assert story.now.root_holds == {
        HoldKind.SWITCH: Hold(
            kind=HoldKind.SWITCH,
            by="alice",
            reason="orders fail",
            since=story.events[-1].at,
            release="B",
            known_environments=("environment of B", "environment of L"),
            rolled_back=("environment of B",),
        )
    }


CRON = {"actor": "root (unattended)"}
RECOVERED = "recovered after an interruption"


@pytest.mark.parametrize("event", ["rolled-back", "rollback-failed"])
@pytest.mark.parametrize("message", ["orders fail", ""])
def test_a_hold_names_the_person_whose_rollback_a_recovery_has_finished(
    story: Story, event: str, message: str
) -> None:
    story.promote("A", "B")
    facts = {"from_": "B", "manual": True}
    story.write("rolling-back", "A", reason=message, actor="bob", **facts)
    story.write(event, "A", reason=RECOVERED, **facts, **CRON)

    hold = story.held()
    assert hold is not None
    assert (hold.by, hold.reason) == ("bob", message or "rolled back by hand")


@pytest.mark.parametrize("tries", [1, 2, 3])
@pytest.mark.parametrize("message", ["the old one works", ""])
def test_a_hold_names_the_person_whose_promotion_a_recovery_has_finished(
    story: Story, tries: int, message: str
) -> None:
    """At its last try, or at the second one, which the recovery has announced."""
    story.promote("A", "B")
    facts = {"from_": "B", "lockfile_environment": "environment of B"}
    story.write("promoting", "A", reason=message, actor="bob", tries=1, **facts)
    for n in range(2, tries + 1):
        story.write("promoting", "A", reason=message, tries=n, **facts, **CRON)
    story.write("promoted", "A", reason=f"{message} ({RECOVERED})" if message else RECOVERED, **facts, **CRON)

    hold = story.held()
    assert hold is not None
    assert (hold.by, hold.reason) == ("bob", message or "promoted by hand")


def test_a_hold_of_an_older_journal_names_whom_that_knows(story: Story) -> None:
    """An older venvship announced a promotion without its message."""
    story.promote("A", "B")
    facts = {"from_": "B", "lockfile_environment": "environment of B"}
    story.write("promoting", "A", tries=1, **facts)
    story.write("promoted", "A", reason="the old one works", **facts)

    hold = story.held()
    assert hold is not None
    assert (hold.by, hold.reason) == ("alice", "the old one works")


def test_an_announcement_of_another_switch_names_nobody(story: Story) -> None:
    """The disk was full: the outcome of the first and the announcement of the second were not recorded."""
    story.promote("A", "B", "C")
    story.write("rolling-back", "B", reason="orders fail", from_="C", manual=True, actor="bob")
    story.write("rolled-back", "A", reason="it is slow", from_="B", manual=True)

    hold = story.held()
    assert hold is not None
    assert (hold.by, hold.reason) == ("alice", "it is slow")


def test_so_does_one_whose_target_fails_its_checks(story: Story) -> None:
    story.promote("A", "B")
    story.rollback(passes=False)

    assert story.held() is not None


def observe(story: Story) -> None:
    story.write("observed", "A", expected="B", lockfile_environment="environment of B")


CHOICES: dict[str, Callable[[Story], object]] = {
    "rollback": lambda story: story.rollback(own="environment of B"),
    "promote": lambda story: story.promote("A", own="environment of B"),
    "observed": observe,
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_of_another_release_than_that_of_the_lockfile_stands(story: Story, choice: str) -> None:
    story.promote("A", "B")
    CHOICES[choice](story)

    for release in "ABC":
        assert stopped(story, release, UPDATE), "whatever the lockfile"
        assert stopped(story, release, SCRIPT)
        assert not stopped(story, release, Asker(force=True))
        assert stopped(story, release, PERSON) == (choice == "rollback" and release == "B")
    assert [stopped(story, release, RESUMING) for release in "BC"] == [True, False]

    chosen = story.held()
    assert story.write("unheld", "A").seq
    assert story.held() is None
    assert chosen is not None
    assert chosen.scope == "root"


@pytest.mark.parametrize("choice", CHOICES)
def test_a_switch_hold_ends_by_a_promotion_of_the_own_lockfile_alone(story: Story, choice: str) -> None:
    story.promote("A", "B")
    CHOICES[choice](story)
    held = story.held()
    assert held is not None

    other = copy.deepcopy(story).promote("C", own="environment of B")
    assert other.held() is not None
    assert other.held() != held, "a choice of its own"
    assert copy.deepcopy(story).promote("C", own="").held() is not None, "a lockfile that cannot be read"
    assert copy.deepcopy(story).fail("C").held() == held, "what does not stay live ends nothing"

    assert story.promote("C").held() is None


def test_the_lockfile_of_that_moment_is_no_new_one(story: Story) -> None:
    """It waited there already when the person decided."""
    story.promote("A", "B")
    story.rollback(own="environment of C")

    assert [stopped(story, release, RESUMING) for release in "BCD"] == [True, True, False]
    assert story.seal("C").promote("C", unattended=True).held() is not None
    assert story.promote("D", unattended=True).held() is None


def test_a_person_who_chose_the_own_lockfiles_release_that_is_live_is_done(story: Story) -> None:
    story.promote("A", "B")
    story.rollback(own="environment of A")
    story.fail("C")
    story.write("unheld", "A", kind="switch")

    assert story.held() is None
    assert story.now.refusal("environment of C", HEALTH) is not None, "that is another decision"


def test_a_choice_of_what_is_live_already_holds_too(story: Story) -> None:
    story.promote("A")
    story.write("held", "A", kind="switch", lockfile_environment="environment of B")

    hold = story.held()
    assert hold is not None
    assert hold.known_environments == ("environment of B",)
    assert hold.rolled_back == ()


def test_an_older_journal_ends_a_switch_hold_with_any_promotion_by_a_person(story: Story) -> None:
    story.promote("A", "B", own=None)
    assert story.held() is None
    story.rollback()
    assert story.promote("C", own=None).held() is None


def test_who_goes_back_twice_wants_neither_back(story: Story) -> None:
    story.promote("A", "B", "C")
    story.rollback()
    story.rollback()
    assert story.now.expected == "A"
    assert [stopped(story, name, PERSON) for name in "BCD"] == [True, True, False]
    assert [stopped(story, name, RESUMING) for name in "BCD"] == [True, True, False]

    story.write("unheld", "A")
    story.promote("D")
    story.rollback()
    hold = story.held()
    assert hold is not None
    assert hold.rolled_back == ("environment of D",), "unhold has ended what was before"


def test_who_goes_back_to_what_was_left_wants_it_after_all(story: Story) -> None:
    story.promote("A", "B")
    story.rollback()
    story.rollback("B")

    assert [stopped(story, name, PERSON) for name in "AB"] == [True, False]


def test_a_switch_by_hand_after_a_rollback_is_another_step_away(story: Story) -> None:
    story.promote("A", "B", "C")
    story.rollback()
    story.write("observed", "A", expected="B")
    hold = story.held()
    assert hold is not None
    assert hold.known_environments == ("environment of B", "environment of C")
    assert hold.rolled_back == ("environment of C",)


def test_a_promotion_that_turned_back_for_a_person_holds_already(story: Story) -> None:
    story.promote("A", "B").seal("C")
    story.write("promoting", "C", **{"from": "B"})
    story.write("rolling-back", "B", **{"from": "C"}, cause="turned back by a rollback")
    story.write("rolled-back", "B", **{"from": "C"}, manual=False, verdict="inconclusive", turned_back=True)
    assert [stopped(story, name, PERSON) for name in "BC"] == [False, True]
    story.rollback()
    assert [stopped(story, name, PERSON) for name in "BC"] == [True, True]


def test_a_rollback_that_a_promotion_did_for_us_holds_like_any_other(story: Story) -> None:
    story.promote("A").fail("B", says_no=False)
    story.write("held", "B", reason="too slow", after_rollback=True)
    hold = story.held()
    assert hold is not None
    assert (hold.reason, hold.rolled_back) == ("too slow", ("environment of B",))

    story.promote("C")
    assert story.held() is None


def test_a_hold_that_was_asked_for_and_a_switch_hold_end_each_by_itself(story: Story) -> None:
    story.promote("A", "B")
    story.write("held", "B", reason="frozen until January")
    held = story.held(HoldKind.STANDING)
    assert not stopped(story, "C", SCRIPT)
    assert stopped(story, "C", RESUMING), "a changed lockfile must not lift it"

    story.promote("C")
    story.rollback()
    assert [hold.kind for hold in story.now.holds(story.events[-1].at)] == ["standing", "switch"]
    assert stopped(story, "D", SCRIPT)

    story.promote("D")
    assert story.now.root_holds == {HoldKind.STANDING: held}
    story.write("unheld", "D")
    assert story.now.root_holds == {}


def test_a_hold_with_a_time_is_over_by_the_clock_of_who_asks_and_a_switch_hold_is_not(story: Story) -> None:
    story.promote("A", "B")
    story.rollback()
    until = story.events[-1].at + timedelta(days=3)
    story.write("held", "A", reason="until Monday", until=format_time(until))

    def kinds(moment: datetime) -> list[str]:
        return [hold.kind.value for hold in story.now.holds(moment)]

    assert kinds(until - timedelta(seconds=1)) == ["switch", "standing"]
    assert kinds(until) == ["switch"]
    story.write("held", "A", reason="for good")
    assert kinds(until) == ["standing", "switch"]


def test_a_hold_whose_time_cannot_be_read_has_none(story: Story) -> None:
    story.write("held", None, until="soon")

    assert story.now.holds(story.events[-1].at + timedelta(days=3650)) != ()


def test_a_bad_verdict_holds_the_environment(story: Story) -> None:
    story.promote("A").fail("B")

    hold = story.now.refusal("environment of B", HEALTH)

    assert hold is not None
    assert (hold.scope, hold.release, hold.environment_digest) == ("environment", "B", "environment of B")
    assert "HTTP 503" in hold.reason
    assert story.now.refusal("environment of A", HEALTH) is None
    assert story.now.root_holds == {}


@pytest.mark.parametrize("inconclusive", ["interrupted", "both failed"])
def test_other_verdicts_hold_nothing(story: Story, inconclusive: str) -> None:
    story.promote("A")
    if inconclusive == "interrupted":
        story.fail("B", says_no=False)
    else:
        story.fail_both("B")

    assert story.now.environment_holds == {}


def test_a_refusal_lapses_when_the_checks_or_hooks_change(story: Story) -> None:
    story.promote("A").fail("B", health="before")

    assert story.now.refusal("environment of B", "before") is not None
    assert story.now.refusal("environment of B", "after") is None


def test_a_refusal_without_a_health_digest_does_not_lapse(story: Story) -> None:
    story.promote("A").seal("B").promoting("B")
    story.write("rolled-back", "A", from_="B", manual=False, verdict="bad")

    assert story.now.refusal("environment of B", "any") is not None


def test_a_refusal_survives_prune_and_a_verdict_on_another_release_of_the_environment(story: Story) -> None:
    story.promote("A").seal("B", "B2", environment="E").fail("B")
    story.write("pruned", "B")
    story.fail("B2", says_no=False)

    assert story.now.refusal("E", HEALTH) is not None
    assert story.now.records["B"].pruned


@pytest.mark.parametrize(("unattended", "lifted"), [(False, True), (True, False)])
def test_a_persons_promotion_of_the_environment_lifts_its_refusal(
    story: Story, unattended: bool, lifted: bool
) -> None:
    story.promote("A").seal("B", "B2", environment="E").fail("B").fail("C")

    story.promote("B2", unattended=unattended)

    assert (story.now.refusal("E", HEALTH) is None) == lifted
    assert story.now.refusal("environment of C", HEALTH) is not None


def test_unhold_lifts_everything(story: Story) -> None:
    story.promote("A").fail("B").fail("C").fail("D")
    story.write("unheld", "A")

    assert story.now.root_holds == {}
    assert story.now.environment_holds == {}
    assert story.fail("E").now.root_holds == {}, "counting begins anew"


def test_three_bad_environments_in_a_row_hold_the_root(story: Story) -> None:
    story.promote("A").fail("B").fail("C")
    assert story.now.root_holds == {}

    story.fail("D")
    assert BAD_IN_A_ROW == 3
    hold = story.held(HoldKind.BAD_IN_A_ROW)
    assert hold is not None
    assert (hold.scope, hold.by) == ("root", "venvship")
    assert "3 bad environments" in hold.reason
    assert [stopped(story, "E", asker) for asker in (UPDATE, RESUMING, SCRIPT, PERSON)] == [
        True,
        True,
        False,
        False,
    ]
    assert story.promote("E").now.root_holds == {}


def test_a_good_promotion_between_them_begins_the_row_anew(story: Story) -> None:
    story.promote("A").fail("B").fail("C").promote("D", unattended=True).fail("E").fail("F")

    assert story.now.root_holds == {}


def test_one_environment_that_is_bad_three_times_is_one(story: Story) -> None:
    story.promote("A").seal("B", "C", "D", environment="E").fail("B").fail("C").fail("D")

    assert story.now.root_holds == {}


def test_three_bad_environments_do_not_take_the_place_of_a_persons_hold(story: Story) -> None:
    story.promote("A", "B")
    story.rollback(message="orders fail")
    story.fail("C").fail("D").fail("E")

    assert next(hold.reason for hold in story.now.holds(story.events[-1].at)) == "orders fail"
    story.promote("F", own="environment of A")
    assert [hold.kind for hold in story.now.holds(story.events[-1].at)] == ["switch"]


# -- observed -----------------------------------------------------------------------------------------------


def test_a_switch_by_hand_is_current_from_then_on_and_holds_the_root(story: Story) -> None:
    story.promote("A", "B").seal("X")
    story.write("observed", "X", reason="current was switched outside venvship", expected="B")

    assert story.now.expected == "X"
    assert story.now.lineage == ["A", "B", "X"]
    assert story.now.state("X") is State.SEALED
    assert story.target() == "B"
    hold = story.held()
    assert hold is not None
    assert (hold.by, hold.known_environments) == ("venvship", ("environment of B",))
    assert story.now.was_current(1) == "B"


def test_an_observed_rollback_is_not_undone_by_the_next_one(story: Story) -> None:
    """It switched on a full disk and could not record it; recovery has found out since."""
    story.promote("A", "B", "C")
    story.write("observed", "B", expected="C")

    assert story.target() == "A"


def test_a_link_that_was_removed_is_observed_as_nothing(story: Story) -> None:
    story.promote("A", "B")
    story.write("observed", None, expected="B")

    assert story.now.expected is None
    assert story.now.records["B"].live_until == story.events[-1].at
    assert story.target() == "B"
    assert story.now.was_current(0) is None
    assert story.now.was_current(1) == "B"


# -- what is under way --------------------------------------------------------------------------------------


def test_an_announced_promotion_is_open_until_it_has_an_outcome(story: Story) -> None:
    story.promote("A").seal("B").promoting("B", unattended=True)

    intent = story.now.intent
    assert (intent.kind, intent.origin, intent.target, intent.tries) == ("promote", "A", "B", 1)
    assert intent.unattended
    assert intent.via == "update"
    assert story.now.expected == "A", "what is current changes with the outcome, not with the announcement"

    story.write("promoted", "B", from_="A", via="update", unattended=True)
    assert story.now.intent is None
    assert story.now.expected == "B"
    assert story.now.last_outcome == story.events[-1]


def test_an_abandoned_promotion_leaves_no_trace_but_the_events(story: Story) -> None:
    story.promote("A").seal("B")
    before = story.now
    story.promoting("B")
    story.write("abandoned", "B", reason="interrupted before the switch")

    after = story.now
    assert after.intent is None
    assert (after.expected, after.lineage, after.state("B")) == ("A", ["A"], State.SEALED)
    assert after.last_outcome == before.last_outcome


def test_a_way_back_that_was_taken_is_open_until_it_has_an_outcome(story: Story) -> None:
    story.promote("A").seal("B").promoting("B", unattended=True)
    story.write("rolling-back", "A", reason="HTTP 503", from_="B", cause="HTTP 503", says_no=True)

    intent = story.now.intent
    assert (intent.kind, intent.origin, intent.target, intent.manual) == ("rollback", "B", "A", False)
    assert (intent.cause, intent.says_no) == ("HTTP 503", True)
    assert (intent.via, intent.unattended) == ("update", True), "as it was announced"


def test_a_persons_rollback_is_an_intent_too(story: Story) -> None:
    story.promote("A", "B")
    story.write("rolling-back", "A", from_="B", manual=True)

    assert story.now.intent.manual
    assert story.now.intent.target == "A"


@pytest.mark.parametrize("outcome", ["rolled-back", "rollback-failed"])
def test_an_automatic_rollback_is_closed_by_either_outcome(story: Story, outcome: str) -> None:
    story.promote("A")
    story.fail("B") if outcome == "rolled-back" else story.fail_both("B")

    assert story.now.intent is None
    assert story.now.expected == "A"
    assert story.now.last_outcome.event == outcome


def test_whether_somebody_switched_is_seen_from_the_last_switch_of_whatever_kind(story: Story) -> None:
    story.promote("A")
    began_at = story.now.switch_seq
    story.seal("B").write("pinned", "A")
    story.write("build-failed", None, environment_digest="e", slug="hash-mismatch")
    story.write("superseded", "B")
    story.write("held", "A")
    assert story.now.switch_seq == began_at
    assert story.now.seq == len(story.events)

    for switched in (
        lambda s: s.promote("B"),
        lambda s: s.fail("C"),
        lambda s: s.promoting("B"),
        lambda s: s.write("observed", "B"),
    ):
        other = copy.deepcopy(story)
        switched(other)
        assert other.now.switch_seq > began_at


# -- what was current, and when -----------------------------------------------------------------------------


def test_what_was_current_n_switches_ago(story: Story) -> None:
    story.promote("A", "B", "C").fail("D")
    story.rollback()

    assert [story.now.was_current(n) for n in range(6)] == ["B", "C", "B", "A", None, None]


def test_how_long_a_release_was_live(story: Story) -> None:
    story.promote("A")
    assert story.now.records["A"].live_since == story.events[-1].at
    assert story.now.records["A"].live_until is None

    story.promote("B")
    assert story.now.records["A"].live_until == story.events[-1].at
    assert story.now.records["A"].last_live_seq < story.now.records["B"].last_live_seq

    story.rollback()
    assert story.now.records["A"].live_until is None
    assert story.now.records["B"].live_until == story.events[-1].at
    assert story.now.records["A"].last_live_seq == len(story.events)


def test_nothing_was_live_until_a_time_that_is_still_to_come_by_the_clock_of_now(story: Story) -> None:
    """A week with a clock that is ten years ahead is over when the clock is right again."""
    story.promote("A", "B")
    for number, event in enumerate(story.events):
        story.events[number] = event._replace(at=event.at + timedelta(days=3650))
    ahead = story.now.records["A"].live_until

    story.promote("C")

    first = START + timedelta(minutes=len(story.events) - 2)  # C was sealed: the first by the right clock
    assert ahead > first
    assert story.now.records["A"].live_until == first
    assert story.now.records["B"].live_until == story.events[-1].at
    assert story.now.records["C"].live_until is None


def test_a_release_that_was_only_on_trial_was_live_until_the_way_back(story: Story) -> None:
    story.promote("A").fail("B")

    assert story.now.records["B"].live_until == story.events[-1].at
    assert story.now.records["B"].last_live_seq == 0
    assert story.now.records["A"].live_until is None


def test_the_order_is_that_of_the_journal_also_when_the_clock_is_set_back() -> None:
    story = Story().promote("A", "B", "C")
    for number, event in enumerate(story.events):
        story.events[number] = Event.from_json(
            event.to_json() | {"at": f"20{60 - number}-01-01T00:00:00Z"},
        )

    assert story.target() == "B"
    assert story.now.records["A"].seq < story.now.records["B"].seq < story.now.records["C"].seq


def test_an_event_of_a_newer_venvship_is_passed_over(story: Story) -> None:
    story.promote("A")
    before = story.now
    story.write("quarantined", "A", level=3)
    after = story.now

    assert after.seq == before.seq + 1
    after.seq, after.at = before.seq, before.at
    assert after == before


# -- whatever the journal says ------------------------------------------------------------------------------


def one(event: str, release: str | None, **facts: Any) -> list[Event]:
    return [Event(seq=1, at=START, event=event, release=release, actor="", facts=facts)]


@settings(deadline=None, max_examples=150)
@given(journals(), st.sampled_from([None, "A", "B"]))
@example(one("promoting", "A", tries="twice"), None)
@example(one("promoting", "A", tries=float("inf")), None)
@example([*one("rolled-back", None, verdict=["bad"], **{"from": {"a": 1}})], None)
@example(one("sealed", None), None)
@example(one("rolled-back", "A", **{"from": "A"}), None)
def test_folding_is_total_and_what_comes_out_hangs_together(events: list[Event], current: str | None) -> None:
    history = fold(events)

    assert history.seq == len(events)
    assert history.switch_seq <= history.seq
    assert all(a != b for a, b in zip(history.lineage, history.lineage[1:], strict=False))
    assert set(history.lineage) <= set(history.records)
    last = history.switches[-1].release if history.switches else None
    assert history.expected == (last and history.heir(last))
    if history.expected is not None:
        assert history.records[history.expected].live_until is None
    for release, record in history.records.items():
        assert record.id == release
        assert isinstance(record.state, State)
    target = target_of(history, current)
    on_trial = history.is_on_trial(current)
    assert target is None or on_trial or (target != current and target in history.lineage)
    if target is not None and not on_trial:
        assert history.state(target) in {State.PROVEN, State.UNCHECKED}
        assert history.records[target].failed_at is None
    target_after(history, "A")
    history.was_current(3)
    for environment in ("", "A"):
        history.refusal(environment, HEALTH)
    for hold in (*history.root_holds.values(), *history.environment_holds.values()):
        assert hold.to_json()["scope"] in {"root", "environment"}
        assert hold.end


@settings(deadline=None, max_examples=50)
@given(journals(), st.data())
def test_what_was_folded_does_not_change_with_later_events(events: list[Event], data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(events)))
    was = fold(events[:n])
    kept = copy.deepcopy(was)

    fold(events)

    assert was == kept
    assert fold(events[:n]) == kept


@settings(deadline=None, max_examples=50)
@given(journals())
def test_proven_is_never_taken_back_and_holds_end_only_where_they_may(events: list[Event]) -> None:
    before = fold([])
    for n, event in enumerate(events, start=1):
        after = fold(events[:n])
        for release, record in before.records.items():
            if record.state is State.PROVEN:
                assert after.state(release) is State.PROVEN
        for kind in before.root_holds.keys() - after.root_holds.keys():
            promoted = event.event == "promoted" and kind is not HoldKind.STANDING
            by_a_person = promoted and not event.facts.get("unattended")
            new = promoted and before.root_holds[kind].is_new(
                after.records[str(event.release)].environment_digest
            )
            assert event.event == "unheld" or by_a_person or new
        for environment in before.environment_holds.keys() - after.environment_holds.keys():
            by_a_person = event.event == "promoted" and not event.facts.get("unattended")
            assert event.event == "unheld" or by_a_person, environment
        before = after


def test_what_a_rollback_would_go_to_is_never_pruned_for_its_count(story: Story) -> None:
    """The lineage and retention order proven releases each in its own way; they agree on the nearest two."""
    story.promote("A", "B", "C", "D")
    story.rollback()
    story.promote("E")
    history = story.now
    facts = [
        Facts(id=r.id, seq=r.seq, last_live_seq=r.last_live_seq, state=r.state, current=r.id == "E")
        for r in history.records.values()
    ]

    kept = {d.id for d in decide(facts, Policy(keep=2), START + timedelta(days=1)) if d.keep}

    assert {"E", story.target()} <= kept


# -- relocation ---------------------------------------------------------------------------------------------


def test_the_hash_of_a_manifest_is_that_of_its_sealed_line_and_is_not_handed_over() -> None:
    story = Story().seal("A")
    assert story.now.anchor("A") is None
    story.write("sealed", "B", environment_digest="e", manifest_sha256="b" * 64)
    story.write("sealed", "C", environment_digest="e", manifest_sha256=7)
    story.write("sealed", "B'", environment_digest="e", manifest_sha256="c" * 64)
    story.write("relocated", "B'", from_="B", to="B'")

    anchors = [story.now.anchor(name) for name in ("A", "B", "C", "B'", "nobody")]
    assert anchors == [None, "b" * 64, None, "c" * 64, None]


def relocated(story: Story, old: str, new: str, *, environment: str = "") -> None:
    story.seal(new, environment=environment or f"environment of {old}")
    story.write("relocated", new, from_=old, to=new)


def test_a_release_that_takes_the_place_of_another_has_all_that_was_known_of_it() -> None:
    story = Story().promote("A", "B", "C")
    story.write("pinned", "B")
    before = story.now
    for release in ("A", "B", "C"):
        relocated(story, release, f"{release}'")
    now = story.now

    assert (now.expected, now.lineage) == ("C'", ["A'", "B'", "C'"])
    assert story.target() == "B'"
    assert now.was_current(1) == "B'"
    for release in ("A", "B", "C"):
        old, new = before.records[release], now.records[f"{release}'"]
        assert (new.state, new.seq, new.last_live_seq) == (old.state, old.seq, old.last_live_seq)
        assert (new.pinned, new.live_since) == (old.pinned, old.live_since)
        assert (now.records[release].relocated_to, now.records[release].pinned) == (f"{release}'", False)


def test_the_heir_of_a_release_is_live_once_the_journal_has_it() -> None:
    story = Story().promote("A", "B")
    relocated(story, "A", "A'")
    assert not story.now.has_live_heir("B")
    relocated(story, "B", "B'")
    assert story.now.has_live_heir("B")
    assert not story.now.has_live_heir("A"), "that was switched by hand"
    assert not story.now.has_live_heir(None)


def test_holds_are_about_the_releases_and_environments_that_took_the_place() -> None:
    story = Story().promote("A", "B")
    story.rollback()
    relocated(story, "B", "B'", environment="for another interpreter")

    hold = story.held()
    assert hold is not None
    assert hold.release == "B'"
    assert set(hold.rolled_back) == set(hold.known_environments)
    assert set(hold.known_environments) == {"environment of B", "for another interpreter"}


def test_a_refusal_is_of_the_environment_that_took_the_place_as_well() -> None:
    story = Story().promote("A").fail("B")
    relocated(story, "B", "B'", environment="for another interpreter")
    for digest, release in (("environment of B", "B"), ("for another interpreter", "B'")):
        refusal = story.now.refusal(digest, HEALTH)
        assert refusal is not None
        assert (refusal.environment_digest, refusal.release) == (digest, release)


def test_a_circle_of_relocations_is_not_followed_for_ever() -> None:
    story = Story().seal("A", "B")
    story.write("relocated", "B", from_="A", to="B")
    story.write("relocated", "A", from_="B", to="A")
    assert story.now.heir("A") == "B"


def test_a_release_that_is_live_again_where_it_was_built_stands_for_itself(story: Story) -> None:
    story.promote("A")
    story.write("relocated", "A'", from_="A")
    assert story.now.heir("A") == "A'"
    story.promote("A")
    assert story.now.heir("A") == "A"


def test_a_rejected_release_that_a_person_rolls_back_to_is_unchecked(story: Story) -> None:
    story.promote("A")
    story.write("sealed", "B")
    story.write("rejected", "B")
    story.write("rolled-back", "B", from_="A", manual=True, proved=False)
    assert story.now.state("B") is State.UNCHECKED
