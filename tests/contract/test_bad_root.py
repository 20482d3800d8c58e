"""Roots that cannot be used, and what the command line answers to each."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import (
    accepted,
    complaint,
    envelope,
    links,
    refusal,
    refused,
    released,
    run_as,
    together,
)
from tests.support.roots import Site, command, finish, make_site
from tests.support.wheels import Distribution
from venvship.errors import RootError
from venvship.root import RootLayout

NOBODY = 65534

# -- no root ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["missing", "empty"])
def test_a_directory_that_is_no_root_gives_12(shop: Site, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "folder"
    if where == "empty":
        folder.mkdir()
    commands = ["release", "status", "rollback", "prune", "hold", "recover"]
    for done in together(shop, *([name, "-C", str(folder), "--json"] for name in commands)):
        error = refusal(done, 12, "not-a-root")
        assert str(folder) in error["message"]
        assert "init" in error["hint"]
    assert not folder.exists() or not list(folder.iterdir())


def test_outside_of_any_root_gives_12_and_says_how_to_name_one(shop: Site, tmp_path: Path) -> None:
    done = shop.run("status", cwd=tmp_path)
    text = complaint(done, 12)
    assert "-C ROOT" in text
    assert "VENVSHIP_ROOT" in text


@pytest.mark.parametrize("command", ["status", "init", "rollback"])
def test_an_empty_path_is_not_the_root_around(shop: Site, command: str) -> None:
    assert "the path is empty" in refusal(shop.run("-C", "", command, "--json"), 2, "usage")["message"]


def test_init_leaves_an_existing_root_alone(shop: Site) -> None:
    settings = (shop.path / "venvship.toml").read_bytes()
    error = refused(shop, "init", "--name", "other", code=12, slug="root-exists")
    assert "nothing was changed" in error["message"]
    assert (shop.path / "venvship.toml").read_bytes() == settings


def test_a_root_whose_path_has_a_colon_is_refused(shop: Site, tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    refusal(shop.run("init", "-C", str(folder), "--json"), 12, "root-unusable")
    assert not folder.exists()
    folder.mkdir()
    (folder / "venvship.toml").write_text("")
    refusal(shop.run("release", "-C", str(folder), "--json"), 12, "root-unusable")


def test_a_root_whose_path_is_not_utf_8_is_refused(shop: Site, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    refusal(shop.run("init", "-C", str(folder), "--json"), 12, "root-unusable")
    assert not folder.exists()


def test_releases_that_are_elsewhere_are_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(site.path / "releases", ignore_errors=True)
    (site.path / "releases").symlink_to(tmp_path / "elsewhere")
    site.lock("1.0")
    refusal(site.run("release", "--json"), 12, "root-unusable")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["status"], ["init"], ["-C", "shop", "status"], ["release", "--lockfile", "other.txt"]]
)
def test_a_working_directory_that_is_gone_gives_12(shop: Site, tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f'rmdir {shlex.quote(str(gone))} && exec "$@"'
    argv = ["sh", "-c", line, "sh", command(), "--json", *arguments]
    refusal(finish(*argv, cwd=gone, env=shop.environment), 12, "not-a-root")


def test_a_root_that_may_not_be_looked_at_gives_12(shop: Site, tmp_path: Path) -> None:
    refusal(shop.run("status", "-C", str(tmp_path / ("x" * 300)), "--json"), 12, "root-unusable")
    closed = tmp_path / "closed"
    closed.mkdir()
    as_root = os.geteuid() == 0
    closed.chmod(0o700 if as_root else 0)
    if as_root:
        os.seteuid(65534)
    try:
        with pytest.raises(RootError, match="cannot look at"):
            RootLayout.at(closed / "root")
    finally:
        if as_root:
            os.seteuid(0)
        closed.chmod(0o700)


# -- current is not ours ------------------------------------------------------------------------------------


@pytest.fixture(params=["directory", "file", "dangling", "outside", "odd"])
def wrong_current(stocked: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A root with two releases whose `current` somebody has replaced."""
    released(stocked, "1.0", "1.1")
    path = stocked.path / "current"
    path.unlink()
    if request.param == "directory":
        path.mkdir()
    elif request.param == "file":
        path.write_text("my notes")
    else:
        target = {
            "dangling": "releases/20200101T000000Z-0000000",
            "outside": "/usr",
            "odd": "releases/../releases",
        }
        path.symlink_to(target[request.param])
    yield stocked
    if path.is_dir() and not path.is_symlink():
        path.rmdir()


def test_a_current_that_is_not_ours_gives_12_and_is_reported_but_not_touched(wrong_current: Site) -> None:
    error = refused(wrong_current, "release", code=12, slug="current-not-ours", only_current=True)
    assert str(wrong_current.path / "current") in error["message"]
    assert error["hint"]
    status, listing = together(wrong_current, ["status", "--json"], ["list", "--json"])
    assert accepted(status)["current"] is None
    slugs = {warning["slug"] for warning in envelope(status)["warnings"]}
    assert slugs & {"current-not-ours", "current-dangling"}
    assert not any(
        release["current"] and release["usable"]["ok"] for release in accepted(listing)["releases"]
    )


