"""Where files go, and what happens when two wheels want one place."""

from __future__ import annotations

import pytest

from tests.support.releases import INTERPRETER, LINUX, SITE, VERSION_FOLDER, digest_of, wheel_value
from venvship.building.tree.conflicts import refuse_conflicts
from venvship.building.tree.placement import (
    Placement,
    place,
    refuse_reserved,
    version_folder,
    with_bytecode,
)
from venvship.errors import FileConflictError, InvalidWheelError
from venvship.model.wheel import StoredBytecode, StoredFile, StoredWheel

contents: dict[str, bytes] = {}

VIRTUALENV = {
    "bin": "dir", "bin/python": "link", "bin/activate": "file", "pyvenv.cfg": "file",
    "lib": "dir", f"lib/{VERSION_FOLDER}": "dir", SITE: "dir", "include": "dir",
}  # fmt: skip


def placed(
    *wheels: StoredWheel,
    overlap: tuple[str, ...] = (),
    bytecode: dict[str, StoredBytecode] | None = None,
) -> Placement:
    placement = place(wheels, version=VERSION_FOLDER, overlap=overlap, read=lambda path: contents[path])
    refuse_conflicts(placement)
    refuse_reserved(placement, VIRTUALENV)
    return with_bytecode(placement, wheels, bytecode or {}, VERSION_FOLDER)


def bringing(name: str, files: dict[str, str], version: str = "1.0") -> StoredWheel:
    """A wheel whose contents `placed` can read."""
    wheel = wheel_value(name, files, version)
    contents.update({f"{wheel.data}/{path}": text.encode() for path, text in files.items()})
    return wheel


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
    a = bringing("a", {"site/ns/__init__.py": "same"})
    b = bringing("b", {"site/ns/__init__.py": "same"})

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
    a = bringing("a", {path: "one"}, version="1.5")
    b = bringing("b", {path: "other"})

    with pytest.raises(FileConflictError) as caught:
        placed(a, b)

    text = f"{caught.value.message} {caught.value.hint}"
    assert "a 1.5 and b 1.0" in text
    assert caught.value.data["path"] in text
    assert '"overlap" under [build]' in text


@pytest.mark.parametrize("overlap", ["a", "b", "ns/__init__.py", f"{SITE}/ns/__init__.py"])
def test_overlapping_code_that_is_allowed_is_the_first_by_name_with_a_warning(overlap: str) -> None:
    a = bringing("a", {"site/ns/__init__.py": "one"})
    b = bringing("b", {"site/ns/__init__.py": "other"})

    placement = placed(b, a, overlap=(overlap,))

    assert placement.files[f"{SITE}/ns/__init__.py"].wheel is a
    (warning,) = placement.warnings
    assert warning["slug"] == "file-overlap"
    assert "a and b" in warning["message"]


def test_another_overlap_allows_nothing() -> None:
    a = bringing("a", {"site/ns/__init__.py": "one"})
    b = bringing("b", {"site/ns/__init__.py": "other"})

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


def test_all_conflicts_are_told_at_once() -> None:
    many = {f"site/ns/m{number:02}.py": "one" for number in range(12)}
    a = bringing("a", {**many, "site/thing": "data", "scripts/tool": "one"}, version="1.5")
    b = bringing("b", dict.fromkeys(many, "other"))
    c = bringing("c", {"scripts/tool": "other", "site/thing/x.txt": "data", "site/ns/m00.py": "third"})

    with pytest.raises(FileConflictError) as caught:
        placed(a, b, c)

    first, second, third, fourth = caught.value.message.splitlines()
    assert first == f"a 1.5, b 1.0 and c 1.0 all bring {SITE}/ns/m00.py, with different contents"
    assert second.startswith("a 1.5 and b 1.0 both bring 11 files with different contents: ")
    assert "ns/m10.py" in second
    assert second.endswith(" and 1 more")
    assert third == "a 1.5 and c 1.0 both bring bin/tool, with different contents"
    assert fourth.startswith(f"a brings {SITE}/thing as a file, and c brings {SITE}/thing/x.txt")
    found = caught.value.data["conflicts"]
    assert len(found) == 14
    assert {"path": "bin/tool", "packages": ["a", "c"]} in found
    assert {"path": f"{SITE}/ns/m00.py", "packages": ["a", "b", "c"]} in found
    assert caught.value.data["packages"] == ["a", "b", "c"]
    assert '"overlap" under [build]' in (caught.value.hint or "")
    assert "drop a or c from the lockfile" in (caught.value.hint or "")


@pytest.mark.parametrize("equal", ["ab", "ac", "bc", ""])
def test_of_three_wheels_with_one_path_all_are_told_whichever_two_agree(equal: str) -> None:
    """Or the user drops one of two, and learns of the third from the next release."""
    wheels = [
        bringing(name, {"site/ns/core.py": equal if name in equal else name, "site/ns/__init__.py": stub})
        for name, stub in zip("abc", ("", PKGUTIL, "import os\n"), strict=True)
    ]

    with pytest.raises(FileConflictError) as caught:
        placed(*wheels)

    found = {one["path"]: one["packages"] for one in caught.value.data["conflicts"]}
    assert len(found) == len(caught.value.data["conflicts"])
    assert found == {f"{SITE}/ns/{name}.py": ["a", "b", "c"] for name in ("core", "__init__")}


def test_a_wheel_whose_code_may_be_brought_twice_is_not_told() -> None:
    wheels = [bringing(name, {"site/mod.py": name}) for name in "abc"]
    with pytest.raises(FileConflictError, match=r"^a 1\.0 and c 1\.0 both bring"):
        placed(*wheels, overlap=("b",))
    assert placed(*wheels, overlap=("mod.py",)).files[f"{SITE}/mod.py"].wheel is wheels[0]


