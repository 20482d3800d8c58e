"""Text from outside on every way to people: each sink through the real command, with all hostile texts.

The texts stand in `tests/test_printable.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.answers import refusal
from tests.support.roots import NewSite, Site, command
from tests.support.terminals import Terminal
from tests.support.wheels import build_wheel
from tests.test_printable import HOSTILE
from venvship.model.settings_form import toml_value
from venvship.printable import is_printable, printable

FORGED = "Live: forged"
EVIL = "".join(HOSTILE).replace("\0", "").replace("\ud800", "") + f"\n{FORGED}"
"""All of them, for an argument, a variable or a name of a file: none of these can hold NUL."""

EVIL_TEXT = EVIL.replace("\udcff", "")
"""The same as UTF-8, for a file of text."""

HIDDEN = "\u061c\u200b\u3164\U000e0041"
"""Some that a lockfile may hold."""

OURS = re.compile(r"\x1b\[(?:0|1|2|31|32|33)m")

CHECKS = """
[[check]]
name = "nice"
required = false
deadline = 0
command = ["sh", "-c", "printf %s \\"$WORDS\\"; exit 3"]
"""

Run = Callable[..., str]


def looked_at(raw: bytes) -> str:
    """What was written, after what is true of all that people get."""
    text = OURS.sub("", raw.decode())
    odd = {line for line in text.split("\n") if not is_printable(line)}
    assert not odd, odd
    assert not [line for line in text.split("\n") if line.startswith(FORGED)]
    return text


def in_a_pipe(site: Site, *arguments: str, code: int = 0, **variables: str) -> str:
    """Run a command, and return what it wrote to both streams."""
    done = subprocess.run(
        [command(), *arguments],
        cwd=site.path,
        env={**site.environment, **variables},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return looked_at(done.stdout) + looked_at(done.stderr)


def on_a_terminal(site: Site, *arguments: str, code: int = 0, **variables: str) -> str:
    """The same on a terminal."""
    env = {**site.environment, "TERM": "xterm", **variables}
    shown = Terminal([command(), *arguments], env=env, cwd=site.path, columns=4000).finish()
    assert shown.code == code, shown.text
    return looked_at(shown.text.encode(errors="surrogateescape"))


RUNS = pytest.mark.parametrize("run", [in_a_pipe, on_a_terminal])


@pytest.fixture(scope="module")
def shop(new_site: NewSite) -> Site:
    """A release whose message, user and check say it all; to be read only."""
    site = new_site("hostile")
    site.settings(CHECKS)
    site.lock("1.0")
    text = in_a_pipe(site, "release", "-m", EVIL, SUDO_USER=EVIL, WORDS=EVIL.replace("\n", " "))
    assert "exit 3; its output is in log/" in text
    shown = on_a_terminal(site, "check", WORDS=EVIL.replace("\n", " "))
    assert r"exit 3: \u202egpj.exe\u2066" in shown, "the last line of the check"
    return site


# -- texts that were recorded -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["status", "list", "show", "history"])
@RUNS
def test_a_message_and_the_name_of_a_user(shop: Site, arguments: str, run: Run) -> None:
    text = run(shop, arguments)
    assert printable(EVIL) in text
    if arguments != "list":
        assert f"(sudo by {printable(EVIL)})" in text


@pytest.mark.parametrize("arguments", ["status", "list", "history"])
def test_json_is_ascii_and_exact(shop: Site, arguments: str) -> None:
    for encoding in ("utf-8", "latin-1"):
        done = subprocess.run(
            [command(), arguments, "--json"],
            cwd=shop.path,
            env={**shop.environment, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        assert re.fullmatch(rb"[ -~]+\n", done.stdout)
        body = json.loads(done.stdout)
        if arguments == "list":
            assert body["data"]["releases"][0]["message"] == EVIL
        elif arguments == "history":
            assert {event["reason"] for event in body["data"]["events"]} >= {EVIL}


def test_a_hold_and_the_mail_of_an_update_that_it_refuses(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    site.settings(f"[hooks]\nnotify = ['sh', '-c', 'cat > {tmp_path}/told']\n")
    in_a_pipe(site, "hold", "-m", EVIL)
    assert printable(EVIL) in in_a_pipe(site, "status")
    site.lock("1.1")
    assert printable(EVIL) in in_a_pipe(site, "update", code=25, SUDO_USER=EVIL)
    # The report for the notify hook, which passes it on to people.
    raw = (tmp_path / "told").read_bytes()
    assert re.fullmatch(rb"[ -~]+\n", raw)
    told = json.loads(raw)
    assert printable(EVIL) in told["reason"]
    assert f"(sudo by {printable(EVIL)})" in told["actor"]
    assert printable(EVIL) in in_a_pipe(site, "unhold")


def test_the_system_log(site: Site) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="vs-") as folder,
        contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server,
    ):
        server.bind(f"{folder}/log")
        in_a_pipe(site, "hold", "-m", EVIL, VENVSHIP_SYSLOG=f"{folder}/log")
        server.settimeout(30)
        assert printable(EVIL) in looked_at(server.recv(1 << 16))


# -- what is typed ------------------------------------------------------------------------------------------

TYPED: dict[str, tuple[list[str], int]] = {
    "no such command": ([EVIL], 2),
    "no such option": (["status", f"--{EVIL}"], 2),
    "a value": (["history", "-n", EVIL], 2),
    "one too many": (["status", EVIL], 2),
    "a choice": (["schedule", EVIL], 2),
    "a release": (["show", EVIL], 13),
    "a root": (["-C", f"/nowhere/{EVIL}", "status"], 12),
    "a lockfile": (["release", "--lockfile", EVIL], 11),
    "a time": (["hold", "--until", EVIL], 2),
    "an application": (["service", "systemd", "--app", EVIL], 2),
    "a unit": (["schedule", "systemd", "--before", EVIL], 2),
    "a name": (["-C", "x", "init", "--name", EVIL], 10),
    "a file": (["-C", "x", "init", "--lockfile", EVIL], 10),
    "a user to trust": (["init", "--trust", EVIL], 2),
    "a hash": (["verify", "--expect", EVIL], 2),
    "a program": (["run", "--", EVIL], 127),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_word_of_the_command_line(shop: Site, name: str) -> None:
    arguments, code = TYPED[name]
    text = in_a_pipe(shop, *arguments, code=code)
    assert r"\x1b[2J" in text or arguments[2:3] == ["init"]


def test_a_word_of_the_command_line_on_a_terminal(shop: Site) -> None:
    assert r"\x1b[2J" in on_a_terminal(shop, "run", "--", EVIL, code=127)


def test_a_variable(shop: Site) -> None:
    assert r"\x1b[2J" in in_a_pipe(shop, "status", code=12, VENVSHIP_ROOT=EVIL)


@pytest.mark.skipif("VENVSHIP_COMMAND" in os.environ, reason="an installed venvship has no failpoints")
def test_a_plan_of_failpoints(shop: Site) -> None:
    assert r"\x1b[2J" in in_a_pipe(shop, "status", code=2, VENVSHIP_FAILPOINTS=EVIL)


# -- files --------------------------------------------------------------------------------------------------

SETTINGS = {
    "not TOML": "= {0}",
    "an unknown key": "{1} = 1",
    "an unknown table": "[{1}]\nx = 1",
    "a choice": "[[check]]\nname = 'x'\ntcp = 'h:1'\nwhen = {1}",
    "the name": "name = {1}",
    "an interpreter": "python = {1}",
    "a program": "[hooks]\nrestart = [{1}]",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(site: Site, name: str) -> None:
    text = SETTINGS[name].format(EVIL_TEXT.replace("\n", ""), toml_value(EVIL_TEXT))
    (site.path / "venvship.toml").write_text(text)
    site.lock("1.0")
    in_a_pipe(site, "release", code=10)


LOCKFILES = {
    "a line": "{0} --hash=sha256:" + "0" * 64,
    "a version": "evil=={0} --hash=sha256:" + "0" * 64,
    "an option": "--{0}",
    "a wheel": "evil @ file:///w/{1}-py3-none-any.whl --hash=sha256:" + "0" * 64,
    "a source": "evil @ https://host.example/{1}.tar.gz --hash=sha256:" + "0" * 64,
}


@pytest.mark.parametrize("name", LOCKFILES)
def test_a_lockfile(site: Site, name: str) -> None:
    text = LOCKFILES[name].format(HIDDEN, quote(f"evil-1.0-1{EVIL_TEXT}"))
    (site.path / "requirements.txt").write_text(text + "\n")
    site.settings('[build]\nsdists = ["evil"]\n')
    assert re.search(r"\\x1b\[2J|\\u3164", in_a_pipe(site, "release", code=11))


def test_a_wheel_with_an_odd_name_from_an_index_is_refused(site: Site, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, "evil", "1.0")
    (site.path / "requirements.txt").write_text(f"--find-links {tmp_path}\n{wheel.line}\n")
    wheel.path.rename(tmp_path / "evil-1.0-1\x1b]0;x\x07-py3-none-any.whl")
    assert r"evil-1.0-1\x1b]0;x\x07-py3" in in_a_pipe(site, "release", code=20)
    assert site.current is None


def test_names_that_are_found_in_a_root(site: Site) -> None:
    release = site.release("1.0")
    name = EVIL.replace("/", "")[:120]
    folder = site.path / "releases" / release / "bin"
    folder.chmod(0o755)
    (folder / name).touch()
    assert printable(name) in in_a_pipe(site, "verify", code=40)
    assert printable(name) in on_a_terminal(site, "verify", code=40)
    refusal(site.run("verify", "--json"), 40, "damaged")
    (site.path / "releases" / name / ".venvship").mkdir(parents=True)
    (site.path / "releases" / name / ".venvship" / "manifest.json").write_text("{}")
    in_a_pipe(site, "list")
    in_a_pipe(site, "status")
    offered = in_a_pipe(site, _VENVSHIP_COMPLETE="bash_complete", COMP_WORDS="venvship show ", COMP_CWORD="2")
    assert "current" in offered
    assert "\\x1b" not in offered


# -- the path of a root -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oddly_placed(tmp_path_factory: pytest.TempPathFactory, shop: Site) -> Site:
    """A root whose path has in it what a path of a root may have."""
    name = EVIL_TEXT.replace("/", "").replace("\n", "").replace("\r", "").replace(":", "")[:100]
    path = tmp_path_factory.mktemp("odd") / name
    path.mkdir()
    return Site(path, shop.wheels, shop.environment, path / "store")


def test_the_path_of_a_root(oddly_placed: Site) -> None:
    site = oddly_placed
    shown = printable(site.path.name)
    assert shown in in_a_pipe(site, "init")
    assert in_a_pipe(site, "init", code=12)
    assert shown in in_a_pipe(site, "status")
    assert shown in on_a_terminal(site, "status")
    assert shown in in_a_pipe(site, "release", code=11)
    metrics = in_a_pipe(site, "status", "--prometheus")
    assert shown.replace("\\", "\\\\") in metrics
    for kind in ("cron", "systemd"):
        assert r"\x1b[2J" in in_a_pipe(site, "schedule", kind, code=2)
    for kind in ("systemd", "supervisor"):
        assert r"\x1b[2J" in in_a_pipe(site, "service", kind, "--app", "gunicorn x", code=10)


def test_a_line_to_type_leads_back_to_the_root(oddly_placed: Site) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    (oddly_placed.path / "y").mkdir()
    text = in_a_pipe(oddly_placed, "-C", str(oddly_placed.path / "y"), "status", code=12)
    line = re.search(r"`venvship -C (.*) init`", text)
    assert line is not None, text
    said = subprocess.run([bash, "-c", f"printf %s {line[1]}"], capture_output=True, check=True).stdout
    assert os.fsdecode(said) == str(oddly_placed.path / "y")


# -- a bug --------------------------------------------------------------------------------------------------


def test_a_traceback(shop: Site, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import venvship.operations.reporting.report as inspect\n"
        f"def status(workspace):\n    raise ValueError({EVIL_TEXT.replace(FORGED, '')!a})\n"
        "inspect.status = status\n"
    )
    assert r"\x1b[2J" in in_a_pipe(shop, "status", code=1, PYTHONPATH=str(tmp_path))


@pytest.mark.parametrize("text", [*HOSTILE, f"a\n{FORGED}"])
def test_the_look_finds_what_it_is_for(text: str) -> None:
    if set(text) & set("\n\ud800") and FORGED not in text:
        return  # a line of its own, and what no stream takes
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        looked_at(text.encode(errors="surrogateescape"))
