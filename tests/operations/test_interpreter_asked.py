"""A build asks its interpreter again, and so does a switch: it may have been changed in place."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.patches import interpreters_answer, releases_have_another_interpreter
from tests.support.processes import alive, eventually, script_at
from tests.support.roots import Site
from venvship.errors import InterpreterError
from venvship.system import interpreters, process


def recorded(site: Site) -> dict[str, Any]:
    data = json.loads((site.path / "state" / "python.json").read_text())
    assert isinstance(data, dict)
    return data


def rewrite(site: Site, change: Callable[[dict[str, Any]], object]) -> None:
    data = recorded(site)
    change(data)
    (site.path / "state" / "python.json").write_text(json.dumps(data))


@pytest.mark.parametrize("fact", ["soabi", "magic", "platform"])
def test_another_kind_of_interpreter_is_refused_before_anything_is_built(site: Site, fact: str) -> None:
    first = site.release("1.0")
    rewrite(site, lambda data: data.update({fact: "other"}))
    site.lock("1.1")
    before = site.events()

    done = site.run("release", "--json")

    assert (done.code, done.json["error"]["slug"]) == (10, "interpreter-unusable")
    assert "is now cpython" in done.json["error"]["message"]
    assert "rm " in done.json["error"]["hint"]
    assert (site.current, site.debris(), site.events()) == (first, [], before)
    assert os.listdir(site.path / "releases") == [first]


def test_a_new_patch_level_is_recorded_and_warned_about(site: Site) -> None:
    site.release("1.0")
    now = recorded(site)["version"]
    rewrite(site, lambda data: data.update(version=f"{now.rpartition('.')[0]}.0a1"))
    site.lock("1.1")

    done = site.run("release", "--json")

    assert done.code == 0
    assert [warning["slug"] for warning in done.json["warnings"]] == ["interpreter-changed"]
    assert recorded(site)["version"] == now
    manifest = json.loads((site.path / "current" / ".venvship" / "manifest.json").read_text())
    assert manifest["python"]["full_version"] == now


def test_one_that_does_not_run_any_more_is_refused(site: Site, tmp_path: Path) -> None:
    first = site.release("1.0")
    broken = script_at(tmp_path / "python3.11", "#!/bin/sh\necho no such library >&2\nexit 127\n")
    rewrite(site, lambda data: data.update(path=str(broken)))
    site.lock("1.1")

    with pytest.raises(InterpreterError, match="no such library"):
        site.open().release()

    assert (site.current, site.debris()) == (first, [])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_one_that_hangs(site: Site, tmp_path: Path, signum: int) -> None:
    first = site.release("1.0")
    hanging, pid = tmp_path / "python3.11", tmp_path / "pid"
    script_at(hanging, f"#!/bin/sh\necho $$ >{pid}.new\nmv {pid}.new {pid}\nexec sleep 60\n")
    rewrite(site, lambda data: data.update(path=str(hanging)))
    site.lock("1.1")

    running = site.start("release")
    assert eventually(pid.exists)
    running.send_signal(signum)
    out, err = running.communicate(timeout=50)

    assert running.returncode == 128 + signum, (out, err)
    assert "Traceback" not in err
    assert eventually(lambda: not alive(int(pid.read_text())))
    assert (site.current, site.debris()) == (first, [])


def test_the_switch_asks_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build and its checks may have taken an hour."""
    began: list[list[str]] = []
    real = process.run

    def run(program: process.Program, **options: Any) -> process.ProcessResult:
        began.append([*program.argv])
        return real(program, **options)

    interpreters_answer(monkeypatch, run)
    releases_have_another_interpreter(monkeypatch)
    site.release("1.0")
    assert [argv[:1] for argv in began if argv[-1] == interpreters._PROBE] == [[recorded(site)["path"]]]
