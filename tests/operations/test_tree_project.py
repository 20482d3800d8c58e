"""A project without packaging, from its checkout to a live release and back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.operations.test_moved_root import moved
from tests.support.checkouts import GIT_ENVIRONMENT, commit, git, repository, write
from tests.support.roots import Site
from venvship.api import Root
from venvship.errors import BuildError, CheckoutError
from venvship.operations.release_result import ReleaseResult

MANAGE = """#!/usr/bin/env python3
import os, pathlib, sys
import app, late, shop.models

BASE = pathlib.Path(__file__).resolve().parent
if sys.argv[1:] == ["migrate"]:
    with open(BASE / "media" / "migrated", "a") as file:
        file.write(f"{os.environ.get('VENVSHIP_EVENT')} {shop.models.VERSION}\\n")
print(app.VERSION, late.VERSION, shop.models.VERSION, (BASE / "templates/index.html").read_text().strip())
"""
FILES = {
    "manage.py": MANAGE,
    "shop/__init__.py": "",
    "shop/models.py": "VERSION = 1\n",
    "templates/index.html": "<p>hello\n",
    "media/.gitkeep": "",
    "db.sqlite3": "rows\n",
    ".env": "SECRET_KEY=1\n",
    ".gitignore": "dist/\n*.log\n__pycache__/\n",
}
APP = {".gitignore", "manage.py", "media", "shop", "templates"}
SETTINGS = """
[project]
path = "{checkout}"
build = "tree"
shared = ["media"]
{more}
[hooks]
prepare = ["app/manage.py", "migrate"]
[[check]]
name = "imports"
when = "candidate"
import = ["shop.models"]
"""


class Shop(Site):
    """A root with a project without packaging in a git repository beside it."""

    checkout: Path

    @property
    def root(self) -> Root:
        return self.open(environ={**self.environment, **GIT_ENVIRONMENT})

    def project(self, more: str = "") -> None:
        self.settings(SETTINGS.format(checkout=self.checkout, more=more))

    def go(self) -> ReleaseResult:
        """A release, which takes what is committed."""
        return self.root.release()

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.path / "current/app/manage.py", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": "/nowhere"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def app(self) -> Path:
        return self.path / "current" / "app"

    @property
    def manifest(self) -> dict[str, object]:
        found = json.loads((self.path / "current/.venvship/manifest.json").read_bytes())
        assert isinstance(found, dict)
        return found


@pytest.fixture
def shop(site: Site, tmp_path: Path) -> Shop:
    made = (tmp_path / "src").mkdir()
    assert made is None
    write(tmp_path / "src", FILES)
    (tmp_path / "src" / "manage.py").chmod(0o755)
    one = Shop(site.path, site.wheels, {**site.environment, **GIT_ENVIRONMENT}, site.store)
    one.checkout = repository(tmp_path / "src", {}, subject="Sell things")
    one.project()
    one.lock("1.0")
    return one


def warnings_of(result: ReleaseResult) -> dict[str, str]:
    return {warning.slug: warning.message for warning in result.warnings}


def test_a_project_goes_live_and_back(shop: Shop) -> None:
    first = shop.go()
    assert first.outcome == "released"
    assert {name for name in os.listdir(shop.app) if name != "__pycache__"} == APP
    assert shop.manage() == "1.0 1.0 1 <p>hello\n"
    assert (shop.path / "shared/media/migrated").read_text() == "release 1\n"
    messages = warnings_of(first)
    assert "db.sqlite3" in messages["sensitive-files"]
    assert ".env" in messages["sensitive-files"]
    assert "media (1)" in messages["shared-replaces"]
    assert shop.go().outcome == "unchanged"
    assert shop.root.update().outcome == "unchanged"

    commit(shop.checkout, {"shop/models.py": "VERSION = 2\n"})
    assert shop.root.update().outcome == "released"
    assert shop.manage() == "1.0 1.0 2 <p>hello\n"
    shop.root.rollback()
    assert shop.manage() == "1.0 1.0 1 <p>hello\n"
    assert (shop.path / "shared/media/migrated").read_text() == "release 1\nrelease 2\n"
    assert shop.run("verify", "--all").code == 0


def test_a_project_under_no_version_control_goes_live(shop: Shop) -> None:
    (shop.checkout / ".git").rename(shop.path.with_name("elsewhere"))
    write(shop.checkout, {"shop/__pycache__/x.pyc": "", ".venv/pyvenv.cfg": "", ".venv/lib/x.py": ""})
    assert shop.go().outcome == "released"
    assert {name for name in os.listdir(shop.app) if name != "__pycache__"} == APP
    assert shop.manage() == "1.0 1.0 1 <p>hello\n"
    assert shop.go().outcome == "unchanged"
    write(shop.checkout, {"shop/models.py": "VERSION = 2\n"})
    assert shop.go().outcome == "released"
    assert shop.manage() == "1.0 1.0 2 <p>hello\n"


def test_a_store_in_a_project_is_no_part_of_it(shop: Shop) -> None:
    """It grows with every release, so each would be another one, and have the wheels of all before."""
    (shop.checkout / ".git").rename(shop.path.with_name("elsewhere"))
    shop.store = shop.checkout / "store"
    shop.project()
    assert shop.go().outcome == "released"
    assert not (shop.app / "store").exists()
    assert shop.go().outcome == "unchanged"


def test_files_that_git_does_not_track_are_named_and_not_released(shop: Shop) -> None:
    write(
        shop.checkout,
        {"new.py": "", "web/dist/app.js": "1", "notes/a": "", "x.log": "", "node_modules/y": ""},
    )
    messages = warnings_of(shop.go())
    assert "new.py, node_modules/, notes/." in messages["untracked-files"]
    assert "web/dist/." in messages["ignored-output"]
    assert not (shop.app / "new.py").exists()


def test_include_takes_the_output_of_a_build_from_the_checkout(shop: Shop) -> None:
    shop.project('include = ["web/"]\nexclude = [".env", "*.sqlite3", "*.map"]')
    write(shop.checkout, {"web/dist/app.js": "1", "web/dist/app.map": "1"})
    first = shop.go()
    assert set(warnings_of(first)) == {"shared-replaces"}
    assert (shop.app / "web/dist/app.js").read_text() == "1"
    assert os.listdir(shop.app / "web/dist") == ["app.js"]
    write(shop.checkout, {"web/dist/app.map": "2"})
    chosen = set(shop.store.glob("selections/**/*"))
    assert shop.go().outcome == "unchanged"
    assert set(shop.store.glob("selections/**/*")) == chosen, "nothing was built"
    write(shop.checkout, {"web/dist/app.js": "2"})
    assert shop.go().outcome == "released"
    assert (shop.app / "web/dist/app.js").read_text() == "2"


@pytest.mark.parametrize("by", ["member", "path"])
def test_a_folder_of_a_repository_is_an_application_of_its_own(shop: Shop, by: str) -> None:
    """`include` is relative to that folder, and a commit that changes another one changes nothing."""
    top = shop.checkout
    git(top, "rm", "--quiet", "-r", "--cached", ".")
    write(top, {f"web/{name}": text for name, text in FILES.items()})
    (top / "web" / "manage.py").chmod(0o755)
    commit(top, {"other/manage.py": "1\n"})
    git(top, "clean", "--quiet", "-d", "--force", "-x", "--exclude=web", "--exclude=other")
    more = 'include = ["dist/"]\nlockfile = "web/requirements.txt"\nmember = "web"'
    if by == "path":
        shop.checkout = top / "web"
        more = 'include = ["dist/"]\nlockfile = "requirements.txt"'
    shop.project(more)
    commit(top, {"web/requirements.txt": (shop.path / "requirements.txt").read_text()})
    write(
        top, {"web/dist/a.js": "1", "dist/b.js": "1", "web/new.py": "", "new.py": "", "web/templates/x": ""}
    )

    messages = warnings_of(shop.go())

    assert set(os.listdir(shop.app)) - {"__pycache__"} == {*APP, "dist", "requirements.txt"}
    assert os.listdir(shop.app / "dist") == ["a.js"]
    assert "new.py, templates/x." in messages["untracked-files"]
    (top / "web/new.py").unlink()
    (top / "web/templates/x").unlink()
    commit(top, {"other/manage.py": "2\n"})
    assert shop.root.update().outcome == "unchanged"
    write(top, {"web/dist/a.js": "2"})
    assert shop.go().outcome == "released"


@pytest.mark.parametrize("member", ["../src", "/srv", "till"])
def test_a_member_without_packaging_is_a_folder_of_the_checkout(shop: Shop, member: str) -> None:
    shop.project(f'member = "{member}"')
    with pytest.raises(CheckoutError, match=r"no folder|does not exist|lacks"):
        shop.go()
    assert shop.current is None


def test_include_takes_what_a_program_has_made_in_the_copy(shop: Shop) -> None:
    program = "mkdir -p web/dist && echo made >web/dist/app.js && echo no >web/no && rm templates/index.html"
    shop.project(
        f'include = ["web/dist/"]\nbefore = ["/bin/sh", "-c", "{program} && echo x >templates/index.html"]'
    )
    assert shop.go().outcome == "released"
    assert (shop.app / "web/dist/app.js").read_text() == "made\n"
    assert not (shop.app / "web/no").exists()
    assert shop.manage() == "1.0 1.0 1 x\n"
    assert not (shop.checkout / "web").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("link", "leads out of the project"),
        ("customize", "every Python process"),
        ("pointer", "Git LFS"),
        ("nothing", "no file of"),
    ],
)
def test_what_cannot_be_in_a_release_leaves_the_live_one(shop: Shop, change: str, says: str) -> None:
    shop.go()
    live = shop.current
    if change == "link":
        (shop.checkout / "out").symlink_to("/etc/passwd")
    elif change == "customize":
        write(shop.checkout, {"sitecustomize.py": ""})
    elif change == "pointer":
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n"
        write(shop.checkout, {"logo.png": pointer, ".gitattributes": "*.png filter=lfs\n"})
    else:
        shop.project('exclude = ["*"]')
    commit(shop.checkout, {})
    with pytest.raises((CheckoutError, BuildError), match=says) as caught:
        shop.go()
    assert caught.value.exit_code == 11
    assert shop.current == live
    assert shop.debris() == []
    assert shop.manage() == "1.0 1.0 1 <p>hello\n"


def test_a_commit_that_changes_no_file_of_the_release_is_unchanged(shop: Shop) -> None:
    shop.project('exclude = ["docs/"]')
    shop.go()
    commit(shop.checkout, {"docs/index.md": "# Shop\n"})
    assert shop.go().outcome == "unchanged"
    assert git(shop.checkout, "status", "--porcelain") == ""


def test_a_root_that_was_moved_still_has_its_project(shop: Shop) -> None:
    shop.go()
    here = moved(shop)
    here.checkout = shop.checkout
    done = here.run("relocate", "--json")
    assert done.code == 0, done.err
    assert len(done.data["relocated"]) == 1
    assert here.manage() == "1.0 1.0 1 <p>hello\n"
    assert (here.app / "media").resolve() == (here.path / "shared/media").resolve()


def test_the_files_of_submodules_are_in_the_release(shop: Shop, tmp_path: Path) -> None:
    library = repository(tmp_path / "library", {"lib.py": "A = 1\n"})
    git(shop.checkout, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "vendor")
    commit(shop.checkout, {})
    shop.go()
    assert (shop.app / "vendor/lib.py").read_text() == "A = 1\n"
    assert not (shop.app / "vendor/.git").exists()


def test_a_root_in_the_project_is_no_part_of_it(shop: Shop) -> None:
    """With git its names are no untracked files that anybody could miss; without, they are not copied."""
    write(shop.path, {"shop/models.py": "VERSION = 7\n", "manage.py": "", "shop/__init__.py": ""})
    shop.settings('[project]\npath = "."\nbuild = "tree"\n')
    assert shop.go().outcome == "released"
    assert {name for name in os.listdir(shop.app) if name != "__pycache__"} == {
        *("shop", "manage.py", "requirements.txt")
    }
    assert shop.go().outcome == "unchanged"
    git(shop.path, "init", "--quiet")
    git(shop.path, "add", "shop", "manage.py", "requirements.txt")
    git(shop.path, "commit", "--quiet", "--message", "Begin")
    write(shop.path, {"new.py": ""})
    result = shop.root.release(rebuild=True)
    assert warnings_of(result)["untracked-files"].partition(": ")[2].startswith("new.py. Add")
