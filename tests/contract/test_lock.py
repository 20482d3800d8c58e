"""`lock`: its exit codes and its data."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.support import shapes
from tests.support.answers import accepted, complaint, envelope, refusal, refused
from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.support.wheels import build_wheel

SETTINGS = '[lock]\ninputs = ["requirements.in"]\n'
LOCK = {
    "lockfile": shapes.absolute,
    "changed": bool,
    "diff": shapes.DIFF,
    "packages": int,
    "python": shapes.python,
}


@pytest.fixture
def desk(shop: Site) -> Site:
    """`shop`, with requirements: the application, from the folder of its wheels."""
    shop.settings(SETTINGS)
    (shop.path / "requirements.in").write_text(f"--find-links {shop.wheels['dep'].path.parent}\napp\ndep\n")
    return shop


def test_its_data_says_what_was_written_and_how_the_packages_differ(desk: Site) -> None:
    done = desk.run("lock", "-P", "app==1.2", "--json")
    data = accepted(done)
    shapes.fits(data, LOCK)
    assert envelope(done)["command"] == "lock"
    assert done.err == ""
    assert data["changed"] is True
    assert data["lockfile"] == str(desk.path / "requirements.txt")
    assert data["diff"]["changed"] == [{"name": "app", "from": "1.1", "to": "1.2"}]
    assert data["packages"] == 2

    data = accepted(desk.run("lock", "--json"))
    shapes.fits(data, LOCK)
    assert data["changed"] is False
    assert data["diff"] == {"added": [], "removed": [], "changed": [], "python": None}


def test_written_or_nothing_changed_is_0_and_said_on_standard_output(desk: Site) -> None:
    done = desk.run("lock", "--upgrade")
    assert (done.code, done.err) == (0, "")
    assert "  app 1.1 → 1.3\n" in done.out
    done = desk.run("lock")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)


def test_it_switches_nothing_and_journals_nothing(desk: Site) -> None:
    before = desk.events()
    accepted(desk.run("lock", "--upgrade", "--json"))
    assert desk.events() == before


@pytest.mark.parametrize("arguments", [["-P"], ["-P", "two words"], ["--upgrad"], ["requirements.in"]])
def test_a_wrong_command_line_is_2(desk: Site, arguments: list[str]) -> None:
    complaint(desk.run("lock", *arguments), 2)


def test_without_inputs_it_is_10_with_the_setting_to_write(desk: Site) -> None:
    desk.settings()
    (desk.path / "requirements.in").unlink(missing_ok=True)  # it would be the default
    error = refused(desk, "lock", code=10, slug="settings-invalid")
    assert "[lock]" in error["hint"]


def test_an_interpreter_that_is_gone_is_10(desk: Site) -> None:
    desk.settings(f'python = "/nowhere/python3.11"\n{SETTINGS}')
    refused(desk, "lock", code=10, slug="interpreter-unusable")


def test_where_there_is_no_root_it_is_12(desk: Site, tmp_path: Path) -> None:
    refusal(desk.run("lock", "--json", "-C", str(tmp_path)), 12, "not-a-root")


def test_what_cannot_be_resolved_is_20_and_the_log_is_named(desk: Site) -> None:
    (desk.path / "requirements.in").write_text("no-such-package\n")
    error = refused(desk, "lock", code=20, slug="lock-failed")
    assert error["package"] == "no-such-package"
    assert Path(error["log"]).is_file()
    assert os.stat(error["log"]).st_mode & 0o777 == 0o600


def test_an_index_that_is_down_is_20_under_its_own_slug(online: Site, index: LocalIndex) -> None:
    online.settings(SETTINGS)
    (online.path / "requirements.in").write_text("app\n")
    build_wheel(index.directory, "app")
    index.status = 503
    error = refused(online, "lock", code=20, slug="index-unreachable")
    assert "503" in error["message"]


def test_while_another_command_builds_it_is_30(desk: Site) -> None:
    with open(desk.path / "state" / "build.mutex") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refusal(desk.run("lock", "--json"), 30, "busy")
        complaint(desk.run("lock"), 30)


def test_a_damaged_journal_does_not_stop_it(site: Site) -> None:
    site.settings(SETTINGS)
    (site.path / "requirements.in").write_text(f"--find-links {site.wheels['dep'].path.parent}\napp\n")
    accepted(site.run("release", "--json"))
    with open(site.path / "state" / "journal.jsonl", "r+b") as journal:
        journal.write(b"#")
    accepted(site.run("lock", "--upgrade", "--json"))
