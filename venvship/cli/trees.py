"""The text of the files of releases, and of the differences between two releases' files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli.fitting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from venvship.cli.fitting import Page
    from venvship.model.release import TreeRow
    from venvship.operations.reporting.diff import DiffResult


def file_lines(rows: Iterable[TreeRow]) -> list[str]:
    """The lines of `show --files`: none is broken, since programs compare them."""
    return [f"{_kind(row)} {row.value}  {row.path}" for row in rows]


def _kind(row: TreeRow) -> str:
    if row.type == "link":
        return "link"
    return "exec" if row.executable else "file"


def tree_lines(result: DiffResult, page: Page) -> list[str]:
    """How many files differ, and the first ones; of releases whose packages differ, only one."""
    tree = result.tree
    if tree.same:
        return []
    if tree.first is None or tree.differing is None:
        return page.labelled("Files", f"differ; which ones is not known: {tree.problem}")
    packages = result.diff.added or result.diff.removed or result.diff.changed or result.diff.python
    said = [f"{one.path}: {one.phrase(result.a, result.b)}" for one in tree.examples]
    count = f"{counted(tree.differing, 'file')} differ{'s' if tree.differing == 1 else ''}"
    if packages or tree.differing == 1:
        lines = page.labelled("Files", f"{count}, the first is {said[0]}")
    else:
        lines = page.labelled("Files", count)
        for text in said:
            lines += page.hanging(f"  {text}")
        if more := tree.differing - len(said):
            lines.append(f"  and {more:,} more")
    return lines if tree.problem is None else [*lines, *page.labelled("", tree.problem)]
