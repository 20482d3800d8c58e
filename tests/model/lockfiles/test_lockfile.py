"""What a lockfile means for one interpreter: what is selected, and what its digest says."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.releases import LINUX
from venvship.errors import LockfileError
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.lockfile import Lockfile, environment_digest, read_lockfile, select
from venvship.model.lockfiles.requirement import Requirement

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
PATH = "/srv/shop/requirements.txt"

MAC = LINUX._replace(
    soabi="cpython-39-darwin",
    platform="macosx-11.0-arm64",
    version="3.9.1",
    markers={
        **LINUX.markers,
        "sys_platform": "darwin",
        "python_version": "3.9",
        "python_full_version": "3.9.1",
    },
)


def lock(text: str) -> Lockfile:
    return read_lockfile([PATH], read=lambda _: text.encode(), sdists=[])


def selected(text: str, interpreter: Interpreter = LINUX) -> tuple[Requirement, ...]:
    return select(lock(text), interpreter, extras=[], groups=[]).requirements


def names(text: str, interpreter: Interpreter = LINUX) -> list[str]:
    return [requirement.name for requirement in selected(text, interpreter)]


def test_the_content_of_one_file_is_its_bytes() -> None:
    data = f"\ufeffflask==3.0 --hash={A}\r\n".encode()
    lockfile = read_lockfile([PATH], read=lambda _: data, sdists=[])
    assert (lockfile.path, lockfile.content) == (PATH, data)
    assert lockfile.sha256 == hashlib.sha256(data).hexdigest()


def test_the_content_of_several_files_does_not_tell_where_they_are() -> None:
    def read(folder: str) -> Lockfile:
        files = {f"{folder}/a.txt": f"flask==3.0 --hash={A}".encode(), f"{folder}/b/b.txt": b""}
        return read_lockfile(list(files), read=files.__getitem__, sdists=[])

    lockfile = read("/srv/shop")
    assert lockfile.content == f"# file: a.txt\nflask==3.0 --hash={A}\n# file: b/b.txt\n".encode()
    assert lockfile.sha256 == hashlib.sha256(lockfile.content).hexdigest() == read("/elsewhere").sha256


def test_relative_paths_are_a_fault_of_the_caller() -> None:
    with pytest.raises(RuntimeError, match="absolute"):
        read_lockfile(["requirements.txt"], read=lambda _: b"", sdists=[])


# -- selection ------------------------------------------------------------------------------------------


def test_the_selection_is_sorted_by_name() -> None:
    assert names(f"idna==3.6 --hash={A}\nFlask==3.0 --hash={A}\n") == ["flask", "idna"]


def test_markers_are_evaluated_for_the_given_interpreter_not_the_running_one() -> None:
    text = (
        f"a==1 ; sys_platform == 'darwin' --hash={A}\n"
        f"b==1 ; sys_platform == 'linux' --hash={A}\n"
        f"c==1 ; python_full_version < '3.10' --hash={A}\n"
        f"d==1 ; extra == 'dev' --hash={A}\n"
        f"e==1 ; platform_release >= '6.0' and extra == '' --hash={A}\n"
    )
    assert names(text) == ["b", "e"]
    assert names(text, MAC) == ["a", "c", "e"]


def test_what_the_interpreter_does_not_tell_is_not_taken_from_the_running_one() -> None:
    silent = LINUX._replace(markers={"python_full_version": "3.12.4"})
    text = f"a==1 ; os_name == 'posix' --hash={A}\nb==1 ; os_name == '' --hash={A}"
    assert names(text, silent) == ["b"]


def test_of_two_pins_with_markers_the_one_for_this_interpreter_is_selected() -> None:
    text = f"a==1 ; python_version < '3.10' --hash={A}\na==2 ; python_version >= '3.10' --hash={B}\n"
    assert [r.version for r in selected(text)] == ["2"]
    assert [r.version for r in selected(text, MAC)] == ["1"]


def test_two_pins_whose_markers_both_hold_are_refused_naming_both_lines() -> None:
    with pytest.raises(LockfileError) as caught:
        selected(f"a==1 ; os_name == 'posix' --hash={A}\n\na==2 --hash={B}\n")
    (problem,) = caught.value.data["problems"]
    assert problem["line"] == 3
    assert "a is pinned twice: 2 here and 1 in line 1" in problem["message"]
    assert "CPython 3.12.4" in problem["message"]


WHEEL_URL = "a @ https://w.example/a-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("first", "second", "extras", "hashes"),
    [
        (f"a==1.0 --hash={A}", f"a==1.0 --hash={A}", (), (A,)),
        (f"a==1.0 --hash={A} --hash={B}", f"a[x]==1.0 --hash={B} --hash={A}", ("x",), (A, B)),
        (f"a[y]==1.0 --hash={A}", f"A[x]==1.0 --hash={A}", ("x", "y"), (A,)),
        (f"a==1.0 ; os_name == 'posix' --hash={A}", f"a==1.0 --hash={A}", (), (A,)),
        (f"a==1.0 --hash={A}", f"a==1.0.0 --hash={A.upper()}", (), (A,)),
        (f"a==1.0 --hash={A} --hash={B}", f"a==1.0 --hash={B} --hash={C}", (), (B,)),
        (f"a==1.0 --hash={A}", f"a==1.0 --hash={A} --hash=sha512:{'d' * 128}", (), (A,)),
        (f"{WHEEL_URL} --hash={A}", f"{WHEEL_URL} --hash={A} --hash={B}", (), (A,)),
        (f"{WHEEL_URL} --hash={A}", f"a==1.0 --hash={A} --hash={B}", (), (A,)),
    ],
)
def test_equal_pins_are_one_with_all_extras_and_the_hashes_that_both_allow(
    first: str, second: str, extras: tuple[str, ...], hashes: tuple[str, ...]
) -> None:
    for text in (f"{first}\n{second}\n", f"{second}\n{first}\n"):
        (requirement,) = selected(text)
        assert (requirement.extras, requirement.hashes) == (extras, hashes)
        assert requirement.url == (WHEEL_URL[4:] if WHEEL_URL in text else None)
        assert sorted(word for word in requirement.text.split() if "=sha" in word.lower()) == [
            f"--hash={value}" for value in hashes
        ], "pip is given these hashes, and no more"


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (f"a==1.1 --hash={A}", "a is pinned twice: 1.1 here and 1.0 in line 1"),
        (f"a==1.0+cpu --hash={A}", "1.0+cpu here and 1.0 in line 1"),
        (f"a==1.0 --hash={C}", "here and in line 1, without a hash in common"),
        (f"a==1.0 --hash=sha512:{'d' * 128}", "without a hash in common"),
        (f"a @ https://w.example/a-1.1-py3-none-any.whl --hash={A}", "1.1 here and 1.0"),
    ],
)
@pytest.mark.parametrize("marker", ["", " ; os_name == 'posix'"])
def test_pins_of_one_name_that_differ_are_refused(second: str, says: str, marker: str) -> None:
    with pytest.raises(LockfileError) as caught:
        selected(f"a==1.0{marker} --hash={A} --hash={B}\n{second}\n")
    (problem,) = caught.value.data["problems"]
    assert problem["line"] == 2
    assert says in problem["message"]


def test_the_folder_of_an_archive_decides_the_digest_and_the_place() -> None:
    def read(text: str) -> Lockfile:
        return read_lockfile([PATH], read=lambda _: text.encode(), sdists=["a"])

    url = "a @ https://f.example/v1.zip"
    digests = {
        environment_digest(
            select(read(f"{url}{folder} --hash={A}"), LINUX, extras=[], groups=[]).requirements, LINUX, {}
        )
        for folder in ("", "#subdirectory=x", "#subdirectory=y", "#subdirectory=x/")
    }
    assert len(digests) == 3
    with pytest.raises(LockfileError, match=r"subdirectory=y` here and `.*subdirectory=x` in line 1"):
        read(f"{url}#subdirectory=x --hash={A}\n{url}#subdirectory=y --hash={A}")


def test_two_places_for_one_name_are_refused() -> None:
    other = WHEEL_URL.replace("w.example", "mirror.example")
    with pytest.raises(LockfileError, match=r"pinned twice: `https://mirror.* here and `https://w"):
        selected(f"{WHEEL_URL} --hash={A}\n{other} --hash={A}\n")


@pytest.mark.parametrize("marker", ["", " ; os_name == 'posix'"])
def test_a_pin_that_stands_in_two_layers_is_one(marker: str) -> None:
    files = {
        "/srv/shop/base.txt": f"a==1.0{marker} --hash={A}\nb==2 --hash={B}\n".encode(),
        "/srv/shop/dev.txt": f"-r base.txt\na==1.0 --hash={A}\n".encode(),
        "/srv/shop/more.txt": f"a==2.0 --hash={A}\n".encode(),
    }

    def layered(*names: str) -> tuple[Requirement, ...]:
        paths = [f"/srv/shop/{name}.txt" for name in names]
        return select(
            read_lockfile(paths, read=files.__getitem__, sdists=[]), LINUX, extras=[], groups=[]
        ).requirements

    assert [r.name for r in layered("base", "dev")] == [r.name for r in layered("dev")] == ["a", "b"]
    with pytest.raises(LockfileError, match=r"2\.0 here and 1\.0 in /srv/shop/"):
        layered("dev", "more")


def test_a_selection_of_nothing_is_refused_and_names_the_interpreter() -> None:
    with pytest.raises(LockfileError, match=r"selects nothing for CPython 3\.12\.4") as caught:
        selected(f"a==1 ; sys_platform == 'win32' --hash={A}\n")
    assert "`python` in venvship.toml" in caught.value.message


@pytest.mark.parametrize("marker", ["sys_platform ~= 'linux'", "'x' in extras", "'x' in dependency_groups"])
def test_a_marker_that_cannot_be_evaluated_is_refused(marker: str) -> None:
    with pytest.raises(LockfileError, match="cannot evaluate its marker"):
        selected(f"a==1 ; {marker} --hash={A}\nb==1 --hash={A}")


def test_extras_and_groups_without_effect_are_refused() -> None:
    with pytest.raises(LockfileError, match="mean nothing in a requirements file"):
        select(lock(f"a==1 --hash={A}"), LINUX, extras=["dev"], groups=[])


# -- the environment digest -----------------------------------------------------------------------------

LINES = (
    f"flask==3.0 \\\n    --hash={A} \\\n    --hash={B}",
    f"requests[socks,security]==2.31.0 --hash={A}",
    f"idna==3.6 ; os_name == 'posix' --hash={C}",
    f"six @ https://w.example/six-1.16-py3-none-any.whl --hash={A}",
    f"./wheels/toml-1.0-py3-none-any.whl --hash={B}",
)


def digest(text: str, interpreter: Interpreter = LINUX, **build: object) -> str:
    return environment_digest(selected(text, interpreter), interpreter, build)


@settings(max_examples=40, deadline=None)
@given(
    st.permutations(LINES),
    st.lists(st.sampled_from(["", "# a comment", "   # via x", "--pre", "--index-url https://a.example"])),
    st.sampled_from(["\n", "\r\n"]),
)
def test_order_comments_options_and_line_ends_do_not_change_the_digest(
    lines: list[str], noise: list[str], end: str
) -> None:
    mixed = [line for pair in zip(lines, [*noise, *[""] * len(lines)], strict=False) for line in pair]
    assert digest("\n".join(mixed).replace("\n", end)) == digest("\n".join(LINES))


def test_the_files_that_requirements_stand_in_do_not_change_the_digest() -> None:
    files = {
        "/other/all.txt": b"-r one.txt\n-r two.txt\n",
        "/other/one.txt": "\n".join(LINES[:2]).encode(),
        "/other/two.txt": "\n".join(LINES[2:]).encode(),
    }
    lockfile = read_lockfile(["/other/all.txt"], read=files.__getitem__, sdists=[])
    chosen = select(lockfile, LINUX, extras=[], groups=[]).requirements
    assert environment_digest(chosen, LINUX, {}) == digest("\n".join(LINES))


def test_spelling_does_not_change_the_digest() -> None:
    plain = digest(f"flask-login==1.0 --hash={A} --hash={B}")
    assert digest(f"Flask_Login == 1.0.0 --hash={A} --hash={B}") != plain
    assert digest(f"Flask_Login == 1.0 \\\n --hash {B} --hash={A} --hash={A}") == plain


def test_a_marker_that_holds_does_not_change_the_digest() -> None:
    assert digest(f"a==1 ; os_name == 'posix' --hash={A}\nb==1 ; os_name == 'nt' --hash={A}") == digest(
        f"a==1 --hash={A}"
    )


@pytest.mark.parametrize(
    "other",
    [
        f"flask==3.1 --hash={A}",
        f"flask==3.0 --hash={B}",
        f"flask==3.0 --hash={A} --hash={B}",
        f"flask[async]==3.0 --hash={A}",
        f"Flask-Login==3.0 --hash={A}",
        f"flask @ https://w.example/flask-3.0-py3-none-any.whl --hash={A}",
        f"flask==3.0 --hash={A}\nidna==3.6 --hash={A}",
    ],
)
def test_what_is_selected_decides_the_digest(other: str) -> None:
    assert digest(other) != digest(f"flask==3.0 --hash={A}")


@pytest.mark.parametrize("fact", ["implementation", "soabi", "platform", "magic"])
def test_the_identity_of_the_interpreter_enters_the_digest(fact: str) -> None:
    text = f"flask==3.0 --hash={A}"
    assert digest(text, LINUX._replace(**{fact: "other"})) != digest(text)  # type: ignore[arg-type]


def test_the_patch_level_and_path_of_the_interpreter_do_not() -> None:
    text = f"flask==3.0 --hash={A}"
    assert digest(text, LINUX._replace(version="3.12.9", path="/opt/python")) == digest(text)
    assert digest(text, LINUX._replace(version="3.13.4")) != digest(text)


def test_build_settings_enter_the_digest() -> None:
    text = f"flask==3.0 --hash={A}"
    assert digest(text, optimize=[0]) == digest(text, optimize=(0,))
    assert digest(text, optimize=[0]) != digest(text, optimize=[0, 2])
