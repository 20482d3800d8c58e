"""What is read of the inputs of a lockfile, and of the lockfile before."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from venvship.model.lockfiles.lock_inputs import Inputs, completed, kept_pins, pinned_packages, read_inputs
from venvship.model.release import Package

LOCKFILE = "/srv/shop/requirements.txt"
HASH = f"--hash=sha256:{'0' * 64}"
MARKERS = {"python_version": "3.11", "extra": ""}


def read(
    files: Mapping[str, str], *, lockfile: str = LOCKFILE, there: Collection[str] = (), last: str = "a.in"
) -> Inputs:
    """Read inputs of a root `/srv/shop`; files are relative to it."""

    def content(path: str) -> bytes:
        try:
            return files[path.removeprefix("/srv/shop/")].encode()
        except KeyError:
            raise FileNotFoundError(path) from None

    return read_inputs(
        sorted({"/srv/shop/a.in", f"/srv/shop/{last}"}),
        cwd="/srv/shop",
        lockfile=lockfile,
        read=content,
        exists=lambda path: path.removeprefix("/srv/shop/") in there,
    )


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("-i https://a.example/\ndjango", ["--index-url https://a.example/"]),
        ("--extra-index-url=https://a.example/ --pre", ["--extra-index-url https://a.example/", "--pre"]),
        ("--index-url https://${USER}:${WORD}@a.example/", ["--index-url https://${USER}:${WORD}@a.example/"]),
        ("--no-binary a,b\n--only-binary :all:", ["--no-binary a,b", "--only-binary :all:"]),
        ("-f 'wheels of ours'", ["--find-links 'wheels of ours'"]),
        ("-f /srv/wheels\n-f ~/wheels\n-f file:///w", [
            "--find-links /srv/wheels", "--find-links ~/wheels", "--find-links file:///w",
        ]),
        ("--require-hashes\n--use-feature x\n--frob", []),
        ("# --pre\ndjango --config-settings x=y  # --pre", []),
        ("--pre 'open", []),
    ],
)  # fmt: skip
def test_options_about_where_from_are_found_in_long_form(text: str, options: list[str]) -> None:
    assert list(read({"a.in": text}).options) == options


def test_options_of_included_files_and_constraints_are_found_each_once_the_last_one_last() -> None:
    files = {
        "a.in": "-i https://one.example/\n-r more/b.in\n-c limits.txt\n-r https://a.example/c\n-r gone\n",
        "more/b.in": "-i https://two.example/\n-r ../a.in\n--pre\n",
        "limits.txt": "--prefer-binary\n-i https://one.example/\n",
    }
    found = read(files, last="more/b.in")
    assert found.options == (
        "--index-url https://two.example/",
        "--pre",
        "--prefer-binary",
        "--index-url https://one.example/",
    )
    assert found.texts == tuple(files.values())


def test_a_folder_of_links_is_beside_its_input_or_in_the_root_as_pip_has_it() -> None:
    files = {"a.in": "-r in/b.in", "in/b.in": "-f wheels"}
    deep = "/srv/shop/locks/prod.txt"
    assert read(files, there=["in/wheels"]).options == ("--find-links in/wheels",)
    assert read(files).options == ("--find-links wheels",)
    assert read(files, lockfile=deep, there=["in/wheels"]).options == ("--find-links ../in/wheels",)


def test_a_project_is_no_file_of_requirements() -> None:
    assert read({"a.in": "-r pyproject.toml", "pyproject.toml": "--pre"}).options == ()


def test_paths_of_archives_become_relative_again_where_they_were() -> None:
    text = "./w/one-1.0-py3-none-any.whl\n../two-1.0.tar.gz[x] ; python_version > '3'\n/abs/three-1.0.zip\n"
    inputs = read({"a.in": text})
    assert inputs.archives == {"/srv/shop/w/one-1.0-py3-none-any.whl", "/srv/two-1.0.tar.gz"}
    compiled = (
        "# header\n"
        f"one @ file:///srv/shop/w/one-1.0-py3-none-any.whl \\\n    {HASH}\n"
        f"three @ file:///abs/three-1.0.zip \\\n    {HASH}\n"
        f"two @ file:///srv/two-1.0.tar.gz ; python_version > '3' \\\n    {HASH}\n"
        "four @ file://other/four.zip\n"
    )
    assert completed(compiled.encode(), inputs, lockfile="/srv/shop/locks/prod.txt").decode() == (
        "# header\n"
        f"../w/one-1.0-py3-none-any.whl \\\n    {HASH}\n"
        f"three @ file:///abs/three-1.0.zip \\\n    {HASH}\n"
        f"../../two-1.0.tar.gz ; python_version > '3' \\\n    {HASH}\n"
        "four @ file://other/four.zip\n"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_options_stand_below_the_header(end: str) -> None:
    inputs = Inputs(texts=(), options=("--pre", "--no-index"), archives=frozenset())
    compiled = end.join(["# one", "# two", "a==1", "    # via b", ""])
    assert completed(compiled.encode(), inputs, lockfile=LOCKFILE).decode() == end.join(
        ["# one", "# two", "--pre", "--no-index", "", "a==1", "    # via b", ""]
    )


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (f"a==1 --hash=md5:{'0' * 32}", "a==1"),
        (f"a[b]==1 {HASH} --config-settings x=y", "a==1"),
        ("a==1.x --hash=sha256:0", ""),
        ("a==1 ; 'x' in extras", ""),
        ("a==1 ; python_version < '3.12'", "a==1 ; python_version < '3.12'"),
        ("a==2 ; python_version >= '3.12'", ""),
    ],
)
def test_of_a_pin_is_kept_what_pip_takes_for_this_interpreter(line: str, kept: str) -> None:
    """`lock` is what mends a lockfile that `release` refuses."""
    assert kept_pins(f"{line}\n".encode(), MARKERS).decode().strip() == kept


def test_pins_are_kept_with_their_hashes_and_nothing_else_is() -> None:
    text = (
        "--index-url https://a.example/\n"
        f"Django[bcrypt]==5.2 ; python_version > '3' \\\n    {HASH} \\\n    {HASH}\n    # via -r a.in\n"
        "-r other.txt\n-e ./src\n./w/one-1.0-py3-none-any.whl\nb>=2\nc==1,<2\nd===1\ne @ https://a.example/e.whl\n"
    )
    assert kept_pins(text.encode(), MARKERS).decode() == (
        f"Django[bcrypt]==5.2 ; python_version > '3' \\\n    {HASH} \\\n    {HASH}\nd===1\n"
    )
    assert pinned_packages(text.encode()) == [Package("django", "5.2"), Package("d", "1")]
    assert kept_pins(text.replace("\n", "\r\n").encode(), MARKERS).count(b"\r\n") == 4
    assert kept_pins(b"\xff\xfe", MARKERS) == b""
