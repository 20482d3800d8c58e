"""A one-way release between a release and the one to go back to: refuse, unless the operator insists.

Changes nothing.
"""

from __future__ import annotations

from venvship.errors import NoWayBackError
from venvship.model.history import History
from venvship.model.one_way import barrier_before


def require_no_barrier(
    history: History, current: str | None, target: str, *, command: str, force: bool
) -> None:
    """Refuse to go back past a one-way release, unless the operator insists.

    Args:
        history: The folded journal.
        current: The current release.
        target: The release to switch to.
        command: The command line that insists.
        force: Whether the operator does.

    Raises:
        NoWayBackError: A one-way release lies between.
    """
    barrier = None if force else barrier_before(history, current, target)
    if barrier is None:
        return
    raise NoWayBackError(
        f"{barrier} was released one-way, after {target} was live: its prepare hook has changed what a "
        "rollback does not change back. Nothing was switched",
        hint=f"release a fix: `venvship release`; if the code of before can work with that change, or the "
        f"data of before is restored: `{command}`",
        release=barrier,
    )
