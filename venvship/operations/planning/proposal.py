"""A proposal: the environment to release, and the plan for it, which the wheels of a project may change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from venvship.model.environment import Environment
from venvship.model.history import LockfileDue
from venvship.model.progress import Progress
from venvship.model.security_fix import Fix
from venvship.model.settings import Settings
from venvship.operations.planning.build import Begun, build_wheels, forget_wheels
from venvship.operations.planning.environment import of_equal_wheels
from venvship.operations.planning.plan import Plan
from venvship.operations.planning.project import Project
from venvship.workspace.holding import BuildHeld

Replan = Callable[[Environment], Plan]
"""Decides about another environment as was decided about the proposed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The release to make.

    Attributes:
        environment: The environment that the lockfile and the project ask for.
        plan: The action that brings it about.
        replan: Decides again, once the wheels of the project are built.
        lockfile: The lockfile, if it is not on disk yet and belongs there once the release is proven.
        own_environment: The environment of the root's own lockfile and project; see `Errand`.
        project: The project; `None` without one.
        begun: The release that its wheels were built for; `None`: none was built.
        fixes: The packages that it moves, if it is a security update.
        uploaded: When the versions of its packages were uploaded, if that is known; see `Compiled`.
    """

    environment: Environment
    plan: Plan
    replan: Replan
    lockfile: LockfileDue | None = None
    own_environment: str | None = None
    project: Project | None = None
    begun: Begun | None = None
    fixes: tuple[Fix, ...] = ()
    uploaded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def with_wheels(held: BuildHeld, settings: Settings, proposal: Proposal, progress: Progress) -> Proposal:
    """Build the wheels of a proposal's sources, and decide again: the release may be there already.

    Crash: a scratch directory and a log of an id that is no release's; the next build sweeps both.

    Args:
        held: The root.
        settings: How to build.
        proposal: With the plan to build.
        progress: Hears of the step `build`.

    Raises:
        BuildError: A wheel could not be built; journalled.
        VenvshipError: See `build_wheels`.
    """
    if proposal.plan.action != "build" or not proposal.environment.built:
        return proposal
    begun = build_wheels(held, settings, proposal.environment, project=proposal.project, progress=progress)
    if begun is None:
        return proposal
    environment = of_equal_wheels(held.workspace, settings, proposal.environment)
    if environment.digest == proposal.environment.digest:
        return replace(proposal, begun=begun)
    own = proposal.own_environment
    found = replace(
        proposal,
        environment=environment,
        plan=proposal.replan(environment),
        # The root's own is this one, too: it was told by its source.
        own_environment=environment.digest if own == proposal.environment.digest else own,
    )
    if found.plan.action == "build":
        return replace(found, begun=begun)
    forget_wheels(held, begun.release_id)
    return found
