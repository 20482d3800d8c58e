"""The holds that follow from a search, and their lines in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from venvship.model.event import EventName
from venvship.model.package_hold import HeldBack, PackageHold, hold_facts, spelled
from venvship.model.release import PackageChange
from venvship.operations.upgrading.search import Refused, Searched, is_told_apart, problem_of_live
from venvship.workspace.workspace import Workspace

UNTOLD_FOR: Final = timedelta(hours=20)
"""The time for which changes wait that a search with bounds has not come to: until the next night."""

MOST_NAMED: Final = 5
"""The number of changes of a set that a line names; the rest is counted."""

IN_DOUBT: Final = "one or more of these are to blame"


def culprits(searched: Searched, refused: Refused, now: datetime) -> tuple[HeldBack, ...]:
    """Decide what is held back after a search.

    Each set that fails is. Changes that need one of a set follow from it. Changes that the search did not
    come to wait for a day. Where the candidate checks cannot tell, all changes are held back.

    Args:
        searched: The result of the search.
        refused: The refusal of the whole upgrade.
        now: The time.

    Returns:
        The sets. Empty where the live packages fail as well: then no change is to blame.
    """
    if problem_of_live(searched):
        return ()
    if not is_told_apart(searched) or searched.findings is None:
        why = searched.problem or "the candidate checks cannot tell which of these is to blame"
        return _holdable([HeldBack(searched.changes, f"{refused.reason}; {why}", certain=False)])
    found = []
    for one in searched.findings.sets:
        judged = searched.verdict_on(one) or refused.judged
        reason = judged.reason if judged is not None else refused.reason
        if not one.certain and len(one.changes) > 1:
            reason += f"; {IN_DOUBT}"
        check = judged.check if judged is not None else ""
        found.append(HeldBack(one.changes, reason, check or None, one.certain))
    if untold := searched.findings.untold:
        found.append(_not_come_to(untold, searched, refused, now))
    return _holdable(found)


def _not_come_to(
    untold: tuple[PackageChange, ...], searched: Searched, refused: Refused, now: datetime
) -> HeldBack:
    """The changes of which nothing is known: tried again later, without those that are known to fail."""
    until = (now + UNTOLD_FOR).replace(microsecond=0)
    ended = f"after {searched.trials} trial{'' if searched.trials == 1 else 's'}"
    why = f"the search ended {ended}" if searched.stopped else "no trial without the others could be judged"
    check = refused.judged.check if refused.judged is not None else ""
    return HeldBack(untold, f"{refused.reason}; not told apart: {why}", check or None, False, until)


def _holdable(found: Sequence[HeldBack]) -> tuple[HeldBack, ...]:
    """Leave out sets of packages that would only have gone: there is no version to hold back."""
    return tuple(one for one in found if one.held)


def described(held_back: HeldBack) -> str:
    """A set that is held back, in a line: `app 1.0 → 2.0 with dep 1.0 → 1.1: check 'imports' failed`."""
    parts = [change.phrase for change in held_back.changes]
    if len(parts) > MOST_NAMED:
        parts[MOST_NAMED:] = [f"{len(parts) - MOST_NAMED} more"]
    joint = " with " if held_back.certain else ", "
    return f"{joint.join(parts)}: {held_back.reason}"


def planned_holds(found: Sequence[HeldBack], refused: Refused, now: datetime) -> list[PackageHold]:
    """The holds as they will be, for a lockfile that is made before they are recorded."""
    return [
        PackageHold(
            package=each.name,
            version=each.version,
            before=each.before,
            by="venvship",
            reason=one.reason,
            since=now,
            check=one.check,
            together=tuple(other.name for other in one.held),
            environment_digest=refused.environment.digest,
            until=one.until,
        )
        for one in found
        for each in one.held
    ]


def record_culprits(workspace: Workspace, found: Sequence[HeldBack], refused: Refused) -> None:
    """Record the holds, a line for each set.

    Crash: some of the sets are held. The next upgrade is without these, and is searched if it fails as well.

    Raises:
        StateError: The journal is damaged.
        BusyError: The journal's mutex could not be had.
        OSError: It could not be written.
    """
    for one in found:
        facts = hold_facts(
            one.held,
            until=one.until,
            check=one.check,
            environment_digest=refused.environment.digest,
            searched=True,
        )
        named = spelled([each._asdict() for each in one.held])
        workspace.record(EventName.PACKAGE_HELD, release=None, reason=f"{named}: {one.reason}", facts=facts)


def record_without_result(workspace: Workspace, refused: Refused, trials: int, reason: str) -> None:
    """Record that a search has ended without a result, so that no update repeats it; best effort."""
    workspace.record_if_possible(
        EventName.SEARCHED,
        release=None,
        reason=reason,
        facts={
            "environment_digest": refused.environment.digest,
            "trials": trials,
            "unattended": workspace.runtime.unattended,
        },
    )
