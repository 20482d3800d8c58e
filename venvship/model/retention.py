"""Which releases to keep, and why: a pure function from facts to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from venvship.model.history import DOUBT
from venvship.model.release import State

RECENTLY_LIVE: Final = timedelta(hours=1)
"""A release that was live within this time may still have processes that show it nowhere."""

LEAST_GOOD: Final = 2
"""So many good releases are always kept, while there are so many: the live one and a way back."""

GOOD: Final = (State.PROVEN, State.UNCHECKED)
"""The states of a good release, the better first: a proven one counts before any that is unchecked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What retention needs to know of one release.

    Attributes:
        seq: When it was sealed, in the journal's order.
        last_live_seq: When it last became current, in the journal's order; 0 for never.
        current: Whether it is live.
        previous: Whether a rollback would switch to it.
        pinned: Whether a person protects it.
        relocated: Whether another release took its place; then it counts for nothing.
        damaged: The damage that `verify` has found, for people, where a person asked for that to go; then it
            counts for nothing, too.
        in_operation: Whether an operation without an outcome is about it.
        in_use: Who uses it, for people; `""` for nobody.
        live_until: When it last stopped being current; `None` if it never was, or is.
    """

    id: str
    seq: int
    last_live_seq: int = 0
    state: State = State.SEALED
    current: bool = False
    previous: bool = False
    pinned: bool = False
    relocated: bool = False
    damaged: str = ""
    in_operation: bool = False
    in_use: str = ""
    live_until: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether it is kept for what it is worth, and not only while something needs it."""
        return not (self.relocated or self.damaged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much to keep.

    Attributes:
        keep: Good releases, the proven ones first, then the most recently live; at least 2.
        keep_days: And all that were live within so many days.
        keep_failed: Rejected, bad and inconclusive releases, the newest first.
        damaged: Whether those go that `verify` has found damaged, unless something needs them.
    """

    keep: int
    keep_days: float = 0.0
    keep_failed: int = 2
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one release."""

    id: str
    keep: bool
    reason: str


def decide(releases: Sequence[Facts], policy: Policy, now: datetime) -> list[Decision]:
    """Decide on every release, the newest first.

    The rules are a union: whatever any of them keeps is kept, with the first reason that applies.

    Args:
        releases: All of them, in any order.
        policy: How much to keep.
        now: The time; aware. Only the grace period and `keep_days` look at it, and both only keep more when
            a clock is wrong in one direction, never less than the counts in the other.

    Returns:
        One decision for each release.
    """
    # No two releases have the same `seq`, but a decision must not depend on who says so.
    newest = sorted(releases, key=lambda r: (r.seq, r.id), reverse=True)
    counted = [r for r in newest if r.counts]
    good = sorted(
        (r for r in counted if r.state in GOOD), key=lambda r: (GOOD.index(r.state), -r.last_live_seq)
    )
    failed = [r for r in counted if r.state not in {*GOOD, State.SEALED}]
    rank = {r.id: number for number, r in enumerate(good, start=1)}
    failed_rank = {r.id: number for number, r in enumerate(failed, start=1)}
    live_seq = max((r.seq for r in releases if r.current), default=None)
    decisions = []
    for r in newest:
        ranks = rank.get(r.id, 0), failed_rank.get(r.id, 0)
        reason = _why(r, policy, now, ranks=ranks, live_seq=live_seq)
        decisions.append(Decision(r.id, bool(reason), reason or _why_not(r, policy)))
    return decisions


def _why(
    release: Facts, policy: Policy, now: datetime, *, ranks: tuple[int, int], live_seq: int | None
) -> str:
    """The first reason to keep a release; `""` for none."""
    rank, failed_rank = ranks
    untried = release.state is State.SEALED and release.counts
    # Where the clock was set back, there is no reason to call it long ago.
    ahead = release.live_until is not None and release.live_until > now
    protected = [
        (release.current, "current"),
        (release.previous, "previous: where a rollback goes"),
        (release.pinned, "pinned"),
        (release.in_operation, "an operation on it has no outcome yet"),
        (bool(release.in_use), f"in use: {release.in_use}"),
        (ahead, "live until a time that is still to come: the clock was set back"),
        (_within(release, now, RECENTLY_LIVE.total_seconds()), "live within the last hour"),
        (0 < rank <= LEAST_GOOD, f"one of the last {LEAST_GOOD} proven or unchecked"),
        (0 < rank <= policy.keep, f"proven or unchecked {rank} of {policy.keep}"),
        (
            release.counts and _within(release, now, policy.keep_days * 86_400),
            f"live within {policy.keep_days:g} days",
        ),
        (
            0 < failed_rank <= policy.keep_failed,
            f"failed {failed_rank} of {policy.keep_failed}, to look into",
        ),
        (untried and live_seq is None, "not promoted yet, and nothing is live"),
        (untried and live_seq is not None and release.seq > live_seq, "newer than current"),
    ]
    return next((reason for applies, reason in protected if applies), "")


def _within(release: Facts, now: datetime, span: float) -> bool:
    return release.live_until is not None and (now - release.live_until).total_seconds() < span


def _why_not(release: Facts, policy: Policy) -> str:
    if release.relocated:
        return "relocated: another release took its place"
    if release.damaged:
        return release.damaged
    if release.state in GOOD:
        return f"not one of the {max(policy.keep, LEAST_GOOD)} proven or unchecked releases to keep"
    if release.state is State.SEALED:
        return "never promoted, and older than current"
    if policy.keep_failed <= 0:
        return "failed, and no failed releases are to be kept"
    return f"older than the {policy.keep_failed} failed releases to keep"


def decide_doubt(release: Facts, found_at: datetime | None, now: datetime) -> Decision:
    """Decide on a directory of which journal and disk disagree.

    Args:
        release: Its facts; only those that do not come from the journal.
        found_at: The time when it was found; `None` if that was not recorded yet.
        now: The time; aware.
    """
    if found_at is None:
        return Decision(release.id, keep=True, reason="in doubt: journal and disk disagree about it")
    until = found_at + DOUBT
    protected = [
        (release.previous, "previous: where a rollback goes"),
        (release.pinned, "pinned"),
        (bool(release.in_use), f"in use: {release.in_use}"),
        (now < until, f"in doubt, until {until:%Y-%m-%d}: journal and disk disagree about it"),
    ]
    reason = next((reason for applies, reason in protected if applies), "")
    return Decision(release.id, bool(reason), reason or f"in doubt since {found_at:%Y-%m-%d}")
