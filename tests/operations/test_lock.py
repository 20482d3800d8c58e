"""`lock` against a local index: what it writes, keeps, refuses, and leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.support.wheels import build_wheel
from venvship.operations.interpreter import settled
from venvship.operations.lock import Compiled, compile_lockfile, write_lockfile
from venvship.operations.workspace import Workspace
from venvship.root import RootLayout

SETTINGS = '[lock]\ninputs = ["requirements.in"]\n'


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path) -> Site:
    """A root whose requirements want `app`, which wants `dep`; the index has two versions of each."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    for version in ("1.0", "1.1"):
        build_wheel(wheelhouse, "app", version, requires=["dep"])
    build_wheel(wheelhouse, "dep", "1.0")
    site.settings(SETTINGS)
    (site.path / "requirements.in").write_text("app\n")
    (site.path / "requirements.txt").unlink()
    return site


def locked(site: Site) -> str:
    """What the lockfile says."""
    return (site.path / "requirements.txt").read_text()


def compiled(site: Site, **options: Any) -> Compiled:
    """Compile, and write nothing."""
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    workspace.open_for_writing()
    settings = workspace.settings()
    return compile_lockfile(
        workspace, settings, settled(workspace, settings), **{"upgrade": False, **options}
    )


def test_what_is_compiled_is_written_only_when_it_is_wanted(shop: Site) -> None:
    found = compiled(shop)

    assert not (shop.path / "requirements.txt").exists()
    assert (found.path, found.before, found.changed) == (str(shop.path / "requirements.txt"), None, True)
    assert b"app==1.1 \\\n    --hash=sha256:" in found.content
    write_lockfile(found.path, found.content)
    assert not compiled(shop).changed
    assert shop.debris() == []
