"""Completion of releases and packages in shells: `venvship promote <TAB>`.

click makes the scripts for shells (`_VENVSHIP_COMPLETE=bash_source venvship`), and runs the command line at
each press of the key. So this reads names only, and a fault gives no names rather than an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli.options import Call
from venvship.errors import VenvshipError
from venvship.printable import is_printable
from venvship.root import RootLayout

if TYPE_CHECKING:
    import click


def complete_release(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The names of releases that begin with the typed text, newest first."""
    call = context.find_object(Call)
    if call is None:
        return []
    try:
        layout = RootLayout.at(call.where())
        names = sorted(layout.with_manifest(), reverse=True)
        links = {"current": layout.current(), "previous": layout.previous()}
    except (VenvshipError, OSError):
        return []
    names += [name for name, target in links.items() if target is not None]
    return [name for name in names if name.startswith(incomplete) and is_printable(name)]


def complete_package(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The packages of the lockfile whose names begin with the typed text."""
    call = context.find_object(Call)
    if call is None:
        return []
    from venvship.model.lockfiles.lock_inputs import pinned_packages
    from venvship.operations.planning.environment import lockfile_paths
    from venvship.workspace.reading import ReadingWorkspace

    try:
        workspace = ReadingWorkspace(RootLayout.at(call.where()), call.runtime())
        contents = [workspace.trusted.read(path) for path in lockfile_paths(workspace, workspace.settings())]
    except (VenvshipError, OSError):
        return []
    names = sorted({package.name for content in contents for package in pinned_packages(content)})
    return [name for name in names if name.startswith(incomplete) and is_printable(name)]
