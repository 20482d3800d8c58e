"""Results as plain text for people. What is live comes first, then why, then what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli.dispatch import ByType
from venvship.cli.progress import format_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from venvship.model.history import Event
    from venvship.model.release import PackageDiff
    from venvship.operations.check import CheckReport
    from venvship.operations.init import InitResult
    from venvship.operations.inspect import Comparison, Details, Listing, Status
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.recover import Recovered
    from venvship.operations.release import ReleaseResult
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.verify import VerifyResult
    from venvship.operations.workspace import ReleaseView

MOST_CHANGES = 12
"""So many changed packages are named; the rest is counted."""

text: ByType[list[str]] = ByType()
"""Turns a command's result into lines."""


@text.of("InitResult")
def _init(result: InitResult) -> list[str]:
    return [
        f"Made a root: {result.root}",
        *(f"  {path}" for path in result.created),
        "Next: put a hash-pinned requirements.txt there, then `venvship release`",
    ]


@text.of("ReleaseResult")
def _release(result: ReleaseResult) -> list[str]:
    release, previous = result.release, result.previous
    if result.outcome == "planned":
        plan = {
            "unchanged": f"nothing: {release.id} is live and is what the lockfile says"
            if release
            else "nothing",
            "reactivate": f"promote {release.id} again, which is what the lockfile says" if release else "",
            "build": f"build {result.packages} packages for CPython {result.python}, and make them live",
            "refuse": "nothing: it is held; see the warning",
        }[result.plan]
        return [f"Would do {plan}" if plan.startswith("nothing") else f"Would {plan}", *changes(result.diff)]
    if release is None:
        return []
    if result.outcome == "unchanged":
        return [f"Nothing changed: {release.id} is live."]
    if result.outcome == "built":
        live = previous.id if previous else "nothing"
        return [
            f"Built: {release.id}. Still live: {live}",
            *changes(result.diff),
            f"Make it live: venvship promote {release.id}",
        ]
    seconds = sum(result.timings.values())
    return [
        f"Live: {release.id}, after {seconds:.1f} s",
        *(changes(result.diff) if previous else [f"  {release.packages} packages"]),
        *([f"Back: venvship rollback  (to {previous.id})"] if previous else []),
    ]


@text.of("PromoteResult")
def _promote(result: PromoteResult) -> list[str]:
    if result.outcome == "unchanged":
        return [f"Nothing to do: {result.release.id} is live."]
    return [f"Live: {result.release.id}", *changes(result.diff)]


@text.of("RollbackResult")
def _rollback(result: RollbackResult) -> list[str]:
    if result.previous is None:
        return [f"Nothing to do: {result.release.id} is live."]
    return [
        f"Live: {result.release.id} (was {result.previous.id})",
        "Unattended releases are held until `venvship unhold` or your next release.",
    ]


@text.of("Recovered")
def _recovered(result: Recovered) -> list[str]:
    live = result.current or "nothing"
    said = {
        "clean": "Nothing was interrupted",
        "abandoned": "A promotion was interrupted before its switch, and is dropped",
        "promoted": "An interrupted operation was finished",
        "rolled-back": "An interrupted promotion was taken back",
        "rollback-failed": "An interrupted operation was taken back, and what is live does not pass",
        "observed": "Current had been switched by somebody else; unattended releases are held",
    }[result.outcome]
    swept = f"; {len(result.debris)} left-overs removed" if result.debris else ""
    return [f"{said}{swept}. Live: {live}"]


@text.of("CheckReport")
def _check(result: CheckReport) -> list[str]:
    if not result.checks:
        return [f"{result.release}: no checks apply"]
    failed = sum(1 for check in result.checks if check.outcome == "failed")
    return [f"{result.release}: {len(result.checks) - failed} of {len(result.checks)} checks pass"]


@text.of("Status")
def _status(result: Status) -> list[str]:
    lines = [f"{result.name} · {result.root}"]
    if result.held is not None:
        lines.append(f"HELD      {result.held.reason}, by {result.held.by}, since {when(result.held.since)}")
    if result.current is None:
        lines.append("Live      nothing yet" if not result.releases else "Live      nothing")
    else:
        lines.append(
            f"Live      {result.current.id}, {result.current.state.value}, {_made_of(result.current)}"
        )
        if result.live_since is not None:
            reason = f": {result.live_since.reason}" if result.live_since.reason else ""
            lines.append(
                f"Since     {when(result.live_since.at)}, {result.live_since.event} by "
                f"{result.live_since.actor}{reason}"
            )
    if result.previous is not None:
        usable = "" if result.previous.usable[0] else f" (NOT USABLE: {result.previous.usable[1]})"
        lines.append(f"Rollback  would go to {result.previous.id}{usable}")
    elif result.current is not None:
        lines.append("Rollback  there is nothing to go back to")
    if result.operation is not None:
        state = "under way" if result.operation.running else "was interrupted"
        lines.append(
            f"Now       {result.operation.operation} {state}, by {result.operation.actor}, "
            f"process {result.operation.pid}, since {result.operation.since}"
        )
    return lines


