"""Exit codes that need no switch: done, bug, usage, no such release, busy, findings, and those of `run`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.support.answers import accepted, complaint, refusal, refused, released, together
from tests.support.processes import script_at
from tests.support.roots import Site

# -- 0: done, or nothing to do ------------------------------------------------------------------------------


READING = [
    ["--version"],
    ["--help"],
    ["release", "--help"],
    ["status"],
    ["list"],
    ["show"],
    ["show", "previous"],
    ["show", "@{0}"],
    ["show", "@{1}"],
    ["history"],
    ["history", "-n", "1"],
    ["diff", "previous"],
    ["diff", "previous", "current"],
    ["config"],
    ["config", "--all"],
    ["check"],
    ["check", "previous"],
    ["verify"],
    ["verify", "current", "previous"],
    ["verify", "--all"],
    ["prune", "--dry-run"],
    ["release", "--dry-run"],
    ["schedule", "cron", "-q"],
    ["schedule", "systemd", "-q"],
    ["service", "nginx", "-q"],
    ["service", "caddy", "-q"],
    ["run", "--", "echo", "here"],
]

WRITING = [
    ["prune"],
    ["pin", "current"],
    ["unpin", "current"],
    ["hold", "-m", "because"],
    ["unhold"],
    ["recover"],
    ["recover", "--boot"],
    ["release"],
    ["promote", "current"],
    ["rollback", "current"],
]


def test_what_is_done_or_needs_no_doing_gives_0_and_no_complaint(shop: Site) -> None:
    answers = dict(zip(map(tuple, READING), together(shop, *READING), strict=True))
    answers |= {tuple(line): shop.run(*line) for line in WRITING}
    assert {line: done.code for line, done in answers.items()} == dict.fromkeys(answers, 0)
    assert {line: done.err for line, done in answers.items()} == dict.fromkeys(answers, "")
    assert [line for line, done in answers.items() if not done.out.strip()] == []


READERS = [["status"], ["list"], ["show"], ["history"], ["diff", "current"], ["ps"]]


@pytest.mark.parametrize("trouble", ["settings", "interrupted", "held"])
def test_readers_give_0_whatever_they_report(shop: Site, trouble: str) -> None:
    left_over = shop.path / ".to.0123456789ab"
    if trouble == "settings":
        (shop.path / "venvship.toml").write_text("[[[")
    elif trouble == "interrupted":
        left_over.symlink_to(f"releases/{shop.current}")
    else:
        assert shop.run("hold").code == 0
    try:
        assert [done.code for done in together(shop, *READERS)] == [0] * len(READERS)
    finally:
        left_over.unlink(missing_ok=True)
        shop.run("unhold")


def test_readers_give_0_for_a_damaged_release_and_journal(site: Site) -> None:
    [a] = released(site, "1.0")
    damage(site, a)
    with open(site.path / "state" / "journal.jsonl", "r+b") as journal:
        journal.write(b"#")
    assert [done.code for done in together(site, ["status"], ["list"], ["history"])] == [0] * 3


# -- 1: a bug -----------------------------------------------------------------------------------------------


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An environment in which this installation of venvship divides by zero in `status`."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import venvship.operations.reporting.report as inspect\n"
        "def status(workspace):\n"
        "    workspace.warn('journal-torn', 'torn')\n"
        "    return 1 // 0\n"
        "inspect.status = status\n"
    )
    return {"PYTHONPATH": str(folder)}


def test_a_bug_gives_1_a_traceback_and_the_request_to_report_it(shop: Site, broken: dict[str, str]) -> None:
    done = shop.run("status", env=broken)
    assert done.code == 1
    assert "Traceback" in done.err
    assert "error: this is a bug in venvship " in done.err
    assert "ZeroDivisionError" in done.err
    assert "report it" in done.err
    assert "warning: torn" in done.err
    assert done.out == ""
    done = shop.run("status", "--json", env=broken)
    error = refusal(done, 1, "bug")
    assert [warning["slug"] for warning in done.json["warnings"]] == ["journal-torn"]
    assert "ZeroDivisionError" in error["message"]
    assert "return 1 // 0" in error["traceback"]
    assert "report it" in error["hint"]


# -- 2: usage -----------------------------------------------------------------------------------------------

MISUSES = [
    ["relaese"],
    ["status", "--nope"],
    ["--nope", "status"],
    ["status", "surplus"],
    ["promote"],
    ["pin"],
    ["diff"],
    ["run"],
    ["release", "-m"],
    ["prune", "--keep", "1"],
    ["prune", "--keep-days", "-1"],
    ["history", "-n", "many"],
    ["--wait", "-1", "status"],
]


@pytest.mark.parametrize("arguments", MISUSES, ids=" ".join)
def test_a_wrong_command_line_gives_2_as_text_and_wherever_json_stands(
    shop: Site, arguments: list[str]
) -> None:
    lines = [arguments, ["--json", *arguments], [*arguments, "--json"]]
    if arguments[-1] == "-m":
        lines.pop()  # there it would be the message
    text, *objects = together(shop, *lines)
    assert "--help" in complaint(text, 2)
    for done in objects:
        refusal(done, 2, "usage")


def test_a_root_that_is_not_named_gives_2_with_the_option_as_it_was_written(shop: Site) -> None:
    done = shop.run("-C")

    assert done.code == 2
    assert "Option '-C' requires an argument" in done.err


def test_no_command_at_all_gives_2_and_the_help(shop: Site) -> None:
    done = shop.run()
    assert done.code == 2
    assert done.out == ""
    assert "Usage: venvship" in done.err
    refusal(shop.run("--json"), 2, "usage")


# -- 13: no such release, or not usable ---------------------------------------------------------------------

NAMING = [
    ["promote"],
    ["rollback"],
    ["check"],
    ["show"],
    ["diff"],
    ["diff", "current"],
    ["verify"],
    ["pin"],
    ["unpin"],
]


def test_an_unknown_release_gives_13_whatever_is_to_be_done_with_it(shop: Site) -> None:
    for done in together(shop, *([*line, "nonsense", "--json", "--wait", "30"] for line in NAMING)):
        error = refusal(done, 13, "no-such-release")
        assert "'nonsense'" in error["message"]
        assert "venvship list" in error["hint"]


@pytest.mark.parametrize("name", ["20201122T094143Z-3f9a1c2", "@{99}", "", "../current", "releases"])
def test_what_looks_like_a_release_and_is_none_gives_13(shop: Site, name: str) -> None:
    refused(shop, "promote", name, code=13, slug="no-such-release")


@pytest.mark.parametrize("arguments", [["promote"], ["rollback"], ["diff"]], ids=" ".join)
def test_an_ambiguous_prefix_gives_13_and_names_what_it_may_mean(shop: Site, arguments: list[str]) -> None:
    error = refused(shop, *arguments, "2", code=13, slug="release-ambiguous")
    assert set(error["matches"]) == {shop.current, shop.previous}


def test_run_from_an_unknown_release_gives_13(shop: Site) -> None:
    complaint(shop.run("run", "--release", "nonsense", "--", "true"), 13)


@pytest.mark.parametrize("arguments", [["show"], ["check"], ["promote", "previous"]])
def test_a_root_without_releases_has_no_current_and_gives_13(stocked: Site, arguments: list[str]) -> None:
    refused(stocked, *arguments, code=13, slug="no-such-release")


def test_a_damaged_release_gives_13_and_stays_out(site: Site) -> None:
    a, _ = released(site, "1.0", "1.1")
    damage(site, a)
    for arguments in (["promote", a], ["rollback", a], ["check", a]):
        error = refused(site, *arguments, code=13, slug="release-unusable")
        assert "dep.py" in error["message"]
        assert f"venvship verify {a}" in error["hint"]


def test_a_release_whose_interpreter_is_gone_gives_13(site: Site, interpreter_copy: Path) -> None:
    [a] = released(site, "1.0")
    site.settings(f"python = '{interpreter_copy}'\n")
    [b] = released(site, "1.1")
    assert site.run("rollback").code == 0
    interpreter_copy.unlink()
    error = refused(site, "promote", b, "--force", code=13, slug="release-unusable")
    assert str(interpreter_copy) in error["message"]
    complaint(site.run("run", "--release", b, "--", "true"), 13)
    assert site.current == a


# -- 24 and 30: nothing to roll back to, busy ---------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1])
def test_a_rollback_with_nothing_below_gives_24(stocked: Site, count: int) -> None:
    released(stocked, *["1.0"][:count])
    error = refused(stocked, "rollback", code=24, slug="nothing-to-roll-back-to")
    assert ("nothing was ever live" in error["message"]) is (count == 0)


def test_a_rollback_past_a_damaged_release_gives_24(site: Site) -> None:
    a, _ = released(site, "1.0", "1.1")
    damage(site, a)
    refused(site, "rollback", code=24, slug="nothing-to-roll-back-to")


@pytest.mark.parametrize(
    ("mutex", "arguments"),
    [
        ("build", ["release"]),
        ("build", ["release", "--wait", "0.1"]),
        ("build", ["recover"]),
        ("switch", ["promote", "previous"]),
        ("switch", ["pin", "current"]),
        ("switch", ["unpin", "current"]),
        ("turn-back", ["rollback"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_held_mutex_gives_30(shop: Site, mutex: str, arguments: list[str]) -> None:
    path = shop.path / "state" / f"{mutex}.mutex"
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        error = refused(shop, *arguments, code=30, slug="busy", at_once=False)
    if mutex == "turn-back":
        assert error["message"] == "busy: another rollback is under way"
    assert error["mutex"] == mutex


# -- 40: findings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--all"]], ids=" ".join)
def test_damage_gives_40_with_each_file(site: Site, arguments: list[str]) -> None:
    [a] = released(site, "1.0")
    victim = damage(site, a)
    error = refused(site, *arguments, code=40, slug="damaged")
    assert victim.name in error["message"]
    assert f"lib/python{python_of(victim)}/site-packages/dep.py" in site.run(*arguments).out


def test_a_failing_check_gives_40(shop: Site) -> None:
    shop.settings("[[check]]\nname = 'speed'\ncommand = ['false']\ndeadline = 0\n")
    error = refused(shop, "check", code=40, slug="check-failed")
    assert "'speed' failed: exit 1" in error["message"]


def test_a_failing_check_that_is_not_required_gives_0(shop: Site) -> None:
    shop.settings("[[check]]\nname = 'speed'\ncommand = ['false']\ndeadline = 0\nrequired = false\n")
    checks = accepted(shop.run("check", "--json"))["checks"]
    assert [check["outcome"] for check in checks] == ["failed"]


# -- run ----------------------------------------------------------------------------------------------------


def test_run_gives_the_exit_code_of_the_command(shop: Site) -> None:
    assert shop.run("run", "--", "sh", "-c", "exit 7").code == 7
    assert shop.run("run", "sh", "-c", "kill -TERM $$").code == -15, "it became that process"


def test_run_gives_127_for_a_program_that_is_not_there(shop: Site) -> None:
    for program in ("no-such-program", "/no/such/program"):
        done = shop.run("run", "--", program)
        assert done.code == 127
        assert done.out == ""
        assert done.err == f"venvship run: {program}: not found\n"
        assert shop.run("--json", "run", "--", program) == done, "no envelope"


def test_run_gives_126_for_a_program_that_cannot_be_run(shop: Site, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    done = shop.run("run", "--", str(program))
    assert done.code == 126
    assert done.err == f"venvship run: {program}: Permission denied\n"
    script_at(program, "#!/no/such/interpreter\n")
    assert shop.run("run", "--", str(program)).code == 126


# -- what the tests above need ------------------------------------------------------------------------------


def damage(site: Site, release_id: str | None) -> Path:
    """Write to a file of a release; the store has its own copy afterwards."""
    assert release_id is not None
    [victim] = (site.path / "releases" / release_id).glob("lib/*/site-packages/dep.py")
    victim.parent.chmod(0o755)
    victim.unlink()
    victim.write_text("NAME = 'worm'\n")
    victim.chmod(0o444)
    victim.parent.chmod(0o555)
    return victim


def python_of(file: Path) -> str:
    """The X.Y of the interpreter in whose site-packages a file lies."""
    return file.parts[-3].removeprefix("python")


@pytest.fixture
def interpreter_copy(shop: Site, tmp_path: Path) -> Path:
    """A second executable of the interpreter that releases are built for, which may be removed."""
    source = Path(accepted(shop.run("show", "--json"))["interpreter"]["path"])
    copy = tmp_path / "python" / source.name
    copy.parent.mkdir()
    copy.write_bytes(source.read_bytes())
    copy.chmod(0o755)
    return copy
