"""How the trees of two releases differ, file by file. Values and rules only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from venvship.model.release import TreeRow

MOST_EXAMPLES: Final = 8
"""Files that a comparison names. Where a package has another version, hundreds differ."""


class FileDifferenceKind(StrEnum):
    """How a file differs: in the first of these that applies."""

    ADDED = "added"
    REMOVED = "removed"
    TYPE = "type"
    TARGET = "target"
    CONTENTS = "contents"
    EXECUTABLE = "executable"


class FileDifference(NamedTuple):
    """A file in which two trees differ.

    Attributes:
        path: Relative to the release.
        kind: How it differs.
        before: The row of the first tree; `None` where it has no such file.
        after: The row of the second.
    """

    path: str
    kind: FileDifferenceKind
    before: TreeRow | None
    after: TreeRow | None

    def to_json(self) -> dict[str, object]:
        """The JSON form; `from` and `to` are what differs."""
        return {
            "path": self.path,
            "kind": self.kind.value,
            "from": self._of(self.before),
            "to": self._of(self.after),
        }

    def _of(self, row: TreeRow | None) -> str | None:
        if row is None:
            return None
        if self.kind is FileDifferenceKind.TYPE:
            return row.type
        if self.kind is FileDifferenceKind.EXECUTABLE:
            return "executable" if row.executable else "not executable"
        return row.value

    def phrase(self, before: str, after: str) -> str:
        """The difference for people.

        Args:
            before: A name for the first tree.
            after: A name for the second.
        """
        match self.kind:
            case FileDifferenceKind.ADDED:
                return f"only in {after}"
            case FileDifferenceKind.REMOVED:
                return f"only in {before}"
            case FileDifferenceKind.CONTENTS:
                return "other contents"
            case FileDifferenceKind.EXECUTABLE:
                is_in = after if self.after is not None and self.after.executable else before
                return f"executable only in {is_in}"
            case FileDifferenceKind.TYPE:
                return f"a {self._of(self.before)} in {before}, a {self._of(self.after)} in {after}"
            case FileDifferenceKind.TARGET:
                return f"a link to {self._of(self.before)} in {before}, to {self._of(self.after)} in {after}"


class TreeDiff(NamedTuple):
    """Whether the trees of two releases are the same, and the files in which they differ.

    Attributes:
        same: Whether the tree digests are equal.
        differing: The number of files that differ; `None` if that is not known.
        examples: The first of them, at most `MOST_EXAMPLES`, in the order of the tree digest.
        problem: Why the files are not known, or may be others; `None` for no reason.
    """

    same: bool
    differing: int | None = 0
    examples: tuple[FileDifference, ...] = ()
    problem: str | None = None

    @property
    def first(self) -> FileDifference | None:
        """The first file that differs; `None` if the trees are the same, or it is not known."""
        return self.examples[0] if self.examples else None

    def summary(self, before: str, after: str) -> str:
        """The difference in a sentence for people, which begins in lower case.

        Args:
            before: A name for the first tree.
            after: A name for the second.
        """
        if self.same:
            return "no file differs"
        if self.first is None or self.differing is None:
            return f"which files differ is not known: {self.problem}"
        more = f" (and {self.differing - 1:,} more)" if self.differing > 1 else ""
        doubt = f"; {self.problem}" if self.problem is not None else ""
        first = f"{self.first.path}: {self.first.phrase(before, after)}"
        return f"the first file that differs is {first}{more}{doubt}"

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "same": self.same,
            "differing": self.differing,
            "first": self.first.to_json() if self.first else None,
            "examples": [example.to_json() for example in self.examples],
            "problem": self.problem,
        }


def differences(before: Sequence[TreeRow], after: Sequence[TreeRow]) -> Iterator[FileDifference]:
    """The files in which two trees differ, in the order of the tree digest, which is that of their paths."""
    old, new = ({row.path: row for row in rows} for rows in (before, after))
    for path in sorted(old.keys() | new.keys()):
        one, other = old.get(path), new.get(path)
        if one != other:
            yield FileDifference(path, _kind(one, other), one, other)


def _kind(one: TreeRow | None, other: TreeRow | None) -> FileDifferenceKind:
    if one is None:
        return FileDifferenceKind.ADDED
    if other is None:
        return FileDifferenceKind.REMOVED
    if one.type != other.type:
        return FileDifferenceKind.TYPE
    if one.value != other.value:
        return FileDifferenceKind.TARGET if one.type == "link" else FileDifferenceKind.CONTENTS
    return FileDifferenceKind.EXECUTABLE
