"""What people see: on terminals of several kinds and widths, in pipes, and where output goes nowhere."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from click import unstyle

from tests.support.roots import NewSite, Site, command
from tests.support.terminals import Shown, Terminal
from venvship.system.mutex import Mutex

STYLED = re.compile(r"\x1b\[[0-9;]*m")
READS = (
    ("status",),
    ("list",),
    ("show",),
    ("history",),
    ("diff", "@{1}"),
    ("prune", "--dry-run"),
    ("check",),
    ("verify", "--all"),
)

CHECKS = """
[[check]]
name = "imports"
when = "candidate"
import = ["app"]
[[check]]
name = "answers"
command = ["sh", "-c", "echo this one has rather a lot to say about why it does not like it at all; exit 1"]
required = false
deadline = 0
"""


@pytest.fixture(scope="module")
def shop(new_site: NewSite) -> Site:
    """Two releases, the first with a message that fits no line, and checks of both kinds; to be read only."""
    site = new_site("screens")
    site.settings(CHECKS)
    long = "everything that has changed since the last time, with the reasons for it, one after the other"
    site.lock("1.0")
    site.open().release(message=long)
    site.lock("1.1")
    site.open().release(message="short")
    return site


def on_terminal(site: Site, *arguments: str, columns: int = 80, **variables: str) -> Shown:
    env = {**site.environment, "TERM": "xterm-256color", **variables}
    return Terminal([command(), *arguments], env=env, cwd=site.path, columns=columns).finish()


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_reports_fit_the_terminal_and_say_the_same_as_in_a_pipe(
    shop: Site, arguments: tuple[str, ...], columns: int
) -> None:
    shown = on_terminal(shop, *arguments, columns=columns)
    assert shown.code == 0, shown.text
    lines = unstyle(shown.text).splitlines()
    paths = str(shop.path)  # a path is never broken
    assert [
        line for line in lines if len(line) > columns and paths not in line and "sha256" not in line
    ] == []
    piped = shop.run(*arguments)
    words = re.sub(r"[\s…]+", " ", unstyle(shown.text))
    for word in re.findall(r"20\d{6}T\d{6}Z-\w{7}|\d+\.\d+\.\d+|proven|current|imports", piped.out):
        assert word in words


@pytest.mark.parametrize("columns", [40, 56, 60, 70, 79])
def test_a_list_says_what_is_current_however_narrow_the_terminal_is(shop: Site, columns: int) -> None:
    text = unstyle(on_terminal(shop, "list", columns=columns).text)
    assert "current" in text
    assert "previous" in text


@pytest.mark.parametrize("arguments", READS[:4], ids=" ".join)
def test_colour_is_shown_on_a_terminal_and_nowhere_else(shop: Site, arguments: tuple[str, ...]) -> None:
    assert STYLED.search(on_terminal(shop, *arguments).text)
    for shown in (
        on_terminal(shop, *arguments, NO_COLOR="1"),
        on_terminal(shop, *arguments, TERM="dumb"),
        on_terminal(shop, *arguments, "--no-color"),
    ):
        assert shown.code == 0
        assert "\x1b" not in shown.text
    piped = shop.run(*arguments)
    assert "\x1b" not in piped.out + piped.err


def test_an_empty_no_color_means_nothing(shop: Site) -> None:
    assert STYLED.search(on_terminal(shop, "status", NO_COLOR="").text)


def test_progress_is_drawn_on_a_terminal_and_cleared_away(site: Site) -> None:
    site.settings(CHECKS)
    shown = on_terminal(site, "release")
    assert shown.code == 0, shown.text
    assert "\x1b[?25l" in shown.text, "the cursor is hidden while something is drawn"
    assert shown.text.rindex("\x1b[?25h") > shown.text.rindex("\x1b[?25l"), "and comes back"
    assert "✓" in shown.text
    assert "✗ answers" in unstyle(shown.text)
    assert unstyle(shown.text).rstrip().endswith("2 packages: app 1.0 · dep 1.0")


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_that_cannot_move_gets_plain_lines(site: Site, variables: dict[str, str]) -> None:
    shown = on_terminal(site, "release", **variables)
    assert shown.code == 0
    assert "\x1b" not in shown.text
    assert "\r" not in shown.text
    assert "✓ assemble" in shown.text


def test_quiet_prints_the_result_only(site: Site) -> None:
    done = site.run("release", "-q")
    assert done.out.startswith("Live: ")
    assert done.err == ""


def test_what_is_live_comes_first_when_something_fails(site: Site) -> None:
    current = site.release("1.0")
    site.settings("[[check]]\nname = 'no'\nwhen = 'candidate'\ncommand = ['sh', '-c', 'echo why; exit 3']\n")
    site.lock("1.2")
    lines = site.run("release").err.splitlines()
    assert lines[0] == f"Still live: {current}"
    assert lines[1] == "error: check 'no' failed: exit 3"
    assert "why" not in "".join(line for line in lines if not line.startswith("  log: "))
    log = next(line for line in lines if line.startswith("  log: ")).removeprefix("  log: ")
    assert "why" in Path(log).read_text()
    assert lines[-1].startswith("  → ")
    assert "  output: why\n" in unstyle(on_terminal(site, "release").text).replace("\r\n", "\n")


def test_ctrl_c_says_what_state_things_are_in(site: Site) -> None:
    first = site.release("1.0")
    site.settings("[[check]]\nname = 'slow'\nwhen = 'candidate'\ncommand = ['sleep', '30']\ntimeout = 60\n")
    site.lock("1.1")
    env = {**site.environment, "TERM": "xterm"}
    terminal = Terminal([command(), "release"], env=env, cwd=site.path)
    terminal.read_until("slow")
    terminal.type("\x03")
    shown = terminal.finish()
    assert shown.code == 130, shown.text[-300:]
    text = unstyle(shown.text)
    assert f"Still live: {first}" in text
    assert "error: interrupted" in text
    assert "Traceback" not in text
    assert shown.text.rindex("\x1b[?25h") > shown.text.rindex("\x1b[?25l")


def test_a_second_ctrl_c_says_that_the_way_back_goes_on(site: Site, tmp_path: Path) -> None:
    first = site.release("1.0")
    slow = f"touch {tmp_path}/$VENVSHIP_EVENT; [ $VENVSHIP_EVENT = promote ] && sleep 60; sleep 2"
    site.settings(f"[[check]]\nname = 'slow'\ntimeout = 90\ncommand = ['sh', '-c', '{slow}']\n")
    site.lock("1.1")
    env = {**site.environment, "TERM": "xterm"}
    terminal = Terminal([command(), "release"], env=env, cwd=site.path, columns=120)
    terminal.read_until("slow")
    await_file(tmp_path / "promote")
    terminal.type("\x03")
    terminal.read_until("↩")
    await_file(tmp_path / "rollback")
    terminal.type("\x03")
    terminal.read_until(f"still going back to {first}, which SIGINT does not interrupt")
    shown = terminal.finish()
    assert shown.code == 130, shown.text[-300:]
    assert f"Still live: {first}" in unstyle(shown.text)


def test_after_ctrl_s_the_result_stands_on_a_line_of_its_own_and_the_cursor_is_back(
    site: Site, tmp_path: Path
) -> None:
    site.settings(f"[[check]]\nname = 'slow'\ncommand = ['sh', '-c', 'touch {tmp_path}/now; sleep 2']\n")
    terminal = Terminal(
        [command(), "release"], env={**site.environment, "TERM": "xterm"}, cwd=site.path, columns=120
    )
    await_file(tmp_path / "now")
    terminal.read_until("slow")
    terminal.type("\x13")
    for _ in range(3000):
        if site.events()[-1] == "promoted":
            break
        time.sleep(0.02)
    time.sleep(1)
    terminal.type("\x11")
    shown = terminal.finish()
    assert shown.code == 0, shown.text
    assert shown.text.rindex("\x1b[?25h") > shown.text.rindex("\x1b[?25l")
    assert "slow" not in re.split("[\r\n]", shown.text.partition("Live:")[0])[-1]


def await_file(path: Path) -> None:
    for _ in range(3000):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_shows_what_is_waited_for(site: Site, term: str) -> None:
    site.release("1.0")
    site.lock("1.1")
    env = {**site.environment, "TERM": term}
    with Mutex(str(site.path / "state" / "build.mutex"), "build").hold():
        terminal = Terminal([command(), "release", "--wait", "60"], env=env, cwd=site.path, columns=120)
        terminal.read_until("another command of venvship is under way")
    assert terminal.finish().code == 0


def test_a_wait_is_not_worth_a_line_off_a_terminal(site: Site) -> None:
    site.release("1.0")
    with Mutex(str(site.path / "state" / "build.mutex"), "build").hold():
        done = site.run("release", "--wait", "1")
    assert (done.code, done.out) == (30, "")


def test_whoever_stops_reading_changes_nothing_of_what_is_done(site: Site) -> None:
    done = site.shell(f'{command()} release | head -1; exit "${{PIPESTATUS[0]}}"')
    assert (done.code, done.err) == (0, "")
    assert site.current is not None
    assert site.events()[-1] == "promoted"


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@FULL
@pytest.mark.parametrize(
    "arguments",
    [
        "list",
        "status --json",
        "status --prometheus",
        "release --dry-run",
        "--help",
        "release -h",
        "--version",
        "--json --version",
    ],
)
def test_a_command_that_only_prints_fails_where_its_output_cannot_be_written(
    shop: Site, arguments: str
) -> None:
    done = shop.shell(f"exec {command()} {arguments} >/dev/full")
    assert (done.code, done.out) == (74, "")
    assert done.err == "error: standard output could not be written: No space left on device\n"


@FULL
@pytest.mark.parametrize("shell", ["bash_source", "bash_complete"])
def test_a_script_or_a_word_for_a_shell_that_cannot_be_written_is_a_failure(shop: Site, shell: str) -> None:
    variables = {"_VENVSHIP_COMPLETE": shell, "COMP_WORDS": "venvship roll", "COMP_CWORD": "1"}
    assert shop.shell(f"exec {command()}", **variables).code == 0
    done = shop.shell(f"exec {command()} >/dev/full", **variables)
    assert (done.code, done.out) == (74, "")
    assert done.err == "error: standard output could not be written: No space left on device\n"


@FULL
@pytest.mark.parametrize("arguments", ["check", "verify", "pin current"])
def test_a_command_that_does_more_than_print_has_its_own_exit_code(shop: Site, arguments: str) -> None:
    done = shop.shell(f"exec {command()} {arguments} >/dev/full")
    assert done.code == 0
    assert "warning: standard output could not be written: No space left on device." in done.err


@pytest.mark.parametrize("arguments", ["list", "status --json"])
def test_a_reader_that_has_gone_or_never_was_is_no_error(shop: Site, arguments: str) -> None:
    for line in (f"{command()} {arguments} | true; exit ${{PIPESTATUS[0]}}", f"{command()} {arguments} >&-"):
        done = shop.shell(line)
        assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_without_utf8_gets_question_marks(shop: Site, encoding: str) -> None:
    done = shop.run("diff", "@{1}", env={"PYTHONIOENCODING": encoding})
    assert done.code == 0
    assert "?" in done.out
