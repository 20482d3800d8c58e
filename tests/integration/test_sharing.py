"""Releases share what they have in common, and nothing that runs in one of them changes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.differences import first_difference
from tests.support.index import LocalIndex
from tests.support.roots import Site, make_site
from tests.support.wheels import Distribution, build_wheel, lockfile_text
from venvship.building.tree.startup import STARTUP_NAMES
from venvship.system.files import hash_file
from venvship.system.trees import walk

ANSWER = """\
import importlib.resources, json, sys
def main():
    import library.deep
    text = importlib.resources.files("library").joinpath("text.txt").read_text()
    print(json.dumps([sys.argv[1:], library.deep.NAME, text, sys.prefix]))
"""


def build_wheels(directory: Path) -> dict[str, Distribution]:
    """Build `library`, `pytool` and two versions of `app`; keys as in a lockfile, without the `==`."""
    library = build_wheel(
        directory,
        "library",
        "2.0",
        files={
            "library/__init__.py": "",
            "library/deep.py": "NAME = __name__\n",
            "library/text.txt": "a text",
            "library/data/empty.bin": b"",
            "single.py": "assert True\n",
            "broken_on_purpose.py": "print 'for another Python'\n",
        },
        pth={"library.pth": "library/data\n"},
        data={"data/share/man/library.1": ".TH library", "headers/library.h": "#define LIBRARY\n"},
    )
    tool = build_wheel(
        directory,
        "pytool",
        "1.0",
        files={"pytool.py": ANSWER},
        scripts={"answer": "pytool:main"},
        gui_scripts={"answer-gui": "pytool:main"},
        data={
            "scripts/from-wheel": "#!python\n# -*- coding: latin-1 -*-\nimport pytool\npytool.main()\n",
            "scripts/shell": "#!/bin/sh\necho shell\n",
        },
        requires=["library"],
        entry_points={"pytool.plugins": {"main": "pytool:main"}},
    )
    apps = [
        build_wheel(directory, "app", version, files={"app.py": f"VERSION = {version!r}\n"})
        for version in ("1.0", "1.1")
    ]
    return {f"{wheel.name} {wheel.version}": wheel for wheel in (library, tool, *apps)}


@dataclass
class Story:
    """A root with two releases, of which the second brings another version of `app`.

    Attributes:
        index: Where the wheels came from.
        first: The first release's path.
        second: The second's.
        asked: What the second release asked the index.
        unchanged: What a third, with nothing new but `--rebuild`, asked it.
    """

    site: Site
    index: LocalIndex
    first: Path
    second: Path
    asked: Counter[str]
    unchanged: Counter[str]

    @property
    def packages(self) -> Path:
        return site_packages(self.second)


def site_packages(release: Path) -> Path:
    (found,) = release.glob("lib/python*/site-packages")
    return found


def write_lockfile(site: Site, index: LocalIndex, app: str) -> None:
    pinned = [site.wheels["library 2.0"], site.wheels["pytool 1.0"], site.wheels[f"app {app}"]]
    (site.path / "requirements.txt").write_text(lockfile_text(*pinned, options=[f"--index-url {index.url}"]))


def make_root(path: Path, home: Path, index: LocalIndex, wheels: dict[str, Distribution]) -> Site:
    """Make a root that hard-links from a store of its own, and fetches from the index."""
    dep = {**wheels, "dep": wheels["library 2.0"], "1.0": wheels["app 1.0"]}
    site = make_site(path, dep, path / "store", home, None)
    del site.environment["PIP_NO_INDEX"]
    site.settings('link = "hardlink"\n[build]\noptimize = [0, 1, 2]\n')
    write_lockfile(site, index, "1.0")
    return site


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("sharing")
    wheels = build_wheels(folder / "wheelhouse")
    with LocalIndex(folder / "wheelhouse") as index:
        site = make_root(folder / "root", folder / "home", index, wheels)

        def release(*arguments: str) -> Path:
            done = site.run("release", "--json", *arguments)
            assert done.code == 0, done.out + done.err
            return Path(done.data["release"]["path"])

        first = release()
        before = Counter(index.requests)
        write_lockfile(site, index, "1.1")
        second = release()
        asked = index.requests - before
        before = Counter(index.requests)
        release("--rebuild")
        assert site.run("rollback").code == 0
        yield Story(site, index, first, second, asked, index.requests - before)


@pytest.fixture
def damaged(tmp_path: Path, story: Story) -> Site:
    """A root of its own whose one release may be damaged, with its store."""
    site = make_root(tmp_path / "root", tmp_path / "home", story.index, dict(story.site.wheels))
    (site.path / "state").mkdir(mode=0o755)
    shutil.copy(story.site.path / "state" / "python.json", site.path / "state")
    assert site.run("release").code == 0
    return site


def recorded(packages: Path, *names: str) -> Iterator[str]:
    """The paths in these packages' RECORDs, relative to the release."""
    release = packages.parents[2]
    for name in names:
        (record,) = packages.glob(f"{name}-*.dist-info/RECORD")
        for line in record.read_text().splitlines():
            path = packages / line.split(",", maxsplit=1)[0]
            yield os.path.relpath(os.path.normpath(path), release)


