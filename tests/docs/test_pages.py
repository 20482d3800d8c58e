"""Every command in the tutorial and the how-to guides works as it is written."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from scripts.screens import four_digit_port
from tests.docs.console import Command, File, Shell, loosely, read_console, read_page, tab_labels
from tests.docs.given import GIVEN, Scene
from tests.support.network import environment

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PATHS = sorted([*DOCS.glob("*.md"), *(DOCS / "tutorial").glob("*.md"), *(DOCS / "how-to").glob("*.md")])
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix() + (f"[{label}]" if label else ""): read_page(
        text, label
    )
    for path in PATHS
    for text in [path.read_text()]
    for label in tab_labels(text)
}
RUN = {name: page for name, page in PAGES.items() if page.steps}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.network] if "network" in page.remarks else [])
        for name, page in RUN.items()
    ],
)
def test_what_a_page_tells_to_do_works(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    variables = environment(network="network" in page.remarks)
    program = page.remarks.get("needs")
    if program and shutil.which(program, path=variables["PATH"]) is None:
        pytest.skip(f"there is no {program} here")
    place = tmp_path / "you"
    place.mkdir()
    replaced = {
        "/srv/": f"{place}/srv/",
        "/var/lib/": f"{place}/var/lib/",
        "/home/you": str(place),
        "127.0.0.1:8000": f"127.0.0.1:{four_digit_port()}",
    }
    with contextlib.ExitStack() as cleanup:
        scene = Scene(place, variables, replaced, cleanup)
        if given := page.remarks.get("given"):
            GIVEN[given](scene)
        shell = Shell(place, scene.environment, scene.replaced, scene.enter)

        shell.run(page, timeout=1200)  # only a hang takes as long


def test_every_page_has_something_to_run() -> None:
    empty = {name.partition("[")[0] for name, page in PAGES.items() if not page.steps}

    assert empty <= {"changelog", "how-to/index", "index"}


def test_what_is_not_run_does_not_look_as_if_it_was() -> None:
    others = [path for path in DOCS.rglob("*.md") if path not in PATHS]

    assert not [path for path in others if "```console" in path.read_text()]


# -- the runner itself --------------------------------------------------------------------------------------


def test_commands_are_told_from_output() -> None:
    one, two, three = read_console(
        "$ first\noutput\n\n$ second <<'END'\n$ not a command\nEND\n(exit status 3)\n"
        "$ third \\\n  more\nlast\n"
    )

    assert one == Command("first", ["output"])
    assert two == Command("second <<'END'\n$ not a command\nEND", [], 3)
    assert three == Command("third \\\n  more", ["last"])


def test_files_are_written_or_added_to() -> None:
    page = read_page(
        "% needs: curl\n```{code-block} sh\n:caption: a/b\n\n#!/bin/sh\n```\n"
        "```{code-block} toml\n:caption: added to c.toml\n\nx = 1\n```\n```text\n$ not run\n```\n"
    )

    assert page.steps == (File("a/b", "#!/bin/sh\n", False), File("c.toml", "x = 1\n", True))
    assert page.remarks == {"needs": "curl"}


TABS = """
```console
$ before
```
::::{tab-set}
:::{tab-item} uv
% needs: uv

```console
$ uv
```
:::

:::{tab-item} plain pip
:sync: pip

```console
$ pip
```
:::
::::
```console
$ after
```
"""


def test_a_page_with_tabs_is_run_once_for_each_label() -> None:
    assert tab_labels(TABS) == ("uv", "plain pip")
    assert tab_labels("no tabs") == ("",)

    pages = {label: read_page(TABS, label) for label in tab_labels(TABS)}
    assert {label: [step.text for step in page.steps] for label, page in pages.items()} == {
        "uv": ["before", "uv", "after"],
        "plain pip": ["before", "pip", "after"],
    }
    assert [page.remarks for page in pages.values()] == [{"needs": "uv"}, {}]


def test_the_copy_button_knows_the_end_of_every_here_document() -> None:
    # It takes each line with this word in it for the beginning or the end of one.
    conf = (DOCS / "conf.py").read_text()
    [word] = re.findall(r'^copybutton_here_doc_delimiter = "(\w+)"$', conf, re.MULTILINE)

    for name, page in PAGES.items():
        for text in [step.text for step in page.steps if isinstance(step, Command)]:
            found = [line for line in text.splitlines() if word in line]
            assert found == ([text.splitlines()[0], word] if "<<" in text else []), f"{name}: {text}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```console\n$ false\n```\n", "exited with 1"),
        ("```console\n$ echo one\ntwo\n```\n", "did not print"),
        ("```console\n$ true\n(exit status 4)\n```\n", "exited with 0"),
        ("```console\n$ exit 0\n$ true\n```\n", "the shell ended after 0 commands"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(text: str, complaint: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path, environment(network=False), {})

    with pytest.raises(AssertionError, match=complaint):
        shell.run(read_page(text), timeout=20)


def test_what_differs_from_run_to_run_is_no_difference() -> None:
    assert loosely("  ✓ fetch  1.1 MB, 2 wheels     0.9 s") == loosely("  ✓ fetch  9.0 kB, 3 wheels")
    assert loosely("20261122T094143Z-3f9a1c2  bad") == loosely("20270101T000000Z-0000000  bad")
    assert loosely("shop 1.0") != loosely("till 1.0")


def test_what_a_page_leaves_running_is_ended(tmp_path: Path) -> None:
    shell = Shell(tmp_path, environment(network=False), {})
    shell.run(read_page("```console\n$ sleep 60 & echo $! >pid\n```\n"), timeout=20)

    state = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not state.exists() or ") Z " in state.read_text()
