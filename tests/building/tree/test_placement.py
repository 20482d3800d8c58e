"""Where files go, and what happens when two wheels want one place."""

from __future__ import annotations

import pytest

from tests.support.releases import LINUX, SITE, VERSION_FOLDER, digest_of, wheel_value
from venvship.building.tree.placement import Placement, place, refuse_reserved, version_folder
from venvship.errors import FileConflictError, InvalidWheelError
from venvship.model.wheel import StoredBytecode, StoredFile, StoredWheel

VIRTUALENV = {
    "bin": "dir", "bin/python": "link", "bin/activate": "file", "pyvenv.cfg": "file",
    "lib": "dir", f"lib/{VERSION_FOLDER}": "dir", SITE: "dir", "include": "dir",
}  # fmt: skip


def placed(
    *wheels: StoredWheel,
    overlap: tuple[str, ...] = (),
    bytecode: dict[str, StoredBytecode] | None = None,
) -> Placement:
    placement = place(wheels, bytecode or {}, version=VERSION_FOLDER, overlap=overlap)
    refuse_reserved(placement, VIRTUALENV)
    return placement


def compiled(*paths: str) -> StoredBytecode:
    files = tuple(StoredFile(path=path, size=1, sha256=digest_of(path)) for path in paths)
    return StoredBytecode(files, "/bytecode")


def test_every_scheme_has_its_place() -> None:
    wheel = wheel_value(
        "shop",
        {
            "site/shop/__init__.py": "",
            "scripts/tool": "#!python\n",
            "headers/shop.h": "",
            "data/share/man/man1/shop.1": "",
        },
    )

    placement = placed(wheel)

    assert {path: placed.source for path, placed in placement.files.items()} == {
        f"{SITE}/shop/__init__.py": "/store/shop/site/shop/__init__.py",
        "bin/tool": "/store/shop/scripts/tool",
        f"include/site/{VERSION_FOLDER}/shop/shop.h": "/store/shop/headers/shop.h",
        "share/man/man1/shop.1": "/store/shop/data/share/man/man1/shop.1",
    }
    assert placement.warnings == ()


def test_a_free_threaded_interpreter_has_folders_of_its_own() -> None:
    threaded = LINUX._replace(version="3.14.0", soabi="cpython-314t-x86_64")

    assert version_folder(threaded) == "python3.14t"
    assert version_folder(threaded._replace(soabi="cpython-314-x86_64")) == "python3.14"


def test_an_entry_point_stands_in_for_a_script_of_that_name_in_its_own_wheel() -> None:
    wheel = wheel_value(
        "shop", {"scripts/shop": "#!python\nold"}, scripts=(("shop", "shop.cli", "main", "console"),)
    )

    (script,) = placed(wheel).files.values()

    assert script.path == "bin/shop"
    assert script.entry_point.startswith("shop.cli:")


# -- two wheels, one place ------------------------------------------------------------------------------


def test_equal_files_of_two_wheels_are_one_file_that_both_own() -> None:
    a = wheel_value("a", {"site/ns/__init__.py": "same"})
    b = wheel_value("b", {"site/ns/__init__.py": "same"})

    placement = placed(b, a)

    assert placement.files[f"{SITE}/ns/__init__.py"].wheel is a
    assert placement.owned == {"a": (f"{SITE}/ns/__init__.py",), "b": (f"{SITE}/ns/__init__.py",)}
    assert placement.warnings == ()


@pytest.mark.parametrize(
    "path",
    [
        "site/ns/__init__.py",
        "site/mod.so",
        "site/mod.cpython-311-x86_64-linux-gnu.so",
        "site/a.libs/liba.so.1.2",
        "site/a.pth",
        "site/legacy.pyc",
        "site/a.start",
        "scripts/tool",
        "data/bin/tool",
    ],
)
def test_different_code_for_one_path_is_an_error_that_names_both_and_the_setting(path: str) -> None:
    a = wheel_value("a", {path: "one"}, version="1.5")
    b = wheel_value("b", {path: "other"})

    with pytest.raises(FileConflictError) as caught:
        placed(a, b)

    text = f"{caught.value.message} {caught.value.hint}"
    assert "a 1.5 and b 1.0" in text
    assert caught.value.data["path"] in text
    assert '"overlap" under [build]' in text


@pytest.mark.parametrize("overlap", ["a", "b", "ns/__init__.py", f"{SITE}/ns/__init__.py"])
def test_overlapping_code_that_is_allowed_is_the_first_by_name_with_a_warning(overlap: str) -> None:
    a = wheel_value("a", {"site/ns/__init__.py": "one"})
    b = wheel_value("b", {"site/ns/__init__.py": "other"})

    placement = placed(b, a, overlap=(overlap,))

    assert placement.files[f"{SITE}/ns/__init__.py"].wheel is a
    (warning,) = placement.warnings
    assert warning["slug"] == "file-overlap"
    assert "a and b" in warning["message"]


def test_another_overlap_allows_nothing() -> None:
    a = wheel_value("a", {"site/ns/__init__.py": "one"})
    b = wheel_value("b", {"site/ns/__init__.py": "other"})

    with pytest.raises(FileConflictError):
        placed(a, b, overlap=("c", "ns"))


