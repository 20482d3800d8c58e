"""The copy of the settings that a promotion leaves in `state/`."""

from __future__ import annotations

from venvship.errors import HostError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.settings_form import settings_toml
from venvship.system import files
from venvship.system.regular import read_regular
from venvship.workspace.workspace import Workspace


def keep_settings(workspace: Workspace, settings: Settings) -> None:
    """Keep the settings that promoted, for a rollback when `venvship.toml` is broken."""
    path, text = workspace.layout.kept_settings_file, settings_toml(settings).encode()
    try:
        if not path.exists() or read_regular(path, bounds.SETTINGS).data != text:
            files.write_file(path, text, mode=0o600)
    except (OSError, HostError) as error:
        reason = error.message if isinstance(error, HostError) else error.strerror
        workspace.warn("settings-not-kept", f"could not keep the settings in state/: {reason}")
