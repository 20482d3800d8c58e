"""The files of a checkout, as a survey reads them."""

from __future__ import annotations

import ast
import tomllib
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Files:
    """The tracked files of a checkout.

    Args:
        names: Their paths, relative to the checkout, with `/`.
        read: Returns the bytes of one of them; raises `OSError`.
    """

    def __init__(self, names: Sequence[str], read: Callable[[str], bytes]) -> None:
        self.names = frozenset(names)
        self._read = read

    def text(self, name: str) -> str | None:
        """The text of a file; `None` if there is none, or none in UTF-8."""
        if name not in self.names:
            return None
        try:
            return self._read(name).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None

    def toml(self, name: str) -> Mapping[str, Any]:
        """A TOML file, parsed; empty if there is none, or none that can be parsed."""
        try:
            return tomllib.loads(self.text(name) or "")
        except (tomllib.TOMLDecodeError, RecursionError):
            return NOTHING

    def python(self, name: str) -> ast.Module | None:
        """A Python file, parsed and not run; `None` if there is none, or none that can be parsed."""
        text = self.text(name)
        if text is None:
            return None
        try:
            with warnings.catch_warnings():
                # An escape such as "\d" is theirs to mend.
                warnings.simplefilter("ignore")
                return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def table(value: Any, *keys: str) -> Mapping[str, Any]:  # noqa: ANN401 - of any TOML file
    """The table below some keys of parsed TOML; empty if it is absent, or no table."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else NOTHING


def texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - of any TOML file
    """The strings of an array of parsed TOML, or the one string that stands in its place."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
