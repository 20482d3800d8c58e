"""The files of settings: `venvship.toml`, what it extends, and the copy of those that promoted last."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from venvship.errors import HostError, SettingsError, UntrustedError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.settings_layers import Layer
from venvship.model.settings_reading import (
    decode_settings,
    extended,
    parse_layer,
    parse_settings,
    settings_of,
)
from venvship.root import RootLayout
from venvship.system.regular import read_regular

NO_SETTINGS: Final = (SettingsError, HostError, UntrustedError)
"""The errors of `read_settings`, for a command that goes on with others, or without."""


def read_settings(layout: RootLayout) -> Settings:
    """Read `venvship.toml`, and the files that it extends.

    Raises:
        SettingsError: One of them cannot be read, or there is a mistake.
        HostError: The host has nothing left to read it with.
        UntrustedError: Others can write one of them.
    """
    return settings_of(read_layers(layout), folder_name=layout.path.name)


def read_layers(layout: RootLayout) -> tuple[Layer, ...]:
    """Read `venvship.toml`, and the files that it extends; see `layers_from`.

    Raises:
        SettingsError: One of them cannot be read, is no TOML, or extends itself.
        HostError: The host has nothing left to read it with.
        UntrustedError: Others can write one of them.
    """

    def read(path: str) -> bytes:
        data, status = read_regular(path, bounds.SETTINGS)
        layout.ask(path, status)
        return data

    return layers_from(str(layout.settings_file), read)


def layers_from(path: str, read: Callable[[str], bytes]) -> tuple[Layer, ...]:
    """Collect a file of settings and those that it extends.

    Args:
        path: The file; absolute.
        read: Reads one, after it has asked whose file that is.

    Returns:
        Each file once, before the first that extends it, so that a file wins over all that it extends. The
        file of `path` is the last one.

    Raises:
        SettingsError: A file cannot be read, is no TOML, or extends itself, or they are too many.
    """
    return _Layers(read).of(path)


def read_kept_settings(layout: RootLayout) -> Settings | None:
    """The settings of the last promotion; `None` if there are none, or they cannot be read or trusted."""
    path = str(layout.kept_settings_file)
    try:
        raw, status = read_regular(path, bounds.SETTINGS)
        layout.ask(path, status)
        text = decode_settings(raw, path=path)
        return parse_settings(text, path=path, folder_name=layout.path.name)
    except (OSError, *NO_SETTINGS):
        return None


class _Layers:
    """Follows `extends` from file to file."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._found: dict[str, Layer] = {}
        self._bytes = 0

    def of(self, path: str) -> tuple[Layer, ...]:
        self._follow(path, {})
        return tuple(self._found.values())

    def _follow(self, path: str, chain: dict[str, str]) -> None:
        """Add a file, behind those that it extends.

        Args:
            path: The file; absolute.
            chain: The files of which each extends the next one, and the last one this: by real path.
        """
        real = os.path.realpath(path) if chain else path
        if real in chain:
            told = " extends ".join((*chain.values(), path))
            raise SettingsError(f"{path} extends itself: {told}", path=path)
        if real in self._found:
            return
        if len(chain) > bounds.EXTENDED_DEPTH:
            raise _refused(chain, f"more than {bounds.EXTENDED_DEPTH} files extend each other in a row")
        layer = parse_layer(decode_settings(self._text(path, chain), path=path), path=path)
        names = extended(layer)
        if names and not chain:
            real = os.path.realpath(path)
        for name in names:
            self._follow(_joined(path, name), {**chain, real: path})
        if chain and len(self._found) == bounds.EXTENDED:
            raise _refused(chain, f"more than {bounds.EXTENDED} files are extended")
        self._found[real] = layer

    def _text(self, path: str, chain: dict[str, str]) -> bytes:
        try:
            data = self._read(path)
        except OSError as error:
            which = f", which {next(reversed(chain.values()))} extends" if chain else ""
            raise SettingsError(f"cannot read {path}{which}: {error.strerror}", path=path) from error
        self._bytes += len(data)
        if chain and self._bytes > bounds.SETTINGS:
            raise _refused(
                chain, f"with the files that it extends it has more than {bounds.SETTINGS:,} bytes"
            )
        return data


def _refused(chain: dict[str, str], problem: str) -> SettingsError:
    first = next(iter(chain.values()))
    return SettingsError(f"{first}: extends: {problem}", path=first)


def _joined(path: str, name: str) -> str:
    """The path of a name in a file: relative to its directory.

    Without `..` where no link is passed by it, since people read the path.
    """
    joined = os.path.join(os.path.dirname(path), name)
    short = os.path.normpath(joined)
    return short if os.path.realpath(short) == os.path.realpath(joined) else joined
