"""Run health checks: how often to ask, when an answer counts, when to give up. `kinds.py` says how to ask."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, cast

from venvship.health.attempt import TurnBack
from venvship.health.context import Context
from venvship.health.kinds import KINDS, Ask
from venvship.health.running import joined
from venvship.model.settings_check import Check

MOST_KINDS: Final = 5
"""The number of kinds of answers that a failed check names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class AnswerCount:
    """One kind of answer that a check got.

    Attributes:
        answer: The answer in a word or two, such as `HTTP 503`, `connection refused` or `exit 1`.
        count: How often it came.
    """

    answer: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: Of the check.
        when: `"candidate"` or `"live"`.
        required: Whether its failure counts.
        outcome: `"skipped"` if an earlier required check had failed.
        attempts: How often it was asked.
        seconds: How long it took, pauses included.
        output: One short line for people. It has none of the words of the program or service.
        said: The last words of the program or service of a failed check, short and redacted. The journal, the
            system's log and mails do not get them. The check's log has the whole output.
        answers: The answers by kind, the most frequent first.
        inconclusive: Whether the host could not ask, so that a failure says nothing about the release.
    """

    name: str
    when: Literal["candidate", "live"]
    required: bool
    outcome: Literal["passed", "failed", "skipped"]
    attempts: int
    seconds: float
    output: str
    said: str = ""
    answers: tuple[AnswerCount, ...] = ()
    inconclusive: bool = False

    @property
    def counts_as_failure(self) -> bool:
        """Whether it counts against the release."""
        return self.required and self.outcome == "failed"

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        facts = {**asdict(self), "seconds": round(self.seconds, 3), "output": joined(self.output, self.said)}
        del facts["said"], facts["inconclusive"]  # the state of the release has the second
        return {**facts, "answers": [asdict(answer) for answer in self.answers]}


Watch = Callable[[Check, CheckResult | None], None]
"""Called for each check that is asked: with `None` when it begins, with its result when it ends."""


def run_checks(
    checks: Sequence[Check],
    context: Context,
    *,
    clock: Callable[[], float] = time.monotonic,
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = lambda _check, _result: None,
    kinds: Mapping[str, Ask] = KINDS,
) -> tuple[CheckResult, ...]:
    """Run checks one after the other, in order, until a required one fails.

    Args:
        checks: The checks to run; the caller has chosen those of one `when`.
        context: The release they are about.
        clock: Seconds from any origin, never going backwards.
        stop: Called ten times a second, between and during attempts; true gives up.
        watch: Called when a check begins, and when it ends.
        kinds: The function that asks for each kind.

    Returns:
        One result for each check, in order.

    Raises:
        TurnBack: `stop` returned true. No check is left running.
        InterruptedByError: A signal came. No check is left running.
    """

    def turn_back() -> None:
        if stop():
            raise TurnBack

    results: list[CheckResult] = []
    refused_by: str | None = None
    for check in checks:
        if refused_by is None:
            watch(check, None)
            try:
                result = _run(check, context, clock, turn_back, kinds[check.kind])
            except BaseException:
                watch(check, _result(check, "skipped", 0, 0.0, "ended early"))
                raise
            watch(check, result)
            refused_by = check.name if result.counts_as_failure else None
        else:
            result = _result(check, "skipped", 0, 0.0, f"not asked, since {refused_by} failed")
        results.append(result)
    return tuple(results)


def _run(
    check: Check,
    context: Context,
    clock: Callable[[], float],
    turn_back: Callable[[], None],
    ask: Ask,
) -> CheckResult:
    """Ask until there are enough passes in a row, or until an attempt at or after the deadline fails.

    An attempt, or a row of passes, that is under way at the deadline may finish: rolling back a service that
    has just become healthy would only harm. With a deadline of 0 the attempts of a row follow each other
    without pauses.
    """
    began = clock()
    attempts = row = 0
    kinds: Counter[str] = Counter()
    while True:
        turn_back()
        context.signals.raise_if_received()
        heading = f"== {context.event} {context.release_id}, attempt {attempts + 1}, {clock() - began:.1f} s"
        one = ask(check, context, heading=heading, poll=turn_back)
        attempts += 1
        kinds[one.kind] += 1
        row = row + 1 if one.passed else row if one.not_yet else 0
        seconds = clock() - began
        if row >= check.successes:
            line = f"{one.line}, {row} in a row" if row > 1 else one.line
            result = _result(check, "passed", attempts, seconds, line)
            return replace(result, answers=_answers(kinds))
        if not one.passed and seconds >= check.deadline:
            answers = _answers(kinds)
            result = _result(
                check, "failed", attempts, seconds, _failure(one.line, answers, attempts, seconds)
            )
            return replace(result, answers=answers, said=one.said, inconclusive=one.inconclusive)
        if check.deadline > 0:
            # The last attempt begins at the deadline, not an interval before it.
            pause = check.interval if one.passed else min(check.interval, check.deadline - seconds)
            context.signals.sleep(pause, poll=turn_back)


def _result(
    check: Check, outcome: Literal["passed", "failed", "skipped"], attempts: int, seconds: float, output: str
) -> CheckResult:
    return CheckResult(
        name=check.name,
        when=cast(Literal["candidate", "live"], check.when),
        required=check.required,
        outcome=outcome,
        attempts=attempts,
        seconds=seconds,
        output=output,
    )


def _answers(kinds: Counter[str]) -> tuple[AnswerCount, ...]:
    return tuple(AnswerCount(kind, count) for kind, count in kinds.most_common())


def _failure(last: str, answers: Sequence[AnswerCount], attempts: int, seconds: float) -> str:
    """The line of a failed check: its last answer alone misleads where it got several kinds."""
    if attempts == 1:
        return last
    tries = f"{attempts} tries in {_duration(seconds)}"
    if len(answers) == 1:
        return f"{last}, {tries}"
    counted = [f"{one.answer} × {one.count}" for one in answers[:MOST_KINDS]]  # noqa: RUF001
    if len(answers) > MOST_KINDS:
        counted.append(f"and {len(answers) - MOST_KINDS} more kinds")
    return f"{', '.join(counted)}, {tries}; the last: {last}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def failed_required(results: Sequence[CheckResult]) -> CheckResult | None:
    """The first required check that failed."""
    return next((result for result in results if result.counts_as_failure), None)