def test_different_files_that_are_not_code_are_the_first_by_name_with_a_warning() -> None:
    a = wheel_value("a", {"data/share/doc/LICENSE": "mine"})
    b = wheel_value("b", {"data/share/doc/LICENSE": "yours"})

    placement = placed(b, a)

    assert placement.files["share/doc/LICENSE"].wheel is a
    assert [warning["slug"] for warning in placement.warnings] == ["file-overlap"]


def test_entry_points_of_one_name_conflict_unless_they_mean_the_same() -> None:
    a = wheel_value("a", {}, scripts=(("tool", "a", "main", "console"),))
    same = wheel_value("b", {}, scripts=(("tool", "a", "main", "gui"),))
    other = wheel_value("b", {}, scripts=(("tool", "b", "main", "console"),))

    assert placed(a, same).files["bin/tool"].wheel is a
    with pytest.raises(FileConflictError):
        placed(a, other)
    with pytest.raises(FileConflictError):
        placed(a, wheel_value("b", {"scripts/tool": "#!python\n"}))


def test_a_file_where_another_wheel_needs_a_directory_is_an_error_that_no_setting_allows() -> None:
    a = wheel_value("a", {"site/thing": "data"})
    b = wheel_value("b", {"site/thing/x.txt": "data"})

    with pytest.raises(FileConflictError, match="as a file"):
        placed(a, b, overlap=("a", "b", "thing"))


def test_bytecode_goes_beside_its_source() -> None:
    wheel = wheel_value("a", {"site/a/__init__.py": "", "site/a/odd.name.py": "", "site/top.py": ""})
    pycs = compiled(
        "site/a/__pycache__/__init__.cpython-311.pyc",
        "site/a/__pycache__/__init__.cpython-311.opt-2.pyc",
        "site/a/__pycache__/odd.name.cpython-311.pyc",
        "site/__pycache__/top.cpython-311.pyc",
    )

    placement = placed(wheel, bytecode={wheel.sha256: pycs})

    sources = {path: p.source for path, p in placement.files.items() if p.bytecode}
    assert sources == {
        f"{SITE}/{pyc.path.removeprefix('site/')}": f"/bytecode/{pyc.path}" for pyc in pycs.files
    }
    assert set(sources) <= set(placement.owned["a"])


def test_bytecode_of_a_file_that_lost_its_place_is_not_linked() -> None:
    a = wheel_value("a", {"site/ns/__init__.py": "one"})
    b = wheel_value("b", {"site/ns/__init__.py": "other", "site/ns/b.py": ""})
    only_b = {
        b.sha256: compiled(
            "site/ns/__pycache__/__init__.cpython-311.pyc", "site/ns/__pycache__/b.cpython-311.pyc"
        )
    }

    placement = placed(a, b, overlap=("a",), bytecode=only_b)

    assert [path for path, placed in placement.files.items() if placed.bytecode] == [
        f"{SITE}/ns/__pycache__/b.cpython-311.pyc"
    ]


# -- what is ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "data/pyvenv.cfg",
        "data/.venvship/manifest.json",
        "data/bin/python",
        "data/bin/python3.11",
        "data/bin/activate",
        "data/bin/python/x",
        "data/bin",
        f"data/{SITE}/!venvship.pth",
        "scripts/python",
        "scripts/python3",
        "scripts/activate",
        "site/!venvship.pth",
        "site/~venvship.pth",
        "site/sitecustomize.py",
        "site/sitecustomize/__init__.py",
        "site/_venvship.py",
        "site/other-2.0.dist-info/METADATA",
    ],
)
def test_a_wheel_may_not_bring_what_belongs_to_the_environment(path: str) -> None:
    with pytest.raises(InvalidWheelError) as caught:
        placed(wheel_value("evil", {path: "x"}))

    assert caught.value.data["package"] == "evil"


def test_an_entry_point_may_not_stand_in_for_the_interpreter() -> None:
    with pytest.raises(InvalidWheelError):
        placed(wheel_value("evil", {}, scripts=(("python3", "evil", "main", "console"),)))


@pytest.mark.parametrize(
    "path", ["site/../../x", "data//etc/x", "scripts/..", "other/x", "site/", "data/a/../b"]
)
def test_a_path_that_leaves_its_scheme_is_refused(path: str) -> None:
    with pytest.raises(InvalidWheelError):
        placed(wheel_value("evil", {path: "x"}))


@pytest.mark.parametrize("name", [" first.pth", "~~last.pth", "\u00e9.pth"])
def test_a_start_up_file_that_would_run_outside_ours_is_refused(name: str) -> None:
    with pytest.raises(InvalidWheelError, match="start-up file"):
        placed(wheel_value("evil", {f"site/{name}": "import evil"}))


def test_ordinary_start_up_files_are_between_ours() -> None:
    wheel = wheel_value("a", {"site/distutils-precedence.pth": "x", "site/zzz.pth": "x", "site/__a.pth": "x"})

    assert len(placed(wheel).files) == 3


def test_what_the_installer_writes_is_not_taken_from_the_wheel() -> None:
    wheel = wheel_value(
        "a", {"site/a-1.0.dist-info/direct_url.json": "{}", "site/a-1.0.dist-info/METADATA": ""}
    )

    assert list(placed(wheel).files) == [f"{SITE}/a-1.0.dist-info/METADATA"]
