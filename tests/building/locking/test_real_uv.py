"""uv itself on a uv.lock. Offline: a workspace without a package from an index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from venvship.building.interpreter import probe
from venvship.building.locking.uv_export import UvExport, export_uv_lock, private_directory
from venvship.building.locking.uv_program import Uv, find_uv
from venvship.errors import StaleLockfileError
from venvship.model.lock_neighbours import names_beside
from venvship.model.lockfiles.lockfile import read_lockfile, select
from venvship.model.lockfiles.selection import Selection, SourcedEntry
from venvship.system.signals import Signals

UV = Path(sys.executable).parent / "uv"
"""The one of the development lockfile."""

SHOP = """[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["till", "beside"]
[project.optional-dependencies]
web = ["front"]
[tool.uv.workspace]
members = ["members/*"]
[tool.uv.sources]
till = { workspace = true }
front = { workspace = true }
beside = { path = "../beside" }
"""


def member(name: str) -> str:
    return f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.11"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace that uv has locked."""
    root = tmp_path / "shop"
    build = '[build-system]\nrequires = []\nbuild-backend = "none"\nbackend-path = ["."]\n'
    for folder, text in (
        (root, SHOP + build),
        (root / "members" / "till", member("till") + build),
        (root / "members" / "front", member("front") + build),
        (tmp_path / "beside", member("beside") + build),
    ):
        folder.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(text)
    subprocess.run(
        [str(UV), "lock", "--offline", "--python", sys.executable],
        cwd=root,
        check=True,
        capture_output=True,
        env={**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache")},
    )
    return root


def selected(root: Path, *extras: str) -> Selection:
    interpreter = probe(sys.executable, environ=os.environ, signals=Signals())

    def export(path: str, contents: object) -> bytes:
        assert isinstance(contents, dict)
        request = UvExport(path=path, contents=contents, interpreter=interpreter, extras=extras, groups=())
        with private_directory(str(root.parent), "abc") as directory:
            uv = find_uv(
                {},
                None,
                executable=sys.executable,
                require=lambda _: None,
                directory=directory,
                signals=Signals(),
            )
            assert isinstance(uv, Uv)
            return export_uv_lock(request, uv, directory=directory, signals=Signals())

    path = str(root / "uv.lock")
    lockfile = read_lockfile([path], read=lambda one: Path(one).read_bytes(), sdists=(), export=export)
    return select(lockfile, interpreter, extras=extras, groups=())


def test_a_workspace_comes_out_as_its_members_without_a_look_at_their_code(workspace: Path) -> None:
    before = sorted(workspace.rglob("*"))
    found = selected(workspace).sourced
    assert [(one.name, one.repository, one.folder) for one in found] == [
        ("beside", "", "../beside"),
        ("shop", "", ""),
        ("till", "", "members/till"),
    ]
    assert isinstance(found[0], SourcedEntry)
    assert {one.name for one in selected(workspace, "web").sourced} == {"beside", "front", "shop", "till"}
    assert sorted(workspace.rglob("*")) == before


def test_the_files_that_uv_needs_are_those_that_the_lock_names(workspace: Path) -> None:
    assert set(names_beside(str(workspace / "uv.lock"), (workspace / "uv.lock").read_bytes())) == {
        "pyproject.toml",
        "uv.toml",
        "members/till/pyproject.toml",
        "members/front/pyproject.toml",
        "../beside/pyproject.toml",
    }


def test_a_change_of_a_members_dependencies_makes_the_lock_stale(workspace: Path) -> None:
    path = workspace / "members" / "till" / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "1"', 'version = "1"\ndependencies = ["front"]'))
    with pytest.raises(StaleLockfileError):
        selected(workspace)


@pytest.mark.parametrize(
    "build",
    ["", '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'],
    ids=["setuptools", "hatchling"],
)
def test_a_project_whose_dependencies_only_a_build_tells_is_taken_as_it_is_locked(
    tmp_path: Path, build: str
) -> None:
    dynamic = member("shop").replace('version = "1"', 'version = "1"\ndynamic = ["dependencies"]')
    (tmp_path / "pyproject.toml").write_text(dynamic + build)
    (tmp_path / "uv.lock").write_text(
        'version = 1\nrequires-python = ">=3.11"\n\n'
        '[[package]]\nname = "shop"\nversion = "1"\nsource = { editable = "." }\n'
    )
    assert [one.name for one in selected(tmp_path).sourced] == ["shop"]
