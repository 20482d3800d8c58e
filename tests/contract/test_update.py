"""`update` from outside: what it prints where nobody looks on, its exit codes, and its data."""

from __future__ import annotations

import os

import pytest

from tests.support import shapes
from tests.support.answers import accepted, envelope, refusal, released
from tests.support.roots import Site, refuses
from tests.support.shapes import fits


@pytest.fixture
def desk(site: Site) -> Site:
    """A root with two releases, of the test's own."""
    released(site, "1.0", "1.1")
    return site


def test_the_data_of_an_update_is_that_of_a_release(desk: Site) -> None:
    done = desk.run("update", "--json")
    data = accepted(done)
    fits(data, {**shapes.BUILD, "name": str})
    assert (data["outcome"], envelope(done)["command"], done.err) == ("unchanged", "update", "")


def test_nothing_new_prints_nothing_at_all(desk: Site) -> None:
    done = desk.run("update")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_what_is_held_gives_25_and_one_line_and_then_nothing(desk: Site) -> None:
    desk.run("hold", "-m", "stocktaking")
    desk.lock("1.3")
    first, second = desk.run("update"), desk.run("update")
    assert (first.code, first.out, first.err.count("\n")) == (25, "", 1)
    assert (second.code, second.out, second.err) == (25, "", "")
    error = refusal(desk.run("update", "--json"), 25, "held")
    assert "stocktaking" in error["message"]
    assert envelope(desk.run("update", "--json"))["data"]["outcome"] == "held"


def test_what_is_bad_gives_22_once_and_then_25(desk: Site) -> None:
    live = desk.current
    desk.settings(refuses("1.3"))
    desk.lock("1.3")
    assert refusal(desk.run("update", "--json"), 22, "rolled-back")["live"] == live
    silent = [desk.run("update") for _ in range(2)]
    assert [(done.code, done.out, done.err) for done in silent] == [(25, "", "")] * 2
    told = desk.run("update", "-v")
    assert (told.code, told.out, told.err.count("\n")) == (25, "", 1)
    assert "held since" in told.err
    assert "release --force" in told.err
    assert desk.current == live


def test_what_cannot_be_built_gives_20_and_says_once_when_it_is_tried_again(desk: Site) -> None:
    path = desk.lock("1.3")
    path.write_text(path.read_text() + f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")
    os.utime(path, (0, 0))
    failed, paused, asked = (desk.run("update", *more) for more in ([], [], ["-v"]))
    assert (failed.code, failed.out) == (20, "")
    assert failed.err.splitlines()[0] == f"shop ({desk.path}): update failed", "the mail names the root"
    assert "not tried again before" in failed.err.splitlines()[-1]
    assert (paused.code, paused.out, paused.err) == (20, "", "")
    assert (asked.code, asked.err.count("\n")) == (20, 1)
    assert asked.err.startswith(f"shop ({desk.path}): not tried again before")
    error = refusal(desk.run("update", "--json"), 20, "paused")
    assert error["attempts"] == 1
    assert shapes.time(error["until"])


@pytest.mark.parametrize(
    ("code", "file", "text"),
    [(11, "requirements.txt", "app\n"), (10, "venvship.toml", "colour = 'red'\n")],
)
def test_a_problem_that_keeps_it_from_beginning_is_printed_once(
    desk: Site, code: int, file: str, text: str
) -> None:
    whole = (desk.path / file).read_bytes()
    (desk.path / file).write_text(text)
    os.utime(desk.path / file, (0, 0))
    first, second = desk.run("update"), desk.run("update")
    assert (first.code, second.code) == (code, code)
    assert first.err.startswith(f"shop ({desk.path}): update failed\n" if code == 11 else str(desk.path))
    assert second.err == ""
    assert refusal(
        desk.run("update", "--json"), code, envelope(desk.run("update", "--json"))["error"]["slug"]
    )

    (desk.path / file).write_text(text + text.replace("app", "dep").replace("colour", "taste"))
    os.utime(desk.path / file, (0, 0))
    assert desk.run("update").err, "another problem is printed"

    (desk.path / file).write_bytes(whole)
    desk.lock("1.3")
    assert desk.run("update").code == 0
    (desk.path / file).write_text(text)
    os.utime(desk.path / file, (0, 0))
    assert desk.run("update").err, "something was released since"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--jitter", "-1"],
        ["--jitter", "soon"],
        ["--jitter", "nan"],
        ["--wait", "inf"],
        ["a-release"],
        ["--force"],
    ],
)
def test_a_wrong_command_line_gives_2(desk: Site, arguments: list[str]) -> None:
    refusal(desk.run("update", *arguments, "--json"), 2, "usage")


def test_upgrade_without_inputs_gives_10(desk: Site) -> None:
    refusal(desk.run("update", "--upgrade", "--json"), 10, "settings-invalid")