# -- what is shared ------------------------------------------------------------------------------------------


def test_unchanged_packages_are_the_same_files_in_both_releases(story: Story) -> None:
    own = re.compile(r"bin/(answer|answer-gui|from-wheel)|.*\.dist-info/(RECORD|INSTALLER|REQUESTED)")
    shared, different = set(), set()
    for path in recorded(story.packages, "library", "pytool"):
        one, other = (os.lstat(release / path) for release in (story.first, story.second))
        (shared if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino) else different).add(path)
    assert {path for path in different if not own.fullmatch(path)} == set()
    folder = os.path.relpath(story.packages, story.second)
    tag = sys.implementation.cache_tag
    assert shared >= {
        f"{folder}/library/deep.py",
        f"{folder}/library/text.txt",
        f"{folder}/library/__pycache__/deep.{tag}.pyc",
        f"{folder}/library/__pycache__/deep.{tag}.opt-2.pyc",
        f"{folder}/library-2.0.dist-info/METADATA",
        f"{folder}/library.pth",
        "share/man/library.1",
        "bin/shell",
    }
    assert len([path for path in shared if path.endswith(".pyc")]) == 4 * 3, "broken_on_purpose has none"


def test_a_second_release_takes_room_for_little_more_than_what_is_new(story: Story) -> None:
    new = [
        path
        for path, found in walk(str(story.second))
        if stat.S_ISREG(found.st_mode)
        and not path.startswith((".venvship/", "bin/activate"))
        and os.path.basename(path) not in {"RECORD", "INSTALLER", "REQUESTED", "pyvenv.cfg"}
        and not (story.first / path).exists()
    ]
    assert {os.path.basename(path).split(".")[0] for path in new} == {"METADATA", "WHEEL"}
    single = [
        path
        for path, found in walk(str(story.second))
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and "_venvship" not in path
    ]
    folder = os.path.relpath(story.packages, story.second)
    assert {path for path in single if not path.startswith((".venvship/", "bin/"))} == {
        "pyvenv.cfg",
        *(f"{folder}/{name}" for name in STARTUP_NAMES if name.endswith(".pth")),
        *(
            f"{folder}/{name}.dist-info/{file}"
            for name in ("library-2.0", "pytool-1.0", "app-1.1")
            for file in ("RECORD", "INSTALLER", "REQUESTED")
        ),
    }


def test_the_index_is_asked_for_what_is_new_and_nothing_else(story: Story) -> None:
    assert set(story.asked) == {"/simple/app/", "/files/app-1.1-py3-none-any.whl"}
    assert story.asked["/files/app-1.1-py3-none-any.whl"] == 1
    assert story.unchanged == Counter(), "all that a rebuild needs is in the store"


# -- what does not change ------------------------------------------------------------------------------------


def snapshot(release: Path) -> dict[str, tuple[object, ...]]:
    """Every name below, with all that a write to it would change."""
    found: dict[str, tuple[object, ...]] = {}
    for path, status in walk(str(release)):
        absolute = release / path
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = hash_file(str(absolute))
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(absolute)
        found[path] = (stat.S_IFMT(status.st_mode), status.st_ino, status.st_mtime_ns, content)
    return found


