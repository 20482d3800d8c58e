"""A folded journal as JSON, without what is hardly asked any more: what a snapshot of the journal keeps.

A snapshot forgets releases that are pruned, and all switches but the last ones, so that it does not grow with
the age of a root. What is left answers as the whole history does, as long as nobody asks about what was
forgotten; `History.whole` says that something was, and then

* `resume` gives up when an event names a release that the snapshot does not know;
* who asks about a release, or about a switch, looks first whether the history knows it, and otherwise folds
  the whole journal.

A release that is sealed is taken for a new one, since ids are never used again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from venvship.model.history import (
    Event,
    EventName,
    History,
    Hold,
    Intent,
    LockfileDue,
    Record,
    fold,
    releases_of,
)
from venvship.model.release import State, parse_time

FOLD: Final = 2
"""The number of the rules by which events are folded. Each change of them raises it, for snapshots of other
rules are ignored; a test holds the source against it."""

KEPT_SWITCHES: Final = 100
"""How many switches are kept, the last ones: for `@{N}`."""


def forget(history: History, *, switches: int = KEPT_SWITCHES) -> History:
    """A copy without what a snapshot does not keep; of the switches, so many are kept."""
    busy = {history.expected}
    if history.intent is not None:
        busy |= {history.intent.origin, history.intent.target, history.intent.tried}
    short = history.copy()
    short.records = {key: r for key, r in short.records.items() if not r.pruned or key in busy}
    kept = [entry for entry in short.lineage if entry in short.records]
    # Where only what is gone lay between two of the same, the one below is never a way back from the other.
    short.lineage = [entry for n, entry in enumerate(kept) if n == 0 or entry != kept[n - 1]]
    short.switches = short.switches[-switches:]
    short.whole = (
        history.whole
        and len(short.records) == len(history.records)
        and len(short.lineage) == len(history.lineage)
        and len(short.switches) == len(history.switches)
    )
    return short


def resume(snapshot: History, events: Sequence[Event]) -> History | None:
    """Fold on from a snapshot, which stays as it is.

    Args:
        snapshot: What the events before these fold to, possibly without what was forgotten.
        events: All that follow.

    Returns:
        What the whole journal folds to, as far as it is known; `None` if that takes what was forgotten.
    """
    if not snapshot.whole and _needs_more(set(snapshot.records), events):
        return None
    return fold(events, onto=snapshot.copy())


def _needs_more(known: set[str], events: Iterable[Event]) -> bool:
    for event in events:
        if event.event == EventName.SEALED and event.release is not None:
            known.add(event.release)
        elif not known.issuperset(releases_of(event)):
            return True
    return False


# -- as JSON ------------------------------------------------------------------------------------------------


def to_json(history: History) -> dict[str, Any]:
    """The JSON form. Times are written as exactly as they were read."""
    return {
        **_plain(history),
        "records": [_plain(record) for record in history.records.values()],
        "switches": [_event_json(event) for event in history.switches],
        "last_outcome": history.last_outcome and _event_json(history.last_outcome),
        "intent": history.intent
        and {
            **_plain(history.intent),
            "lockfile": history.intent.lockfile and _plain(history.intent.lockfile),
        },
        "root_hold": history.root_hold and _plain(history.root_hold),
        "environment_holds": {key: _plain(hold) for key, hold in history.environment_holds.items()},
        "lockfile_due": history.lockfile_due and _plain(history.lockfile_due),
    }


def from_json(data: Mapping[str, Any]) -> History:
    """Read the JSON form.

    Raises:
        AttributeError: A value has the wrong type.
        KeyError: A key is missing.
        TypeError: A value has the wrong type, or a key is missing or unknown.
        ValueError: A value is none that this version writes.
    """
    records = [_record(row) for row in data["records"]]
    intent, due = data["intent"], data["lockfile_due"]
    return History(
        **{
            **data,
            "at": _moment(data["at"]),
            "records": {record.id: record for record in records},
            "switches": [Event.from_json(row) for row in data["switches"]],
            "last_outcome": data["last_outcome"] and Event.from_json(data["last_outcome"]),
            "intent": intent
            and Intent(**{**intent, "lockfile": intent["lockfile"] and LockfileDue(**intent["lockfile"])}),
            "root_hold": data["root_hold"] and _hold(data["root_hold"]),
            "environment_holds": {key: _hold(row) for key, row in data["environment_holds"].items()},
            "lockfile_due": due and LockfileDue(**due),
        }
    )


def _plain(value: History | Record | Intent | Hold | LockfileDue) -> dict[str, Any]:
    """What it is made of, by name."""
    named = value._fields if isinstance(value, tuple) else [each.name for each in fields(value)]
    found = {name: getattr(value, name) for name in named}
    return {key: _written(item) if isinstance(item, datetime) else item for key, item in found.items()}


def _written(moment: datetime) -> str:
    return moment.isoformat()  # not `format_time`: another writer's journal may have parts of a second


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text is not None else None


def _event_json(event: Event) -> dict[str, Any]:
    return {**event.to_json(), "at": _written(event.at)}


def _record(row: Mapping[str, Any]) -> Record:
    live_since, live_until = _moment(row["live_since"]), _moment(row["live_until"])
    return Record(**{**row, "state": State(row["state"]), "live_since": live_since, "live_until": live_until})


def _hold(row: Mapping[str, Any]) -> Hold:
    left = tuple(row["left_environments"])
    return Hold(**{**row, "since": parse_time(row["since"]), "left_environments": left})
