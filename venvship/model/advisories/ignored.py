"""The entries of `[audit] ignore`."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple


class Ignored(NamedTuple):
    """An entry of `[audit] ignore`.

    Attributes:
        id: An identifier of the advisory, or one of its aliases.
        reason: Why it does not concern this application.
        until: The last day on which it is ignored, `YYYY-MM-DD`, in UTC.
        package: The package for which it is ignored; `None`: every one.
    """

    id: str
    reason: str
    until: str
    package: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether the last day is over; `now` is aware, UTC."""
        return date.fromisoformat(self.until) < now.date()

    def covers(self, package: str, names: tuple[str, ...]) -> bool:
        """Whether it ignores an advisory of these identifiers, about this package."""
        same = {name.upper() for name in names}
        return self.id.upper() in same and self.package in {None, package}
