"""What a slot, its notes and its manager may not be blamed for, or lose."""

from __future__ import annotations

import os

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
