"""Choose a function by the type of a result, without importing the type.

`functools.singledispatch` would have every command import the modules of all the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class ByType(Generic[T]):
    """A function with one body for each type of its first argument, which is named."""

    def __init__(self) -> None:
        self._bodies: dict[str, Callable[..., T]] = {}

    def of(self, type_name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Register the body for a type."""

        def register(body: Callable[..., T]) -> Callable[..., T]:
            self._bodies[type_name] = body
            return body

        return register

    def __call__(self, value: object, *more: object) -> T:
        """Call the body for the value's type.

        Raises:
            TypeError: There is none; a bug.
        """
        body = self._bodies.get(type(value).__name__)
        if body is None:
            raise TypeError(f"no form for {type(value).__name__}")
        return body(value, *more)
