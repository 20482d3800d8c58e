"""Asking an interpreter for its identity: when it is asked, when not, and how it may fail to answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import venvship
from tests.support.processes import script_at
from venvship.building.interpreter import probe
from venvship.model.interpreter import Identity
from venvship.system.interpreter_probe import identity
from venvship.system.signals import Signals
from venvship.workspace.interpreter_identity import InterpreterIdentities, NotAskedError

OTHER = Identity("cpython", "3.10", "cpython-310", "linux", "abcd")
ANSWER = json.dumps(OTHER.to_json())


def test_one_that_could_not_run_is_asked_again(tmp_path: Path) -> None:
    python = script_at(
        tmp_path / "python", f"#!/bin/sh\n[ -e {tmp_path}/library ] || exit 127\necho '{ANSWER}'\n"
    )
    identities = InterpreterIdentities({"PATH": os.defpath}, Signals())

    assert identities.ask(str(python)) == "not able to run"
    (tmp_path / "library").touch()
    assert identities.ask(str(python)) == OTHER
    (tmp_path / "library").unlink()
    assert identities.ask(str(python)) == OTHER, "its file is the same"
    python.unlink()
    assert "not there" in str(identities.ask(str(python)))


def test_the_one_that_runs_this_process_is_not_asked() -> None:
    ours = os.path.realpath(sys.executable)
    identities = InterpreterIdentities({"PATH": os.defpath}, Signals())
    answer = identities._ask(ours)
    assert isinstance(answer, Identity)

    if sys.platform == "linux":
        identities = Silent({"PATH": os.defpath}, Signals())
    assert identities.ask(ours) == answer


class Silent(InterpreterIdentities):
    """Asks no interpreter."""

    def _ask(self, path: str) -> Identity | str:
        raise AssertionError(path)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells what runs in /proc, which is Linux's")
def test_one_that_was_changed_while_it_runs_is_asked(tmp_path: Path) -> None:
    script = """
import os, sys
from venvship.workspace.interpreter_identity import InterpreterIdentities
from venvship.system.signals import Signals
def ask():
    print(InterpreterIdentities({"PATH": os.defpath}, Signals()).ask(sys.argv[1]))
ask()
os.chmod(sys.argv[1], 0o644)
ask()
os.rename(sys.argv[2], sys.argv[1])
ask()
"""
    ours, other = tmp_path / "python", tmp_path / "other"
    shutil.copy(os.path.realpath(sys.executable), ours)
    script_at(other, f"#!/bin/sh\necho '{ANSWER}'\n")
    result = subprocess.run(
        [ours, "-c", script, ours, other],
        env={"PYTHONHOME": sys.base_prefix, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    before, forbidden, after = result.stdout.splitlines()
    assert forbidden == "not executable"
    assert before.startswith(f"cpython {sys.version_info.major}.{sys.version_info.minor} ")
    assert after == str(OTHER)


@pytest.mark.parametrize("answer", ["", "no JSON", "[]", '{"implementation": "cpython"}'])
def test_another_answer_is_none(tmp_path: Path, answer: str) -> None:
    python = script_at(tmp_path / "python", f"#!/bin/sh\necho '{answer}'\n")

    assert InterpreterIdentities({"PATH": os.defpath}, Signals()).ask(str(python)) == "not able to run"


def test_one_that_is_killed_was_not_asked(tmp_path: Path) -> None:
    python = script_at(tmp_path / "python", "#!/bin/sh\nkill -KILL $$\n")

    with pytest.raises(NotAskedError, match="was killed by signal 9"):
        InterpreterIdentities({"PATH": os.defpath}, Signals()).ask(str(python))


def test_a_switch_and_a_build_are_told_the_same_identity() -> None:
    ours = os.path.realpath(sys.executable)
    identities = InterpreterIdentities({"PATH": os.defpath}, Signals())

    assert identities._ask(ours) == identities.ask(ours) == probe(ours).identity
    assert (
        Identity.of({**probe(ours).identity.to_json(), "path": ours, "full_version": "3"})
        == probe(ours).identity
    )


def test_one_that_does_not_take_the_question_was_not_asked(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 2\n")
    python.chmod(0o755)

    with pytest.raises(NotAskedError, match="did not take the question"):
        InterpreterIdentities({"PATH": os.defpath}, Signals()).ask(str(python))


def test_one_is_asked_after_venvship_was_removed(tmp_path: Path) -> None:
    """An upgrade of venvship in the window takes its files away; a release is not refused for that."""
    package = Path(venvship.__file__).parent
    shutil.copytree(package, tmp_path / "venvship", ignore=shutil.ignore_patterns("__pycache__"))
    script = """
import os, shutil, sys
from venvship.workspace.interpreter_identity import InterpreterIdentities
from venvship.system import interpreters
from venvship.system.signals import Signals
assert interpreters.__file__.startswith(sys.argv[2])
shutil.rmtree(sys.argv[2] + "/venvship")
print(InterpreterIdentities({"PATH": os.defpath}, Signals())._ask(sys.argv[1]))
"""
    result = subprocess.run(
        [sys.executable, "-B", "-c", script, os.path.realpath(sys.executable), tmp_path],
        env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout.startswith("cpython "), result.stderr


def test_one_that_loads_no_extensions_has_an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_imp.extension_suffixes", list)
    assert identity()["soabi"] == ""
