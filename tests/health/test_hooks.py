"""Hooks: what they are told, what they may leave behind, and what a failure of theirs looks like."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.health.conftest import RELEASE
from tests.support.processes import alive, script_at
from venvship.errors import InterruptedByError, ProgramNotFoundError
from venvship.health.context import Context
from venvship.health.hooks import find_programs, find_programs_of_the_host, run_hook
from venvship.model.settings_reading import parse_settings

PREVIOUS = "20261121T020003Z-a01b22c"


def program(context: Context, name: str, script: str) -> None:
    path = Path(context.release_path, "bin", name)
    script_at(path, f"#!/bin/sh\n{script}\n")


def log_of(context: Context, name: str) -> str:
    return Path(context.log_dir, f"{name}.txt").read_text()


def test_a_hook_works_in_the_release_and_is_told_about_it(context: Context) -> None:
    program(context, "tell", "env | sort; echo at $(pwd)")
    Path(context.root, "current").symlink_to(f"releases/{RELEASE}")
    misled = dict.fromkeys(["PYTHONHOME", "VIRTUAL_ENV", "VENVSHIP_ROOT"], "/elsewhere")
    environ = {**context.environ, **misled, "HOME": "/root", "PWD": f"{context.root}/current"}
    told = dataclasses.replace(context, previous_id=PREVIOUS, environ=environ)

    result = run_hook("prepare", ("tell",), told, timeout=50)

    path = context.release_path
    said = log_of(context, "prepare").splitlines()
    assert (result.ok, result.output) == (True, "tell")
    assert said.pop(0) == f"== release {RELEASE}: tell"
    assert f"at {path}" in said, "the real path, though PWD went through the link"
    variables = dict(line.split("=", 1) for line in said if "=" in line)
    variables.pop("VENVSHIP_CHILD")
    variables.pop("_", None)
    variables.pop("SHLVL", None)
    assert variables == {
        "HOME": "/root",
        "PATH": f"{path}/bin:/usr/bin:/bin",
        "PWD": path,
        "VIRTUAL_ENV": path,
        "VENVSHIP_ROOT": context.root,
        "VENVSHIP_RELEASE": RELEASE,
        "VENVSHIP_RELEASE_PATH": path,
        "VENVSHIP_PREVIOUS": PREVIOUS,
        "VENVSHIP_EVENT": "release",
        "VENVSHIP_UNATTENDED": "",
        "VENVSHIP_ONE_WAY": "",
        "VENVSHIP_TIER": "",
    }


def test_a_first_release_has_an_empty_previous(context: Context) -> None:
    assert context.environment()["VENVSHIP_PREVIOUS"] == ""


def test_an_empty_path_is_the_default_one(context: Context) -> None:
    bare = dataclasses.replace(context, environ={})

    assert run_hook("prepare", ("true",), bare, timeout=50).ok


def test_a_failure_is_one_line_and_the_log_has_the_rest(context: Context) -> None:
    argv = ("sh", "-c", "echo one; echo Failed to restart shop.service >&2; exit 5")

    result = run_hook("restart", argv, context, timeout=50)

    assert (result.ok, result.output) == (False, "exit 5")
    assert result.said == "Failed to restart shop.service"
    assert log_of(context, "restart").splitlines()[-2:] == ["one", "Failed to restart shop.service"]


@pytest.mark.parametrize("status", [1, 75])
def test_for_a_hook_75_is_a_failure_like_any_other(status: int, context: Context) -> None:
    result = run_hook("prepare", ("sh", "-c", f"exit {status}"), context, timeout=50)

    assert (result.ok, result.output) == (False, f"exit {status}")


def test_a_hook_that_hangs_is_ended(context: Context, tmp_path: Path) -> None:
    argv = ("sh", "-c", f"echo starting; sleep 60 & echo $! > {tmp_path}/pid; wait")

    result = run_hook("restart", argv, context, timeout=1.0)

    assert (result.ok, result.output, result.said) == (
        False,
        "no end after 1 s (`[hooks] restart_timeout` in venvship.toml)",
        "starting",
    )
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_notification_arrives_on_standard_input(context: Context) -> None:
    event = {"event": "promoted", "release": RELEASE}

    run_hook("notify", ("cat",), context, timeout=50, stdin=json.dumps(event).encode())

    assert json.loads(log_of(context, "notify").splitlines()[1]) == event


@pytest.mark.parametrize(("name", "stays"), [("restart", True), ("prepare", False), ("notify", False)])
def test_only_what_a_restart_leaves_running_stays(
    name: str, stays: bool, context: Context, tmp_path: Path
) -> None:
    argv = ("sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid")

    assert run_hook(name, argv, context, timeout=50).ok

    pid = int((tmp_path / "pid").read_text())
    try:
        assert alive(pid) is stays
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_service_that_leaves_the_session_stays_too(context: Context, tmp_path: Path) -> None:
    daemon = f"""
