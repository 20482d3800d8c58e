"""Everything that is wrong with a lockfile, reported by one error."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final, NoReturn

from venvship.errors import LockfileError
from venvship.printable import lines, printable

LISTED_PROBLEMS: Final = 50
"""How many problems an error lists; the rest is only counted."""

COUNTED_PROBLEMS: Final = 1000
"""After so many the file is something else than a lockfile, and reading on only costs time."""

HINT: Final = (
    "write it anew: `venvship lock` (from `[lock] inputs`),"
    " `uv pip compile --generate-hashes requirements.in --output-file requirements.txt`, or"
    " `uv export --frozen --no-dev --no-emit-project --output-file requirements.txt`"
)
"""The next step after the refusal of a requirements file or a pylock file."""

NOT_SHOWN: Final = (
    "venvship does not take this as a line of a lockfile, and does not show it or tell why: the file is"
    " outside of the lockfile's folder; move it there to see more"
)
"""The message on a line of an included file from elsewhere."""

_QUOTED_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason to refuse a lockfile.

    Attributes:
        file: Absolute path.
        line: From 1; `None` where it is about the whole file.
        message: The mistake, and the remedy.
    """

    file: str
    line: int | None
    message: str


@dataclass(slots=True)
class Problems:
    """Collects everything that is wrong with a lockfile, so that one run tells all of it.

    Attributes:
        path: The lockfile; the error is about it.
        shows: Whether messages may quote a file. A lockfile can include any file that its reader may read.
        hint: The next step, for the error.
    """

    path: str
    shows: Callable[[str], bool] = lambda _: True
    hint: str = HINT
    found: list[Problem] = field(default_factory=list)

    def add(self, file: str, line: int | None, message: str) -> None:
        """Note one problem. Of a file that is not to be shown, `message` is not used: it may quote a line."""
        if not self.shows(file):
            message = NOT_SHOWN
        self.found.append(Problem(file, line, message))

    @property
    def enough(self) -> bool:
        """Whether to stop reading: after this many problems, further ones tell nothing."""
        return len(self.found) >= COUNTED_PROBLEMS

    def refuse(self, file: str, line: int | None, message: str) -> NoReturn:
        """Note one problem, and look for no more.

        Raises:
            LockfileError: Always.
        """
        self.add(file, line, message)
        raise self.refusal()

    def raise_if_any(self) -> None:
        """Raise the error that lists the problems, if there are any.

        Raises:
            LockfileError: Something was found.
        """
        if self.found:
            raise self.refusal()

    def refusal(self) -> LockfileError:
        """The error that lists the problems, ordered by file as read and by line."""
        order = {problem.file: position for position, problem in reversed(list(enumerate(self.found)))}
        problems = sorted(self.found, key=lambda p: (order[p.file], p.line or 0))
        folder = os.path.join(os.path.dirname(self.path), "")
        files = {problem.file for problem in problems}
        about = files.pop() if len(files) == 1 else self.path
        texts = []
        for problem in problems[:LISTED_PROBLEMS]:
            place = [] if problem.file == self.path else [problem.file.removeprefix(folder)]
            place += [f"line {problem.line}"] if problem.line is not None else []
            texts.append(f"  {' '.join(place)}: {problem.message}" if place else f"  {problem.message}")
        more = len(problems) - LISTED_PROBLEMS
        if more > 0:
            at_least = "at least " if self.enough else ""
            texts.append(f"  and {at_least}{more} more")
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        return LockfileError(
            lines(f"{about} is refused ({count}); nothing was built", *texts),
            hint=self.hint,
            path=about,
            problems=[asdict(problem) for problem in problems[:LISTED_PROBLEMS]],
            more_problems=max(more, 0),
        )


def quote(text: str) -> str:
    """Show a piece of a lockfile in a message: shortened, and without possible secrets."""
    cut = text[: 4 * _QUOTED_CHARACTERS]
    # Up to the last `@`: a password may have one in it. The cut may have taken that; then what is left of the
    # password must go as well.
    cut = re.sub(r"://\S*$|://\S*@" if len(cut) < len(text) else r"://\S*@", "://…@", cut)
    text = re.sub(r"\?[^\s#]+", "?…", cut)
    if len(text) > _QUOTED_CHARACTERS:
        text = text[:_QUOTED_CHARACTERS] + "…"
    return f"`{printable(text)}`"
