"""The interpreter for a project: one that fits, of the host before one in a home."""

from __future__ import annotations

import os
import sys

import pytest

from venvship.building.interpreter_choice import choose_interpreter
from venvship.errors import InterpreterError
from venvship.system.accounts import home_folders
from venvship.system.signals import Signals

OWN = ".".join(map(str, sys.version_info[:2]))
ENVIRON = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "PYENV_ROOT"}}


def test_an_interpreter_of_the_host_comes_before_one_in_a_home() -> None:
    chosen = choose_interpreter("", "", environ=ENVIRON, signals=Signals())
    homes = home_folders(ENVIRON)
    assert chosen.home == next((home for home in homes if chosen.interpreter.path.startswith(f"{home}/")), "")
    if os.access("/usr/bin/python3", os.X_OK) and not chosen.home:
        assert chosen.interpreter.path.startswith(("/usr/", "/opt/"))


def test_the_version_that_the_project_names_is_taken_if_it_fits() -> None:
    chosen = choose_interpreter(">=3.11", OWN, environ=ENVIRON, signals=Signals())
    assert chosen.interpreter.version.startswith(f"{OWN}.")


def test_requires_python_decides_where_the_named_version_is_not_there() -> None:
    chosen = choose_interpreter(f"=={OWN}.*", "3.99", environ=ENVIRON, signals=Signals())
    assert chosen.interpreter.version.startswith(f"{OWN}.")


def test_where_none_fits_those_that_are_there_are_named() -> None:
    with pytest.raises(InterpreterError) as caught:
        choose_interpreter(">=3.99", "", environ=ENVIRON, signals=Signals())
    assert "the project asks for Python >=3.99" in caught.value.message
    assert f"({OWN}." in caught.value.message
    assert "/opt/python 3.99" in (caught.value.hint or "")


def test_a_specifier_that_nobody_understands_excludes_nothing() -> None:
    assert choose_interpreter("3.x or so", "", environ=ENVIRON, signals=Signals()).interpreter


def test_the_home_of_the_caller_is_one_whoever_it_belongs_to(tmp_path: object) -> None:
    assert os.path.realpath(str(tmp_path)) in home_folders({"HOME": str(tmp_path)})
    assert "/" not in home_folders({"HOME": "/"})
