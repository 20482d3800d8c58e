"""The reason of a pip that failed, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from venvship.errors import BuildError, HostError

NAME: Final = r"([A-Za-z0-9][\w.-]*)"
"""A project's name in pip's output, as a group of a regular expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why a pip failed.

    Attributes:
        kind: The error to raise.
        message: The reason, to stand after the names of the packages; without secrets, as pip's output is.
        hint: The remedy.
        names: The normalised names of the packages concerned; none: any that pip was asked for.
        data: More for scripts.
    """

    kind: type[BuildError | HostError]
    message: str
    hint: str
    names: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)
