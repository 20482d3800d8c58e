"""The system's log hears of every change of state, after the journal has it, and can stop none."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.roots import Site
from venvship.errors import BuildError, RollbackFailedError, RolledBackError
from venvship.model.log_line import SEVERITIES


@dataclass
class SystemLog:
    """A socket to be told, and what it was told."""

    path: str
    server: socket.socket

    def lines(self) -> list[str]:
        """What came since the last time: without time and process, with the severity in front."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while packet := self.server.recv(4096).decode():
                match = re.fullmatch(r"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d venvship\[\d+\]: (.*)", packet)
                assert match, packet
                found.append(f"{int(match[1]) % 8} {match[2]}")
        return found

    def __call__(self, site: Site, **changes: Any) -> Any:
        """The root, through the API, with this log."""
        return site.open(syslog=self.path, **changes)


@pytest.fixture
def log() -> Iterator[SystemLog]:
    with (
        tempfile.TemporaryDirectory(prefix="vs-") as folder,  # the address of a socket has 108 bytes
        contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server,
    ):
        path = str(Path(folder) / "log")
        server.bind(path)
        server.setblocking(False)
        yield SystemLog(path, server)


def release(log: SystemLog, site: Site, version: str, **options: Any) -> str:
    site.lock(version)
    return str(log(site).release(**options).release.id)


def test_a_life_in_lines(log: SystemLog, site: Site) -> None:
    a = release(log, site, "1.0", message="the shop opens")
    anchor = site.open().show(a).release.manifest_sha256
    assert log.lines() == [
        f"6 shop: sealed {a} (manifest sha256:{anchor}) by tester: the shop opens",
        f"6 shop: promoted {a} by tester: the shop opens",
    ]
    b = release(log, site, "1.1")
    assert log.lines()[1:] == [f"6 shop: promoted {b} (was {a}) by tester"]
    log(site).rollback(message="checkout\nis broken")
    assert log.lines() == [f"4 shop: rolled-back {a} (was {b}) by tester: checkout\\nis broken"]
    log(site).hold(message="stocktaking")
    assert log.lines() == [f"4 shop: held {a} by tester: stocktaking"]
    log(site).unhold()
    assert log.lines() == [f"6 shop: unheld {a} by tester"]
    log(site).pin(b)
    log(site).status()
    assert log.lines() == []


def test_every_line_has_its_event_in_the_journal(log: SystemLog, site: Site) -> None:
    a = release(log, site, "1.0")
    check = "[[check]]\nname = 'no'\ndeadline = 0\ncommand = ['sh', '-c', \"[ $VENVSHIP_RELEASE = {} ]\"]\n"
    site.settings(check.format(a))
    with pytest.raises(RolledBackError):
        release(log, site, "1.1")
    site.settings(check.format("none"))
    with pytest.raises(RollbackFailedError):
        release(log, site, "1.2")
    (site.path / "requirements.txt").write_text(f"gone==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(BuildError):
        log(site).release()
    lines = log.lines()
    told = [line.split()[2] for line in lines]
    assert told == [event for event in site.events() if event in SEVERITIES]
    assert told == [
        *("sealed", "promoted", "sealed", "rolled-back", "sealed", "rollback-failed", "build-failed")
    ]
    assert [line[0] for line in lines] == ["6", "6", "6", "4", "6", "3", "4"]


def test_a_removal_is_told_and_one_that_failed_too(log: SystemLog, site: Site) -> None:
    release(log, site, "1.0")
    site.settings("keep_failed = 0\n")
    tried = release(log, site, "1.1", no_promote=True)
    lease = site.path / "state" / "leases" / tried
    lease.unlink()
    lease.mkdir()
    log.lines()
    b = release(log, site, "1.2")
    _sealed, promoted, pruned, failed = log.lines()
    assert promoted.startswith(f"6 shop: promoted {b} ")
    assert pruned.startswith(f"6 shop: pruned {tried} by tester: ")
    assert failed.startswith("4 shop: prune-failed by tester: ")
    assert str(lease) in failed


def test_a_root_may_keep_to_itself(log: SystemLog, site: Site) -> None:
    site.settings("syslog = false\n")
    release(log, site, "1.0")
    assert log.lines() == []
    (site.path / "venvship.toml").write_text("[[[")
    log(site).hold()
    assert log.lines() == [], "the settings of the last promotion say so"


def test_settings_that_are_broken_silence_nothing(log: SystemLog, site: Site) -> None:
    release(log, site, "1.0")
    log.lines()
    (site.path / "venvship.toml").write_text("[[[")
    (site.path / "state" / "settings.toml").unlink()
    log(site).hold(message="what now")
    assert log.lines() == [f"4 {site.path.name}: held {site.current} by tester: what now"]


def test_the_journal_comes_first(log: SystemLog, site: Site) -> None:
    release(log, site, "1.0")
    log.lines()
    journal = site.path / "state" / "journal.jsonl"
    journal.write_text("#" + journal.read_text())
    with pytest.raises(Exception, match="the journal is damaged"):
        log(site).hold()
    assert log.lines() == [], "what did not happen is not told"


def test_a_rollback_that_could_not_be_recorded_is_told(log: SystemLog, site: Site) -> None:
    a, b = release(log, site, "1.0"), release(log, site, "1.1")
    log.lines()
    journal = site.path / "state" / "journal.jsonl"
    journal.write_text("#" + journal.read_text())
    log(site).rollback(message="broken")
    [line] = log.lines()
    assert line.startswith(f"4 shop: rolled-back {a} (was {b}) by tester: broken (not in the journal: ")


Breaking = Callable[[SystemLog], None]


def nobody(log: SystemLog) -> None:
    log.server.close()


def gone(log: SystemLog) -> None:
    Path(log.path).unlink()


def full(log: SystemLog) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sender:
        sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sender.sendto(b"x" * 500, log.path)


@pytest.mark.parametrize("trouble", [nobody, gone, full])
def test_a_log_that_cannot_be_told_fails_and_delays_nothing(
    log: SystemLog, site: Site, trouble: Breaking
) -> None:
    a, _ = release(log, site, "1.0"), release(log, site, "1.1")
    trouble(log)
    done = site.run("rollback", "--json", env={"VENVSHIP_SYSLOG": log.path}, timeout=20)
    assert (done.code, done.json["warnings"], site.current) == (0, [], a)


def test_the_command_line_tells_the_log_that_its_environment_names(log: SystemLog, site: Site) -> None:
    done = site.run("release", "--json", env={"VENVSHIP_SYSLOG": log.path})
    assert done.code == 0, done.err
    [_sealed, line] = log.lines()
    assert line.startswith(f"6 shop: promoted {json.loads(done.out)['data']['release']['id']} by ")
    assert site.run("hold", env={"VENVSHIP_SYSLOG": ""}).code == 0
    assert log.lines() == []


def test_a_command_reads_the_settings_once_and_not_for_each_line(log: SystemLog, site: Site) -> None:
    """An edit of the file, half-way through a release, does not decide where its events are logged."""
    (site.path / "edited.toml").write_text('name = "other"\n')
    site.settings(f"[hooks]\nprepare = ['cp', '{site.path}/edited.toml', '{site.path}/venvship.toml']\n")

    live = release(log, site, "1.0")

    assert log.lines()[1:] == [f"6 shop: promoted {live} by tester"]
    log(site).hold()
    assert log.lines() == [f"4 other: held {live} by tester: held by hand"]
