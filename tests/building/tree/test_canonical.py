"""The rows of a tree digest are found again from the files of a sealed release, wherever it stands."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.building.tree.test_seal import Candidate
from tests.support.forging import forge, replace_file
from tests.support.releases import SITE, pinned
from tests.support.wheels import Distribution, build_wheel
from venvship.building.tree.canonical import canonical_tree
from venvship.errors import ReleaseError
from venvship.model import file_list
from venvship.model.release import Manifest, TreeRow, digest_of_rows
from venvship.root import RootLayout
from venvship.system.trees import remove_tree


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Distribution]:
    """Wheels with all that holds the path of a release, and with files that only look like it."""
    directory = tmp_path_factory.mktemp("wheels")
    shop = build_wheel(
        directory,
        "shop",
        files={"shop/__init__.py": "def main(): ...\n", "shop/ünï, code.txt": "x"},
        scripts={"shop": "shop:main"},
        data={
            "scripts/tool": "#!python\nprint(1)\n",
            "scripts/coded": "#!python\n# -*- coding: latin-1 -*-\nprint(1)\n",
            "scripts/shell": "#!/bin/sh\necho shell\n",
            "scripts/other": "#!/usr/bin/python3\nprint(2)\n",
            "data/share/shop.conf": "key = 1\n",
        },
    )
    return [build_wheel(directory, "idna", "3.10"), shop]


class Release:
    """A sealed release, and its rows."""

    def __init__(self, root: Path, wheels: list[Distribution]) -> None:
        idna, shop = wheels
        local = pinned(idna, url=str(root / "a b" / idna.filename))
        self.candidate = Candidate(root, wheels, requirements=[local, pinned(shop)], shared=("media",))
        self.manifest: Manifest = self.candidate.seal(self.candidate.assemble())
        self.path = self.candidate.path
        self.layout = RootLayout(root)

    def rows(self) -> list[TreeRow]:
        return canonical_tree(self.layout, self.manifest, self.manifest.path)

    def row(self, path: str) -> TreeRow:
        (found,) = [row for row in self.rows() if row.path == path]
        return found


@pytest.fixture
def release(tmp_path: Path, wheels: list[Distribution]) -> Iterator[Release]:
    one = Release(tmp_path / "root", wheels)
    yield one
    os.close(one.candidate.sync_fd)
    remove_tree(one.candidate.request.root_path)


PLACES = ["plain", "with a blank", 'it\'s "quoted" \\ back', "ünï", "long " + "x" * 150]


def test_they_give_the_digest_at_every_place_and_are_the_same(
    tmp_path: Path, wheels: list[Distribution]
) -> None:
    found = []
    for place in PLACES:
        one = Release(tmp_path / place, wheels)
        rows = one.rows()
        assert digest_of_rows(rows) == one.manifest.tree_digest, place
        found.append(rows)
        os.close(one.candidate.sync_fd)
        remove_tree(one.candidate.request.root_path)
    assert all(rows == found[0] for rows in found)
    paths = {row.path for row in found[0]}
    assert {"bin/python", "pyvenv.cfg", "bin/coded", "shared/media", f"{SITE}/!venvship.pth"} <= paths
    assert not {path for path in paths if path.startswith((".venvship", "bin/activate"))}


def test_a_release_that_was_moved_has_them_still(
    release: Release, tmp_path: Path, wheels: list[Distribution]
) -> None:
    before = release.rows()
    moved = tmp_path / "moved"
    os.rename(tmp_path / "root", moved)
    try:
        assert canonical_tree(RootLayout(moved), release.manifest, release.manifest.path) == before
    finally:
        os.rename(moved, tmp_path / "root")


@pytest.mark.parametrize("name", ["bin/tool", f"{SITE}/shop-1.0.dist-info/RECORD"])
def test_a_file_that_was_changed_since_is_named_and_not_used(release: Release, name: str) -> None:
    replace_file(release.path / name, (release.path / name).read_bytes() + b"# changed\n")
    with pytest.raises(ReleaseError, match=f"{name} is not as it was sealed"):
        release.rows()


def test_a_file_that_is_gone_is_named(release: Release) -> None:
    (release.path / "bin").chmod(0o755)
    (release.path / "bin" / "tool").unlink()
    with pytest.raises(ReleaseError, match=r"cannot read .*/bin/tool: No such file"):
        release.rows()


def test_a_list_that_is_another_one_is_named_and_not_used(release: Release) -> None:
    listing = release.path / ".venvship" / "files.json"
    replace_file(listing, listing.read_bytes().replace(b'"0444"', b'"0555"', 1))
    with pytest.raises(ReleaseError, match=r"files\.json is not the one that the manifest names"):
        release.rows()


def test_start_up_files_of_another_version_have_their_path_replaced(release: Release) -> None:
    """Their text is another one, so it cannot be written anew."""
    first = release.path / SITE / "!venvship.pth"
    other = b"# of another version\n" + first.read_bytes()
    forge(release.path, "!venvship.pth", other)
    listing = (release.path / ".venvship" / "files.json").read_bytes()
    release.manifest = release.manifest._replace(files_sha256=hashlib.sha256(listing).hexdigest())

    lease = release.layout.lease(release.manifest.id)
    moved = other.replace(os.fsencode(lease), b"/lease").replace(os.fsencode(release.path), b"/release")

    row = release.row(f"{SITE}/!venvship.pth")
    assert row.value == hashlib.sha256(moved).hexdigest()
    assert digest_of_rows(release.rows()) != release.manifest.tree_digest
    assert row.value not in {entry.sha256 for entry in file_list.entries(listing)}
