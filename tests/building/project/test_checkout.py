"""Checkouts: which files a name leads to, and that nothing is written into one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT, commit, git, project_files, repository, write
from venvship.building.project.checkout import Checkout, GitCheckout, open_checkout
from venvship.building.project.members import choose_member, needed_members
from venvship.errors import CheckoutError, UntrustedError
from venvship.model.source import Source
from venvship.system.git_copy import copy_commit, directory_for_objects
from venvship.system.signals import Signals

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **GIT_ENVIRONMENT}


def opened(
    path: Path,
    ref: str = "HEAD",
    *,
    environ: Mapping[str, str] = ENVIRONMENT,
    require: Callable[[str], None] = lambda _path: None,
) -> Checkout:
    return open_checkout(str(path), ref, environ=environ, signals=Signals(), require=require)


def in_git(path: Path, ref: str = "HEAD") -> GitCheckout:
    found = opened(path, ref)
    assert isinstance(found, GitCheckout)
    return found


def source(checkout: Checkout, folder: str = "", *, dynamic: bool = False) -> Source:
    return checkout.source(folder, kind="wheel", recipe="", dynamic=dynamic)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop", {**project_files(), "uv.lock": "committed\n"})


def test_a_file_is_read_from_the_commit_and_not_from_the_directory(shop: Path) -> None:
    (shop / "uv.lock").write_text("edited\n")
    assert opened(shop).read(f"{shop}/uv.lock") == b"committed\n"


def test_a_file_that_is_not_in_the_commit_is_missing(shop: Path) -> None:
    (shop / "poetry.lock").write_text("untracked\n")
    with pytest.raises(FileNotFoundError):
        opened(shop).read(f"{shop}/poetry.lock")
    with pytest.raises(FileNotFoundError):
        opened(shop).read(f"{shop}/../elsewhere")


def test_a_link_out_of_the_tree_is_not_followed(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (shop / "out").symlink_to("../secret")
    (shop / "in").symlink_to("uv.lock")
    commit(shop, {})
    checkout = opened(shop)
    assert checkout.read(f"{shop}/in") == b"committed\n"
    with pytest.raises(FileNotFoundError):
        checkout.read(f"{shop}/out")


def test_a_ref_names_an_earlier_commit(shop: Path) -> None:
    git(shop, "tag", "v1")
    commit(shop, {"uv.lock": "second\n"})
    assert opened(shop, "v1").read(f"{shop}/uv.lock") == b"committed\n"
    assert opened(shop, "HEAD~1").commit == opened(shop, "v1").commit


def test_a_bare_repository_is_read_like_a_checkout(shop: Path, tmp_path: Path) -> None:
    bare = tmp_path / "shop.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(shop), str(bare))
    checkout = opened(bare)
    assert checkout.read(f"{bare}/uv.lock") == b"committed\n"
    assert source(checkout).tree == source(opened(shop)).tree
    assert checkout.uncommitted([""]) == []


def test_a_folder_of_a_repository_is_a_project_of_its_own(tmp_path: Path) -> None:
    repository(tmp_path / "mono", {"shop/pyproject.toml": "", "shop/uv.lock": "x", "other": "1"})
    checkout = opened(tmp_path / "mono/shop")
    assert checkout.read(f"{tmp_path}/mono/shop/uv.lock") == b"x"
    assert checkout.read(f"{tmp_path}/mono/other") == b"1"
    assert checkout.folders() == [""]
    before = source(checkout)
    commit(tmp_path / "mono", {"other": "2"})
    after = source(opened(tmp_path / "mono/shop"))
    assert (before.digest, before.folder) == (after.digest, "shop")
    assert before.commit != after.commit


def test_the_source_has_the_facts_of_the_commit(shop: Path) -> None:
    git(shop, "tag", "v2")
    found = source(opened(shop, "v2"), dynamic=True)
    assert (found.ref, found.subject) == ("v2", "Begin")
    assert found.describe.startswith("v2-0-g")
    assert found.tree == git(shop, "rev-parse", "HEAD^{tree}")
    assert found.committed_at.endswith("Z")
    assert source(opened(shop)).describe == ""


def test_only_tracked_files_count_as_uncommitted(shop: Path) -> None:
    write(shop, {"new.txt": "x"})
    assert opened(shop).uncommitted([""]) == []
    write(shop, {"uv.lock": "edited\n"})
    assert opened(shop).uncommitted([""]) == ["uv.lock"]
    git(shop, "add", "uv.lock")
    assert opened(shop).uncommitted([""]) == ["uv.lock"]
    git(shop, "add", "new.txt")
    assert opened(shop).uncommitted([""]) == ["new.txt", "uv.lock"]
    assert opened(shop).uncommitted(["shop"]) == []


def test_changed_files_have_the_tree_that_they_will_have_once_committed(shop: Path) -> None:
    write(shop, {"uv.lock": "edited\n", "new.txt": "staged\n", "untracked": "x"})
    git(shop, "add", "new.txt")
    (shop / "backend.py").unlink()
    git(shop, "read-tree", "HEAD")  # without the ids of trees in the index, which are to be written then
    git(shop, "add", "new.txt")
    before = everything(shop)
    with directory_for_objects() as objects:
        changed = in_git(shop).with_changes(objects)
        assert changed.read(f"{shop}/uv.lock") == b"edited\n"
        found = source(changed)
        assert found.dirty
        target = shop.parent / "copy"
        copy_commit(changed.git, changed.commit, str(target), dirty=changed.changed)
    assert everything(shop) == before
    assert sorted(p.name for p in target.iterdir()) == [
        ".git",
        "new.txt",
        "pyproject.toml",
        "shop",
        "uv.lock",
    ]
    (shop / "untracked").unlink()
    commit(shop, {})
    assert source(opened(shop)).tree == found.tree


def test_a_copy_has_the_commit_whatever_lies_in_the_checkout(shop: Path, tmp_path: Path) -> None:
    write(shop, {"uv.lock": "edited\n", "untracked": "x"})
    before = everything(shop)
    checkout = in_git(shop / "shop")
    copy_commit(checkout.git, checkout.commit, str(tmp_path / "copy"))
    assert (tmp_path / "copy/uv.lock").read_text() == "committed\n"
    assert not (tmp_path / "copy/untracked").exists()
    assert everything(shop) == before


def everything(path: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a directory with its time and contents, those of `.git` among them."""
    files = (one for one in path.rglob("*") if one.is_file())
    return {str(one): (one.stat().st_mtime_ns, one.read_bytes()) for one in files}


