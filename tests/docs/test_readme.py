"""What README tells to type works as it is written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.conftest import REPOSITORY
from tests.docs.console import Command, Shell, read_page
from tests.docs.given import copy_checkout
from tests.support.network import environment

README = read_page((REPOSITORY / "README.md").read_text(encoding="utf-8"))
BY_HAND = ("scripts/demo", "scripts/test")
"""They make the virtualenv that this test runs in, and run this test."""


@pytest.mark.network
def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    place = tmp_path / "you"
    place.mkdir()
    copy_checkout(place / "venvship")
    commands = [step for step in README.steps if isinstance(step, Command)]
    assert commands[0].text == "git clone … venvship && cd venvship"
    assert {command.text for command in commands} >= set(BY_HAND)
    steps = [Command("cd venvship"), *(c for c in commands[1:] if c.text not in BY_HAND)]
    variables = environment(network=True)
    # A newcomer has neither venvship nor pip-compile yet; what is on PATH has to come from the README.
    own = {os.path.realpath(folder) for folder in variables["PATH"].split(":")[:2]}
    path = [folder for folder in variables["PATH"].split(":") if os.path.realpath(folder) not in own]
    variables["PATH"] = ":".join(path)

    shell = Shell(place, variables, {"/srv/": f"{place}/srv/"})
    shell.run(replace(README, steps=tuple(steps)), timeout=300)


def test_the_files_and_scripts_that_it_names_are_there() -> None:
    for script in BY_HAND:
        assert os.access(REPOSITORY / script, os.X_OK)
