"""The wheel that venvship writes of a project without packaging, and the release that it becomes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.releases import SITE, pinned, request_for
from tests.support.wheels import Distribution, build_wheel
from venvship.building.builder import build
from venvship.building.project.tree import Project, TreeWheel, write_tree_wheel
from venvship.building.store.intake import importing, prepare
from venvship.building.store.store import Store
from venvship.errors import CheckoutError, InvalidWheelError
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.project_files import Rules
from venvship.model.release import Manifest
from venvship.model.source import Source
from venvship.model.wheel import WheelFile
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree

MANAGE = (
    "#!/usr/bin/env python3\nimport json, sys\nimport shop\nprint(json.dumps([shop.WHO, sys.argv[1:]]))\n"
)
FILES = {
    "manage.py": MANAGE,
    "shop/__init__.py": "WHO = 'shop'\n",
    "shop/templates/a, b.html": "<p>\n",
    "run.sh": "#!/bin/sh\necho run\n",
    ".env": "SECRET=1\n",
}


NO_RULES = Rules()


def nothing() -> None:
    """Nothing happens between files."""


def make(folder: Path, files: Mapping[str, str | bytes] = FILES) -> Path:
    for name, contents in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        if name in {"manage.py", "run.sh"}:
            path.chmod(0o755)
    return folder


def project(folder: Path, rules: Rules = NO_RULES, *, tracked: list[str] | None = None) -> Project:
    every = [os.path.relpath(p, folder) for p in folder.rglob("*") if p.is_symlink() or p.is_file()]
    return Project(
        name="my-shop",
        copy=str(folder),
        tracked=every if tracked is None else tracked,
        origin="/src/shop",
        rules=rules,
    )


def written(tmp_path: Path, folder: Path, rules: Rules = NO_RULES, **more: list[str]) -> TreeWheel:
    target = tmp_path / f"wheels-{len(list(tmp_path.iterdir()))}"
    target.mkdir()
    return write_tree_wheel(project(folder, rules, **more), str(target), nothing)


# -- the wheel -------------------------------------------------------------------------------------------


def test_every_file_is_below_app_and_listed(tmp_path: Path) -> None:
    wheel, choice = written(tmp_path, make(tmp_path / "copy"))
    assert os.path.basename(wheel.path) == "my_shop-0-py3-none-any.whl"
    assert choice.sensitive == {"environment files": (".env",)}
    with zipfile.ZipFile(wheel.path) as archive:
        assert archive.testzip() is None
        modes = {info.filename: oct(info.external_attr >> 16) for info in archive.infolist()}
        record = archive.read("my_shop-0.dist-info/RECORD").decode()
        assert archive.read("my_shop-0.data/data/app/run.sh") == FILES["run.sh"].encode()
    data = "my_shop-0.data/data/app"
    assert modes == {
        f"{data}/manage.py": "0o100755",
        f"{data}/run.sh": "0o100755",
        f"{data}/shop/__init__.py": "0o100644",
        f"{data}/shop/templates/a, b.html": "0o100644",
        "my_shop-0.dist-info/METADATA": "0o100644",
        "my_shop-0.dist-info/WHEEL": "0o100644",
        "my_shop-0.dist-info/RECORD": "0o100644",
    }
    assert list(modes)[:4] == sorted(list(modes)[:4])
    assert '"my_shop-0.data/data/app/shop/templates/a, b.html",sha256=' in record


def test_its_bytes_follow_from_the_files_alone(tmp_path: Path) -> None:
    first = written(tmp_path, make(tmp_path / "one"))
    other = make(tmp_path / "two", dict(reversed(FILES.items())))
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() or path.suffix == ".sh" or path.name == "manage.py" else 0o600)
    old = os.umask(0o077)
    try:
        second = written(tmp_path, other)
    finally:
        os.umask(old)
    assert first.wheel.sha256 == second.wheel.sha256
    assert first.wheel.sha256 == hashlib.sha256(Path(first.wheel.path).read_bytes()).hexdigest()


@pytest.mark.parametrize("change", ["contents", "mode", "name"])
def test_each_change_of_a_file_makes_another_wheel(tmp_path: Path, change: str) -> None:
    folder = make(tmp_path / "copy")
    before = written(tmp_path, folder).wheel.sha256
    file = folder / "shop" / "__init__.py"
    if change == "contents":
        file.write_text("WHO = 'sho2'\n")
    elif change == "mode":
        file.chmod(0o755)
    else:
        file.rename(file.with_name("other.py"))
    assert written(tmp_path, folder).wheel.sha256 != before


def test_an_installer_takes_it_as_a_wheel(tmp_path: Path) -> None:
    from installer.sources import WheelFile as Source

    with Source.open(written(tmp_path, make(tmp_path / "copy")).wheel.path) as source:
        source.validate_record()
        assert source.distribution == "my_shop"


def test_links_are_the_files_that_they_lead_to(tmp_path: Path) -> None:
    folder = make(tmp_path / "copy")
    (folder / "alias").symlink_to("shop")
    (folder / "go").symlink_to("manage.py")
    with zipfile.ZipFile(written(tmp_path, folder).wheel.path) as archive:
        data = "my_shop-0.data/data/app"
        assert archive.read(f"{data}/alias/__init__.py") == b"WHO = 'shop'\n"
        assert archive.getinfo(f"{data}/go").external_attr >> 16 == 0o100755
        names = archive.namelist()[:-3]
    assert names == sorted(names)


def test_included_files_that_are_not_tracked_are_taken(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "copy",
        {**FILES, "web/dist/app.js": "1", "web/x.js": "2", ".git/config": "3", "sub/.git": "4"},
    )
    rules = Rules(include=("web/dist/", "*"), exclude=("x.js",))
    choice = written(tmp_path, folder, rules, tracked=["manage.py"]).choice
    assert "web/dist/app.js" in choice.files
    assert not any({"x.js", ".git"} & set(name.split("/")) for name in choice.files)


def test_a_tracked_file_that_a_program_has_removed_is_not_missed(tmp_path: Path) -> None:
    folder = make(tmp_path / "copy")
    assert written(tmp_path, folder, tracked=["manage.py", "gone.py", "manage.py/x"])


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_everything_that_cannot_be_in_a_release_is_named_at_once(tmp_path: Path) -> None:
    folder = make(tmp_path / "copy", {**FILES, "logo.png": POINTER, "sitecustomize.py": "", "a\\b": ""})
    (folder / "out").symlink_to("../../etc/passwd")
    (folder / "vendor" / "lib").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    with pytest.raises(CheckoutError) as caught:
        written(tmp_path, folder, tracked=[*os.listdir(folder), "vendor/lib"])
    text = caught.value.message
    for expected in (
        "/src/shop/logo.png: it is a pointer of Git LFS",
        "/src/shop/sitecustomize.py: every Python process",
        "/src/shop/out: a link, and it leads out of the project",
        "/src/shop/vendor/lib: it is a submodule that was not fetched",
        "/src/shop/pipe: it is neither a file nor a link",
        "its path has a backslash",
    ):
        assert expected in text
    assert "git -C /src/shop lfs pull" in str(caught.value.hint)
    assert caught.value.exit_code == 11


def test_a_project_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="no file of /src/shop"):
        written(tmp_path, make(tmp_path / "copy"), Rules(exclude=("*",)))


def test_a_signal_ends_the_writing(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tree_wheel(project(make(tmp_path / "copy")), str(tmp_path), interrupt)


# -- the release -----------------------------------------------------------------------------------------


class Builds:
    """A root, and releases of a project and further wheels in it."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self.environ = environ
        path.mkdir()
        self.store = Store(str(path / "store"))
        prepare(self.store)
        self.count = 0

    def build(self, tree: TreeWheel, *others: Distribution, shared: tuple[str, ...] = ()) -> Manifest:
        files = [tree.wheel, *(WheelFile(str(one.path), one.sha256) for one in others)]
        with importing(self.store) as batch:
            batch.add(files)
        ours = Distribution(Path(tree.wheel.path), "my-shop", "0")
        self.count += 1
        request = request_for(
            self.path,
            [ours, *others],
            requirements=[sourced(pinned(ours)), *map(pinned, others)],
            release_id=f"20261122T09414{self.count}Z-3f9a1c2",
        )
        wheels = {"my-shop": tree.wheel.sha256, **{one.name: one.sha256 for one in others}}
        request = replace(request, wheels=wheels, shared=shared)
        Path(request.log_dir).mkdir(mode=0o700, exist_ok=True)
        return build(request, self.store, environ=self.environ, signals=Signals(), progress=lambda _: None)


