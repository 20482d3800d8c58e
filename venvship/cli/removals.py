"""Results of commands that remove, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import counted, format_bytes, table

if TYPE_CHECKING:
    from venvship.cli.fitting import Page
    from venvship.operations.destroy import DestroyResult
    from venvship.operations.prune import PruneResult


def destroy_lines(result: DestroyResult, page: Page) -> list[str]:
    """The lines of `destroy`."""
    count = counted(result.releases, "release")
    rows = [(f"  {path}", result.reasons[path]) for path in result.left]
    left = ["Left:", *table(rows, page.width)] if rows else []
    return [f"Removed {style.strong(result.name)}: {result.root}, {count}", *left]


def prune_lines(result: PruneResult, page: Page) -> list[str]:
    """The lines of `prune`."""
    verb = "would remove" if result.dry_run else "removed"
    rows = [(style.attention(verb), decision.id, decision.reason) for decision in result.removed]
    rows += [("kept", decision.id, decision.reason) for decision in result.kept]
    freed = f" ({format_bytes(result.freed_bytes)})" if result.removed else ""
    said = ("Would remove", "keep") if result.dry_run else ("Removed", "kept")
    return [
        *table(rows, page.width),
        *_store(result, page),
        f"{said[0]} {len(result.removed)}{freed}, {said[1]} {len(result.kept)}",
    ]


def _store(result: PruneResult, page: Page) -> list[str]:
    """The lines on the store; none if nothing was removed or waits."""
    store = result.store
    if store is None or not (store.removed or store.waiting):
        return []
    verb = "would remove" if result.dry_run else "removed"
    whats = {dropped.what for dropped in store.removed}
    # The bytecode of a wheel that is removed as well gets no line of its own.
    shown = [d for d in store.removed if d.what.removesuffix(", bytecode") not in whats - {d.what}]
    rows = [(style.attention(verb), dropped.what, dropped.reason) for dropped in shown]
    count = f"{verb} {len(shown)} ({format_bytes(store.freed_bytes)})" if shown else ""
    verb = "waits" if store.waiting == 1 else "wait"
    waits = f"{counted(store.waiting, 'wheel')} that no release refers to {verb}" if store.waiting else ""
    return [*table(rows, page.width), f"Store: {', '.join(filter(None, (count, waits)))}"]
