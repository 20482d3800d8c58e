"""A slot that must be stopped is stopped, or reported, whatever else is wrong."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.operations.test_service import lock_web, released
from tests.operations.test_slots_kept import workspace_of
from tests.support.limits import no_more_descriptors
from tests.support.processes import script_at
from tests.support.service import Slots
from venvship.operations.service.proof import stop_quietly
from venvship.operations.service.slots import hold_slots
from venvship.root import RootLayout
from venvship.workspace.slots import started_slots


def test_a_slot_that_could_not_be_stopped_for_want_of_descriptors_is_reported(service: Slots) -> None:
    variables = service.site.path / "service.env"
    variables.write_text("A=1\n")
    service.write_settings(top="env_file = 'service.env'")
    variables.chmod(0o600)
    released(service, "1.0")
    workspace = workspace_of(service)
    settings = workspace.settings()
    with hold_slots(workspace, settings) as held:
        assert held.slots.accepts("a")
        assert workspace.variables(settings).values == {"A": "1"}
        with no_more_descriptors():
            stop_quietly(held, "a")
    assert service.up == ["a"]
    assert {one.slug for one in workspace.warnings} == {"env-file-unread", "slot-not-stopped"}
    # Where it cannot be told whether others may write that file, it is not read, and the slot is stopped.
    workspace = workspace_of(service)
    with hold_slots(workspace, settings) as held:
        variables.chmod(0o666)
        workspace.layout.trust_file.write_text("{}")
        stop_quietly(held, "a")
    assert service.up == []
    assert {one.slug for one in workspace.warnings} == {"env-file-unread"}


@pytest.mark.parametrize(
    "command", [("release", "--force"), ("handover", "ensure")], ids=lambda words: words[0]
)
def test_a_recovery_is_told_also_where_its_release_does_not_answer(
    service: Slots, tmp_path: Path, command: tuple[str, ...]
) -> None:
    site = released(service, "1.0", "1.1")
    service.close()
    told, current, first = tmp_path / "told", site.path / "current", site.previous
    assert first is not None
    current.unlink()
    current.symlink_to(f"releases/{first}")
    lock_web(service, "1.0")
    refusing = "env = { WEB_STATUS = '503' }"
    service.write_settings(f"[hooks]\nnotify = ['sh', '-c', 'cat >> {told}']\n", top=refusing, timeout=1)
    done = site.run(*command, "--json")
    assert (done.code, done.json["error"]["slug"]) == (23, "not-answering"), done.err
    assert [json.loads(line)["event"] for line in told.read_text().splitlines()] == ["recovered"]


@pytest.mark.parametrize("command", [("release",), ("promote", "current")], ids=lambda words: words[0])
def test_a_slot_whose_server_died_is_stopped_once_the_other_one_is_up(
    service: Slots, command: tuple[str, ...]
) -> None:
    site = released(service, "1.0")
    service.close()
    log = len(service.log)
    assert site.run(*command).code == 0
    assert (service.live, service.up, started_slots(RootLayout.at(site.path))) == ("b", ["b"], {"b"})
    assert [line.split()[:2] for line in service.log[log:]][-1] == ["stop", "a"]


def test_a_stale_socket_that_is_closed_to_the_owner_keeps_no_release_from_its_slot(
    service: Slots, tmp_path: Path
) -> None:
    site = released(service, "1.0")
    stale = service.folder / "b.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stale))
    stale.chmod(0)
    if os.geteuid() == 0:  # it can open all that it has no rights to
        if shutil.which("setpriv") is None:
            pytest.skip("there is no setpriv: apt-get install util-linux")
        without = "exec setpriv --bounding-set=-dac_override,-dac_read_search"
        program = script_at(tmp_path / "venvship", f'#!/bin/sh\n{without} {site.program} "$@"\n')
        site.program = str(program)
    done = site.run("handover", "status", "--json")
    assert [(slot["slot"], slot["answers"]) for slot in done.data["slots"]] == [("a", True), ("b", None)]
    assert "unknown: this user cannot connect" in site.run("handover", "status").out
    lock_web(service, "1.1")
    done = site.run("release")
    assert done.code == 0, done.err
    assert (service.version(), service.live, service.up) == ("1.1", "b", ["b"])
