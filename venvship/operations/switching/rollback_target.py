"""Decide to which release a rollback goes, and refuse one that it must not go to. Changes nothing."""

from __future__ import annotations

from venvship.errors import NothingToRollBackToError
from venvship.model.history import History
from venvship.model.release import State
from venvship.workspace.reading import KnownHistory, ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.usable import require_usable, usable_problem


def choose_target(
    workspace: ReadingWorkspace, known: KnownHistory, current: str | None, name: str | None
) -> str:
    """The id of the release that a rollback goes to.

    A named release must be usable, and may be bad. Without a name it is the origin of an interrupted
    promotion, or the nearest proven, usable release down the lineage. Without the whole journal, which has
    the lineage, it is the release that `previous` names.

    Args:
        workspace: The root; reads only.
        known: The history.
        current: The release that is current.
        name: The release, if one was named.

    Raises:
        NothingToRollBackToError: There is none.
        ReleaseError: The named release does not exist, or is not usable.
        ForeignLinkError: The name refers to `current`, which is not ours.
        RootError: `current` or `releases/` cannot be read.
        InterruptedByError: A signal came while an interpreter was asked.
    """
    workspace.layout.with_manifest()  # or the error: no release is damaged because none can be reached
    if name is not None:
        return _named(workspace, known, name)
    if not known.whole:
        previous = workspace.layout.previous()
        if previous is not None and previous != current and _is_usable(workspace, previous):
            return previous
        raise NothingToRollBackToError(
            "the journal is damaged, and previous names no usable release",
            hint="name one: venvship rollback RELEASE; `venvship list` shows them",
        )
    origin_id = _origin_of_trial(known.history, current)
    if origin_id is not None and _is_usable(workspace, origin_id):
        return origin_id
    found = known.history.rollback_target(current, lambda release_id: _is_usable(workspace, release_id))
    if found is None:
        if current is None and not known.history.switches:
            raise NothingToRollBackToError("nothing was ever live, so there is nothing to go back to")
        raise NothingToRollBackToError(
            f"there is no earlier proven, usable release than {current or 'nothing'}",
            hint="`venvship list` shows all releases; name one: venvship rollback RELEASE",
        )
    return found


def _named(workspace: ReadingWorkspace, known: KnownHistory, name: str) -> str:
    if not known.whole and workspace.layout.has_manifest(name):
        release_id = name  # the journal cannot tell whether it is a release; its manifest and files can
    else:
        release_id = resolve_release(workspace.layout, name, known.history)
    require_usable(workspace, release_id, in_doubt="warn")
    if known.history.state(release_id) is State.BAD:
        workspace.warn("bad-release", f"{release_id} is known to be bad")
    return release_id


def _origin_of_trial(history: History, current: str | None) -> str | None:
    """The origin of an interrupted promotion whose release is still current, on its way back or not."""
    intent = history.intent
    if intent is None or intent.manual or not history.is_on_trial(current):
        return None
    return intent.origin if intent.kind == "promote" else intent.target


def _is_usable(workspace: ReadingWorkspace, release_id: str) -> bool:
    problem = usable_problem(workspace, release_id, ask=True)
    if problem:
        workspace.warn("release-skipped", f"{release_id} cannot be used: {problem}")
    return not problem