EVERYTHING = """
import contextlib, importlib, pkgutil, site, sys
assert not sys.dont_write_bytecode
names = [m.name for m in pkgutil.walk_packages([p for p in sys.path if p.startswith(sys.prefix + "/")])]
failed = []
for name in names:
    try:
        importlib.import_module(name)
    except SyntaxError:
        failed.append(name)
assert failed == ["broken_on_purpose"], failed
assert {"app", "single", "library.deep", "pytool", "_venvship"} <= set(names), names
for name in names:
    if name not in failed:
        module = sys.modules[name]
        assert module.__spec__.cached == module.__cached__
        with open(module.__cached__, "rb") as file:
            assert file.read(8)[4:] == b"\\1\\0\\0\\0", name
print(len(names))
"""


@pytest.mark.parametrize(
    "options", [(), ("-O",), ("-OO",), ("-I",), ("--check-hash-based-pycs", "always")], ids=" ".join
)
def test_python_rewrites_nothing_in_a_release_even_if_it_may_write_there(
    story: Story, options: Sequence[str]
) -> None:
    # As root does, for whom modes are no obstacle. Bytecode is replaced by rename: directories suffice.
    folders = [story.second / path for path, found in walk(str(story.second)) if stat.S_ISDIR(found.st_mode)]
    for folder in folders:
        folder.chmod(0o755)
    try:
        before = snapshot(story.second)
        environment = {"PATH": os.defpath, "HOME": str(story.site.path.parent)}
        for folder_name in ("current", f"releases/{story.second.name}"):
            python = story.site.path / folder_name / "bin" / "python"
            subprocess.run([python, *options, "-c", EVERYTHING], env=environment, check=True)
            script = python.with_name("answer")
            subprocess.run([python, *options, script], env=environment, check=True, capture_output=True)
        assert story.site.current == story.second.name
        assert snapshot(story.second) == before
    finally:
        for folder in folders:
            folder.chmod(0o555)
    assert story.site.run("verify", "--all").code == 0


# -- the same everywhere -------------------------------------------------------------------------------------

FAR = "far away " + "x" * 100
"""Together with the rest of a path it is longer than the 127 bytes that a `#!` line may have."""


@pytest.mark.parametrize("place", ["with blanks, and 'quotes'", FAR])
def test_a_release_at_another_place_has_the_same_digest_and_scripts_that_start(
    story: Story, tmp_path: Path, place: str
) -> None:
    site = make_root(tmp_path / place / "root", tmp_path / "home", story.index, dict(story.site.wheels))
    write_lockfile(site, story.index, "1.1")
    done = site.run("release", "--json")
    assert done.code == 0, done.out + done.err
    mine, theirs = done.data["release"], story.site.run("show", story.second.name, "--json").data["release"]
    assert mine["path"] != theirs["path"]
    differing = first_difference(Path(mine["path"]), Path(theirs["path"]))
    assert mine["tree_digest"] == theirs["tree_digest"], f"the first file that differs: {differing}"
    release = Path(mine["path"])
    expected = [["an argument", "*"], "library.deep", "a text", str(release)]
    for folder in (site.path / "current", release):
        for name in ("answer", "answer-gui", "from-wheel"):
            output = subprocess.check_output(
                [folder / "bin" / name, "an argument", "*"], env={"PATH": os.defpath}
            )
            assert json.loads(output) == expected, name
        assert subprocess.check_output([folder / "bin" / "shell"]) == b"shell\n"
    output = site.run("run", "--", "answer", "an argument", "*").out
    assert json.loads(output) == expected
    assert site.run("verify", "--all").code == 0


# -- what the packages say of themselves ---------------------------------------------------------------------


def test_pip_lists_what_the_lockfile_says(story: Story) -> None:
    command = [sys.executable, "-m", "pip", "list", "--path", str(story.packages), "--format", "json"]
    listed = json.loads(subprocess.check_output(command, env=story.site.environment))
    pins = re.findall(r"^(\S+)==(\S+)", (story.site.path / "requirements.txt").read_text(), re.MULTILINE)
    assert [(one["name"], one["version"]) for one in listed] == sorted(pins)
    shown = story.site.run("show", story.second.name, "--json").data["release"]["packages"]
    assert sorted(shown, key=lambda p: p["name"]) == sorted(listed, key=lambda p: p["name"])


