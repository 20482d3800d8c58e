"""Why a file does not come. A part of the downloader's process: neither leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from venvship.building.fetching.index_page import Link


class GiveUpError(Exception):
    """The file is left to pip; the message says why, and `listed` which files of its version there are."""

    def __init__(self, message: str, listed: Iterable[Link] = ()) -> None:
        super().__init__(message)
        self.listed = [(link.filename, sorted(link.hashes), link.requires_python) for link in listed]


class RefusedError(Exception):
    """The answer is dropped, and pip must not try either; the message says why. `final` is as in `Report`."""

    def __init__(self, message: str, final: Literal["size", "room"] = "size") -> None:
        super().__init__(message)
        self.final = final


def bare(error: GiveUpError | RefusedError) -> GiveUpError | RefusedError:
    """The error without what led to it: the frames of that hold a page, which may be large."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def none_of(problems: Sequence[GiveUpError | RefusedError]) -> GiveUpError | RefusedError:
    """The one error of a file that was looked for in several places, each of which has failed."""
    for problem in problems:
        if isinstance(problem, RefusedError):
            return problem
    together = GiveUpError("; ".join(dict.fromkeys(map(str, problems))) or "there is no place to look for it")
    for problem in problems:
        together.listed += problem.listed if isinstance(problem, GiveUpError) else []
    return together
