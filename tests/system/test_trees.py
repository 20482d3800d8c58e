"""Trees are walked and removed without following a link, and measured by what their removal frees."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.users import unprivileged
from venvship.system import files, trees


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def sealed_tree(base: Path) -> None:
    """A read-only tree, as a release is, with one directory that cannot even be listed."""
    deep = base / "tree" / "lib" / "site"
    deep.mkdir(parents=True)
    (deep / "module.py").write_text("x = 1")
    (deep / "module.py").chmod(0o444)
    (base / "tree" / "empty").mkdir()
    (base / "tree" / "closed").mkdir()
    (base / "tree" / "closed" / "file").touch()
    (base / "tree" / "closed").chmod(0o000)
    for directory in (deep, base / "tree" / "lib", base / "tree" / "empty", base / "tree"):
        directory.chmod(0o555)


def test_a_read_only_tree_is_removed_by_its_owner() -> None:
    def remove(base: Path) -> None:
        sealed_tree(base)
        with pytest.raises(PermissionError):
            os.unlink(base / "tree" / "lib" / "site" / "module.py")
        trees.remove_tree(base / "tree")
        assert os.listdir(base) == []

    unprivileged(remove)


def test_names_in_a_sealed_directory_can_be_made_removable() -> None:
    def remove(base: Path) -> None:
        sealed_tree(base)
        trees.make_removable(base / "tree" / "lib" / "site")
        files.remove_name(base / "tree" / "lib" / "site" / "module.py")
        trees.make_removable(base / "not there")
        trees.make_removable(base / "tree" / "lib" / "site" / "nor" / "there")

    unprivileged(remove)


def test_links_inside_are_removed_and_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "precious").write_text("keep me")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "directory").symlink_to(outside)
    (tree / "file").symlink_to(outside / "precious")
    (tree / "dangling").symlink_to("nowhere")
    (tree / "up").symlink_to("..")

    trees.remove_tree(tree)

    assert os.listdir(tmp_path) == ["outside"]
    assert (outside / "precious").read_text() == "keep me"
    assert mode_of(outside) == 0o755


def test_a_link_instead_of_a_tree_is_removed_and_not_followed(tmp_path: Path) -> None:
    """Somebody moved a release to a larger disk and left a link; it must not cost what is there."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("keep me")
    (tmp_path / ".trash-1").symlink_to("outside")

    trees.remove_tree(tmp_path / ".trash-1")

    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(tmp_path / "outside") == ["precious"]


def test_hard_linked_files_elsewhere_keep_their_contents_and_modes(tmp_path: Path) -> None:
    store, tree = tmp_path / "store", tmp_path / "tree"
    store.mkdir()
    (tree / "bin").mkdir(parents=True)
    for name, mode in (("module.py", 0o444), ("script", 0o555)):
        (store / name).write_text(name)
        (store / name).chmod(mode)
        os.link(store / name, tree / "bin" / name)
    (tree / "bin").chmod(0o555)

    trees.remove_tree(tree)

    assert not tree.exists()
    assert {name: (mode_of(store / name), (store / name).read_text()) for name in os.listdir(store)} == {
        "module.py": (0o444, "module.py"),
        "script": (0o555, "script"),
    }


def test_several_may_remove_one_tree_at_the_same_time(tmp_path: Path) -> None:
    for number in range(20):
        tree = tmp_path / f"tree-{number}"
        for folder in range(10):
            (tree / str(folder) / "deep").mkdir(parents=True)
            for name in range(10):
                (tree / str(folder) / "deep" / str(name)).touch()
            (tree / str(folder) / "deep").chmod(0o555)
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(trees.remove_tree, tree) for _ in range(4)]:
                done.result()
        assert not tree.exists()


def test_removing_nothing_a_file_or_what_is_below_a_file(tmp_path: Path) -> None:
    trees.remove_tree(tmp_path / "nothing")
    (tmp_path / "file").write_text("")

    trees.remove_tree(tmp_path / "file")

    assert os.listdir(tmp_path) == []


def test_room_is_given_back_by_what_has_no_name_elsewhere(tmp_path: Path) -> None:
    """Of a file with several names only with the last of them, and once."""

    def blocks(*paths: Path) -> int:
        return sum(path.lstat().st_blocks * 512 for path in paths)

    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    for name in ("a/own", "a/shared", "a/kept"):
        (tmp_path / name).write_bytes(bytes(10_000))
    os.link(tmp_path / "a/shared", tmp_path / "b/shared")
    os.link(tmp_path / "a/kept", tmp_path / "c/kept")
    a, b, c = (tmp_path / name for name in "abc")

    assert trees.own_bytes([a]) == blocks(a, a / "own")
    assert trees.own_bytes([b]) == blocks(b)
    assert trees.own_bytes([a, b]) == blocks(a, b, a / "own", a / "shared")
    assert trees.own_bytes([a, b, c]) == blocks(a, b, c, a / "own", a / "shared", a / "kept")
    assert trees.own_bytes([a / "own"]) == blocks(a / "own")
    assert trees.own_bytes([tmp_path / "nothing"]) == 0


def test_walking_gives_every_name_parents_first_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "file").write_text("12345")
    (tmp_path / "a").symlink_to("b")

    found = dict(trees.walk(tmp_path))

    assert sorted(found) == ["a", "b", "b/c", "b/c/file"]
    names = list(found)
    assert names.index("b") < names.index("b/c") < names.index("b/c/file")
    assert stat.S_ISLNK(found["a"].st_mode)
    assert found["b/c/file"].st_size == 5
    with pytest.raises(FileNotFoundError):
        list(trees.walk(tmp_path / "gone"))
