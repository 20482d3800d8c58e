"""`check --monitor`: one line for a monitoring system, and an exit code from 0 to 3, whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.answers import released
from tests.support.roots import Finished, Site
from venvship.operations.monitoring import Figure, MonitorState, plugin_line

LINE = re.compile(
    r"VENVSHIP (?P<state>OK|WARNING|CRITICAL|UNKNOWN) - (?P<said>[^|\n]+?)"
    r"(?: \| (?P<figures>[a-z_]+=[0-9.e+-]+s?;;;0(?: [a-z_]+=[0-9.e+-]+s?;;;0)*))?\n"
)
"""A line as the guidelines of the Monitoring Plugins have it."""

CHECK = "[[check]]\nname = '{name}'\ndeadline = 0\nrequired = {required}\ncommand = ['{program}']\n"
PASSES = CHECK.format(name="answers", required="true", program="true")
FAILS = CHECK.format(name="answers", required="true", program="false")
FAILS_AND_MAY = CHECK.format(name="extra", required="false", program="false")


def told(done: Finished) -> tuple[int, str]:
    """The exit code, and what the line says, which has the form and the state of the code."""
    found = LINE.fullmatch(done.out)
    assert found is not None, done
    assert MonitorState[found["state"]] == done.code
    assert (found["figures"] is None) == (done.code == MonitorState.UNKNOWN)
    return done.code, found["said"]


@pytest.fixture
def live(stocked: Site) -> Site:
    """A root with a release that passes."""
    released(stocked, "1.0", "1.1")
    stocked.settings(PASSES)
    return stocked


def test_a_root_where_all_is_well_is_ok_with_its_figures(live: Site) -> None:
    done = live.run("check", "--monitor")
    assert told(done) == (0, f"shop: {live.current} (live just now), 1 check passed")
    figures = dict(item.split("=") for item in done.out.partition(" | ")[2].split())
    assert (figures["checks_passed"], figures["checks_failed"]) == ("1;;;0", "0;;;0")
    assert re.fullmatch(r"[\d.e-]+s;;;0", figures["checks_time"])
    assert done.err == ""


def test_what_has_to_be_looked_at_some_day_is_a_warning(live: Site) -> None:
    live.settings(PASSES + FAILS_AND_MAY)
    code, said = told(live.run("check", "--monitor"))
    assert (code, said) == (1, "shop: check 'extra' failed, which is not required: exit 1")
    live.settings(PASSES)
    live.open().hold(message="stock | taking")
    code, said = told(live.run("check", "--monitor"))
    assert code == 1
    assert re.fullmatch(r"shop: updates are held since \S+Z by tester: stock / taking", said)
    live.open().unhold()
    live.settings(PASSES + "[hooks]\nprepare = ['false']\n")
    live.lock("1.2")
    assert live.run("update").code == 21
    code, said = told(live.run("check", "--monitor"))
    assert (code, said) == (1, "shop: update fails, 1 attempt in a row: the prepare hook refused: exit 1")
    live.settings(PASSES)
    (live.path / "requirements.txt").write_text("app\n")
    code, said = told(live.run("check", "--monitor"))
    assert code == 1
    assert said.startswith("shop: update fails: ")


def test_a_required_check_that_fails_is_critical_and_comes_first(live: Site) -> None:
    live.settings(FAILS_AND_MAY + FAILS)
    live.open().hold(message="stocktaking")
    code, said = told(live.run("check", "--monitor"))
    assert code == 2
    assert said.startswith(
        "shop: check 'answers' failed: exit 1; check 'extra' failed, which is not required"
    )


def _lose(live: Site) -> None:
    (live.path / "current").unlink()


def _dangle(live: Site) -> None:
    _lose(live)
    (live.path / "current").symlink_to("releases/20200101T000000Z-0000000")


def _usurp(live: Site) -> None:
    _lose(live)
    (live.path / "current").mkdir()


@pytest.mark.parametrize("damage", [_lose, _dangle, _usurp], ids=lambda damage: damage.__name__)
def test_a_current_that_is_missing_or_not_ours_is_critical(live: Site, damage: object) -> None:
    link = os.readlink(live.path / "current")
    damage(live)  # type: ignore[operator]
    try:
        assert told(live.run("check", "--monitor"))[0] == 2
    finally:
        current = live.path / "current"
        current.rmdir() if current.is_dir() and not current.is_symlink() else current.unlink(missing_ok=True)
        current.symlink_to(link)


def test_a_live_release_that_misses_a_file_is_critical(live: Site) -> None:
    module = next((live.path / "current").resolve().glob("lib/python*/site-packages/app.py"))
    module.parent.chmod(0o755)
    module.rename(module.with_name("gone.py"))
    try:
        assert told(live.run("check", "--monitor"))[0] == 2
    finally:
        module.with_name("gone.py").rename(module)
        module.parent.chmod(0o555)


def test_a_root_where_nothing_was_released_is_critical(stocked: Site) -> None:
    assert told(stocked.run("check", "--monitor")) == (2, "shop: nothing is live")


UNKNOWN = [
    ("check", "--monitor", "--nonsense"),
    ("check", "--monitor", "previous"),
    ("check", "--monitor", "one", "two"),
    ("-C", "/nonexistent", "check", "--monitor"),
    ("-C", "", "check", "--monitor"),
    ("--wait", "x", "check", "--monitor"),
    ("check", "--monitor", "--wait", "nan"),
    ("--nonsense", "check", "--monitor"),
]


@pytest.mark.parametrize("arguments", UNKNOWN, ids=" ".join)
def test_a_command_line_or_a_root_that_is_none_is_unknown(live: Site, arguments: tuple[str, ...]) -> None:
    done = live.run(*arguments)
    assert told(done)[0] == 3
    assert done.err == ""


def test_settings_that_cannot_be_read_or_trusted_are_unknown(live: Site) -> None:
    settings = live.path / "venvship.toml"
    for text in ("name = 1\n", "[[check]]\nname = 'a'\ncommand = ['/nonexistent']\n", "\0"):
        settings.write_text(text)
        assert told(live.run("check", "--monitor"))[0] == 3, text
    live.settings(PASSES)
    settings.chmod(0o666)
    code, said = told(live.run("check", "--monitor"))
    settings.chmod(0o644)
    assert (code, "venvship.toml" in said) == (3, True)


def test_a_bug_is_unknown_with_its_traceback_apart(live: Site, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import venvship.operations.monitoring as module\n"
        "def broken(workspace): raise ZeroDivisionError('a\\nb')\n"
        "module.monitor = broken\n"
    )
    done = live.run("check", "--monitor", env={"PYTHONPATH": str(tmp_path)})
    code, said = told(done)
    assert code == 3
    assert re.fullmatch(r"this is a bug in venvship \S+: ZeroDivisionError: a; b", said)
    assert "Traceback" in done.err


def test_a_signal_is_unknown(live: Site, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    live.settings(
        f"[[check]]\nname = 'slow'\ndeadline = 60\ntimeout = 60\n"
        f"command = ['sh', '-c', 'touch {begun}; sleep 60']\n"
    )
    checking = live.start("check", "--monitor")
    limit = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    checking.send_signal(signal.SIGTERM)
    out, err = checking.communicate(timeout=60)
    assert told(Finished(checking.returncode, out, err)) == (3, "interrupted by SIGTERM")


def test_an_output_that_cannot_be_written_is_unknown(live: Site) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [live.program, "check", "--monitor"],
            cwd=live.path,
            env=live.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3


def test_with_json_there_is_one_object_that_refuses_both(live: Site) -> None:
    done = live.run("check", "--monitor", "--json")
    assert (done.code, done.json["exit_code"], done.json["error"]["slug"]) == (3, 3, "usage")


def test_other_commands_have_their_own_codes_beside_such_words(live: Site) -> None:
    assert live.run("run", "false", "--monitor").code == 1
    assert live.run("run", "nonexistent", "check", "--monitor").code == 127
    assert live.run("status", "--monitor").code == 2
    assert live.run("check", "--", "--monitor").code == 13


def test_the_result_is_of_the_api_as_well(live: Site) -> None:
    result = live.open().monitor()
    assert (result.state, result.problems) == (MonitorState.OK, ())
    assert [check.name for check in result.checks] == ["answers"]
    assert result.to_json()["state"] == "OK"


def test_a_text_has_no_bar_and_no_line_break_in_the_line() -> None:
    line = plugin_line(MonitorState.WARNING, "a | b\n  c\n\nd\r\n", (Figure("x", 1), Figure("t", 0.25, "s")))
    assert line == "VENVSHIP WARNING - a / b; c; d | x=1;;;0 t=0.25s;;;0"
