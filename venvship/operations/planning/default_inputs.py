"""The files that `venvship lock` locks where `[lock] inputs` names none."""

from __future__ import annotations

import os

from venvship.model.settings import Settings


def default_inputs(root: str, settings: Settings) -> tuple[str, ...]:
    """The files that `[lock] inputs` stands for where it names none: absolute; none if there are none.

    Args:
        root: The root.
        settings: With `[project]`, the pyproject.toml of the project serves.
    """
    project = settings.project
    candidates = [os.path.join(root, "requirements.in")]
    if project.path is not None:
        folder = os.path.normpath(os.path.join(root, project.path, project.member or ""))
        candidates.append(os.path.join(folder, "pyproject.toml"))
    return tuple(path for path in candidates if os.path.isfile(path))[:1]
