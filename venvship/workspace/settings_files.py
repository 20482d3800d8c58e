"""The two files of settings: `venvship.toml`, and the copy in `state/` of those that promoted last."""

from __future__ import annotations

from typing import Final

from venvship.errors import HostError, SettingsError, UntrustedError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.settings_reading import decode_settings, parse_settings
from venvship.root import RootLayout
from venvship.system.regular import read_regular

NO_SETTINGS: Final = (SettingsError, HostError, UntrustedError)
"""The errors of `read_settings`, for a command that goes on with others, or without."""


def read_settings(layout: RootLayout) -> Settings:
    """Read `venvship.toml`.

    Raises:
        SettingsError: It cannot be read, or has a mistake.
        HostError: The host has nothing left to read it with.
        UntrustedError: Others can write it.
    """
    path = layout.settings_file
    try:
        raw, status = read_regular(path, bounds.SETTINGS)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    layout.ask(str(path), status)
    return _parse(layout, raw, str(path))


def read_kept_settings(layout: RootLayout) -> Settings | None:
    """The settings of the last promotion; `None` if there are none, or they cannot be read or trusted."""
    path = layout.kept_settings_file
    try:
        raw, status = read_regular(path, bounds.SETTINGS)
        layout.ask(str(path), status)
        return _parse(layout, raw, str(path))
    except (OSError, *NO_SETTINGS):
        return None


def _parse(layout: RootLayout, raw: bytes, path: str) -> Settings:
    return parse_settings(decode_settings(raw, path=path), path=path, folder_name=layout.path.name)
