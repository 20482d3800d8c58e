"""The generated files of a release to be: run the generate hook, or copy what it has made before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from venvship.errors import GenerateError
from venvship.model.release import Manifest
from venvship.model.settings import HookSettings, Settings
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.building.tree.hook_files import Generate

EVENT: Final = "build"
"""The value of `VENVSHIP_EVENT` in the generate hook."""


def generate_hook(workspace: Workspace, settings: Settings, release_id: str) -> Generate | None:
    """Make the function that runs the generate hook of the settings; `None` without a hook.

    Args:
        workspace: The root.
        settings: The settings with the hook.
        release_id: The release that is being built.

    Raises:
        SettingsError: The file of variables cannot be read.
        UntrustedError: Others can write that file.
    """
    argv = settings.hooks.generate
    if argv is None:
        return None
    from venvship.health.hooks import find_programs, run_hook

    variables = workspace.variables(settings)

    def generate(folder: str) -> None:
        own = {"VENVSHIP_GENERATED": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        context = workspace.context(
            release_id,
            variables._replace(values={**variables.values, **own}),
            previous=workspace.layout.current(),
            event=EVENT,
        )
        find_programs(HookSettings(generate=argv), (), context)
        done = run_hook("generate", argv, context, timeout=settings.hooks.seconds("generate"))
        if not done.ok:
            raise GenerateError(
                f"the generate hook failed: {done.output}. Nothing that is live was touched",
                hint="correct the hook or the application, and release again: no wheel is fetched twice",
                log=context.log_path("generate"),
                **({"output": done.said} if done.said else {}),
            )

    return generate


def generated_again(workspace: Workspace, manifest: Manifest) -> Generate | None:
    """Make the function that copies the generated files of a release, for a build that takes its place.

    A relocation runs no hook, and the store has no copy of these files. `None` if the release has none.

    Raises:
        ReleaseError: The list of its files cannot be read.
        FormatError: A newer venvship wrote it.
    """
    from venvship.building.tree.hook_files import FOLDER, copied

    release = str(workspace.layout.release_path(manifest.id))
    if not os.path.lexists(os.path.join(release, FOLDER)):
        return None
    listed = workspace.layout.files(manifest.id, manifest)
    found = [entry for entry in listed if entry.path.partition("/")[0] == FOLDER]
    return copied(release, found) if found else None