@pytest.mark.parametrize(
    ("ref", "says"),
    [("v9", "has no branch, tag or commit v9"), ("0" * 40, "has no branch, tag or commit|lacks")],
)
def test_a_commit_that_is_not_there_is_refused(shop: Path, ref: str, says: str) -> None:
    with pytest.raises(CheckoutError, match=says):
        opened(shop, ref)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="does not exist"):
        opened(tmp_path / "nothing")


def test_without_git_the_error_says_so(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    with pytest.raises(CheckoutError, match="there is no git here"):
        opened(shop, environ={"PATH": str(tmp_path / "bin")})


def test_the_version_of_a_shallow_clone_cannot_come_from_its_history(shop: Path, tmp_path: Path) -> None:
    commit(shop, {"uv.lock": "second\n"})
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{shop}", str(shallow))
    assert source(opened(shallow)).tree == source(opened(shop)).tree
    with pytest.raises(CheckoutError, match="shallow") as caught:
        source(opened(shallow), dynamic=True)
    assert "fetch --unshallow" in str(caught.value.hint)


def test_a_repository_without_the_contents_of_a_file_is_refused_by_its_name(shop: Path) -> None:
    oid = git(shop, "rev-parse", "HEAD:shop/__init__.py")
    (shop / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    with pytest.raises(CheckoutError, match=r"is not complete: git lacks the contents of shop/__init__\.py$"):
        opened(shop).names("")


def test_a_checkout_that_others_can_write_is_refused(shop: Path) -> None:
    def require(path: str) -> None:
        if path == f"{shop}/.git/config":
            raise UntrustedError(path)

    with pytest.raises(UntrustedError):
        opened(shop, require=require)


def test_the_variables_of_a_hook_of_git_lead_nowhere_else(shop: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other", {"a": "1"})
    environ = {**ENVIRONMENT, "GIT_DIR": f"{other}/.git", "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": "x"}
    assert opened(shop, environ=environ).commit == git(shop, "rev-parse", "HEAD")


WORKSPACE = {
    "pyproject.toml": "[tool.uv.workspace]\nmembers = ['packages/*']\nexclude = ['packages/old']\n",
    **{f"packages/core/{k}": v for k, v in project_files("shop-core").items()},
    **{
        f"packages/web/{k}": v
        for k, v in project_files("shop-web", more='dependencies = ["Shop_Core", "idna"]').items()
    },
    **{f"packages/old/{k}": v for k, v in project_files("shop-old").items()},
    **{f"packages/job/{k}": v for k, v in project_files("shop-job").items()},
}


@pytest.mark.parametrize("asked", ["shop-web", "Shop_Web", "packages/web", "packages/web/"])
def test_a_member_of_a_workspace_comes_with_those_that_it_needs(tmp_path: Path, asked: str) -> None:
    checkout = opened(repository(tmp_path / "shop", WORKSPACE))
    chosen = choose_member(checkout, asked)
    assert (chosen.folder, chosen.project.name) == ("packages/web", "shop-web")
    assert [member.project.name for member in needed_members(checkout, chosen)] == ["shop-core"]


@pytest.mark.parametrize(("asked", "says"), [(None, "several projects"), ("shop-old", "no project shop-old")])
def test_several_projects_and_no_member_is_an_error_that_names_them(
    tmp_path: Path, asked: str | None, says: str
) -> None:
    with pytest.raises(CheckoutError, match=says) as caught:
        choose_member(opened(repository(tmp_path / "shop", WORKSPACE)), asked)
    assert caught.value.data["members"] == ["shop-core", "shop-job", "shop-web"]


def test_a_checkout_without_a_project_is_an_error_that_names_the_other_way(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="no project that can be built") as caught:
        choose_member(opened(repository(tmp_path / "shop", {"manage.py": ""})), None)
    assert 'build = "tree"' in str(caught.value.hint)


def test_a_dependency_by_its_path_is_a_member_too(tmp_path: Path) -> None:
    files = {
        **project_files(
            more='dependencies = ["lib"]', table="[tool.uv.sources]\nlib = { path = 'libs/lib' }"
        ),
        **{f"libs/lib/{k}": v for k, v in project_files("lib").items()},
    }
    checkout = opened(repository(tmp_path / "shop", files))
    found = needed_members(checkout, choose_member(checkout, None))
    assert [member.folder for member in found] == ["libs/lib"]


def test_a_dependency_out_of_the_checkout_is_refused(tmp_path: Path) -> None:
    files = project_files(more='dependencies = ["lib"]', table="[tool.uv.sources]\nlib = { path = '../lib' }")
    checkout = opened(repository(tmp_path / "shop", files))
    with pytest.raises(CheckoutError, match=r"depends on lib in \.\./lib"):
        needed_members(checkout, choose_member(checkout, None))
