"""The text of projects and their commits in reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from venvship.model.source import ABBREVIATED, Built

if TYPE_CHECKING:
    from venvship.cli.fitting import Page
    from venvship.operations.reporting.diff import DiffResult
    from venvship.operations.reporting.report import ShowResult
    from venvship.workspace.views import ReleaseView


def project_line(built: Built) -> str:
    """One line about a project: its name, version, commit and subject."""
    commit = f", {built.label}" if built.label else ""
    subject = f": {built.source.subject}" if built.source.subject else ""
    return f"{built.name} {built.version}{commit}{subject}"


def commit_parts(view: ReleaseView) -> Iterator[str]:
    """The commit of a release and its subject, and the message of its build where that is another one."""
    source = view.project.source if view.project is not None else None
    if view.project is not None and source is not None and source.commit:
        yield f"{view.project.label} {source.subject}".strip()
    if source is None or not source.subject.startswith(view.message):
        yield view.message


def project_lines(result: ShowResult, page: Page) -> list[str]:
    """The lines about the members that were built from source, and about what built them."""
    project = result.release.project
    members = [*([project] if project is not None else []), *result.built]
    lines: list[str] = []
    for built in members:
        lines += page.labelled("Project" if built is project else "Built", project_line(built))
        if built.source.commit:
            folder = f", {built.source.folder}" if built.source.folder else ""
            lines += page.labelled("", f"commit {built.source.commit} of {built.source.repository}{folder}")
        if built.build_requirements:
            names = ", ".join(f"{one.name} {one.version}" for one in built.build_requirements)
            pinned = "installed by hash" if built.pinned else "not pinned"
            lines += page.labelled("", f"built with {names} ({pinned})")
    return lines


def between_lines(result: DiffResult, page: Page) -> list[str]:
    """The commits between two releases."""
    lines: list[str] = []
    for title, commits in (("Commits", result.commits), ("Commits gone", result.commits_gone)):
        if commits:
            lines.append(title)
            for commit in commits:
                lines += page.hanging(f"  {commit.id[:ABBREVIATED]} {commit.subject}")
    return lines
