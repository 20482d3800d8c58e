"""Warnings of `status` and `list`: the link, the place of the root, directories in doubt, and damage."""

from __future__ import annotations

import itertools

from venvship.errors import VenvshipError
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.workspace.reading import KnownHistory, ReadingWorkspace
from venvship.workspace.releases import doubt, doubt_warning, in_doubt
from venvship.workspace.usable import ANEW, awaits_relocation
from venvship.workspace.verified import Verification
from venvship.workspace.views import ReleaseView
from venvship.workspace.way_back import or_go_back


def warn_of_the_link(workspace: ReadingWorkspace, known: KnownHistory) -> None:
    """Warn if `current` is not ours, cannot be read, or is missing although something was live."""
    layout = workspace.layout
    try:
        current = layout.current()
    except VenvshipError as error:
        workspace.warn(error.slug, error.message)
        return
    last = next((event.release for event in reversed(known.history.switches) if event.release), None)
    last = known.history.heir(last) if last is not None else None
    if current is None and known.current is None and last is not None:
        remedy = (
            f"to make it live again: venvship promote {last}"
            if layout.has_manifest(last)
            else "which is gone; to make a new one: venvship release"
        )
        workspace.warn(
            "current-missing",
            f"{layout.current_link} is missing; the last live release was {last}, by the journal; {remedy}",
        )


def present_release(workspace: ReadingWorkspace, known: KnownHistory) -> str | None:
    """The current release; `None`, with a warning, if `current` points to one that is gone."""
    current, layout = known.current, workspace.layout
    if current is not None and not layout.has_release(current):
        workspace.warn("current-dangling", f"{layout.current_link} points to {current}, which is gone")
        return None
    return current


def warn_of_what_is_unsettled(workspace: ReadingWorkspace, history: History, current: str | None) -> bool:
    """Warn of a switch outside venvship, or of an operation that was interrupted; returns whether one was.

    While a command is under way, neither can be told: it may be about to settle them.
    """
    relocating = awaits_relocation(workspace, history, current)
    if history.intent is not None or relocating:
        workspace.warn(
            "interrupted", "an operation was interrupted: `venvship recover` finishes or undoes it"
        )
        return True
    if current is not None and current != history.expected:
        workspace.warn(
            "current-observed", f"current was switched outside venvship; expected {history.expected}"
        )
    return False


def warn_of_a_moved_root(
    workspace: ReadingWorkspace, history: History, current: ReleaseView | None, previous: ReleaseView | None
) -> bool:
    """Warn if the live release or the way back was built for another directory, and return whether it was.

    Looks at two manifests, however many releases there are: those releases were built for one path.
    """
    layout = workspace.layout
    suspects = [view.id for view in (current, previous) if view is not None and view.problem is not None]
    if previous is None:
        # Where none below the live one is usable, `previous` names none.
        live = current.id if current is not None else None
        below = (name for name in reversed(history.lineage) if name != live and layout.has_release(name))
        suspects += itertools.islice(below, 1)
    problem = next(filter(None, map(workspace.place_problem, suspects)), None)
    if problem is None:
        return False
    workspace.warn(
        "root-moved",
        f"the root was moved or copied, and a release cannot be used here: {problem}. {ANEW}",
    )
    return True


def warn_of_a_failed_rollback(workspace: ReadingWorkspace, known: KnownHistory) -> None:
    """Warn if the live release failed when a rollback went there, or stayed, and nothing has passed since."""
    failed = known.history.needs_person
    if failed is None or known.current is None or known.current != known.history.expected:
        return
    stays = failed.event == EventName.PROMOTED
    reason = failed.facts.get("cause" if stays else "then") or failed.reason
    when = "it was released one-way" if stays else "a rollback went there"
    since = f"{failed.at:%Y-%m-%d %H:%M} UTC, when {when}"
    workspace.warn(
        "person-needed",
        f"a person is needed: {known.current} is live, and has not passed since {since}: {reason}; "
        "restart the service by hand, then `venvship check`, which ends this warning when it passes"
        f"{or_go_back(workspace, known)}",
    )


def warn_of_doubt(workspace: ReadingWorkspace, history: History) -> None:
    """Warn of each directory of which the journal and the disk disagree."""
    layout = workspace.layout
    if not in_doubt(layout, history):
        return
    # Again: a build or a prune may have ended between the reading of the journal and that of the folder.
    for name in in_doubt(layout, workspace.known_history(warn_of_torn=False).history):
        workspace.warn(*doubt_warning(layout, name, doubt(layout, name)))


def warn_of_findings(workspace: ReadingWorkspace, current: str, verified: Verification | None) -> None:
    """Warn of what the last `verify` found in the files of the live release."""
    if verified is None:
        return
    found = f"`venvship verify` found {current}"
    at = f"{verified.at:%Y-%m-%d %H:%M} UTC"
    if verified.damaged:
        workspace.warn(
            "damage-found",
            f"{found} damaged on {at}, {verified.damaged} of {verified.files} files; it lists them",
        )
    elif verified.stray:
        workspace.warn(
            "stray-found",
            f"{found} with bytecode that is not part of it on {at}; it prints the command that removes it",
        )
    elif verified.linked:
        workspace.warn("links-found", f"{found} with hard links elsewhere on {at}; it lists the files")
