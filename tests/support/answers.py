"""What a command answered, held against the promises that hold for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import commands
from tests.support.roots import Finished, Site, command, finish

ENVELOPE = {"venvship", "command", "ok", "exit_code", "data", "warnings", "error"}


def envelope(done: Finished) -> dict[str, Any]:
    """The JSON object on standard output, after what is true of every one of them."""
    assert done.out.strip(), f"nothing on standard output; standard error: {done.err}"
    body = done.json
    assert set(body) == ENVELOPE
    assert body["venvship"] == 1
    assert isinstance(body["data"], dict)
    assert body["exit_code"] == done.code
    assert body["ok"] is (done.code == 0)
    assert (body["error"] is None) is (done.code == 0)
    for warning in body["warnings"]:
        assert set(warning) >= {"slug", "message"}
        assert all(isinstance(text, str) for text in warning.values())
        assert commands.refused(warning["message"]) == []
    if body["error"] is not None:
        error = body["error"]
        assert set(error) >= {"slug", "message", "hint"}
        assert error["message"]
        assert error["hint"] is None or error["hint"]
        assert commands.refused(error["message"]) + commands.refused(error["hint"] or "") == []
    return body


def accepted(done: Finished) -> dict[str, Any]:
    """The data of a command that was to succeed."""
    body = envelope(done)
    assert done.code == 0, body["error"]
    data: dict[str, Any] = body["data"]
    return data


def refusal(done: Finished, code: int, slug: str) -> dict[str, Any]:
    """The error of a command that was to fail in this way."""
    error: dict[str, Any] | None = envelope(done)["error"]
    assert error is not None, done.out
    assert (done.code, error["slug"]) == (code, slug), error
    return error


def complaint(done: Finished, code: int) -> str:
    """What a failed command told people: one message on standard error, and no traceback."""
    assert done.code == code, f"{done.out}\n{done.err}"
    assert "Traceback" not in done.out + done.err
    assert len([line for line in done.err.splitlines() if line.startswith("error: ")]) == 1, done.err
    return done.err


def refused(
    site: Site, *arguments: str, code: int, slug: str, at_once: bool = True, only_current: bool = False
) -> dict[str, Any]:
    """Run a command that must fail, as JSON and as text; what is live stays, and nothing is left behind.

    Args:
        site: The root.
        arguments: The command line.
        code: The exit code.
        slug: The error's slug.
        only_current: Whether `previous` may move: recovery renews it when it finds another `current`.
        at_once: Run both forms at the same time, the second waiting for a mutex if need be; it saves time.

    Returns:
        The error of the JSON form.
    """
    before = links(site.path)
    if at_once:
        as_json, as_text = together(
            site, [*arguments, "--json", "--wait", "30"], [*arguments, "--wait", "30"]
        )
    else:
        as_json, as_text = site.run(*arguments, "--json"), site.run(*arguments)
    error = refusal(as_json, code, slug)
    text = complaint(as_text, code)
    if error["hint"]:
        assert "  → " in text
    after = links(site.path)
    assert after.get("current") == before.get("current")
    assert only_current or after == before
    assert site.debris() == []
    return error


def together(site: Site, *lines: Sequence[str]) -> list[Finished]:
    """Run several commands at the same time; none may need a mutex that another holds, unless it waits."""
    running = [site.start(*line) for line in lines]
    return [
        Finished(code=process.wait(), out=out, err=err)
        for process in running
        for out, err in [process.communicate()]
    ]


def links(root: Path) -> dict[str, str]:
    """What `current` and `previous` are, whatever they are."""
    found = {}
    for name in ("current", "previous"):
        path = root / name
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.exists():
            found[name] = "a directory" if path.is_dir() else path.read_text()
    return found


def released(site: Site, *versions: str) -> list[str]:
    """Release versions one after the other through the command; their ids."""
    ids = []
    for version in versions:
        site.lock(version)
        ids.append(accepted(site.run("release", "--json"))["release"]["id"])
    return ids


def states(site: Site) -> dict[str, str]:
    """Every release's state."""
    return {found["id"]: found["state"] for found in accepted(site.run("list", "--json"))["releases"]}


def only(release_id: str) -> str:
    """A shell line for a check or hook that is content with one release and no other."""
    return f"[ $VENVSHIP_RELEASE = {release_id} ]"


def run_as(site: Site, uid: int, *arguments: str) -> Finished:
    """Run the installed command in the root as another user; only root may."""
    options: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []}
    return finish(site.program, *arguments, cwd=site.path, env=site.environment, **options)


@dataclass(frozen=True)
class Measured:
    """A command's answer, and its cost: seconds of a processor, and bytes of memory at its peak."""

    done: Finished
    seconds: float
    peak: int


def measured(site: Site, *arguments: str) -> Measured:
    """Run the installed command in the root and measure it; its children do not count."""
    cost = site.path.parent / "measured"
    # By a small process: the kernel counts the memory of who starts a program as that program's own.
    ran = subprocess.run(
        [sys.executable, "-ISc", _METER, cost, command(), *arguments, "-C", str(site.path)],
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, kibibytes = cost.read_text().split()
    return Measured(Finished(ran.returncode, ran.stdout, ran.stderr), float(seconds), int(kibibytes) * 1024)


_METER = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
with open(sys.argv[1], "w") as file:
    print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""