METADATA = """
import base64, hashlib, importlib.metadata as metadata, json
answer = {}
for distribution in metadata.distributions():
    hashed = []
    for path in distribution.files:
        data = path.locate().read_bytes()
        if path.hash is not None:
            digest = base64.urlsafe_b64encode(hashlib.new(path.hash.mode, data).digest()).rstrip(b"=")
            assert (path.hash.value, path.size) == (digest.decode(), len(data)), path
            hashed.append(str(path))
    plugins = [e.load().__module__ for e in distribution.entry_points]
    answer[distribution.name] = [distribution.version, hashed, plugins]
    assert distribution.read_text("INSTALLER").strip() == "venvship"
print(json.dumps(answer))
"""


def test_every_recorded_file_is_there_with_its_hash(story: Story) -> None:
    output = subprocess.check_output([story.second / "bin" / "python", "-P", "-c", METADATA])
    answer = json.loads(output)
    assert {name: version for name, (version, *_) in answer.items()} == {
        "app": "1.1",
        "library": "2.0",
        "pytool": "1.0",
    }
    assert answer["pytool"][2] == ["pytool"] * 3
    hashed = {path for _, paths, _ in answer.values() for path in paths}
    assert {"../../../bin/answer", "../../../share/man/library.1", "library/deep.py", "app.py"} <= hashed
    unhashed = set(recorded(story.packages, "app", "library", "pytool")) - {
        os.path.relpath(os.path.normpath(story.packages / path), story.second) for path in hashed
    }
    assert all(path.endswith((".pyc", "/RECORD")) for path in unhashed)
    # Nothing is in site-packages that no RECORD mentions, but for the start-up files.
    folder = os.path.relpath(story.packages, story.second)
    present = {
        p for p, found in walk(str(story.second)) if stat.S_ISREG(found.st_mode) and p.startswith(folder)
    }
    stray = present - set(recorded(story.packages, "app", "library", "pytool"))
    assert {os.path.relpath(path, folder).split(".")[0] for path in stray} == {
        "!venvship",
        "~venvship",
        "_venvship",
        "__pycache__/_venvship",
    }


# -- verify --------------------------------------------------------------------------------------------------


def find_damage(site: Site) -> list[tuple[str, str]]:
    done = site.run("verify", "--all", "--json")
    assert done.code == (40 if done.json["error"] else 0)
    return [
        (damage["path"], damage["problem"])
        for release in done.data["releases"]
        for damage in release["damaged"]
    ]


def test_verify_finds_every_kind_of_damage_by_its_relative_path(damaged: Site) -> None:
    release = Path(os.path.realpath(damaged.path / "current"))
    packages = site_packages(release)
    assert find_damage(damaged) == []
    for path, found in walk(str(release)):
        if stat.S_ISDIR(found.st_mode):
            (release / path).chmod(0o755)
    names = {
        name: os.path.relpath(packages / name, release)
        for name in ("single.py", "pytool.py", "app.py", "extra.py", "library.pth", "library/text.txt")
    }
    content = (packages / "single.py").read_bytes()
    status = (packages / "single.py").stat()
    (packages / "single.py").unlink()
    (packages / "single.py").write_bytes(content.replace(b"True", b"1234"))
    (packages / "single.py").chmod(0o444)
    os.utime(packages / "single.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    (packages / "pytool.py").unlink()
    (packages / "app.py").unlink()
    (packages / "app.py").symlink_to("single.py")
    (packages / "extra.py").touch()
    (packages / "library.pth").chmod(0o666)
    python = release / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/false")
    for path, found in walk(str(release)):
        if stat.S_ISDIR(found.st_mode):
            (release / path).chmod(0o555)
    found = dict(find_damage(damaged))
    assert set(found) == {
        names[name] for name in ("single.py", "pytool.py", "app.py", "extra.py", "library.pth")
    } | {"bin/python"}, found
    text = damaged.run("verify")
    assert text.code == 40
    assert names["pytool.py"] in text.out + text.err


def test_damage_to_a_shared_file_is_found_in_every_release_that_has_it(damaged: Site, story: Story) -> None:
    write_lockfile(damaged, story.index, "1.1")
    assert damaged.run("release").code == 0
    release = Path(os.path.realpath(damaged.path / "current"))
    path = site_packages(release) / "library" / "text.txt"
    path.chmod(0o644)
    path.write_text("A TEXT")
    path.chmod(0o444)
    relative = os.path.relpath(path, release)
    found = find_damage(damaged)
    assert [name for name, _ in found] == [relative, relative]
