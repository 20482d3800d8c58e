"""One attempt of a check: its outcome, and the request to give up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of asking once.

    Attributes:
        passed: Whether the answer was the one that the check wants.
        line: One short line for people, in our words.
        kind: The answer in a word or two, such as `HTTP 503`, so that equal answers can be counted.
        not_yet: The command asked to be asked again; neither a pass nor a failure.
        said: The last words of the program or service, short and redacted; empty for none.
        inconclusive: The host could not ask, so the failure says nothing about the release.
    """

    passed: bool
    line: str
    kind: str = ""
    said: str = ""
    not_yet: bool = False
    inconclusive: bool = False


class TurnBack(Exception):  # noqa: N818  # a request, not an error: the operator rolls back meanwhile
    """The caller of the checks no longer wants their result."""
