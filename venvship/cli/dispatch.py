"""Choose a function by the type of a result, without importing the type.

`functools.singledispatch` would have every command import the modules of all the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ByType(Generic[T]):
    """A function of one argument with one body for each type, which is named."""

    def __init__(self) -> None:
        self._bodies: dict[str, Callable[[Any], T]] = {}

    def of(self, type_name: str) -> Callable[[Callable[[Any], T]], Callable[[Any], T]]:
        """Register the body for a type."""

        def register(body: Callable[[Any], T]) -> Callable[[Any], T]:
            self._bodies[type_name] = body
            return body

        return register

    def __call__(self, value: object) -> T:
        """Call the body for the value's type.

        Raises:
            TypeError: There is none; a bug.
        """
        body = self._bodies.get(type(value).__name__)
        if body is None:
            raise TypeError(f"no form for {type(value).__name__}")
        return body(value)
