"""The outcome of a promotion, and the error that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from venvship.errors import InterruptedByError, Result, RollbackFailedError, RolledBackError, StaysError
from venvship.model.release import State
from venvship.operations.switching.trial import Trial, said_fact
from venvship.printable import lines

SwitchOutcome = Literal["promoted", "rolled-back", "rollback-failed", "stays"]

AGAIN: Final = "release again: venvship release"
"""The hint after a release that went back without a verdict: it needs no `--force`."""

PREPARED: Final = "the prepare hook had run before, and what it did is not undone"
"""The line of a message that follows the reason why a release is not live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """The outcome of a promotion.

    Attributes:
        outcome: `"promoted"`, `"rolled-back"`, `"rollback-failed"`, or `"stays"`: a one-way release that did
            not pass.
        release_id: The release that was promoted.
        origin_id: The release that was current before.
        current: The release that is current now.
        trial: The trial of the promoted release.
        trial_back: The trial of the release before, after going back to it.
        verdict: The verdict on the promoted release, when it was rolled back.
        proven: Whether that release was proven before, which no verdict takes back.
        signal: The signal that ended the trial, if one did.
        log: The path of the log that tells more of the trial; `""` for none.
        prepared: Whether the prepare hook had run for the promoted release.
        by_name: Whether the release was asked for by its name, and not by a lockfile.
        source: What a release like it is made from, for people: `"lockfile"` or `"commit"`.
        or_go_back: The end of the hint for an operator, where the release before does not pass either.
    """

    outcome: SwitchOutcome
    release_id: str
    origin_id: str | None
    current: str | None
    trial: Trial
    trial_back: Trial | None = None
    verdict: State | None = None
    proven: bool = False
    signal: int | None = None
    log: str = ""
    prepared: bool = False
    by_name: bool = False
    source: str = "lockfile"
    or_go_back: str = ""

    def raise_if_not_promoted(self, *, result: Result | None = None) -> None:
        """Turn an outcome other than `promoted` into the error of its exit code.

        Raises:
            RolledBackError: `current` is back where it was.
            RollbackFailedError: It is, and that one does not pass either.
            InterruptedByError: It is, because of a signal.
            StaysError: The release stays live, without having passed.
        """
        if self.outcome == "promoted":
            return
        facts = {"log": self.log} if self.log else {}
        facts |= said_fact(self.trial.said)
        prepared = [PREPARED] if self.prepared else []
        if self.outcome == "stays":
            raise StaysError(
                lines(
                    f"{self.release_id} did not pass ({self.trial.problem})",
                    "it stays live, since it was released one-way: no rollback undoes what its prepare hook "
                    "has done",
                    *([self.trial.led] if self.trial.led else []),
                ),
                hint=f"fix the cause, then {self.trial.remedy}; or release a fix: `venvship release`; if the "
                "code of before can work with that change, or the data of before is restored: "
                "`venvship rollback --force`",
                release=self.release_id,
                **facts,
            ).carrying(result)
        if self.outcome == "rollback-failed":
            assert self.trial_back is not None
            raise RollbackFailedError(
                lines(
                    f"{self.release_id} did not pass ({self.trial.problem}), and after going back "
                    f"{self.current or 'nothing'} fails too: {self.trial_back.problem}",
                    *([self.trial_back.led] if self.trial_back.led else []),
                    *prepared,
                ),
                hint=f"look at the service, then {self.trial_back.remedy}{self.or_go_back}",
                release=self.release_id,
                **facts,
            ).carrying(result)
        if self.signal is not None:
            error = InterruptedByError(self.signal, hint=AGAIN)
            error.message += f" while {self.release_id} was on trial; it is no longer live"
            error.message = lines(error.message, *prepared)
            raise error.carrying(result)
        if self.verdict is State.BAD:
            state = "stays proven, since it passed before," if self.proven else "is marked bad"
            verdict = (
                f"{state} and will not be released again until the {self.source}, a check or a hook changes"
            )
            force = f"promote --force {self.release_id}" if self.by_name else "release --force"
            hint = f"fix the cause and release again, or override with `venvship {force}`"
        else:
            verdict = "is inconclusive: the cause may lie elsewhere"
            hint = AGAIN
        raise RolledBackError(
            lines(self.trial.problem or "", f"{self.release_id} {verdict}", *prepared),
            hint=hint,
            release=self.release_id,
            **facts,
        ).carrying(result)