def sourced(requirement: Requirement) -> Requirement:
    source = Source(repository="/src/shop", commit="", folder="", tree="sha256:1", kind="tree")
    return replace(requirement, source=source)


@pytest.fixture
def builds(tmp_path: Path, clean_env: dict[str, str]) -> Iterator[Builds]:
    one = Builds(tmp_path / "root", clean_env)
    yield one
    remove_tree(one.path)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env={"PATH": "/nowhere"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_files_of_a_project_are_in_app_compiled_sealed_and_importable(
    builds: Builds, tmp_path: Path
) -> None:
    manifest = builds.build(written(tmp_path, make(tmp_path / "copy")))
    release = Path(manifest.path)
    app = release / "app"
    (builds.path / "current").symlink_to(f"releases/{release.name}")
    assert manifest.warnings == ()
    assert sorted(os.listdir(app)) == ["__pycache__", "manage.py", "run.sh", "shop"]
    assert (app / "shop" / "__pycache__").is_dir()
    code = "import importlib.metadata as m, shop; print(shop.__cached__, shop.__file__, m.version('my-shop'))"
    cached, file, version = run(release / "bin" / "python", "-I", "-c", code, cwd=tmp_path).split()
    assert Path(cached).read_bytes()[4:8] == b"\1\0\0\0", "an unchecked hash"
    assert file == f"{app}/shop/__init__.py"
    assert version == "0"
    # `current/app/manage.py` runs, by its own first line or with an interpreter before it.
    expected = '["shop", ["a", "b"]]\n'
    assert run(builds.path / "current/app/manage.py", "a", "b", cwd=tmp_path) == expected
    python = builds.path / "current/bin/python"
    assert run(python, "current/app/manage.py", "a", "b", cwd=builds.path) == expected
    listed = {row[0]: row[1:] for row in json.loads((release / ".venvship/files.json").read_bytes())["files"]}
    assert listed["app/manage.py"][1] == "0555"
    assert listed["app/shop/__init__.py"][:2] == ["file", "0444"]
    first, text = f"#!{release}/bin/python", (app / "manage.py").read_text()
    if len(f"{first}\n") > 127:  # the kernel reads no longer line: sh starts the interpreter
        assert text.startswith("#!/bin/sh\n'''exec' ")
    else:
        assert text == MANAGE.replace("#!/usr/bin/env python3", first)


def test_two_roots_have_the_same_tree_digest(
    builds: Builds, tmp_path: Path, clean_env: dict[str, str]
) -> None:
    tree = written(tmp_path, make(tmp_path / "copy"))
    other = Builds(tmp_path / "a root of another name", clean_env)
    try:
        first = builds.build(tree, shared=("media",))
        assert other.build(tree, shared=("media",)).tree_digest == first.tree_digest
        assert builds.build(tree).tree_digest != first.tree_digest, "links are a part of it"
    finally:
        remove_tree(other.path)


def test_links_to_what_outlives_a_release_are_relative_and_listed(builds: Builds, tmp_path: Path) -> None:
    manifest = builds.build(written(tmp_path, make(tmp_path / "copy")), shared=("media", "var/data"))
    release = Path(manifest.path)
    assert os.readlink(release / "app/media") == "../../../shared/media"
    assert os.readlink(release / "app/var/data") == "../../../../shared/var/data"
    for name in ("media", "var/data"):
        assert os.path.normpath(release / f"app/{name}" / ".." / os.readlink(release / f"app/{name}")) == str(
            builds.path / "shared" / name
        )
    rows = json.loads((release / ".venvship/files.json").read_bytes())["files"]
    assert ["app/media", "link", "0777", 0, "../../../shared/media"] in rows
    assert Manifest.from_json(json.loads((release / ".venvship/manifest.json").read_bytes())).shared == (
        "media",
        "var/data",
    )


def test_no_other_wheel_may_bring_files_into_the_folder_of_the_project(
    builds: Builds, tmp_path: Path, wheelhouse: Path
) -> None:
    other = build_wheel(wheelhouse, "intruder", data={"data/app/shop/evil.py": "1"})
    with pytest.raises(InvalidWheelError, match=r"intruder.* brings app/shop/evil.py"):
        builds.build(written(tmp_path, make(tmp_path / "copy")), other)


@pytest.mark.parametrize("shared", ["manage.py", "shop", "run.sh/x"])
def test_a_link_and_a_file_cannot_have_one_place(builds: Builds, tmp_path: Path, shared: str) -> None:
    with pytest.raises(InvalidWheelError, match="has a link at"):
        builds.build(written(tmp_path, make(tmp_path / "copy")), shared=(shared,))


def test_modules_that_hide_each_other_are_named(builds: Builds, tmp_path: Path, wheelhouse: Path) -> None:
    package = build_wheel(wheelhouse, "thing", files={"thing/__init__.py": "", "space/deep.py": ""})
    files = {**FILES, "thing.py": "", "space/own.py": "", "code/__init__.py": "", "calendar.txt": ""}
    manifest = builds.build(written(tmp_path, make(tmp_path / "copy", files)), package)
    messages = {warning["slug"]: warning["message"] for warning in manifest.warnings}
    assert set(messages) == {"app-hides-package", "app-hidden"}
    assert messages["app-hides-package"].endswith(": app/thing.py hides thing of thing")
    assert messages["app-hidden"].endswith(": app/code")
    python = Path(manifest.path) / "bin/python"
    code = "import thing, space.own, space.deep; print(thing.__file__)"
    assert run(python, "-c", code, cwd=tmp_path) == f"{manifest.path}/app/thing.py\n"
    assert Path(manifest.path, SITE, "thing/__init__.py").exists()


def test_a_copy_of_the_checkout_is_not_needed_any_more(builds: Builds, tmp_path: Path) -> None:
    tree = written(tmp_path, make(tmp_path / "copy"))
    first = builds.build(tree)
    shutil.rmtree(tmp_path / "copy")
    assert builds.build(tree).tree_digest == first.tree_digest
