"""A release is usable where it was built: in that very directory, by whatever name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.roots import Site
from tests.support.sealed import RELEASE_ID, empty_root, sealed
from venvship.building.tree.startup import startup_files
from venvship.model.release import Manifest
from venvship.root import RootLayout
from venvship.system import files
from venvship.workspace.place import place_problem


def recorded(layout: RootLayout, path: str) -> Manifest:
    """A small release whose manifest has a path."""
    sealed(layout)
    return layout.manifest(RELEASE_ID, None)._replace(path=path)


def by_startup_file(layout: RootLayout, built_at: str, *, version: str) -> Manifest:
    """A small release of an older venvship: its manifest has no path, and its start-up files have."""
    manifest = recorded(layout, "")
    site_packages = f"lib/python{version}/site-packages"
    folder = layout.release_path(RELEASE_ID) / site_packages
    folder.mkdir(parents=True)
    written = startup_files(built_at, lease_path="/lease", site_packages=site_packages)
    for name, data in written.items():
        (folder / name).write_bytes(data)
    return manifest._replace(environment=manifest.environment._replace(python={"version": version}))


@pytest.mark.parametrize("version", ["", "3.11", "3.18"])
@pytest.mark.parametrize("name", ["root", "it's a root", 'a "root" \\x41', "wurzel-ä"])
def test_a_release_knows_the_directory_that_it_was_built_for(tmp_path: Path, name: str, version: str) -> None:
    layout = empty_root(tmp_path / name)
    here = str(layout.release_path(RELEASE_ID))
    manifest = by_startup_file(layout, here, version=version) if version else recorded(layout, here)
    assert place_problem(layout, manifest) is None

    moved = RootLayout((tmp_path / name).rename(tmp_path / "moved"))

    assert place_problem(moved, manifest) == f"it was built for {here}, which is gone"
    (tmp_path / name).symlink_to("moved")
    assert place_problem(moved, manifest) is None, "the recorded path leads here again"
    (tmp_path / name).unlink()
    files.make_directories(here)
    assert place_problem(moved, manifest) == f"it was built for {here}, which is another directory"


def test_a_release_whose_path_nothing_records_may_stand_anywhere(tmp_path: Path) -> None:
    layout = empty_root(tmp_path / "root")
    assert place_problem(layout, recorded(layout, "")) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every directory")
def test_a_path_that_cannot_be_looked_at_is_a_problem(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    layout = empty_root(tmp_path / "root")
    problem = place_problem(layout, recorded(layout, f"{closed}/releases/{RELEASE_ID}"))
    assert problem is not None
    assert problem.endswith("which cannot be reached: Permission denied")


def test_a_build_records_its_path(site: Site) -> None:
    release = site.path / "releases" / site.release("1.0")
    manifest = json.loads((release / ".venvship" / "manifest.json").read_bytes())
    assert manifest["path"] == str(release)