import os, time
if os.fork(): os._exit(0)
os.setsid()
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
print("serving", flush=True)
time.sleep(60)
"""
    assert run_hook("restart", (sys.executable, "-ISc", daemon), context, timeout=50).ok

    end = time.monotonic() + 50
    while "serving" not in log_of(context, "restart") and time.monotonic() < end:
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_signal_ends_a_hook_unless_it_is_deferred(context: Context) -> None:
    with context.signals.install():
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with context.signals.deferred():
            assert run_hook("restart", ("sh", "-c", "sleep 0.5"), context, timeout=50).ok
        with pytest.raises(InterruptedByError):
            run_hook("restart", ("sh", "-c", "sleep 0.5"), context, timeout=50)
        timer.join()


def test_a_hook_that_cannot_be_started_has_failed(context: Context) -> None:
    missing = run_hook("restart", ("no-such-program",), context, timeout=50)
    gone = run_hook(
        "restart", ("true",), dataclasses.replace(context, release_path="/no/such/release"), timeout=5
    )

    assert not missing.ok
    assert missing.output.startswith("there is no program 'no-such-program'")
    assert not gone.ok
    assert gone.output.startswith("could not be started: ")


def test_without_a_place_for_its_log_a_hook_runs_all_the_same(context: Context, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = dataclasses.replace(context, log_dir=str(tmp_path / "file/log"))

    assert run_hook("restart", ("echo", "x"), nowhere, timeout=50).ok
    assert run_hook("prepare", ("echo", "x"), nowhere, timeout=50).ok


def test_a_name_cannot_lead_a_log_out_of_its_folder(context: Context) -> None:
    for name in ("../../x", ".hidden", "a/b", "ok-1.2"):
        path = Path(context.log_path(name))
        assert path.parent == Path(context.log_dir)
        assert not path.name.startswith(".")
    assert context.log_path("ok-1.2").endswith("/ok-1.2.txt")


def test_all_missing_programs_are_found_before_anything_is_switched(context: Context) -> None:
    program(context, "shop-admin", "")
    text = """
[hooks]
prepare = ["shop-admin", "migrate"]
restart = ["sysctemctl", "restart", "shop"]
notify = ["/usr/local/bin/no-such-notifier"]
[[check]]
name = "answers"
command = ["shop-check"]
[[check]]
name = "fine"
command = ["true"]
[[check]]
name = "open"
tcp = "127.0.0.1:1"
"""
    settings = parse_settings(text, path="venvship.toml", folder_name="shop")

    with pytest.raises(ProgramNotFoundError) as caught:
        find_programs(settings.hooks, settings.checks, context)

    keys = [problem["key"] for problem in caught.value.data["problems"]]
    assert keys == ["hooks.restart", "hooks.notify", "check answers"]
    assert "hooks.restart: there is no program 'sysctemctl' in the PATH" in caught.value.message
    find_programs(settings.hooks._replace(restart=("true",), notify=None), (), context)


def test_a_program_without_its_interpreter_is_found_before_anything_is_built(
    context: Context, tmp_path: Path
) -> None:
    script_at(tmp_path / "hook", "#!/bin/sh\r\nexit 0\r\n")
    script_at(tmp_path / "probe", "#!/no/such/python\n")
    text = f"""
[hooks]
prepare = ["{tmp_path}/hook"]
restart = ["{{bin}}/no-such-program-yet"]
[[check]]
name = "self-test"
when = "candidate"
command = ["{tmp_path}/probe"]
"""
    settings = parse_settings(text, path="venvship.toml", folder_name="shop")

    with pytest.raises(ProgramNotFoundError) as caught:
        find_programs_of_the_host(settings, context.environ, root=context.root)

    keys = [problem["key"] for problem in caught.value.data["problems"]]
    assert keys == ["hooks.prepare", "check self-test"], "what may be in the release is looked up later"
    assert "Windows line ends" in caught.value.message
    ended = run_hook("prepare", (f"{tmp_path}/hook",), context, timeout=50)
    assert "Windows line ends" in ended.output, "a rollback does not look before it runs a hook"


def test_a_last_line_without_end_takes_no_time(context: Context) -> None:
    began = time.process_time()

    result = run_hook(
        "prepare", ("sh", "-c", "yes :// | head -c 60000 | tr -d '\\n'; exit 1"), context, timeout=50
    )

    assert (result.output, len(result.said)) == ("exit 1", 100)
    assert time.process_time() - began < 5
