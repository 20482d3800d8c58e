"""What a slot, its notes and its manager may not be blamed for, or lose."""

from __future__ import annotations

import os

import pytest

from tests.operations.test_service import lock_web, released
from tests.operations.test_slots_kept import kill_while_it_is_proven, names, workspace_of
from tests.operations.test_slots_shared import note
from tests.support.service import Slots
from venvship.operations.reporting.report import status
from venvship.system import proc


def test_a_release_is_not_to_blame_for_an_old_slot_that_cannot_be_stopped(service: Slots) -> None:
    site = released(service, "1.0")
    service.write_settings(text="overlap = false\n")
    manager = service.manager.read_text()
    service.manager.write_text(f"import sys\nif sys.argv[2:] == ['stop', 'a']: sys.exit(5)\n{manager}")
    lock_web(service, "1.1")
    done = site.run("release", "--json")
    listed = site.run("list", "--json").data["releases"]
    assert (done.code, [one["state"] for one in listed]) == (22, ["inconclusive", "proven"]), done.err
    assert service.version() == "1.0"


def test_a_candidate_that_a_kill_left_up_gives_its_slot_back_whoever_stops_it(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    first, second = site.previous, site.current
    assert first is not None
    kill_while_it_is_proven(service, "1.2", "a")
    assert names(service, "a") not in {first, second}
    service.write_settings()
    done = site.run("handover", "ensure")
    assert done.code == 0, done.err
    assert (names(service, "a"), names(service, "b"), service.up) == (first, second, ["b"])


def test_status_tells_of_a_slot_left_up_once_no_command_is_about_it(service: Slots) -> None:
    site = released(service, "1.0")
    service.write_settings(drain=100)
    live, parent = service.folder / "live.sock", os.getppid()
    long_ago = os.lstat(live).st_mtime - 1000  # the live checks took as long
    os.utime(live, (long_ago, long_ago), follow_symlinks=False)

    def told(seconds: float) -> set[str]:
        return {one.slug for one in status(workspace_of(service, clock=site.later(seconds=seconds))).warnings}

    note(service, "a", "b")
    assert (told(40), told(200)) == (set(), {"slot-left-up"})
    note(service, "a", "b", trying="b", pid=parent, since=proc.start_ticks(parent))
    assert told(200) == set()
    note(service, "a", "b", trying="b", pid=parent, since="1")
    assert told(200) == {"slot-left-up"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a socket of another user")
@pytest.mark.parametrize("goes_back", [True, False], ids=["a-release-that-fails", "ensure"])
def test_a_slot_that_runs_as_a_user_of_before_is_started_anew(service: Slots, goes_back: bool) -> None:
    """As after a change of `service.user`: the way back must not end at its socket."""
    site = released(service, "1.0")
    first, socket = site.current, str(service.folder / "a.sock")
    if goes_back:
        chown = f"os.chown({socket!r}, 65534, 0)"
        script = f"import os, sys, web; web.VERSION == '1.1' and ({chown}, sys.exit(1))"
        check = f"[[check]]\nname = 'no'\ndeadline = 0\ncommand = ['python', '-c', \"{script}\"]\n"
        service.write_settings(check, drain=0)
        lock_web(service, "1.1")
        done = site.run("release")
        assert done.code == 22, done.err
        assert "rollback-failed" not in site.events()
    else:
        os.chown(socket, 65534, 0)
        done = site.run("handover", "ensure")
        assert done.code == 0, done.err
    assert (site.current, service.version(), service.up) == (first, "1.0", [service.live])
    assert os.lstat(service.folder / f"{service.live}.sock").st_uid == 0
