"""venvship, broken on purpose in one place each, in the process that calls the function.

The torture must find every one of them; `hunts` says which part has to. They stand in for mistakes that a
later change could make, so each is as small as such a mistake would be. Call them in a process that ends
afterwards.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from venvship.building.tree import seal
from venvship.model.event import EventName
from venvship.operations import promote, release, rollback
from venvship.operations.retention import pruning, use
from venvship.operations.switching import links, promotion, recovery, switched
from venvship.system import effects, files
from venvship.workspace import reading
from venvship.workspace.holding import hold_switch
from venvship.workspace.usable import require_usable


def no_syncfs() -> None:
    """Nothing is durable but what is synced by itself: the release's contents are not."""
    files.sync_filesystem = seal.sync_filesystem = lambda _fd: None


def directory_fsync_only() -> None:
    """A directory is synced where the file system should be: names, not contents."""
    files.sync_filesystem = seal.sync_filesystem = os.fsync


def manifest_before_sync() -> None:
    """The manifest gets its name first; what it vouches for is synced afterwards."""
    descriptors: list[int] = []

    def publish_then_sync(path: str | os.PathLike[str]) -> None:
        files.fsync_directory(path)
        files.sync_filesystem(descriptors.pop())

    seal.sync_filesystem = descriptors.append
    seal.fsync_directory = publish_then_sync


def fixed_temporary_names() -> None:
    """Armed links get the same name every time."""
    files.temporary_name = lambda target, prefix: os.path.join(os.path.dirname(target), f"{prefix}link")


def unlink_then_symlink() -> None:
    """`current` is removed and made anew, instead of renamed over."""
    original = files.rename

    def rename(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        if os.path.basename(target) != "current":
            original(source, target)
            return
        effects.reach("unlink", target)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        effects.reach("symlink", target)
        os.symlink(os.readlink(source), target)
        os.unlink(source)

    files.rename = rename


def no_armed_way_back() -> None:
    """The link back is made when it is needed, and not before."""
    links.arm = lambda held, release_id, _origin_id: links.Armed(
        links.new_link(held, ".to.", release_id), None
    )


def outcome_before_check() -> None:
    """The journal says `promoted` before the restart hook and the live checks have been asked."""
    real = promotion.try_current

    def early(workspace: Any, release_id: str, *arguments: Any, event: str, **more: Any) -> Any:
        if event == "promote":
            workspace.record(EventName.PROMOTED, release=release_id, facts={"from": more["previous"]})
        return real(workspace, release_id, *arguments, event=event, **more)

    promotion.try_current = early


def rename_before_intent() -> None:
    """The switch is made before the journal announces it."""
    real_announce, real_point = promotion.announce, links.point_current

    def point(held: Any, link: Any, *, sync: bool) -> None:
        pass

    def announce(held: Any, release_id: str, origin_id: str | None, errand: Any, *, tries: int) -> None:
        layout = held.workspace.layout
        for name in layout.strays():
            if name.startswith(".to."):
                real_point(held, layout.path / name, sync=True)
        real_announce(held, release_id, origin_id, errand, tries=tries)

    links.point_current, promotion.announce = point, announce


def rollback_recovers_first() -> None:
    """A rollback first tries again what was interrupted."""
    original = rollback.rollback

    def recovering(workspace: Any, name: str | None = None, **options: Any) -> rollback.RollbackResult:
        recovery.recover_switch(workspace)
        return original(workspace, name, **options)

    rollback.rollback = recovering


def no_compare_and_swap() -> None:
    """A promotion does not ask whether somebody has switched since it began."""

    def compare_and_promote(
        workspace: Any, release_id: str, *, origin_id: Any, began_at: int, **how: Any
    ) -> switched.Switched:
        with hold_switch(workspace, how["errand"].via) as held:
            history = workspace.history()
            require_usable(workspace, release_id)
            return promotion.Promotion(
                held=held, history=history, release_id=release_id, origin_id=workspace.layout.current(), **how
            ).run()

    for user in (promote, release):  # they have it by name, once they are imported
        user.compare_and_promote = compare_and_promote


def lease_without_proc() -> None:
    """Prune believes leases alone, and does not look at what processes have open."""
    for module in (use, pruning):  # the second has it by name
        module.look_at_processes = lambda _layout: use.Look()


def lost_journal_is_none() -> None:
    """A journal that is gone, or older than the links, is taken for a new root's."""
    reading.lost_journal_error = lambda _reason: None  # type: ignore[return-value]


def damaged_journal_is_a_bug() -> None:
    """The error for a damaged journal is none of ours."""
    reading.damaged_journal_error = lambda _reading: KeyError()  # type: ignore[return-value]


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        no_syncfs,
        directory_fsync_only,
        manifest_before_sync,
        fixed_temporary_names,
        unlink_then_symlink,
        no_armed_way_back,
        outcome_before_check,
        rename_before_intent,
        rollback_recovers_first,
        no_compare_and_swap,
        lease_without_proc,
        lost_journal_is_none,
        damaged_journal_is_a_bug,
    )
}
