"""Facts of a status: settings, processes of releases that are not live, holds that apply, and trust."""

from __future__ import annotations

from venvship.errors import VenvshipError
from venvship.model.history import History
from venvship.model.hold import Hold
from venvship.model.settings import Settings
from venvship.model.settings_form import health_digest
from venvship.model.trust import Trusted
from venvship.root import RootLayout
from venvship.system import proc
from venvship.workspace.reading import ReadingWorkspace


def old_processes(layout: RootLayout, current: str | None, flocks: proc.Flocks) -> dict[str, tuple[int, ...]]:
    """The processes that share the lease of a release that is not live, by its id."""
    folder = layout.leases
    leases = {f"{folder}/{name}": name for name in layout.with_manifest() if name != current}
    return {leases[path]: pids for path, pids in flocks.holders(leases, shared=True).items()}


def applying_holds(
    workspace: ReadingWorkspace, history: History, settings: Settings | None, environment: str | None
) -> tuple[Hold, ...]:
    """The root's holds; otherwise that of the environment which the lockfile on disk means here."""
    holds = history.holds(workspace.runtime.clock())
    if holds or settings is None or environment is None:
        return holds
    refusal = history.refusal(environment, health_digest(settings))
    return (refusal,) if refusal is not None else ()


def readable_settings(workspace: ReadingWorkspace) -> Settings | None:
    """The settings; `None`, with a warning, if they cannot be read or trusted."""
    try:
        return workspace.settings()
    except VenvshipError as error:
        workspace.warn_of(error)
        return None


def trusted_accounts(workspace: ReadingWorkspace, settings: Settings | None) -> tuple[Trusted, ...]:
    """The users and groups that the owner trusts.

    A warning if that, or another file that decides, would be refused by a command that acts on it.
    """
    try:
        workspace.trusted.require_all(settings)
        return workspace.trusted.accounts()
    except VenvshipError as error:
        workspace.warn_of(error)
    try:
        return workspace.trusted.accounts()
    except VenvshipError as error:
        workspace.warn_of(error)
        return ()
