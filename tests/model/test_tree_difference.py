"""Two trees differ in a file for one reason, and the first file is the first in the order of the digest."""

from __future__ import annotations

import random
from typing import Any

import pytest

from venvship.model.release import FileEntry, digest_of_rows, tree_digest, tree_rows
from venvship.model.tree_difference import (
    MOST_EXAMPLES,
    FileDifference,
    FileDifferenceKind,
    TreeDiff,
    differences,
)

FILE = FileEntry("lib/b.py", "file", 0o444, 3, "a" * 64)
LINK = FileEntry("app/media", "link", 0o777, target="../../../shared/media")
TREE = (
    FileEntry("bin/tool", "file", 0o555, 9, "b" * 64),
    FILE,
    LINK,
    FileEntry("lib/a.py", "file", 0o444, 0, "c" * 64),
)


def found(before: tuple[FileEntry, ...], after: tuple[FileEntry, ...]) -> list[FileDifference]:
    return list(differences(tree_rows(before), tree_rows(after)))


def changed(entry: FileEntry, **values: Any) -> tuple[FileEntry, ...]:
    return tuple(each._replace(**values) if each == entry else each for each in TREE)


@pytest.mark.parametrize(
    ("after", "json", "phrase"),
    [
        (
            changed(FILE, sha256="d" * 64, size=4),
            {"path": "lib/b.py", "kind": "contents", "from": "a" * 64, "to": "d" * 64},
            "other contents",
        ),
        (
            changed(FILE, mode=0o555),
            {"path": "lib/b.py", "kind": "executable", "from": "not executable", "to": "executable"},
            "executable only in NEW",
        ),
        (
            changed(LINK, target="../x"),
            {"path": "app/media", "kind": "target", "from": "../../../shared/media", "to": "../x"},
            "a link to ../../../shared/media in OLD, to ../x in NEW",
        ),
        (
            changed(FILE, type="link", mode=0o777, sha256="", size=0, target="a.py"),
            {"path": "lib/b.py", "kind": "type", "from": "file", "to": "link"},
            "a file in OLD, a link in NEW",
        ),
        (
            (*TREE, FileEntry("lib/c.py", "file", 0o444, 0, "e" * 64)),
            {"path": "lib/c.py", "kind": "added", "from": None, "to": "e" * 64},
            "only in NEW",
        ),
        (
            tuple(each for each in TREE if each != LINK),
            {"path": "app/media", "kind": "removed", "from": "../../../shared/media", "to": None},
            "only in OLD",
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_each_kind_of_difference_has_its_words(
    after: tuple[FileEntry, ...], json: dict[str, Any], phrase: str
) -> None:
    (one,) = found(TREE, after)
    assert one.to_json() == json
    assert one.phrase("OLD", "NEW") == phrase
    assert tree_digest(TREE) != tree_digest(after)


def test_the_program_of_the_first_tree_is_named_too() -> None:
    (one,) = found(changed(FILE, mode=0o555), TREE)
    assert one.phrase("OLD", "NEW") == "executable only in OLD"


@pytest.mark.parametrize("change", [{"mode": 0o644}, {"size": 7}])
def test_what_the_digest_leaves_out_is_no_difference(change: dict[str, Any]) -> None:
    after = changed(FILE, **change)
    assert found(TREE, after) == []
    assert tree_digest(TREE) == tree_digest(after)


def test_the_differences_come_in_the_order_of_the_digest_whatever_the_order_of_the_entries() -> None:
    after = tuple(each._replace(path=f"{each.path}~") for each in TREE)
    paths = [one.path for one in found(TREE, after)]
    assert paths == sorted([each.path for each in TREE] + [each.path for each in after])
    assert [row.path for row in tree_rows(reversed(TREE))] == sorted(each.path for each in TREE)
    assert [one.path for one in found(TREE[::-1], after[::-1])] == paths


def test_trees_have_no_difference_exactly_if_their_digests_are_equal() -> None:
    dice = random.Random(17)
    for _ in range(300):
        trees = []
        for _ in range(2):
            paths = dice.sample(["a", "b", "c/d"], dice.randint(0, 3))
            trees.append(
                tuple(
                    FileEntry(path, "link", 0o777, target=dice.choice("xy"))
                    if dice.random() < 0.4
                    else FileEntry(path, "file", dice.choice([0o444, 0o555]), 1, dice.choice(["1", "2"]) * 64)
                    for path in paths
                )
            )
        assert (found(*trees) == []) == (tree_digest(trees[0]) == tree_digest(trees[1]))


def test_rows_are_digested_as_entries_are() -> None:
    assert digest_of_rows(tree_rows(TREE)) == tree_digest(TREE)


def test_a_comparison_names_the_first_file_and_says_what_it_does_not_know() -> None:
    after = changed(FILE, mode=0o555)
    one = found(TREE, after)[0]
    assert TreeDiff(same=True).summary("OLD", "NEW") == "no file differs"
    known = TreeDiff(same=False, differing=1, examples=(one,))
    assert known.summary("OLD", "NEW") == "the first file that differs is lib/b.py: executable only in NEW"
    assert known.to_json()["first"] == {**one.to_json(), "kind": FileDifferenceKind.EXECUTABLE.value}
    doubtful = known._replace(differing=1234, problem="OLD is old")
    assert doubtful.summary("OLD", "NEW") == (
        "the first file that differs is lib/b.py: executable only in NEW (and 1,233 more); OLD is old"
    )
    unknown = TreeDiff(same=False, differing=None, problem="a list is gone")
    assert unknown.summary("OLD", "NEW") == "which files differ is not known: a list is gone"
    assert (unknown.to_json()["first"], unknown.to_json()["differing"]) == (None, None)
    assert MOST_EXAMPLES > 1