@text.of("Listing")
def _list(result: Listing) -> list[str]:
    if not result.releases:
        return ["No releases yet.", *(f"debris: {path}" for path in result.debris)]
    rows = [("RELEASE", "STATE", "PACKAGES", "PYTHON", "")]
    for view in result.releases:
        marks = [name for name, on in _marks(view) if on]
        rows.append((view.id, view.state.value, str(view.packages), view.python, ", ".join(marks)))
    return [*table(rows), *(f"debris: {path}" for path in result.debris)]


@text.of("Details")
def _show(result: Details) -> list[str]:
    view = result.release
    marks = ", ".join(name for name, on in _marks(view) if on)
    lines = [
        f"Release   {view.id}" + (f" ({marks})" if marks else ""),
        f"State     {view.state.value}" + ("" if view.usable[0] else f"; NOT USABLE: {view.usable[1]}"),
        f"Sealed    {when(view.created_at) if view.created_at else 'unknown'}"
        + (f": {view.message}" if view.message else ""),
        f"Python    {view.python}, {result.python.get('path', '?')}",
        f"Lockfile  sha256:{view.lockfile_sha256}",
        f"Tree      {view.tree_digest}",
        f"Path      {view.path}",
        f"Packages  {view.packages}",
        *table([(f"  {package.name}", package.version) for package in result.packages]),
    ]
    lines += [f"Warning   {warning.get('message', '')}" for warning in result.warnings]
    return lines + (["Events", *(f"  {line}" for line in _events(result.events))] if result.events else [])


@text.of("tuple")
def _history(result: tuple[Event, ...]) -> list[str]:
    return _events(result) if result else ["Nothing has happened here yet."]


@text.of("Comparison")
def _diff(result: Comparison) -> list[str]:
    lines = [f"{result.before} → {result.after}"]
    every = [*result.diff.added, *result.diff.removed, *result.diff.changed]
    if not every:
        return [*lines, "  the same packages"]
    rows = [
        (f"  {c.name}", c.before or "-", "→", c.after or "-") for c in sorted(every, key=lambda c: c.name)
    ]
    return [*lines, *table(rows)]


@text.of("VerifyResult")
def _verify(result: VerifyResult) -> list[str]:
    lines = []
    for release in result.releases:
        if release.ok:
            lines.append(f"{release.id}  intact, {release.files:,} files")
            continue
        lines.append(f"{release.id}  DAMAGED, {len(release.damaged)} of {release.files:,} files")
        lines += [f"  {damage.path}: {damage.problem}" for damage in release.damaged]
    return lines or ["No releases yet."]


@text.of("PruneResult")
def _prune(result: PruneResult) -> list[str]:
    verb = "would remove" if result.dry_run else "removed"
    rows = [(verb, decision.id, decision.reason) for decision in result.removed]
    rows += [("kept", decision.id, decision.reason) for decision in result.kept]
    freed = f", {format_bytes(result.freed_bytes)}" if result.removed else ""
    return [*table(rows), f"{len(result.removed)} {verb}{freed}, {len(result.kept)} kept"]


@text.of("ReleaseView")
def _view(result: ReleaseView) -> list[str]:
    return [f"{result.id} is {'pinned' if result.pinned else 'not pinned'}"]


def changes(diff: PackageDiff) -> list[str]:
    """The changed packages in a line or two: `django 5.2.18 → 5.2.19 · new: idna 3.10`."""
    parts = [f"{c.name} {c.before} → {c.after}" for c in diff.changed]
    parts += [f"new: {c.name} {c.after}" for c in diff.added]
    parts += [f"gone: {c.name} {c.before}" for c in diff.removed]
    if not parts:
        return ["  the same packages"]
    rest = [f"and {len(parts) - MOST_CHANGES} more"] if len(parts) > MOST_CHANGES else []
    return wrap([*parts[:MOST_CHANGES], *rest], " · ")


def wrap(parts: Sequence[str], separator: str, width: int = 78) -> list[str]:
    """Join parts into indented lines, without breaking a part."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(separator) + len(part) <= width:
            lines[-1] += separator + part
        else:
            lines.append(f"  {part}")
    return lines


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with aligned columns, the last one as long as it likes."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def when(moment: datetime) -> str:
    """A time for people."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _events(events: Sequence[Event]) -> list[str]:
    rows = []
    for event in events:
        left = event.facts.get("from")
        detail = event.reason or (f"from {left}" if left else "")
        rows.append((str(event.seq), when(event.at), event.event, event.release or "-", event.actor, detail))
    return table(rows)


def _marks(view: ReleaseView) -> list[tuple[str, bool]]:
    return [
        ("current", view.current),
        ("previous", view.previous),
        ("pinned", view.pinned),
        ("NOT USABLE", not view.usable[0]),
    ]


def _made_of(view: ReleaseView) -> str:
    return f"{view.packages} packages on CPython {view.python}"
