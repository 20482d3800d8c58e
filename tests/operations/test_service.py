"""The service in two slots: proven before the switch, led to by one rename, taken back by one rename."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.roots import Site
from tests.support.service import Slots


def released(service: Slots, *versions: str) -> Site:
    """Release versions one after the other; each goes live."""
    for version in versions:
        lock_web(service, version)
        done = service.site.run("release")
        assert done.code == 0, done.err
    return service.site


def lock_web(service: Slots, version: str) -> None:
    """Write the lockfile of a version."""
    service.site.lock(version)


def test_a_release_is_proven_in_the_free_slot_and_the_old_one_stops(service: Slots) -> None:
    site = released(service, "1.0")
    assert (service.version(), service.live, service.up) == ("1.0", "a", ["a"])
    lock_web(service, "1.1")
    done = site.run("release", "--json")
    assert done.code == 0, done.err
    assert [check["name"] for check in done.data["checks"]] == ["service"]
    assert done.data["release"]["state"] == "proven"
    assert (service.version(), service.live, service.up) == ("1.1", "b", ["b"])
    assert service.ask()[1].split()[1] == site.current


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3"])
def test_a_release_that_does_not_answer_for_itself_is_refused_before_the_switch(
    service: Slots, version: str
) -> None:
    site = released(service, "1.0")
    service.write_settings(timeout=1)
    before, log = site.current, len(service.log)
    lock_web(service, version)
    done = site.run("release")
    assert done.code == 21, done.err
    assert "the service does not pass" in done.err
    assert (site.current, service.version(), service.live, service.up) == (before, "1.0", "a", ["a"])
    assert [line.split()[:2] for line in service.log[log:]] == [["stop", "b"], ["start", "b"], ["stop", "b"]]
    listed = site.run("list", "--json").data["releases"]
    assert [release["state"] for release in listed] == ["rejected", "proven"]


def test_a_release_that_does_not_name_itself_is_told_by_who_holds_its_socket(service: Slots) -> None:
    released(service, "2.4")
    assert service.ask()[1].split()[:2] == ["2.4", "-"]


@pytest.mark.parametrize("previous_runs", [True, False], ids=["drains", "stopped"])
def test_a_rollback_leads_back(service: Slots, previous_runs: bool) -> None:
    site = released(service, "1.0")
    first = site.current
    service.write_settings(drain=30 if previous_runs else 0)
    lock_web(service, "1.1")
    if previous_runs:
        with site.start("release") as release:
            service.wait_for(lambda: service.version() == "1.1" and site.current != first)
            pid = service.pid("a")
            service.write_settings(drain=0)
            done = site.run("rollback")
            release.send_signal(15)
        assert service.pid("a") == pid
    else:
        assert site.run("release").code == 0
        done = site.run("rollback")
    assert done.code == 0, done.err
    assert (site.current, service.version(), service.up) == (first, "1.0", [service.live])


def test_a_failed_live_check_is_one_rename_back(service: Slots) -> None:
    site = released(service, "1.0")
    first, pid = site.current, service.pid("a")
    service.write_settings(service.refusing("1.1"))
    lock_web(service, "1.1")
    done = site.run("release")
    assert done.code == 22, done.err
    assert (site.current, service.version(), service.up, service.pid("a")) == (first, "1.0", ["a"], pid)


def test_a_first_release_that_fails_leaves_nothing_up(service: Slots) -> None:
    service.write_settings(service.refusing("1.0"))
    lock_web(service, "1.0")
    done = service.site.run("release")
    assert done.code == 22, done.err
    assert (service.site.current, service.up) == (None, [])
    assert not os.path.lexists(service.folder / "live.sock")


def test_a_rollback_to_what_does_not_answer_leaves_both_links(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    before = site.current
    service.write_settings(timeout=1, top="env = { WEB_STATUS = '503' }")
    for name, extra in (("rollback", ()), ("no checks", ("--no-checks",))):
        done = site.run("rollback", *extra)
        assert done.code == (21 if name == "rollback" else 0), done.err
        if name == "rollback":
            assert "Nothing was switched" in done.err
            assert (site.current, service.version(), service.up) == (before, "1.1", ["b"])
    assert site.current != before
    assert (service.version(), service.live, service.up) == ("1.0", "a", ["a"])


def test_a_restart_goes_through_the_other_slot(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    before, previous, pid = site.current, site.previous, service.pid("b")
    done = site.run("restart", "-m", "new certificate", "--json")
    assert done.code == 0, done.err
    assert done.data["slot"] == "a"
    assert (site.current, site.previous, service.version(), service.up) == (before, previous, "1.1", ["a"])
    assert service.pid("a") != pid
    events = site.run("history", "--json").data["events"]
    assert (events[0]["event"], events[0]["reason"]) == ("restarted", "new certificate")


def test_a_restart_that_fails_leaves_the_old_process(service: Slots) -> None:
    site = released(service, "1.0")
    pid = service.pid("a")
    service.write_settings(timeout=1, top="env = { WEB_STATUS = '503' }")
    done = site.run("restart")
    assert done.code == 21, done.err
    assert (service.pid("a"), service.up, service.version()) == (pid, ["a"], "1.0")
    service.write_settings(service.refusing("1.0"))
    done = site.run("restart")
    assert done.code == 22, done.err
    assert (service.pid("a"), service.up, service.version()) == (pid, ["a"], "1.0")


def test_after_a_boot_ensure_brings_up_what_current_says(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    service.close()
    for path in service.folder.iterdir():  # as /run after a boot
        path.unlink()
    done = site.run("handover", "ensure", "--json")
    assert done.code == 0, done.err
    assert (done.data["outcome"], done.data["release"]) == ("started", site.current)
    assert (service.version(), service.up) == ("1.1", [service.live])
    assert site.run("handover", "ensure", "--json").data["outcome"] == "unchanged"
    assert site.run("check").code == 0


def test_without_overlap_the_old_slot_stops_first(service: Slots) -> None:
    site = released(service, "1.0")
    service.write_settings(top="", text="overlap = false\n")
    log = len(service.log)
    lock_web(service, "1.1")
    assert site.run("release").code == 0
    calls = [line.split()[:2] for line in service.log[log:]]
    assert calls[-2:] == [["stop", "a"], ["start", "b"]]
    assert (service.version(), service.up) == ("1.1", ["b"])
    first = site.current
    lock_web(service, "2.0")
    done = site.run("release")
    assert done.code == 22, done.err
    assert (site.current, service.version(), service.up) == (first, "1.1", [service.live])


@pytest.mark.parametrize("moment", ["proving", "draining"])
def test_what_a_killed_command_leaves_up_is_stopped_by_the_next(service: Slots, moment: str) -> None:
    site = released(service, "1.0")
    service.write_settings(
        drain=60, timeout=60, top="" if moment == "draining" else "env = { WEB_STATUS = '503' }"
    )
    first = site.current
    lock_web(service, "1.1")
    with site.start("release") as release:
        if moment == "draining":
            service.wait_for(lambda: service.version() == "1.1" and site.previous == first)
        else:
            service.wait_for(lambda: service.pid("b") is not None and service.accepts("b"))
        release.kill()
    assert service.up == ["a", "b"]
    service.write_settings(drain=0)
    done = site.run("recover")
    assert done.code == 0, done.err
    live = "a" if moment == "proving" else "b"
    assert (service.live, service.up, service.ask()[1].split()[1]) == (live, [live], site.current)


def test_destroy_leaves_nothing_of_the_slots(service: Slots) -> None:
    site = released(service, "1.0")
    assert site.run("destroy", "--yes").code == 25  # it runs
    service.close()
    done = site.run("destroy", "--yes", "--force")
    assert done.code == 0, done.err
    assert {path.name for path in service.folder.iterdir()} == {"a.pid", "manager.log"}


def test_another_folder_of_the_slots_is_refused_while_the_old_ones_run(
    service: Slots, tmp_path: Path
) -> None:
    site = released(service, "1.0")
    settings = site.path / "venvship.toml"
    text = settings.read_text()
    settings.write_text(text.replace(f'socket_dir = "{service.folder}"', 'socket_dir = "run"'))
    lock_web(service, "1.1")
    done = site.run("release")
    assert done.code == 12, done.err
    assert str(service.folder) in done.err
    assert (service.version(), service.up) == ("1.0", ["a"])
    settings.write_text(text)
    assert site.run("release").code == 0
    assert (service.version(), service.up) == ("1.1", ["b"])


def test_a_slot_of_another_root_is_refused(service: Slots, tmp_path: Path) -> None:
    site = released(service, "1.0")
    before = site.current
    other = tmp_path / "other" / "state"
    other.mkdir(parents=True)
    (other / "journal.jsonl").touch()
    (service.folder / "b").symlink_to(tmp_path / "other" / "releases" / "x")
    lock_web(service, "1.1")
    done = site.run("release")
    assert done.code == 12, done.err
    assert "another root" in done.err
    assert (site.current, service.version(), service.up) == (before, "1.0", ["a"])


def test_a_restart_without_overlap_that_fails_starts_again(service: Slots) -> None:
    site = released(service, "1.0")
    service.write_settings(timeout=2, top="env = { WEB_STATUS = '503' }", text="overlap = false\n")
    done = site.run("restart")
    assert done.code == 21, done.err
    assert "was stopped before it" in done.err
    service.write_settings(text="overlap = false\n")
    assert site.run("recover").code == 0
    assert site.run("handover", "ensure").code == 0
    assert (service.version(), service.up) == ("1.0", [service.live])


def test_recover_leads_customers_to_what_is_current(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    (service.folder / "live.sock").unlink()
    done = site.run("recover")
    assert done.code == 0, done.err
    assert (service.version(), service.up) == ("1.1", [service.live])
    assert service.ask()[1].split()[1] == site.current


def test_a_rollback_does_not_ask_who_connects(service: Slots) -> None:
    site = released(service, "1.0", "1.1")
    service.write_settings(text='web_user = "nobody-of-this-name"\n')
    lock_web(service, "1.2")
    assert site.run("release").code == 10
    done = site.run("rollback", "--no-checks")
    assert done.code == 0, done.err
    assert (service.version(), service.up) == ("1.0", [service.live])


def test_slots_that_run_on_without_a_service_are_told_with_the_command_that_ends_them(service: Slots) -> None:
    site = released(service, "1.0")
    first, pid = site.current, service.pid("a")
    (site.path / "venvship.toml").write_text('name = "web"\nsyslog = false\n')
    lock_web(service, "1.1")
    done = site.run("release", "--json")
    assert done.code == 0, done.err
    told = [one["message"] for one in done.json["warnings"] if one["slug"] == "slot-orphaned"]
    assert f"slot a still runs {first}" in told[0]
    assert f"{service.manager} {service.folder} stop a`" in told[0]
    assert service.pid("a") == pid
    assert told[0] in [one["message"] for one in site.run("status", "--json").json["warnings"]]
    monitored = site.run("check", "--monitor")
    assert monitored.code == 1, monitored.out
    assert "To end it" in monitored.out
    service.close()
    assert site.run("status", "--json").json["warnings"] == []
    assert site.run("check", "--monitor").code == 0


@pytest.mark.parametrize("boot", [False, True], ids=["by hand", "boot"])
def test_ensure_undoes_an_untried_promotion_only_at_boot(service: Slots, tmp_path: Path, boot: bool) -> None:
    site = released(service, "1.0")
    first, waits = site.current, tmp_path / "waits"
    waits.touch()
    slow = tmp_path / "slow.py"
    slow.write_text(f"import os, time\nwhile os.path.exists('{waits}'): time.sleep(0.05)\n")
    service.write_settings(f"[[check]]\nname = 'slow'\ncommand = ['python', '{slow}']\n", drain=0)
    lock_web(service, "1.1")
    with site.start("release") as release:
        service.wait_for(lambda: site.current != first and service.version() == "1.1")
        release.kill()
    waits.unlink()
    second = site.current
    done = site.run("handover", "ensure", *(("--boot",) if boot else ()), "--json")
    assert done.code == 0, done.err
    assert (site.current, service.version()) == ((first, "1.0") if boot else (second, "1.1"))
    assert service.up == [service.live]
    assert site.run("history", "--json").data["events"][0]["event"] == ("rolled-back" if boot else "promoted")


@pytest.mark.parametrize("command", [("release",), ("update",), ("promote", "current")], ids=lambda c: c[0])
def test_a_release_that_is_there_already_is_brought_up(service: Slots, command: tuple[str, ...]) -> None:
    site = service.site
    (site.path / "venvship.toml").write_text('name = "web"\nsyslog = false\n')
    released(service, "1.0")
    assert service.up == []
    service.write_settings(timeout=1, top="env = { WEB_STATUS = '503' }")
    done = site.run(*command, "--json")
    assert (done.code, done.json["error"]["slug"]) == (23, "not-answering"), done.err
    assert service.up == []
    if command == ("update",):
        again = site.run(*command)
        assert (again.code, again.err) == (23, "")
    service.write_settings()
    done = site.run(*command, "--json")
    assert done.code == 0, done.err
    assert (done.data["outcome"], done.data["changed"]) == ("unchanged", True)
    assert (service.version(), service.up) == ("1.0", [service.live])
    assert site.run(*command, "--json").data["changed"] is False
