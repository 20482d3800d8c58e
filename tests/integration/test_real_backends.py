"""Build backends that people have, from the index: the same commit makes the same release on every host."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_pages import environment
from tests.support.checkouts import GIT_ENVIRONMENT, git, repository
from tests.support.differences import first_difference
from tests.support.roots import NewSite, Site

BACKENDS = {
    "hatchling": "hatchling.build",
    "flit_core": "flit_core.buildapi",
    "uv_build": "uv_build",
    "setuptools": "setuptools.build_meta",
}
FILES = {
    "README.md": "# Shop\n",
    "src/shop/__init__.py": '"""Sells things."""\n\n__version__ = "1.0"\n',
    "src/shop/till/__init__.py": "OPEN = True\n",
    "src/shop/till/coins.py": "COINS = {1, 2, 5}\n",
    "src/shop/py.typed": "",
}


def pyproject(backend: str) -> str:
    return (
        f'[build-system]\nrequires = ["{backend}"]\nbuild-backend = "{BACKENDS[backend]}"\n'
        '[project]\nname = "shop"\nversion = "1.0"\ndescription = "Sells things"\nreadme = "README.md"\n'
        'requires-python = ">=3.11"\n[project.scripts]\nshop = "shop:main"\n'
    )


def released(site: Site, checkout: Path) -> dict[str, Any]:
    """Release a project in a root with a store of its own; returns the release, with its path."""
    site.environment = {
        **{name: value for name, value in site.environment.items() if not name.startswith("PIP_")},
        **environment(network=True),
        **GIT_ENVIRONMENT,
        "HOME": site.environment["HOME"],
    }
    script = 'pwd > "$VENVSHIP_GENERATED/where.txt"'
    site.settings(
        f"[project]\npath = \"{checkout}\"\n[hooks]\ngenerate = ['sh', '-c', {json.dumps(script)}]\n"
    )
    done = site.run("release", "--json", timeout=600)
    assert done.code == 0, done.err + done.out
    found = site.run("show", "--json").data["release"]
    assert isinstance(found, dict)
    return found


@pytest.mark.network
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_commit_on_two_roots_is_the_same_tree(
    backend: str, new_site: NewSite, tmp_path: Path
) -> None:
    checkout = repository(tmp_path / "src", {**FILES, "pyproject.toml": pyproject(backend)})
    bare = tmp_path / "a folder elsewhere" / "shop.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(checkout), str(bare))
    # The times of the files, and the order in which they were made, are those of another host.
    for path in sorted(checkout.rglob("*"), reverse=True):
        os.utime(path, (1, 1))
    releases = []
    for name, source in (("one", checkout), ("the-other-one", bare)):
        site = new_site(name)
        site.store = tmp_path / f"store of {name}"
        site.lock("1.0")
        releases.append(released(site, source))

    one, other = releases
    assert one["path"] != other["path"]
    differing = first_difference(Path(one["path"]), Path(other["path"]))
    assert one["tree_digest"] == other["tree_digest"], f"the first file that differs: {differing}"
    assert one["environment_digest"] == other["environment_digest"]
    assert one["project"]["wheel_sha256"] == other["project"]["wheel_sha256"]
    assert one["project"]["build_requirements"]
    for release in releases:
        text = f"{release['path']}\n"
        assert (Path(release["path"]) / "generated" / "where.txt").read_text() == text
        rows = json.loads((Path(release["path"]) / ".venvship" / "files.json").read_text())["files"]
        listed = {row[0]: row[4] for row in rows}
        assert listed["generated/where.txt"] == hashlib.sha256(text.encode()).hexdigest()
