"""venvship is upgraded or uninstalled while one of its commands has a release on trial."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import venvship
from tests.support.processes import script_at
from tests.support.roots import Site

_LAUNCHER = """\
#!{python} -I
import sys
sys.path.insert(0, {place!r})
from venvship.__main__ import main
main()
"""

_SETTINGS = """
[hooks]
restart = ["rm", "-rf", "{place}/venvship"]
[[check]]
name = "port"
tcp = "127.0.0.1:{port}"
deadline = 0
"""


@pytest.fixture
def place(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a copy of venvship, which `site` runs from now on."""
    place = tmp_path / "installed"
    launcher = place / "venvship-copy"
    place.mkdir()
    script_at(launcher, _LAUNCHER.format(python=sys.executable, place=str(place)))
    monkeypatch.setenv("VENVSHIP_COMMAND", str(launcher))
    return place


def install(place: Path) -> None:
    """Copy the package to where the launcher looks for it."""
    shutil.copytree(Path(venvship.__file__).parent, place / "venvship")


def test_commands_finish_whose_program_is_removed_while_the_release_is_on_trial(
    site: Site, place: Path, silent: int
) -> None:
    first, second = site.release("1.0"), site.release("1.1")
    site.settings(_SETTINGS.format(place=place, port=silent))

    install(place)
    back = site.run("rollback")
    assert not (place / "venvship").exists(), "the restart hook did not run"
    assert (back.code, site.current) == (0, first), back.err

    install(place)
    forward = site.run("promote", "--force", second)
    assert (forward.code, site.current) == (0, second), forward.err

    site.settings(_SETTINGS.format(place=place, port=1))
    install(place)
    site.lock("1.2")
    refused = site.run("release")
    assert (refused.code, site.current) == (23, second), refused.err
    assert "connection refused by 127.0.0.1:1" in refused.err
