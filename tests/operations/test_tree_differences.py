"""`diff`, `relocate` and `show --files` name the file in which two trees differ, or say why they cannot."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path

import pytest

from tests.operations.test_moved_root import moved
from tests.support.forging import forge, forget_anchors, replace_file, rewrite_manifest
from tests.support.roots import Site
from venvship.building.tree.canonical import canonical_tree
from venvship.errors import ReleaseError
from venvship.model.release import digest_of_rows
from venvship.root import RootLayout
from venvship.system.trees import remove_tree


def release_path(site: Site, release_id: str) -> Path:
    return site.path / "releases" / release_id


@pytest.fixture
def two(site: Site) -> tuple[str, str]:
    """Two releases of the same packages, the second with another level of bytecode."""
    first = site.release("1.0")
    site.settings("[build]\noptimize = [0, 2]\n")
    return first, site.release("1.0")


def test_diff_names_the_files_of_releases_with_the_same_packages(site: Site, two: tuple[str, str]) -> None:
    first, second = two
    listed = [
        {line.split("  ", 1)[1]: line for line in site.run("show", one, "--files").out.splitlines()}
        for one in two
    ]
    added = sorted(listed[1].keys() - listed[0].keys())
    differing = sorted(path for path in listed[0] | listed[1] if listed[0].get(path) != listed[1].get(path))
    assert any(".opt-2." in path for path in added)

    tree = site.run("diff", first, second, "--json").data["tree"]
    shown = site.run("diff", first, second).out.splitlines()
    back = site.open().diff(second, first).tree

    assert (tree["same"], tree["differing"], tree["problem"]) == (False, len(differing), None)
    assert [one["path"] for one in tree["examples"]] == differing[:8]
    assert tree["first"] == tree["examples"][0]
    assert "  the same packages" in shown
    assert f"Files     {len(differing)} files differ" in shown
    kinds = {one["path"]: one["kind"] for one in tree["examples"]}
    for path, kind in kinds.items():
        words = f"only in {second}" if kind == "added" else "other contents"
        assert (kind == "added") == (path in added)
        assert f"  {path}: {words}" in shown
    assert back.first is not None
    assert (back.first.path, back.differing) == (differing[0], len(differing))
    assert {one.kind.value for one in back.examples} == {
        {"added": "removed"}.get(kind, kind) for kind in kinds.values()
    }


def test_diff_of_other_packages_names_one_file_and_of_the_same_release_none(site: Site) -> None:
    first, second = site.release("1.0"), site.release("1.1")
    shown = site.run("diff", first).out.splitlines()
    tree = site.open().diff(first).tree
    assert tree.first is not None
    assert tree.differing is not None
    assert shown[-1] == (
        f"Files     {tree.differing} files differ, the first is {tree.first.path}: "
        f"{tree.first.phrase(first, second)}"
    )
    same = site.run("diff", second, second, "--json").data["tree"]
    assert same == {"same": True, "differing": 0, "first": None, "examples": [], "problem": None}
    assert "Files" not in site.run("diff", second, second).out


def test_a_list_that_cannot_be_read_is_said_and_no_file_is_named(site: Site, two: tuple[str, str]) -> None:
    first, second = two
    listing = release_path(site, first) / ".venvship" / "files.json"
    replace_file(listing, b"{}\n")

    done = site.run("diff", first, second)
    tree = site.run("diff", first, second, "--json").data["tree"]

    assert done.code == 0
    assert (
        f"Files     differ; which ones is not known: {listing} is not the one that the manifest names"
        in done.out.splitlines()
    )
    assert (tree["same"], tree["differing"], tree["first"], tree["examples"]) == (False, None, None, [])
    assert tree["problem"] == f"{listing} is not the one that the manifest names"
    with pytest.raises(ReleaseError, match="is not the one that the manifest names"):
        site.open().show(first, files=True)


def test_a_release_whose_files_are_gone_cannot_be_compared(site: Site, two: tuple[str, str]) -> None:
    first, _ = two
    remove_tree(release_path(site, first))
    done = site.run("diff", first, "--json")
    assert (done.code, done.json["error"]["slug"]) == (13, "no-such-release")


def test_two_roots_are_compared_by_their_lists(site: Site) -> None:
    """The same lockfile twice gives one list, although scripts and start-up files hold another path."""
    first = site.release("1.0")
    second = site.release("1.0", rebuild=True)
    lists = [site.run("show", one, "--files").out for one in (first, second)]
    assert lists[0] == lists[1]
    assert first not in lists[0]
    other = site.run("show", site.release("1.1"), "--files").out
    (line,) = [
        one
        for one in difflib.unified_diff(lists[0].splitlines(), other.splitlines(), n=0, lineterm="")
        if one.startswith("+") and one.endswith("/site-packages/app.py")
    ]
    source = next(release_path(site, str(site.current)).glob("lib/*/site-packages/app.py"))
    assert line.split()[:2] == ["+file", hashlib.sha256(source.read_bytes()).hexdigest()]
    data = site.run("show", first, "--files", "--json").data
    assert [f"{one['value']}  {one['path']}" for one in data["files"]] == [
        line.split(" ", 1)[1] for line in lists[0].splitlines()
    ]
    assert site.run("show", first, "--json").data["files"] is None


def built_by_another_venvship(site: Site, release_id: str, *, proven: bool) -> None:
    """Let a release have another start-up module, as one of an older venvship.

    Args:
        site: The root.
        release_id: The release.
        proven: Whether its tree digest is that of its files.
    """
    path, layout = release_path(site, release_id), RootLayout(site.path)
    forge(path, "_venvship.py", b"# of an older version\n")
    manifest = layout.manifest(release_id, None)
    digest = digest_of_rows(canonical_tree(layout, manifest, manifest.path)) if proven else "0" * 64
    rewrite_manifest(path, lambda data: data.update(venvship="0.1", tree_digest=digest))
    forget_anchors(site.path / "state" / "journal.jsonl")


@pytest.mark.parametrize("proven", [True, False])
def test_relocate_names_the_first_file_of_a_tree_that_differs(site: Site, proven: bool) -> None:
    old = site.release("1.0")
    built_by_another_venvship(site, old, proven=proven)
    here = moved(site)

    done = here.run("relocate", "--json")

    assert done.code == 0, done.err
    (warning,) = [one for one in done.json["warnings"] if one["slug"] == "tree-differs"]
    new = done.data["relocated"][0]["to"]
    assert warning["message"].startswith(
        f"{new} takes the place of {old}, which was built by version 0.1, and differs from it in files that "
        "venvship generates: the first file that differs is lib/python3."
    )
    assert "/site-packages/_venvship.py: other contents" in warning["message"]
    assert ("do not give its tree digest" in warning["message"]) is not proven
    slugs = [one["slug"] for one in here.run("show", old, "--files", "--json").json["warnings"]]
    assert ("tree-not-proven" in slugs) is not proven
