"""What every result of a command has. `errors` carries it, and has its names for all others."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class OperationWarning(NamedTuple):
    """A warning on a result: the operation succeeded, and the operator should know this.

    Attributes:
        slug: The kind of warning, for scripts. See the reference for all of them.
        message: The warning, for people.
    """

    slug: str
    message: str


class Result(Protocol):
    """A result of a method of `venvship.Root`."""

    @property
    def warnings(self) -> tuple[OperationWarning, ...]:
        """The warnings of the operation."""

    def to_json(self) -> dict[str, object]:
        """The `data` of the JSON envelope that the command prints."""
