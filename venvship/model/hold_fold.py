"""The part of the fold that sets holds, and hands them over to a release that was relocated."""

from __future__ import annotations

from typing import Final

from venvship.model.event import RECOVERED, Event, EventName
from venvship.model.history import History, Intent, Record
from venvship.model.hold import Hold, HoldKind
from venvship.model.package_hold import fold_package_held, fold_package_unheld

BAD_IN_A_ROW: Final = 3
"""This number of bad environments, with no good one between them, holds the whole root."""


def _environment(history: History, release_id: str | None) -> str:
    """The environment of a release; empty if it is not known."""
    record = history.records.get(release_id) if release_id is not None else None
    return record.environment_digest if record is not None else ""


def hold_switch(
    history: History,
    event: Event,
    *,
    left: str | None,
    rolled_back: bool = False,
    reason: str,
    intent: Intent | None = None,
) -> None:
    """Hold the root after a person's choice of a release. What earlier switch holds knew is kept.

    A person who rolls back twice has left two releases, and wants neither back.

    Args:
        history: The history; changed.
        event: The choice. Its release is live now, except in `held`, which comes after the switch.
        left: The release that was left.
        rolled_back: Whether the person rolled back from that one.
        reason: For people, if neither the person nor the event has given one.
        intent: The choice as the person announced it, if that is known: another user's command may have
            recorded its outcome, after an interruption.
    """
    earlier = history.root_holds.get(HoldKind.SWITCH)
    left_environment = _environment(history, left)
    known = {left_environment, event.text("lockfile_environment") or ""}
    gone = {left_environment} if rolled_back else set()
    if earlier is not None:
        known |= set(earlier.known_environments)
        gone |= set(earlier.rolled_back)
    chosen = _environment(history, history.expected)
    by, said = event.actor, event.reason if event.reason != RECOVERED else ""
    if intent is not None:
        by, said = intent.actor, intent.reason or said
    if event.event == EventName.OBSERVED or event.facts.get("turned_back", False):
        by = "venvship"  # which has noticed it; the person is not known
    history.root_holds[HoldKind.SWITCH] = Hold(
        kind=HoldKind.SWITCH,
        by=by,
        reason=said or reason,
        since=event.at,
        release=left if rolled_back else event.release,
        known_environments=tuple(sorted(known - {""})),
        rolled_back=tuple(sorted(gone - {"", chosen})),
    )


def hand_over_holds(history: History, old: Record, new: Record) -> None:
    """Let holds be about a release that took the place of another one, perhaps for another interpreter."""
    before, after = old.environment_digest, new.environment_digest
    for kind, hold in history.root_holds.items():
        history.root_holds[kind] = hold._replace(
            release=new.id if hold.release == old.id else hold.release,
            known_environments=_with_heir(hold.known_environments, before, after),
            rolled_back=_with_heir(hold.rolled_back, before, after),
        )
    refusal = history.environment_holds.get(before)
    if refusal is not None:
        release_id = new.id if refusal.release == old.id else refusal.release
        moved = refusal._replace(environment_digest=after, release=release_id)
        history.environment_holds[after] = moved
    if before in history.bad_in_a_row and after not in history.bad_in_a_row:
        history.bad_in_a_row[history.bad_in_a_row.index(before)] = after


def refuse_environment(history: History, event: Event, release_id: str) -> None:
    """Hold the environment of a bad release, and after several in a row the root."""
    environment = _environment(history, release_id)
    history.environment_holds[environment] = Hold(
        kind=HoldKind.ENVIRONMENT,
        by="venvship",
        reason=event.reason,
        since=event.at,
        release=release_id,
        environment_digest=environment,
        health_digest=event.text("health_digest"),
    )
    if environment not in history.bad_in_a_row:
        history.bad_in_a_row.append(environment)
    if len(history.bad_in_a_row) >= BAD_IN_A_ROW and HoldKind.BAD_IN_A_ROW not in history.root_holds:
        history.root_holds[HoldKind.BAD_IN_A_ROW] = Hold(
            kind=HoldKind.BAD_IN_A_ROW,
            by="venvship",
            reason=f"{len(history.bad_in_a_row)} bad environments in a row",
            since=event.at,
            release=release_id,
        )


def hold_packages(history: History, event: Event) -> None:
    """Hold packages. A bad environment whose culprits are held has been dealt with: it is not one in a row.

    Otherwise three upgrades in a row, each with another culprit, would hold the root, although each culprit
    has been found.
    """
    fold_package_held(history.package_holds, event)
    environment = event.text("environment_digest")
    if environment in history.bad_in_a_row:
        history.bad_in_a_row.remove(environment)
        if len(history.bad_in_a_row) < BAD_IN_A_ROW:
            history.root_holds.pop(HoldKind.BAD_IN_A_ROW, None)


def unhold_packages(history: History, event: Event) -> None:
    """End holds of packages."""
    fold_package_unheld(history.package_holds, event)


def _with_heir(environments: tuple[str, ...], before: str, after: str) -> tuple[str, ...]:
    """Environments, and beside one of a relocated release that of its heir."""
    return tuple(sorted({*environments, after})) if before in environments else environments
