"""Completion, in the shells that people have."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.support.roots import Site, command
from tests.support.terminals import Terminal


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}")
    return found


@pytest.fixture
def environment(site: Site) -> dict[str, str]:
    """With the command under test as `venvship`."""
    folder = os.path.dirname(command())
    return {**site.environment, "PATH": f"{folder}:{site.environment['PATH']}", "TERM": "xterm"}


def completions(site: Site, environment: dict[str, str], name: str, line: str) -> list[str]:
    """What a shell offers for a line."""
    if name == "bash":
        script = (
            'eval "$(_VENVSHIP_COMPLETE=bash_source venvship)"\n'
            f"COMP_WORDS=({line}{'x' if line.endswith(' ') else ''})\n"
            "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
            f"{'COMP_WORDS[$COMP_CWORD]=' if line.endswith(' ') else ''}\n"
            "_venvship_completion venvship\n"
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        argv = [shell("bash"), "-c", script]
    else:
        script = f"_VENVSHIP_COMPLETE=fish_source venvship | source; complete -C '{line}'"
        argv = [shell("fish"), "-c", script]
    done = subprocess.run(argv, cwd=site.path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [part.split("\t")[0] for part in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["bash", "fish"])
def test_commands_options_and_releases_are_completed(
    site: Site, environment: dict[str, str], name: str
) -> None:
    shell(name)
    a, b = site.release("1.0"), site.release("1.1")
    assert completions(site, environment, name, "venvship roll") == ["rollback"]
    assert "--no-checks" in completions(site, environment, name, "venvship rollback --no")
    assert set(completions(site, environment, name, "venvship promote ")) >= {a, b, "current", "previous"}
    assert completions(site, environment, name, "venvship show prev") == ["previous"]
    assert a in completions(site, environment, name, f"venvship diff {a[:8]}")
    assert a in completions(site, environment, name, f"venvship run --release {a[:8]}")
    assert completions(site, environment, name, "venvship lock -P de") == ["dep"]


@pytest.mark.parametrize("name", ["bash", "fish"])
def test_outside_of_a_root_no_release_is_offered_and_nothing_is_said(
    site: Site, environment: dict[str, str], name: str
) -> None:
    shell(name)
    (site.path / "venvship.toml").unlink()
    for line in ("venvship promote 2", "venvship lock -P a"):
        assert [c for c in completions(site, environment, name, line) if c] == []


def test_the_root_that_was_typed_is_the_one_that_is_asked(site: Site, environment: dict[str, str]) -> None:
    shell("bash")
    a = site.release("1.0")
    elsewhere = Site(site.path.parent, site.wheels, environment, site.store)
    found = completions(elsewhere, environment, "bash", f"venvship -C {site.path} promote 2")
    assert found == [a]


def test_zsh_completes_releases_at_the_press_of_the_key(site: Site, environment: dict[str, str]) -> None:
    zsh = shell("zsh")
    a = site.release("1.0")
    terminal = Terminal([zsh, "-f", "-i"], env={**environment, "PS1": "ready> "}, cwd=site.path, columns=200)
    terminal.read_until("ready>")
    terminal.type("autoload -Uz compinit && compinit -u -D\n")
    terminal.read_until("ready>")
    terminal.type('eval "$(_VENVSHIP_COMPLETE=zsh_source venvship)"; echo lo""aded\n')
    terminal.read_until("loaded")
    terminal.type(f"echo venvship; venvship promote {a[:8]}\t")
    terminal.read_until(a[8:])
    terminal.close()
