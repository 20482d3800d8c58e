"""Find out at once that a `release` without options has nothing to do: nothing is parsed, built or written.

Everything else, from a hold of the root to a file of the checkout that is not committed, is left to the
release itself, which looks again and reports it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from venvship.model.history import History
from venvship.model.interpreter import Interpreter
from venvship.model.release import Manifest
from venvship.model.settings import Settings
from venvship.operations.planning.made_of import live_manifest
from venvship.operations.planning.project import Project, open_project
from venvship.operations.retention.debris import has_debris
from venvship.operations.switching.recovery import is_settled
from venvship.workspace.slots import started_slots
from venvship.workspace.usable import usable_problem
from venvship.workspace.workspace import Workspace


class AtRest(NamedTuple):
    """A root that no command has to recover, sweep or record anything in before it decides.

    Attributes:
        settings: As they were read.
        history: The folded journal.
    """

    settings: Settings
    history: History


def at_rest(workspace: Workspace) -> AtRest | None:
    """Recognise a root whose live release is the only thing that a release has to look at. Writes nothing.

    Returns:
        It; `None` where something is to be done first, or a hold of the root has a say.

    Raises:
        VenvshipError: The journal, `current` or the settings cannot be read.
    """
    history = workspace.history()
    # A release of the root's own lockfile ends a switch hold, and a script is refused under any.
    if history.root_holds or not is_settled(workspace, history) or has_debris(workspace, history):
        return None
    settings = workspace.settings()
    known = workspace.layout.interpreter()
    if known is None or known[0] != settings.python:
        return None  # the interpreter has to be recorded
    if settings.service.is_on or started_slots(workspace.layout):
        return None  # the slots have to be looked after, also those that [service] has left behind
    if settings.project.fetch is not None:
        return None  # new commits have to be fetched, which takes longer than all else
    return AtRest(settings, history)


def wanted_manifest(workspace: Workspace, root: AtRest, interpreter: Interpreter) -> Manifest | None:
    """The manifest of the live release if it is what a release would make, and every name in it is right.

    Args:
        workspace: The root.
        root: It, at rest.
        interpreter: The root's.

    Returns:
        The manifest; `None` proves nothing.

    Raises:
        CheckoutError: git refuses.
        UntrustedError: Others can write the lockfile or the project.
        HostError: The host has nothing left to look with.
        InterruptedByError: A signal came.
    """
    settings = root.settings
    project = open_project(workspace, settings)
    manifest = live_manifest(workspace, settings, root.history, interpreter, project)
    if manifest is None or (project is not None and _may_be_uncommitted(project)):
        return None
    # A person expects more of this answer than `update`, which runs every few minutes: see `plan`.
    if usable_problem(workspace, manifest.id, ask=True) is not None:
        return None
    workspace.warn_without_anchor(manifest.id)
    return manifest


def _may_be_uncommitted(project: Project) -> bool:
    """Whether any tracked file of the repository has changes, also one that `require_committed` ignores.

    That reads the descriptions of the projects first, to find out which files count. A member may lie beside
    `[project] path`, so the whole repository is looked at.
    """
    top = os.path.relpath(".", project.checkout.prefix or ".")
    return bool(project.checkout.uncommitted([top]))
