"""What a slot keeps, and what is told where a slot fails: its link, its mark, its drain, its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.operations.test_service import lock_web, released
from tests.support.service import Slots
from venvship.errors import UntrustedError
from venvship.operations.service.retiring import drain_left, retire
from venvship.operations.service.slots import hold_slots
from venvship.operations.switching.proving import proven
from venvship.root import RootLayout
from venvship.system.signals import Signals
from venvship.workspace.slots import read_notes, started_slots
from venvship.workspace.workspace import Workspace


def workspace_of(service: Slots, **changes: Any) -> Workspace:
    """The root, as a command has it."""
    workspace = Workspace(RootLayout.at(service.site.path), service.site.runtime(**changes))
    workspace.open_for_writing()
    return workspace


def names(service: Slots, slot: str) -> str:
    """The release that a slot's link names; `""` without a link."""
    link = service.folder / slot
    return os.path.basename(os.readlink(link)) if os.path.lexists(link) else ""


def kill_while_it_is_proven(service: Slots, version: str, slot: str) -> None:
    """Leave a candidate up in a slot, as a release does that is killed while it waits for an answer."""
    service.write_settings(timeout=60, top="env = { WEB_STATUS = '503' }")
    lock_web(service, version)
    with service.site.start("release") as release:
        service.wait_for(lambda: service.accepts(slot))
        release.kill()


def test_a_candidate_that_fails_leaves_the_slot_to_the_release_of_before(service: Slots) -> None:
    site = released(service, "1.0")
    first = site.current
    assert first is not None
    service.write_settings(timeout=1)
    lock_web(service, "2.0")
    assert site.run("release").code == 21
    assert (names(service, "a"), names(service, "b")) == (first, "")
    service.write_settings(timeout=60)
    released(service, "1.1")
    second = site.current
    service.write_settings(timeout=1)
    lock_web(service, "2.1")
    assert site.run("release").code == 21
    assert (names(service, "a"), names(service, "b")) == (first, second), "the assets of old pages are gone"
    # And it is told as the release that it runs, whoever needs the slot.
    told = [line.split() for line in service.log if line.startswith("stop")]
    assert {link for _, slot, link, release in told if link not in {slot, release}} == set()
    # A kill leaves it to the next command.
    kill_while_it_is_proven(service, "1.2", "a")
    assert names(service, "a") not in {first, second}
    (service.folder / ".to.0123").symlink_to("a.sock")
    done = site.run("recover")
    assert done.code == 0, done.err
    assert (names(service, "a"), names(service, "b"), service.up) == (first, second, ["b"])
    assert not os.path.lexists(service.folder / ".to.0123")


def test_a_found_slot_is_marked_until_it_is_live_or_given_up(service: Slots) -> None:
    site = released(service, "1.0")
    first = site.current
    assert first is not None
    service.write_settings(drain=60)
    lock_web(service, "1.1")
    with site.start("release") as release:
        service.wait_for(lambda: service.version() == "1.1" and site.previous == first)
        release.kill()
    service.write_settings(drain=0)
    workspace = workspace_of(service)
    settings, layout = workspace.settings(), workspace.layout
    ask = (
        "import sys; from venvship.root import RootLayout; from venvship.workspace.slots import read_notes\n"
    )
    ask += f"sys.exit(not read_notes(RootLayout.at({str(site.path)!r})).tried_by('a'))"

    def give_up() -> None:
        with proven(workspace, settings, first, event="promote") as slot:
            assert (slot, service.up) == ("a", ["a", "b"])
            subprocess.run([sys.executable, "-c", ask], check=True)  # another command leaves it alone
            raise ValueError("given up")

    with pytest.raises(ValueError, match="given up"):
        give_up()
    assert read_notes(layout).trying is None
    assert (service.up, started_slots(layout)) == (["b"], {"b"})


class _Switching(Signals):
    """A sleep during which customers are led there and back, once."""

    def __init__(self, live: Path) -> None:
        super().__init__()
        self.slept: list[float] = []
        self._live = live

    def sleep(self, seconds: float, *, poll: Callable[[], None] | None = None) -> None:  # noqa: ARG002
        """Note it instead."""
        self.slept.append(seconds)
        now = os.lstat(self._live).st_mtime + 50
        if len(self.slept) == 1:
            os.utime(self._live, (now, now), follow_symlinks=False)


def test_a_drain_lasts_from_the_outcome_of_the_last_switch(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    service.write_settings(drain=100)
    live = service.folder / "live.sock"
    long_ago = os.lstat(live).st_mtime - 80  # the live checks took as long
    os.utime(live, (long_ago, long_ago), follow_symlinks=False)
    workspace = workspace_of(service, clock=site.later(seconds=40))
    with hold_slots(workspace, workspace.settings()) as held:
        assert 30 < drain_left(held) < 70
    # It begins anew while it is under way.
    subprocess.run([sys.executable, "-I", service.manager, service.folder, "start", "a"], check=True)
    service.wait_for(lambda: service.accepts("a"))
    signals = _Switching(live)
    now = os.lstat(live).st_mtime + 80 + 40
    os.utime(live, (now, now), follow_symlinks=False)
    workspace = workspace_of(service, clock=site.later(seconds=40), signals=signals)
    retire(workspace, workspace.settings())
    assert len(signals.slept) == 2
    assert service.up == ["b"]


def test_a_one_way_release_that_no_slot_answers_for_says_where_customers_are(service: Slots) -> None:
    site = released(service, "1.0")
    service.write_settings(timeout=1, text="overlap = false\n")
    lock_web(service, "2.0")
    done = site.run("release", "--one-way", "-m", "new tables", "--json")
    error = done.json["error"]
    assert (done.code, error["slug"]) == (23, "one-way-stays"), done.err
    assert "customers are led to slot a, where nothing answers" in error["message"]
    assert "`venvship handover ensure`" in error["hint"]
    service.write_settings()
    released(service, "1.1")
    assert (service.version(), service.up) == ("1.1", [service.live])


def test_destroy_waits_for_no_command_that_uses_the_slots(service: Slots) -> None:
    (service.folder / "kept").touch()
    workspace = workspace_of(service)
    with hold_slots(workspace, workspace.settings()):
        done = service.site.run("destroy", "--yes", "--force")
        assert done.code == 30, done.err
    assert service.site.run("destroy", "--yes", "--force").code == 0


def test_a_folder_that_others_could_replace_is_refused_but_on_a_way_back(service: Slots) -> None:
    above = service.folder
    service.folder = above / "in"
    service.write_settings()
    above.chmod(0o777)
    workspace = workspace_of(service)
    settings = workspace.settings()
    with pytest.raises(UntrustedError, match=above.name), hold_slots(workspace, settings, strict=True):
        pass
    with hold_slots(workspace, settings):
        pass
    above.chmod(0o755)
    workspace = workspace_of(service)
    with hold_slots(workspace, settings, strict=True):
        pass
