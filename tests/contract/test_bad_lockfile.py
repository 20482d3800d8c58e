"""Lockfiles that must be refused, and what the command line answers to each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answers import complaint, envelope, measured, refused
from tests.support.roots import Site

ZEROS = "0" * 64
PIN = f"app==1.0 --hash=sha256:{ZEROS}\n"

REFUSED = {
    "empty": ("", "no requirement;"),
    "only comments": ("# nothing\n\n", "no requirement;"),
    "missing hash": ("app==1.0\n", "hash"),
    "md5": (f"app==1.0 --hash=md5:{'0' * 32}\n", "md5"),
    "no version": (f"app>=1.0 --hash=sha256:{ZEROS}\n", "=="),
    "editable": (f"-e ./app\n{PIN}", "-e"),
    "version control": (f"app @ git+https://localhost/app.git@v1 --hash=sha256:{ZEROS}\n", "VCS"),
    "two pins": (f"{PIN}App==1.1 --hash=sha256:{ZEROS}\n", "app"),
    "no marker holds": (f'app==1.0 ; sys_platform == "win32" --hash=sha256:{ZEROS}\n', "select"),
    "another Python": (f'app==1.0 ; python_version < "3.0" --hash=sha256:{ZEROS}\n', "select"),
    "unknown option": (f"--target /tmp\n{PIN}", "--target"),
    "password": (f"app @ https://me:secret@localhost/app-1.0-py3-none-any.whl --hash=sha256:{ZEROS}\n", "${"),
    "garbage": ("<!DOCTYPE html>\n<html>404</html>\n", "html"),
}


@pytest.mark.parametrize(("text", "named"), REFUSED.values(), ids=REFUSED)
def test_a_lockfile_is_refused_for_what_it_says(shop: Site, text: str, named: str) -> None:
    (shop.path / "requirements.txt").write_text(text)
    error = refused(shop, "release", code=11, slug="lockfile-refused")
    said = f"{error['message']} {error['hint']} {error.get('problems')}"
    assert named in said
    assert "requirements.txt" in said
    assert "secret" not in said


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_lockfile_that_is_not_utf_8_is_refused(shop: Site, encoding: str) -> None:
    (shop.path / "requirements.txt").write_text(f"# für Jürgen\n{PIN}", encoding=encoding)
    error = refused(shop, "release", code=11, slug="lockfile-refused")
    assert "UTF-8" in f"{error['message']} {error.get('problems')}"


@pytest.mark.parametrize("instead", ["nothing", "a directory", "a dangling link"])
def test_a_lockfile_that_cannot_be_read_is_missing(shop: Site, instead: str) -> None:
    path = shop.path / "requirements.txt"
    path.unlink()
    if instead == "a directory":
        path.mkdir()
    elif instead == "a dangling link":
        path.symlink_to("nowhere.txt")
    try:
        error = refused(shop, "release", code=11, slug="lockfile-missing")
        assert str(path) in f"{error['message']} {error.get('problems')}"
    finally:
        if instead == "a directory":
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def test_another_lockfile_of_the_command_line_is_refused_by_its_own_name(shop: Site, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("app==1.0\n")
    error = refused(
        shop, "release", "--lockfile", str(tmp_path / "other.txt"), code=11, slug="lockfile-refused"
    )
    assert "other.txt" in f"{error['message']} {error['problems']}"


def test_everything_that_is_wrong_is_said_at_once_with_its_line(shop: Site) -> None:
    (shop.path / "requirements.txt").write_text(f"one==1.0\n-e ./two\n{PIN}three>=1 --hash=sha256:{ZEROS}\n")
    error = refused(shop, "release", code=11, slug="lockfile-refused")
    assert [problem["line"] for problem in error["problems"]] == [1, 2, 4]
    text = complaint(shop.run("release"), 11)
    for line in (1, 2, 4):
        assert f"requirements.txt:{line}: " in text or f"line {line}" in text


@pytest.mark.parametrize("broken", ["lockfile", "settings"])
def test_everything_that_is_wrong_is_said_once(shop: Site, broken: str) -> None:
    if broken == "lockfile":
        (shop.path / "requirements.txt").write_text("one==1.0\n-e two\n")
    else:
        shop.settings("kep = 3\nlink = 'no'\n")
    code = 11 if broken == "lockfile" else 10
    problems = envelope(shop.run("release", "--json"))["error"]["problems"]
    text = complaint(shop.run("release"), code)
    assert len(problems) == 2
    assert [text.count(problem["message"]) for problem in problems] == [1, 1]


@pytest.mark.parametrize(
    "line", [b"lorem ipsum dolor sit amet\n", b"\xff\xfe\x00junk", PIN.encode()], ids=str
)
def test_50_megabytes_of_junk_are_refused_in_little_time_and_memory(shop: Site, line: bytes) -> None:
    with open(shop.path / "requirements.txt", "wb") as file:
        file.writelines([line * (2**20 // len(line))] * 50)
    found = measured(shop, "release")
    text = complaint(found.done, 11)
    assert len(text) < 10_000
    assert found.seconds < 5
    assert found.peak < 300 * 2**20
