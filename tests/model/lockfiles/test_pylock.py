"""What a pylock.toml may say, and which of its files is chosen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.releases import LINUX
from venvship.errors import LockfileError
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import Lockfile, read_lockfile, select
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.lockfiles.selection import SourcedEntry

COMMIT = "0123456789abcdef" * 2 + "01234567"
A, B, C = (letter * 64 for letter in "abc")
PATH = "/srv/shop/pylock.toml"

HEAD = 'lock-version = "1.0"\ncreated-by = "a test"\n'
FLASK = f"""
[[packages]]
name = "flask"
version = "3.0"
wheels = [{{ url = "https://w.example/flask-3.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]
"""


def package(name: str, source: str, *, marker: str = "", version: str = "1.0") -> str:
    lines = ["\n[[packages]]", f'name = "{name}"', f'version = "{version}"' if version else ""]
    return "\n".join([*lines, f"marker = '{marker}'" if marker else "", source, ""])


def wheels(*names: str, hashes: Sequence[str] = (A, B, C)) -> str:
    rows = [
        f'{{ url = "https://w.example/{name}", hashes = {{ sha256 = "{value}" }} }}'
        for name, value in zip(names, hashes, strict=False)
    ]
    return f"wheels = [{', '.join(rows)}]"


def lock(text: str, *, sdists: Collection[str] = (), path: str = PATH) -> Lockfile:
    return read_lockfile([path], read=lambda _: text.encode(), sdists=sdists)


def chosen(
    text: str,
    *,
    interpreter: Interpreter = LINUX,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    **kwargs: Any,
) -> tuple[Requirement, ...]:
    return select(lock(text, **kwargs), interpreter, extras=extras, groups=groups).requirements


def problem(text: str, **kwargs: Any) -> tuple[int | None, str]:
    with pytest.raises(LockfileError) as caught:
        chosen(text, **kwargs)
    (found,) = caught.value.data["problems"]
    return found["line"], found["message"]


# -- what is taken --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.prod.toml"])
def test_a_wheel_becomes_a_requirement_with_its_url(name: str) -> None:
    path = f"/srv/shop/{name}"
    lockfile = lock(HEAD + FLASK, path=path)
    assert lockfile.content == (HEAD + FLASK).encode()
    assert select(lockfile, LINUX, extras=[], groups=[]).requirements == (
        Requirement(
            name="flask",
            version="3.0",
            hashes=(f"sha256:{A}",),
            url="https://w.example/flask-3.0-py3-none-any.whl",
            indexed=True,
            text=f"flask @ https://w.example/flask-3.0-py3-none-any.whl --hash=sha256:{A}",
            file=path,
            line=4,
        ),
    )


def test_of_several_wheels_the_one_with_the_best_tag_is_chosen() -> None:
    text = HEAD + package(
        "x",
        wheels(
            "x-1.0-py3-none-any.whl",
            "x-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "x-1.0-cp312-cp312-win_amd64.whl",
        ),
    )
    assert [r.hashes for r in chosen(text)] == [(f"sha256:{B}",)]
    assert [r.hashes for r in chosen(text, interpreter=LINUX._replace(tags=("py3-none-any",)))] == [
        (f"sha256:{A}",)
    ]


def test_a_path_is_relative_to_the_lockfile() -> None:
    source = f'wheels = [{{ path = "wheels/x-1.0-py3-none-any.whl", hashes = {{ sha256 = "{A}" }} }}]'
    (requirement,) = chosen(HEAD + package("x", source))
    assert requirement.url == "/srv/shop/wheels/x-1.0-py3-none-any.whl"
    assert requirement.text == f"x @ file:///srv/shop/wheels/x-1.0-py3-none-any.whl --hash=sha256:{A}"


def test_markers_extras_and_groups_choose_packages() -> None:
    text = (
        f'{HEAD}extras = ["socks"]\ndependency-groups = ["prod", "dev"]\ndefault-groups = ["prod"]\n'
        + "".join(
            package(name, wheels(f"{name}-1.0-py3-none-any.whl"), marker=marker)
            for name, marker in [
                ("a", 'sys_platform == "linux"'),
                ("b", 'sys_platform == "darwin"'),
                ("c", '"socks" in extras'),
                ("d", '"dev" in dependency_groups'),
                ("e", '"prod" in dependency_groups'),
            ]
        )
    )
    assert [r.name for r in chosen(text)] == ["a", "e"]
    assert [r.name for r in chosen(text, extras=["Socks"], groups=["dev"])] == ["a", "c", "d"]
    mac = LINUX._replace(markers={**LINUX.markers, "sys_platform": "darwin"})
    assert [r.name for r in chosen(text, interpreter=mac)] == ["b", "e"]
    assert "names nope; the file has socks" in problem(text, extras=["nope"])[1]
    assert "`[build] groups` names nope" in problem(text, groups=["nope"])[1]


def test_default_groups_can_be_chosen_where_they_are_not_among_the_others() -> None:
    """PEP 751 has them named apart."""
    text = f'{HEAD}dependency-groups = ["dev"]\ndefault-groups = ["default"]\n' + "".join(
        package(name, wheels(f"{name}-1.0-py3-none-any.whl"), marker=f'"{group}" in dependency_groups')
        for name, group in [("a", "default"), ("b", "dev")]
    )
    assert [r.name for r in chosen(text)] == ["a"]
    assert [r.name for r in chosen(text, groups=["default", "dev"])] == ["a", "b"]
    assert "the file has dev, default" in problem(text, groups=["nope"])[1]


def test_pip_is_not_told_a_marker_that_has_been_decided() -> None:
    text = f'{HEAD}dependency-groups = ["prod"]\ndefault-groups = ["prod"]\n' + package(
        "a", wheels("a-1.0-py3-none-any.whl"), marker='"prod" in dependency_groups'
    )
    [requirement] = chosen(text)
    assert requirement.text == f"a @ https://w.example/a-1.0-py3-none-any.whl --hash=sha256:{A}"


@pytest.mark.parametrize("where", ['path = "w/blob"', 'url = "file:///w/blob"'])
def test_a_local_file_under_another_name_than_its_own_is_refused(where: str) -> None:
    name = "x-1.0-py3-none-any.whl"
    source = f'wheels = [{{ name = "{name}", {where}, hashes = {{ sha256 = "{A}" }} }}]'
    assert "has to be called `x-1.0" in problem(HEAD + package("x", source))[1]
    [requirement] = chosen(HEAD + package("x", source.replace("blob", name)))
    assert (requirement.url or "").endswith(f"/w/{name}")


def test_a_local_source_distribution_is_refused_whatever_sdists_says() -> None:
    source = f'sdist = {{ path = "x-1.0.tar.gz", hashes = {{ sha256 = "{A}" }} }}'
    assert "build a wheel" in problem(HEAD + package("x", source), sdists=["x"])[1]


def test_an_integer_without_end_is_no_traceback() -> None:
    assert "not a pylock file" in problem(f"{HEAD}x = 1{'0' * 5000}\n{FLASK}")[1]


def test_an_environment_that_asks_for_what_pip_does_not_know_is_refused() -> None:
    text = f"{HEAD}environments = [\"'x' in extras\"]\n{FLASK}"
    assert "marker" in problem(text)[1]


def test_a_marker_that_cannot_be_evaluated_is_refused() -> None:
    text = HEAD + package("a", wheels("a-1.0-py3-none-any.whl"), marker='extras == "x"')
    assert "a marker cannot be evaluated" in problem(text)[1]


def test_an_sdist_is_chosen_only_where_no_wheel_fits_and_sdists_allows_it() -> None:
    sdist = f'sdist = {{ url = "https://w.example/x-1.0.tar.gz", hashes = {{ sha256 = "{C}" }} }}'
    text = HEAD + package("x", f"{wheels('x-1.0-cp312-cp312-win_amd64.whl')}\n{sdist}")
    (requirement,) = chosen(text, sdists=["X"])
    assert requirement.text == f"x @ https://w.example/x-1.0.tar.gz --hash=sha256:{C}"
    line, message = problem(text)
    assert line == 4
    assert "x is source (`x-1.0.tar.gz`), and `[build] sdists` does not allow" in message


@pytest.mark.parametrize(
    "path", ["v1.2.tar.gz", "1.2.zip", "archive/3f9a1c2d00aa.tar.gz", "x-1234567.tar.gz"]
)
@pytest.mark.parametrize("version", ["", "1.2"])
def test_an_archive_of_a_forge_is_chosen_if_sdists_allows_it(path: str, version: str) -> None:
    url = f"https://f.example/me/x/{path}"
    source = f'archive = {{ url = "{url}", hashes = {{ sha256 = "{C}" }} }}'
    text = HEAD + package("x", source, version=version)
    (requirement,) = chosen(text, sdists=["x"])
    assert (requirement.version, requirement.url) == (version or None, url)
    assert requirement.text == f"x @ {url} --hash=sha256:{C}"
    assert "is source" in problem(text)[1]


def test_a_folder_of_an_archive_is_chosen() -> None:
    url = "https://f.example/me/all/archive/v1.zip"
    source = f'archive = {{ url = "{url}", subdirectory = "core", hashes = {{ sha256 = "{C}" }} }}'
    (requirement,) = chosen(HEAD + package("x", source, version=""), sdists=["x"])
    assert (requirement.subdirectory, requirement.url) == ("core", url)
    assert requirement.text == f"x @ {url}#subdirectory=core --hash=sha256:{C}"
    assert "leads out" in problem(HEAD + package("x", source.replace("core", "../x")), sdists=["x"])[1]


@pytest.mark.parametrize(
    "digits", [f'sha256 = "{A.upper()}"', f'SHA512 = "{"D" * 128}"', f'sha384 = "{"c" * 96}"']
)
def test_files_are_pinned_by_any_of_three_hashes_in_any_case_of_letters(digits: str) -> None:
    text = HEAD + package("x", wheels("x-1.0-py3-none-any.whl").replace(f'sha256 = "{A}"', digits))
    (requirement,) = chosen(text)
    expected = digits.replace('"', "").replace(" = ", ":").lower()
    assert requirement.hashes == (expected,)
    assert requirement.text.endswith(f" --hash={expected}")


def test_an_archive_that_is_a_wheel_is_taken() -> None:
    url = "https://w.example/x-1.0-py3-none-any.whl"
    source = f'archive = {{ url = "{url}", hashes = {{ sha256 = "{A}" }} }}'
    (requirement,) = chosen(HEAD + package("x", source, version=""))
    assert (requirement.version, requirement.url, requirement.indexed) == ("1.0", url, False)
    assert (
        "another interpreter"
        in problem(HEAD + package("x", source.replace("py3-none-any", "cp39-cp39-any")))[1]
    )


# -- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            f'archive = {{ url = "https://w.example/x-1.0.zip", hashes = {{ sha256 = "{A}" }} }}',
            "x is source",
        ),
        (
            f'sdist = {{ url = "https://w.example/x-1.0.tar.gz", hashes = {{ sha256 = "{A}" }} }}',
            "x is source",
        ),
        (
            'wheels = [{ url = "https://w.example/x-1.0-py3-none-any.whl", hashes = { md5 = "abc" } }]',
            "x has only md5",
        ),
        (wheels("x-1.0-py3-none-any.whl", hashes=["short"]), "not a sha256 hash"),
        (wheels("x-1.0-py3-none-any.whl").replace("https://", "ftp://"), "must begin with https://"),
        (
            wheels("x-1.0-py3-none-any.whl").replace("https://", "https://me:hunter2@"),
            "with a password in it",
        ),
        (wheels("x-1.0-py3-none-any.whl").replace(".whl", ".whl?token=hunter2"), "query parameter `token`"),
    ],
)
def test_an_entry_is_refused_when_the_file_is_read_and_its_line_is_named(source: str, says: str) -> None:
    with pytest.raises(LockfileError) as caught:
        lock(HEAD + FLASK + package("x", source))
    (found,) = caught.value.data["problems"]
    assert found["line"] == 9
    assert says in found["message"]
    assert "hunter2" not in f"{caught.value.message} {caught.value.data}"


def sourced(text: str, *, interpreter: Interpreter = LINUX) -> tuple[SourcedEntry, ...]:
    return select(lock(text), interpreter, extras=(), groups=()).sourced


@pytest.mark.parametrize(
    ("source", "entry"),
    [
        (
            (
                f'vcs = {{ type = "git", url = "https://g.example/x", commit-id = "{COMMIT}",'
                ' subdirectory = "py" }'
            ),
            SourcedEntry("x", "https://g.example/x", COMMIT, "py", False, 9),
        ),
        ('directory = { path = "." }', SourcedEntry("x", "", "", "", False, 9)),
        (
            'directory = { path = "./members", subdirectory = "x/", editable = true }',
            SourcedEntry("x", "", "", "members/x", True, 9),
        ),
        ('directory = { path = "../x" }', SourcedEntry("x", "", "", "../x", False, 9)),
    ],
)
def test_a_source_tree_comes_out_with_its_place_and_without_hashes(source: str, entry: SourcedEntry) -> None:
    text = HEAD + FLASK + package("x", source)
    assert sourced(text) == (entry,)
    assert [one.name for one in chosen(text)] == ["flask"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            'vcs = { type = "git", url = "https://g.example/x", commit-id = "abc" }',
            "not pinned to a full commit",
        ),
        (
            f'vcs = {{ type = "hg", url = "https://g.example/x", commit-id = "{COMMIT}" }}',
            "venvship knows git",
        ),
        ('directory = { path = "/etc" }', "relative to the lockfile"),
        ('directory = { path = "a\\u001bb" }', "relative to the lockfile"),
    ],
)
def test_a_source_tree_that_says_too_little_is_refused(source: str, says: str) -> None:
    line, message = problem(HEAD + FLASK + package("x", source))
    assert line == 9
    assert says in message


def test_two_different_sources_of_one_name_are_refused() -> None:
    twice = package("x", 'directory = { path = "a" }') + package("x", 'directory = { path = "b" }')
    assert "x is locked twice: `b` here and `a` in line 9" in problem(HEAD + FLASK + twice)[1]


def test_a_source_tree_whose_marker_does_not_hold_is_not_selected() -> None:
    directory = package("x", 'directory = { path = "." }', marker='sys_platform == "win32"')
    assert sourced(HEAD + FLASK + directory) == ()
    windows = LINUX._replace(markers={**LINUX.markers, "sys_platform": "win32"})
    assert sourced(HEAD + FLASK + directory, interpreter=windows) == (
        SourcedEntry("x", "", "", "", False, 9),
    )


def test_everything_is_reported_at_once() -> None:
    short = ["short"]
    x, y = (wheels(f"{name}-1.0-py3-none-any.whl", hashes=short) for name in "xy")
    text = HEAD + package("x", x) + package("y", y)
    with pytest.raises(LockfileError) as caught:
        lock(text)
    assert [each["line"] for each in caught.value.data["problems"]] == [4, 10]


def test_requires_python_and_environments_are_held_against_the_interpreter() -> None:
    _, message = problem(f'{HEAD}requires-python = ">=3.13"\n{FLASK}')
    assert "CPython 3.12.4" in message
    assert ">=3.13" in message
    _, message = problem(f"{HEAD}environments = [\"sys_platform == 'darwin'\"]\n{FLASK}")
    assert "does not satisfy any of the environments" in message
    assert chosen(f'{HEAD}requires-python = ">=3.12"\n{FLASK}')


def test_no_wheel_for_this_platform_is_refused_with_the_line() -> None:
    line, message = problem(HEAD + FLASK + package("x", wheels("x-1.0-cp312-cp312-win_amd64.whl")))
    assert line == 9
    assert "No wheel found" in message


@pytest.mark.parametrize("marker", ["", 'os_name == "posix"', '"dev" in dependency_groups'])
def test_equal_entries_of_one_name_are_one_with_the_hashes_that_both_allow(marker: str) -> None:
    head = f'{HEAD}dependency-groups = ["dev"]\n'
    name = "x-1.0-py3-none-any.whl"
    twice = [package("x", wheels(name)), package("x", wheels(name), marker=marker)]
    both = wheels(name).replace('= "a', f'= "{A}", sha512 = "{"d" * 128}" }} }}] #')
    for entries in (twice, twice[::-1], [*twice, package("x", both)]):
        (requirement,) = chosen(head + "".join(entries), groups=["dev"])
        assert (requirement.version, requirement.hashes) == ("1.0", (f"sha256:{A}",))


def test_an_entry_that_one_of_two_layers_lacks_is_selected_all_the_same() -> None:
    later = package("y", wheels("y-1.0-py3-none-any.whl")) + package("x", wheels("x-1.0-py3-none-any.whl"))
    text = HEAD + package("x", wheels("x-1.0-py3-none-any.whl")) + later
    assert [requirement.name for requirement in chosen(text)] == ["x", "y"]


def test_the_line_of_a_second_entry_that_nothing_fits_is_named() -> None:
    twice = package("x", wheels("x-1.0-py3-none-any.whl")) + package("x", wheels("x-1.0-cp39-cp39-any.whl"))
    assert problem(HEAD + FLASK + twice)[0] == 15


def test_two_different_entries_of_one_name_that_are_both_selected_are_refused() -> None:
    other = FLASK.replace("3.0", "3.1")
    assert problem(HEAD + FLASK + other) == (
        9,
        "flask is pinned twice: 3.1 here and 3.0 in line 4; keep one; both hold for " + LINUX.label,
    )


def test_a_selection_of_nothing_is_refused() -> None:
    text = HEAD + package("x", wheels("x-1.0-py3-none-any.whl"), marker='os_name == "nt"')
    assert "selects nothing for CPython 3.12.4" in problem(text)[1]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "lock-version"),
        (f"{HEAD}packages = []\n", None, "no package"),
        ('lock-version = "2.0"\ncreated-by = "x"\npackages = []', None, "version 2.0 is not supported"),
        ("a = 1\nb = = 2", 2, "not TOML"),
        (HEAD + FLASK + '[[packages]]\nname = "X_Y"\n', 8, "not normalized"),
        ("a = " + "[" * 100_000, None, "nested too deeply"),
        ("x" * (17 * 2**20), None, "at most"),
    ],
    ids=["empty", "no packages", "newer", "not TOML", "invalid entry", "nesting", "size"],
)
def test_what_is_no_pylock_file_is_refused(text: str, line: int | None, says: str) -> None:
    with pytest.raises(LockfileError) as caught:
        lock(text)
    (found,) = caught.value.data["problems"]
    assert found["line"] == line
    assert says in found["message"]


def test_a_pylock_file_stands_alone() -> None:
    files = {"/srv/shop/a.txt": f"six==1.0 --hash=sha256:{A}".encode(), PATH: (HEAD + FLASK).encode()}
    with pytest.raises(LockfileError, match="stand alone"):
        read_lockfile(list(files), read=files.__getitem__, sdists=[])


def test_other_toml_files_are_refused_by_name() -> None:
    with pytest.raises(LockfileError, match=r"named pylock\.toml"):
        lock(HEAD + FLASK, path="/srv/shop/lock.toml")


VALUES = st.recursive(
    st.sampled_from(
        [
            '"x"',
            '"1.0"',
            "1",
            "true",
            '""',
            '"https://["',
            '"x-1.0-py3-none-any.whl"',
            "2020-01-01",
            '"os_name"',
        ]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(
            st.sampled_from(["name", "url", "path", "hashes", "sha256", "type", "commit-id"]),
            inner,
            max_size=3,
        ).map(lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["version", "marker", "requires-python", "wheels", "sdist", "vcs", "directory", "archive", "index"]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=3), st.one_of(st.just(b""), st.binary(max_size=20)))
def test_reading_raises_nothing_but_a_lockfile_error(keys: dict[str, str], junk: bytes) -> None:
    text = f'{HEAD}[[packages]]\nname = "x"\n' + "".join(f"{key} = {value}\n" for key, value in keys.items())
    try:
        lockfile = read_lockfile([PATH], read=lambda _: text.encode() + junk, sdists=["*"])
        found = select(lockfile, LINUX, extras=[], groups=[])
        assert found.requirements or found.sourced
    except LockfileError:
        return
