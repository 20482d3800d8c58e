"""venvship, broken on purpose in one place each, in the process that calls the function.

The torture must find every one of them. They stand in for mistakes that a later change could make, so each is
as small as such a mistake would be. Call them in a child that ends afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from venvship.model.history import EventName
from venvship.operations import links, prune, switch
from venvship.system import files


def fixed_temporary_names() -> None:
    """Armed links get the same name every time."""
    files.temporary_name = lambda target, prefix: os.path.join(os.path.dirname(target), f"{prefix}link")


def no_armed_way_back() -> None:
    """The link back is made when it is needed, and not before."""
    links.arm = lambda workspace, target, _origin: links.Armed(
        links.new_link(workspace, ".to.", target), None
    )


def outcome_before_check() -> None:
    """The journal says `promoted` before the restart hook and the live checks have been asked."""
    real = switch.try_current

    def early(workspace: Any, release_id: str, *arguments: Any, event: str, **more: Any) -> Any:
        if event == "promote":
            workspace.record(EventName.PROMOTED, release=release_id, facts={"from": more["previous"]})
        return real(workspace, release_id, *arguments, event=event, **more)

    switch.try_current = early


def lease_without_proc() -> None:
    """Prune believes leases alone, and does not look at what processes have open."""
    prune._users = lambda _workspace: {}


def rename_before_intent() -> None:
    """The switch is made before the journal announces it."""
    real_announce, real_point = switch._announce, links.point_current

    def point(workspace: Any, link: Any, *, sync: bool) -> None:
        pass

    def announce(workspace: Any, target: str, origin: str | None, *, tries: int, via: str) -> None:
        for name in workspace.layout.strays():
            if name.startswith(".to."):
                real_point(workspace, workspace.layout.path / name, sync=True)
        real_announce(workspace, target, origin, tries=tries, via=via)

    links.point_current, switch._announce = point, announce


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        fixed_temporary_names,
        no_armed_way_back,
        outcome_before_check,
        lease_without_proc,
        rename_before_intent,
    )
}
