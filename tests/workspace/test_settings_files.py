"""The files that a `venvship.toml` extends: the order, and what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from venvship.errors import SettingsError
from venvship.model import bounds
from venvship.root import RootLayout
from venvship.workspace.settings_files import read_kept_settings, read_layers, read_settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root, with a folder of files beside it."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "deploy").mkdir()
    return tmp_path / "shop"


def write(folder: Path, /, **texts: str) -> None:
    """Write `venvship.toml` (`root`) and files of `deploy/`, by name."""
    for name, text in texts.items():
        path = folder / "venvship.toml" if name == "root" else folder.parent / "deploy" / f"{name}.toml"
        path.write_text(text)


def order(root: Path) -> list[str]:
    """The names of the files in the order in which they count."""
    return [os.path.relpath(layer.path, root.parent) for layer in read_layers(RootLayout(root))]


def refusal(root: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(RootLayout(root))
    assert caught.value.exit_code == 10
    return caught.value.message


def test_the_files_count_in_their_order_and_the_roots_own_last(root: Path) -> None:
    write(
        root,
        root="extends = ['../deploy/common.toml', '../deploy/production.toml']\nkeep = 4\n",
        common="keep = 2\nkeep_days = 2\nkeep_failed = 2\n",
        production="keep = 3\nkeep_days = 3\n",
    )
    found = read_settings(RootLayout(root))
    assert (found.keep, found.keep_days, found.keep_failed) == (4, 3.0, 2)
    assert found.extends == (f"{root.parent}/deploy/common.toml", f"{root.parent}/deploy/production.toml")


def test_a_file_wins_over_all_that_it_extends_also_where_two_ways_lead_there(root: Path) -> None:
    write(
        root,
        root="extends = ['../deploy/a.toml', '../deploy/b.toml']\n",
        common="keep = 5\n",
        a="extends = ['common.toml']\nkeep = 7\n",
        b="extends = ['./../deploy/common.toml']\n",
    )
    assert order(root) == ["deploy/common.toml", "deploy/a.toml", "deploy/b.toml", "shop/venvship.toml"]
    assert read_settings(RootLayout(root)).keep == 7


def test_a_relative_name_is_that_of_its_file_and_other_paths_those_of_the_root(root: Path) -> None:
    (root.parent / "deploy" / "more").mkdir()
    (root.parent / "deploy" / "more" / "x.toml").write_text("store = 'own/store'\nenv_file = 'x.env'\n")
    write(root, root="extends = ['../deploy/a.toml']\n", a="extends = ['more/x.toml']\n")
    found = read_settings(RootLayout(root))
    assert (found.store, found.env_file) == ("own/store", "x.env"), "as they are written: the root's"


def test_a_link_is_followed_and_its_own_folder_counts(root: Path) -> None:
    write(root, root="extends = ['linked.toml']\n", a="extends = ['beside.toml']\n")
    (root / "linked.toml").symlink_to("../deploy/a.toml")
    (root / "beside.toml").write_text("keep = 9\n")
    assert read_settings(RootLayout(root)).keep == 9


def test_an_empty_list_and_an_empty_file_are_nothing(root: Path) -> None:
    write(root, root="extends = []\nkeep = 3\n")
    assert read_settings(RootLayout(root)).keep == 3
    write(root, root="extends = ['../deploy/a.toml']\nkeep = 3\n", a="")
    assert read_settings(RootLayout(root)).keep == 3


def nothing(path: Path) -> None:
    assert not path.exists()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def too_large(path: Path) -> None:
    path.write_bytes(b"#" * (bounds.SETTINGS + 1))


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (nothing, "No such file or directory"),
    "directory": (Path.mkdir, "Is a directory"),
    "fifo": (fifo, "it is a FIFO, not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "proc": (lambda path: path.symlink_to("/proc/self/environ"), "as in /proc"),
    "too large": (too_large, "it has more than 1,048,576 bytes"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    "loop": (lambda path: path.symlink_to(path.name), "Too many levels"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_with_the_file_that_extends_it(root: Path, case: str) -> None:
    make, said = UNREADABLE[case]
    make(root.parent / "deploy" / "bad.toml")
    write(root, root="extends = ['../deploy/a.toml']\n", a="extends = ['bad.toml']\n")
    deploy = root.parent / "deploy"
    message = refusal(root)
    assert message.startswith(f"cannot read {deploy}/bad.toml, which {deploy}/a.toml extends: ")
    assert said in message


BROKEN: dict[str, tuple[bytes, str]] = {
    "not TOML": (b"[[[", "not TOML"),
    "not UTF-8": (b"name = '\xff'\n", "not UTF-8, in line 1"),
    "unknown key": (b"kep = 3\n", "kep: no such key; did you mean keep?"),
    "unknown key of a table": (b"[build]\noptimise = [1]\n", "build.optimise: no such key"),
    "wrong type": (b"keep = 'x'\n", "keep: must be an integer"),
    "extends a string": (b"extends = 'b.toml'\n", "extends: must be an array of files, not a string"),
    "extends a number": (b"extends = [1]\n", "extends[0]: must be a string"),
    "extends an empty name": (b"extends = ['']\n", "extends[0]: must not be empty"),
    "extends a NUL": (b'extends = ["a\\u0000"]\n', "extends[0]: must not contain a NUL"),
    "extends a line break": (b'extends = ["a\\n"]\n', "extends[0]: must not contain a line break"),
    "extends a home": (b"extends = ['~/b.toml']\n", "extends[0]: is not expanded"),
    "extends another's home": (b"extends = ['~me/b.toml']\n", "extends[0]: is not expanded"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_mistake_in_an_extended_file_names_that_file(root: Path, case: str) -> None:
    data, said = BROKEN[case]
    write(root, root="extends = ['../deploy/bad.toml']\n")
    path = root.parent / "deploy" / "bad.toml"
    path.write_bytes(data)
    message = refusal(root)
    assert message.startswith(f"{path}: ")
    assert said in message


def test_a_string_in_the_roots_own_file_is_refused_too(root: Path) -> None:
    write(root, root="extends = '../deploy/a.toml'\n", a="")
    assert refusal(root) == f"{root}/venvship.toml: extends: must be an array of files, not a string"


def test_a_variable_is_a_name_like_others(root: Path) -> None:
    write(root, root="extends = ['$HOME/a.toml']\n")
    assert refusal(root).startswith(f"cannot read {root}/$HOME/a.toml, which ")


@pytest.mark.parametrize("way", [["root"], ["a"], ["a", "b"], ["a", "b", "root"]], ids="-".join)
def test_files_that_extend_each_other_in_a_circle_are_refused(root: Path, way: list[str]) -> None:
    names = {"root": "../shop/venvship.toml", "a": "../deploy/a.toml", "b": "../deploy/b.toml"}
    chain = way if way[-1] == "root" else [*way, way[0]]
    for name, following in zip(["root", *chain], chain, strict=False):
        write(root, **{name: f"extends = ['{names[following]}']\n"})
    assert " extends itself: " in refusal(root)


def test_a_circle_through_a_link_is_one(root: Path) -> None:
    write(root, root="extends = ['again.toml']\n")
    (root / "again.toml").symlink_to("venvship.toml")
    assert " extends itself: " in refusal(root)


def test_a_chain_has_a_bound(root: Path) -> None:
    def chain(length: int) -> None:
        write(root, root="extends = ['../deploy/f1.toml']\n")
        for number in range(1, length):
            write(root, **{f"f{number}": f"extends = ['f{number + 1}.toml']\n"})
        write(root, **{f"f{length}": "keep = 9\n"})

    chain(bounds.EXTENDED_DEPTH)
    assert read_settings(RootLayout(root)).keep == 9
    chain(bounds.EXTENDED_DEPTH + 1)
    assert refusal(root) == f"{root}/venvship.toml: extends: more than 8 files extend each other in a row"


def test_the_number_of_files_has_a_bound(root: Path) -> None:
    names = [f"f{number}" for number in range(bounds.EXTENDED + 1)]
    write(root, **dict.fromkeys(names, "keep = 9\n"))
    for count in (bounds.EXTENDED, bounds.EXTENDED + 1):
        write(root, root=f"extends = {[f'../deploy/{name}.toml' for name in names[:count]]}\n")
        if count == bounds.EXTENDED:
            assert read_settings(RootLayout(root)).keep == 9
    assert refusal(root) == f"{root}/venvship.toml: extends: more than 32 files are extended"


def test_all_files_together_have_the_bound_of_one(root: Path) -> None:
    half = "#" * (bounds.SETTINGS // 2)
    write(root, root="extends = ['../deploy/a.toml', '../deploy/b.toml']\n", a=half, b=half)
    assert "with the files that it extends it has more than 1,048,576 bytes" in refusal(root)


def test_a_file_is_asked_whose_it_is_before_it_is_parsed(root: Path) -> None:
    write(root, root="extends = ['../deploy/a.toml']\n", a="[[[")
    asked: list[str] = []

    def ask(path: str, status: os.stat_result) -> None:
        assert os.path.samestat(os.stat(path), status)
        asked.append(os.path.relpath(path, root.parent))

    with pytest.raises(SettingsError, match="not TOML"):
        read_settings(RootLayout(root, ask=ask))
    assert asked == ["shop/venvship.toml", "deploy/a.toml"]


def test_a_table_that_stands_twice_is_told_where_its_keys_go(root: Path) -> None:
    write(root, root="[hooks]\nprepare = ['true']\n[hooks]\nrestart = ['true']\n")
    with pytest.raises(SettingsError, match=r"twice .*line 3.*; add the keys below the one that is there"):
        read_settings(RootLayout(root))


def test_kept_settings_follow_no_file(root: Path) -> None:
    (root / "state").mkdir()
    (root / "state" / "settings.toml").write_text("extends = ['/nowhere/a.toml']\nkeep = 3\n")
    kept = read_kept_settings(RootLayout(root))
    assert kept is not None
    assert kept.keep == 3
