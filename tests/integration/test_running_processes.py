"""A process that was started through `current` stays on its release, whatever is switched meanwhile.

On real releases, with everything that comes to them from wheels.
`tests/building/tree/test_startup.py` has the rest.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.roots import Site, make_site
from tests.support.wheels import Distribution, build_wheel, lockfile_text

SERVER = """\
import importlib.resources, json, subprocess, sys

VERSION = "@"
CHILD = "import late, json, sys; print(json.dumps([late.VERSION, late.__file__, sys.prefix]))"

def main():
    print("ready", flush=True)
    sys.stdin.readline()
    import late, package.deep, added, imported_by_pth
    print(json.dumps({
        "late": [late.VERSION, late.__file__],
        "deep": [package.deep.VERSION, package.deep.__file__],
        "added": [added.VERSION, added.__file__],
        "by_pth": [imported_by_pth.VERSION, imported_by_pth.__file__],
        "resource": importlib.resources.files("package").joinpath("text.txt").read_text(),
        "child": json.loads(subprocess.check_output([sys.executable, "-c", CHILD])),
        "prefix": sys.prefix,
        "path": [entry for entry in sys.path if "releases" in entry or "current" in entry],
    }), flush=True)
"""


def server_wheel(directory: Path, version: str) -> Distribution:
    text = f"VERSION = {version!r}\n"
    return build_wheel(
        directory,
        "server",
        version,
        files={
            "server.py": SERVER.replace("@", version),
            "late.py": text,
            "package/__init__.py": "",
            "package/deep.py": text,
            "package/text.txt": version,
            "beside/added.py": text,
            "imported_by_pth.py": text,
        },
        pth={"server.pth": "beside\nimport imported_by_pth\n"},
        scripts={"serve": "server:main"},
    )


@dataclass
class Story:
    """A root with releases 1.0 and 1.1, of which 1.0 is current when a test begins."""

    site: Site
    old: str
    new: str

    def switch(self) -> None:
        assert self.site.run("promote", self.new, "--force").code == 0


def write_lockfile(site: Site, version: str) -> None:
    wheel = site.wheels[version]
    text = lockfile_text(wheel, options=[f"--find-links {wheel.path.parent}"])
    (site.path / "requirements.txt").write_text(text)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("running")
    (folder / "wheels").mkdir()
    wheels = {version: server_wheel(folder / "wheels", version) for version in ("1.0", "1.1")}
    wheels["dep"] = wheels["1.0"]
    site = make_site(folder / "root", wheels, folder / "store", folder / "home", None)
    ids = []
    for version in ("1.0", "1.1"):
        write_lockfile(site, version)
        done = site.run("release", "--json")
        assert done.code == 0, done.out + done.err
        ids.append(done.data["release"]["id"])
    return Story(site, *ids)


@pytest.fixture
def story(releases: Story) -> Story:
    assert releases.site.run("promote", releases.old, "--force").code == 0
    return releases


def start(story: Story, command: Sequence[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [story.site.path / command[0], *command[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=story.site.environment,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    answer = json.loads(out)
    assert isinstance(answer, dict)
    return answer


WAYS = {
    "python": ("current/bin/python", "-c", "import server; server.main()"),
    "isolated python": ("current/bin/python", "-I", "-c", "import server; server.main()"),
    "script": ("current/bin/serve",),
}


@pytest.mark.parametrize("way", ["python", "isolated python", "script"])
def test_all_that_is_imported_after_a_switch_comes_from_the_release_of_the_start(
    story: Story, way: str
) -> None:
    process = start(story, WAYS[way])
    story.switch()
    answer = finish(process)
    release = str(story.site.path / "releases" / story.old)
    assert answer["prefix"] == release
    for name in ("late", "deep", "added", "by_pth", "child"):
        version, path = answer[name][:2]
        assert version == "1.0", name
        assert path.startswith(f"{release}/"), name
    assert answer["child"][2] == release
    assert answer["resource"] == "1.0"
    assert not [entry for entry in answer["path"] if not entry.startswith(f"{release}/")]
