"""The two files of settings: `venvship.toml`, and the copy in `state/` of those that promoted last."""

from __future__ import annotations

from venvship.errors import HostError, SettingsError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.settings_reading import decode_settings, parse_settings
from venvship.root import RootLayout
from venvship.system.regular import read_regular


def read_settings(layout: RootLayout) -> Settings:
    """Read `venvship.toml`.

    Raises:
        SettingsError: It cannot be read, or has a mistake.
        HostError: The host has nothing left to read it with.
    """
    path = layout.settings_file
    try:
        raw = read_regular(path, bounds.SETTINGS).data
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    return _parse(layout, raw, str(path))


def read_kept_settings(layout: RootLayout) -> Settings | None:
    """The settings of the last promotion; `None` if there are none, or they cannot be read."""
    path = layout.kept_settings_file
    try:
        return _parse(layout, read_regular(path, bounds.SETTINGS).data, str(path))
    except (OSError, HostError, SettingsError):
        return None


def _parse(layout: RootLayout, raw: bytes, path: str) -> Settings:
    return parse_settings(decode_settings(raw, path=path), path=path, folder_name=layout.path.name)
