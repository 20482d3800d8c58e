"""Settings, programs and checks that do not work: what the command line answers to each."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.answers import accepted, complaint, measured, refused, released
from tests.support.processes import alive
from tests.support.roots import Site

# -- venvship.toml ------------------------------------------------------------------------------------------

WRONG = {
    "no TOML": ("[[[", "venvship.toml"),
    "unknown key": ("kep = 3\n", "keep"),
    "wrong type": ("keep = 'three'\n", "keep"),
    "too few to keep": ("keep = 1\n", "keep"),
    "check of no kind": ("[[check]]\nname = 'x'\n", "check"),
    "check of two kinds": ("[[check]]\nname = 'x'\ntcp = 'h:1'\ncommand = ['true']\n", "check"),
    "shell string": ("[hooks]\nrestart = 'systemctl restart shop'\n", "restart"),
}


@pytest.mark.parametrize(("text", "named"), WRONG.values(), ids=WRONG)
def test_wrong_settings_are_refused_and_what_is_wrong_is_named(shop: Site, text: str, named: str) -> None:
    shop.settings(text)
    error = refused(shop, "release", code=10, slug="settings-invalid")
    assert named in f"{error['message']} {error['problems']}"


@pytest.mark.parametrize(
    "arguments", [["promote", "previous"], ["check"], ["config"], ["prune"]], ids=" ".join
)
def test_every_command_that_needs_settings_refuses_wrong_ones(shop: Site, arguments: list[str]) -> None:
    shop.settings("kep = 3\n")
    refused(shop, *arguments, code=10, slug="settings-invalid")


def test_settings_that_are_not_utf_8_are_refused(shop: Site) -> None:
    (shop.path / "venvship.toml").write_bytes("name = 'Jürgen'\n".encode("latin-1"))
    refused(shop, "release", code=10, slug="settings-invalid")


def test_50_megabytes_of_settings_are_refused_in_little_time_and_memory(shop: Site) -> None:
    (shop.path / "venvship.toml").write_bytes(b"# junk\n" * (50 * 2**20 // 7))
    found = measured(shop, "release")
    complaint(found.done, 10)
    assert found.seconds < 5
    assert found.peak < 300 * 2**20


def test_everything_that_is_wrong_with_the_settings_is_said_at_once(shop: Site) -> None:
    shop.settings("kep = 3\n[build]\ntimeout = 'long'\n[[check]]\nname = 'x'\ncommand = []\n")
    error = refused(shop, "release", code=10, slug="settings-invalid")
    assert {problem["key"] for problem in error["problems"]} >= {"kep", "build.timeout"}
    assert len(error["problems"]) == 3
    text = complaint(shop.run("release"), 10)
    for problem in error["problems"]:
        assert problem["message"] in text


def test_what_works_without_settings_works_with_wrong_ones(stocked: Site) -> None:
    a, _ = released(stocked, "1.0", "1.1")
    stocked.settings("[[[")
    for line in (["status"], ["list"], ["rollback"]):
        assert stocked.run(*line).code == 0
    assert stocked.current == a


# -- the interpreter ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("python", ["3.99", "/no/such/python3.11", "/bin/sh", "/etc/passwd"])
def test_an_interpreter_that_does_not_work_is_refused(shop: Site, python: str) -> None:
    shop.settings(f"python = '{python}'\n")
    error = refused(shop, "release", code=10, slug="interpreter-unusable")
    assert python in error["message"]


def test_an_interpreter_that_is_too_old_is_refused(shop: Site) -> None:
    versions = Path(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))) / "versions"
    old = sorted(versions.glob("3.10.*/bin/python3.10"))
    if not old:
        pytest.skip("there is no Python 3.10 that pyenv installed")
    shop.settings(f"python = '{old[0]}'\n")
    error = refused(shop, "release", code=10, slug="interpreter-unusable")
    assert "3.11 or later" in error["message"]


def test_init_refuses_an_interpreter_that_is_not_there_and_makes_nothing(site: Site, tmp_path: Path) -> None:
    new = tmp_path / "new"
    refused(site, "-C", str(new), "init", "--python", "3.99", code=10, slug="interpreter-unusable")
    assert not new.exists()


# -- programs -----------------------------------------------------------------------------------------------

PROGRAMS = {
    "hook": "[hooks]\nrestart = ['no-such-program']\n",
    "hook by path": "[hooks]\nprepare = ['/no/such-program']\n",
    "not executable": "[hooks]\nrestart = ['/etc/passwd']\n",
    "check": "[[check]]\nname = 'x'\ncommand = ['no-such-program']\n",
}


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_that_is_not_there_is_found_out_before_the_switch(stocked: Site, text: str) -> None:
    released(stocked, "1.0")
    stocked.settings(text)
    stocked.lock("1.1")
    error = refused(stocked, "release", code=10, slug="program-not-found")
    assert "such-program" in error["message"] or "/etc/passwd" in error["message"]
    assert stocked.events().count("promoting") == 1


def test_check_calls_a_missing_program_a_mistake_in_the_settings(shop: Site) -> None:
    shop.settings("[[check]]\nname = 'x'\ncommand = ['no-such-program']\ndeadline = 0\n")
    refused(shop, "check", code=10, slug="program-not-found")


# -- checks that misbehave ----------------------------------------------------------------------------------


def shell_check(line: str, **settings: object) -> str:
    more = "".join(f"{key} = {value!r}\n" for key, value in settings.items())
    return f"[[check]]\nname = 'odd'\nwhen = 'candidate'\ncommand = ['sh', '-c', {line!r}]\n{more}"


def test_a_check_that_hangs_is_ended_after_its_timeout(stocked: Site, tmp_path: Path) -> None:
    released(stocked, "1.0")
    pid = tmp_path / "pid"
    stocked.settings(shell_check(f"echo $$ > {pid}; sleep 60", timeout=1.5))
    stocked.lock("1.1")
    began = time.monotonic()
    error = refused(stocked, "release", code=21, slug="rejected")
    assert time.monotonic() - began < 50
    assert "1.5 s" in error["message"]
    assert not alive(int(pid.read_text()))


def test_a_check_that_floods_its_output_fills_no_disk(stocked: Site) -> None:
    [a] = released(stocked, "1.0")
    stocked.settings(shell_check("yes 'a line of the flood' | head -c 20000000; echo enough; exit 1"))
    stocked.lock("1.1")
    error = refused(stocked, "release", code=21, slug="rejected")
    assert error["output"] == "enough"
    assert len(error["message"]) < 1000
    logs = [path for path in Path(error["log"]).parent.rglob("*") if path.is_file()]
    assert logs
    assert all(path.stat().st_size <= 2**20 for path in logs)
    assert stocked.current == a


@pytest.mark.parametrize(
    "daemon", ["sleep 60 & echo $! > {}", "setsid sh -c 'echo $$ > {}; exec sleep 60' & sleep 0.3"]
)
def test_the_daemon_of_a_check_ends_with_it_though_it_has_the_output_or_left_the_session(
    stocked: Site, tmp_path: Path, daemon: str
) -> None:
    pid = tmp_path / "pid"
    stocked.settings(shell_check(daemon.format(pid)))
    began = time.monotonic()
    accepted(stocked.run("release", "--json"))
    assert time.monotonic() - began < 50
    assert not alive(int(pid.read_text()))