def test_all_wheels_are_told_that_bring_a_file_or_need_a_directory_there() -> None:
    wheels = [
        bringing("a", {"site/thing": "data"}),
        bringing("b", {"site/thing": "data"}),
        bringing("c", {"site/thing/x.txt": "mine", "site/thing/y.txt": "mine"}),
        bringing("d", {"site/thing/x.txt": "yours"}),
    ]
    with pytest.raises(FileConflictError) as caught:
        placed(*wheels)
    assert caught.value.message == (
        f"a and b bring {SITE}/thing as a file, and c brings {SITE}/thing/x.txt and d brings "
        f"{SITE}/thing/x.txt, for which it must be a directory"
    )
    assert caught.value.data["conflicts"] == [{"path": f"{SITE}/thing", "packages": ["a", "b", "c", "d"]}]


def test_two_different_files_of_one_wheel_for_one_path_are_its_own_conflict() -> None:
    wheel = bringing("a", {"scripts/tool": "one", "data/bin/tool": "other"})
    with pytest.raises(FileConflictError, match=r"a 1\.0 brings two files .* for bin/tool"):
        placed(wheel)


def test_a_script_that_a_wheel_brings_as_data_too_is_a_script() -> None:
    for first, second in (("a", "a"), ("a", "b"), ("b", "a")):
        script, data = {"scripts/tool": "#!python\n"}, {"data/bin/tool": "#!python\n"}
        wheels = (
            [bringing("a", script | data)]
            if first == second
            else [bringing(first, script), bringing(second, data)]
        )
        assert placed(*wheels).files["bin/tool"].is_script


PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
DECLARE = "declare_namespace(__name__)\n"
PKG_RESOURCES = "__import__('pkg_resources').declare_namespace(__name__)\n"
STUBS = [
    "",
    "# only a name\n",
    '"""The namespace of many."""\n',
    PKGUTIL,
    PKGUTIL.replace("'", '"') + "# as it was\n",
    "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
    "import pkgutil\n\n__path__ = pkgutil.extend_path(__path__, __name__)\n",
    f"try:\n    {PKG_RESOURCES}except ImportError:\n    {PKGUTIL}",
    f"try:\n    import pkg_resources\n    pkg_resources.{DECLARE}except ImportError:\n    pass\n",
]


@pytest.mark.parametrize("one", STUBS)
def test_files_that_only_declare_a_namespace_do_not_conflict_in_any_words(one: str) -> None:
    a = bringing("a", {"site/ns/__init__.py": one})
    for other in [*STUBS, PKG_RESOURCES]:
        placement = placed(a, bringing("b", {"site/ns/__init__.py": other}))
        assert placement.files[f"{SITE}/ns/__init__.py"].wheel is a
        assert placement.owned["b"] == (f"{SITE}/ns/__init__.py",)
        assert placement.warnings == ()


def test_of_two_declarations_the_one_that_needs_no_setuptools_is_taken() -> None:
    a = bringing("a", {"site/ns/__init__.py": PKG_RESOURCES})
    b = bringing("b", {"site/ns/__init__.py": PKGUTIL})

    assert placed(a, b).files[f"{SITE}/ns/__init__.py"].wheel is b


@pytest.mark.parametrize(
    "text",
    [
        f"{PKGUTIL}__version__ = '1.0'\n",
        "from ns.core import *\n",
        f"{PKGUTIL}{PKGUTIL.replace('__name__', 'name')}",
        f"try:\n    {PKG_RESOURCES}except ImportError:\n    import ns.fallback\n",
        f"try:\n    {PKG_RESOURCES}except load():\n    {PKGUTIL}",
        "import os\n",
        "not python at all\n",
        "#" * 5000,
    ],
)
def test_a_file_that_does_more_than_declare_a_namespace_conflicts(text: str) -> None:
    a = bringing("a", {"site/ns/__init__.py": PKGUTIL})
    with pytest.raises(FileConflictError):
        placed(a, bringing("b", {"site/ns/__init__.py": text}))


def test_only_the_file_of_a_package_declares_a_namespace() -> None:
    a = bringing("a", {"site/ns/core.py": "", "scripts/__init__.py": ""})
    for path in ("site/ns/core.py", "scripts/__init__.py"):
        with pytest.raises(FileConflictError):
            placed(a, bringing("b", {path: "# other\n"}))


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (["pip", "pip3", "pip3.9", "pip2.7", "pipx"], ["pip", "pip3", f"pip{INTERPRETER.minor}", "pipx"]),
        (["pip"], ["pip", "pip3", f"pip{INTERPRETER.minor}"]),
        (["pip3.9"], ["pip3.9"]),
        (["easy_install", "easy_install-3.6"], ["easy_install", f"easy_install-{INTERPRETER.minor}"]),
        (["wheel", "pip-compile", "easy_install-3.6"], ["easy_install-3.6", "pip-compile", "wheel"]),
    ],
)
def test_scripts_with_a_version_in_their_names_get_that_of_the_interpreter_as_from_pip(
    scripts: list[str], expected: list[str]
) -> None:
    rows = tuple((name, name.rstrip("3.9"), "main", "console") for name in scripts)
    assert sorted(placed(wheel_value("a", {}, scripts=rows)).files) == sorted(f"bin/{n}" for n in expected)
    gui = tuple((*row[:3], "gui") for row in rows)
    assert sorted(placed(wheel_value("a", {}, scripts=gui)).files) == sorted(f"bin/{n}" for n in scripts)


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
    a = bringing("a", {"site/ns/__init__.py": "one"})
    b = bringing("b", {"site/ns/__init__.py": "other", "site/ns/b.py": ""})
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