# -- state that cannot be read ------------------------------------------------------------------------------


def test_a_state_of_a_newer_format_gives_12(stocked: Site) -> None:
    path = stocked.path / "state" / "python.json"
    text = path.read_text()
    try:
        path.write_text(json.dumps({**json.loads(text), "format": 99}))
        error = refused(stocked, "release", code=12, slug="format-too-new")
        assert str(path) in error["message"]
        path.write_text("{")
        refused(stocked, "release", code=12, slug="state-damaged")
    finally:
        path.write_text(text)


def test_a_journal_that_is_damaged_in_the_middle_gives_12(damaged_journal: Site) -> None:
    for line in (["release"], ["promote", "previous"], ["pin", "previous"], ["recover"], ["prune"]):
        error = refused(damaged_journal, *line, code=12, slug="state-damaged")
        assert "journal.jsonl" in error["message"]


def test_a_damaged_journal_stops_no_rollback_and_no_reader(damaged_journal: Site) -> None:
    before = links(damaged_journal.path)
    body = envelope(damaged_journal.run("status", "--json"))
    assert body["exit_code"] == 0
    assert "journal-damaged" in {warning["slug"] for warning in body["warnings"]}
    assert damaged_journal.run("rollback").code == 0
    assert links(damaged_journal.path)["current"] == before["previous"]


@pytest.fixture
def damaged_journal(stocked: Site) -> Site:
    """A root with two releases whose journal has a wrong letter in its second line."""
    released(stocked, "1.0", "1.1")
    path = stocked.path / "state" / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("sealed", "sea1ed")
    path.write_text("".join(lines))
    return stocked


def test_a_torn_last_line_is_set_aside_with_a_warning(stocked: Site) -> None:
    [a] = released(stocked, "1.0")
    with open(stocked.path / "state" / "journal.jsonl", "a") as journal:
        journal.write('{"format": 1, "seq"')
    body = envelope(stocked.run("status", "--json"))
    assert [warning["slug"] for warning in body["warnings"]] == ["journal-torn"]
    accepted(stocked.run("pin", a, "--json"))
    assert envelope(stocked.run("status", "--json"))["warnings"] == []


# -- not ours to write --------------------------------------------------------------------------------------

WRITERS = [["release"], ["promote", "current"], ["rollback"], ["pin", "current"], ["hold"], ["recover"]]


def test_who_does_not_own_the_root_gets_12_and_the_line_to_type(stocked: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a root to another user")
    released(stocked, "1.0", "1.1")
    try:
        os.chown(stocked.path, NOBODY, NOBODY)
        for line in WRITERS:
            error = refused(stocked, *line, code=12, slug="not-owner")
            typed = shlex.join([command(), "-C", str(stocked.path), *line, "--json", "--wait", "30"])
            become = "sudo -u nobody" if shutil.which("sudo") else "runuser -u nobody --"
            assert error["owner"] == "nobody"
            assert error["hint"].endswith(f"{become} {typed}")
        named = refusal(stocked.run("-C", ".", "hold", "-m", "a b", "--json"), 12, "not-owner")
        assert named["hint"].endswith(f"{command()} -C . hold -m 'a b' --json")
    finally:
        os.chown(stocked.path, 0, 0)


def test_an_owner_who_may_not_write_gets_12(
    world_readable: Site, application: dict[str, Distribution], shared_store: Path
) -> None:
    folder = world_readable.path.parent
    site = make_site(folder / "theirs", application, shared_store, folder / "home", None)
    site.program = world_readable.program
    os.chown(site.path, NOBODY, NOBODY)
    site.path.chmod(0o555)
    for arguments in (["release"], ["hold"]):
        error = refusal(run_as(site, NOBODY, *arguments, "--json"), 12, "not-writable")
        assert str(site.path) in error["message"]
        complaint(run_as(site, NOBODY, *arguments), 12)
    assert sorted(os.listdir(site.path)) == ["requirements.txt", "venvship.toml"]


def test_init_where_nothing_can_be_made_gives_12(world_readable: Site) -> None:
    done = run_as(world_readable, NOBODY, "-C", str(world_readable.path / "new"), "init", "--json")
    error = refusal(done, 12, "not-writable")
    line = f"sudo install -d -o nobody {world_readable.path / 'new'}"
    assert error["hint"] == f"have it made for you: {line}"
    assert not (world_readable.path / "new").exists()
    assert finish(*shlex.split(line)[1:], cwd=Path("/"), env=world_readable.environment).code == 0
    accepted(run_as(world_readable, NOBODY, "-C", str(world_readable.path / "new"), "init", "--json"))
    shutil.rmtree(world_readable.path / "new")
