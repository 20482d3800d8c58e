"""Refuse a lockfile that brings back a version which a security update has replaced: see ADR 60."""

from __future__ import annotations

from venvship.model.environment import Environment
from venvship.model.history import History
from venvship.model.hold import Hold, HoldKind
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.views import readable_manifest


def regression(workspace: ReadingWorkspace, history: History, environment: Environment) -> Hold | None:
    """The refusal of an environment that would undo a fix which is live; `None` for any other environment.

    Only an unattended release is asked about: a person may know that the fix does not concern the root.

    Args:
        workspace: The root; reads only.
        history: The folded journal, which has the fixes.
        environment: The environment that the lockfile asks for.
    """
    if not history.fixes:
        return None
    from venvship.model.security_fix import brought_back

    current = workspace.layout.current()
    manifest = readable_manifest(workspace, current) if current is not None else None
    live = {package.name: package.version for package in manifest.packages} if manifest is not None else {}
    asked = {one.name: one for one in environment.selected}
    found = brought_back(history.fixes, {name: one.version for name, one in asked.items()}, live)
    if not found:
        return None
    last = max(found, key=lambda applied: applied.at)
    said = [
        f"{asked[one.fix.package].label} has {', '.join(one.fix.advisories)}, which {one.release} fixed by "
        f"{one.fix.package} {one.fix.after}"
        for one in found
    ]
    return Hold(
        kind=HoldKind.REGRESSION,
        by="venvship",
        reason="; ".join(said),
        since=last.at,
        release=last.release,
        environment_digest=environment.digest,
    )
