"""Finding the interpreter of a root, and what is known of it."""

from __future__ import annotations

import os
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from tests.support.processes import script_at
from tests.support.pythons import OTHERS, THIS, python_of
from venvship.building.interpreter import probe, resolve_interpreter
from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.system.signals import Signals

BASE = os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def resolve(setting: str | None, **environ: str) -> Interpreter:
    return resolve_interpreter(setting, environ={"PATH": "/nonexistent", **environ}, signals=Signals())


ANSWER = """#!/bin/sh
echo '{"version": "%s", "version_info": [%s], "implementation": "%s"}'
"""


def script(path: Path, text: str) -> str:
    script_at(path, text)
    return str(path)


def refused(setting: str) -> InterpreterError:
    with pytest.raises(InterpreterError) as caught:
        resolve(setting)
    assert caught.value.hint
    return caught.value


def test_without_a_setting_it_is_the_installation_that_runs_venvship_itself() -> None:
    found = resolve(None)
    assert os.path.samefile(found.path, BASE)
    assert found.path == os.path.realpath(found.path)
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert found.minor == THIS


def test_its_facts_are_those_that_it_would_give_itself() -> None:
    found = resolve(None)
    assert found.implementation == "cpython"
    assert found.soabi == sysconfig.get_config_var("SOABI")
    assert found.platform == sysconfig.get_platform()
    assert found.tags == tuple(str(tag) for tag in sys_tags())
    assert found.markers == default_environment()
    assert Interpreter.from_json(found.to_json()) == found


def test_a_version_is_found_and_the_patch_level_may_be_named() -> None:
    assert resolve(THIS) == resolve(None)
    assert resolve(".".join(map(str, sys.version_info[:3]))) == resolve(None)


def test_a_version_that_is_not_there_names_itself_and_what_to_do() -> None:
    error = refused("3.99")
    assert "found no CPython 3.99" in error.message


def test_a_link_is_followed_to_the_versioned_executable(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(BASE)
    assert resolve(str(tmp_path / "python3")) == resolve(None)


def test_a_shim_is_followed_to_what_it_starts(tmp_path: Path) -> None:
    shim = script(tmp_path / f"python{THIS}", f'#!/bin/sh\nexec "{BASE}" "$@"\n')
    assert resolve(shim) == resolve(None)


def test_a_virtual_environment_stands_for_the_installation_behind_it(tmp_path: Path) -> None:
    for symlinks in (True, False):
        place = tmp_path / f"venv-{symlinks}"
        venv.create(place, symlinks=symlinks, with_pip=False)
        assert resolve(str(place / "bin" / "python")) == resolve(None)


def test_the_versioned_name_is_preferred_over_another_name_of_the_same_file(tmp_path: Path) -> None:
    found = resolve(None)
    if os.path.basename(found.path) != f"python{THIS}":
        pytest.skip("this interpreter has no versioned name")
    other = os.path.join(os.path.dirname(found.path), "python3")
    if not os.path.exists(other):
        pytest.skip("this interpreter has one name only")
    assert resolve(other).path == found.path


def test_nothing_of_the_environment_has_a_say_in_the_facts(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('polluted')\nimport sys; sys.exit(3)\n")
    (tmp_path / "json.py").write_text("raise SystemExit(3)\n")
    polluted = resolve(
        None, PYTHONPATH=str(tmp_path), PYTHONHOME="/nonexistent", PYTHONSTARTUP="/nonexistent"
    )
    assert polluted == resolve(None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!/bin/sh\necho 'it broke' >&2\nexit 1\n", "does not work as a Python interpreter: it broke"),
        ("#!/bin/sh\necho hello\n", "does not work as a Python interpreter"),
        ("#!/bin/sh\necho '[1]'\n", "does not work as a Python interpreter"),
        (
            "#!/nonexistent/interpreter\n",
            "/nonexistent/interpreter of its first line does not exist",
        ),
        (ANSWER % ("3.10.13", "3, 10", "cpython"), "is Python 3.10.13; releases need 3.11 or later"),
        (ANSWER % ("3.11.9", "3, 11", "pypy"), "is pypy 3.11.9; releases run on CPython"),
    ],
)
def test_what_is_no_usable_cpython_is_refused_and_says_why(tmp_path: Path, text: str, expected: str) -> None:
    path = script(tmp_path / "python3.11", text)
    error = refused(path)
    assert expected in error.message
    assert path in error.message


def test_a_path_where_nothing_is_is_refused(tmp_path: Path) -> None:
    assert "there is no interpreter" in refused(str(tmp_path / "python3.11")).message


def test_a_directory_or_a_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "python3.11").write_text("")
    for path in (tmp_path, tmp_path / "python3.11"):
        assert "cannot be run" in refused(str(path)).message


@pytest.mark.parametrize("version", OTHERS)
def test_another_version_has_its_own_tags_and_magic_number(version: str) -> None:
    found, own = probe(python_of(version).path), resolve(None)
    assert found.minor == version
    assert found.tags[0].startswith(f"cp{version.replace('.', '')}-")
    assert found.markers["python_version"] == version
    assert found.magic != own.magic
    assert found.identity != own.identity


def test_pyenv_versions_that_its_shims_do_not_lead_to_are_found_newest_first(tmp_path: Path) -> None:
    for name in ("3.98.2", "3.98.10", "3.98.11-dev", "3.98.12t"):
        (tmp_path / "versions" / name / "bin").mkdir(parents=True)
        script(tmp_path / "versions" / name / "bin" / "python3.98", ANSWER % (name, "3, 98", "other"))
    with pytest.raises(InterpreterError, match=r"is other 3\.98\.10"):
        resolve("3.98", PYENV_ROOT=str(tmp_path))
