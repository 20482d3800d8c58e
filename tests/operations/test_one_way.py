"""Migrations: when the prepare hook runs, and releases from which there is no way back."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.roots import Site
from venvship.errors import (
    InterruptedByError,
    NoWayBackError,
    OneWayNeededError,
    RejectedError,
    RolledBackError,
    StaysError,
    SupersededError,
    UsageError,
)
from venvship.model.event import EventName
from venvship.model.release import State


class Database:
    """A file that stands for a database: the prepare hook writes a line with its variables to it."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self._file = folder / "database"
        self._sign = folder / "works"
        self.settings()
        self._sign.touch()

    def settings(self, *, script: str = "", restart: str = "true", more: str = "") -> None:
        """Write settings with a prepare hook, and a live check that `breaks_down` lets fail."""
        variables = "$VENVSHIP_EVENT,$VENVSHIP_PREVIOUS,$VENVSHIP_UNATTENDED,$VENVSHIP_ONE_WAY"
        self.site.settings(
            f"[hooks]\nprepare = ['sh', '-c', '{script} echo {variables} >> {self._file}']\n"
            f"restart = ['sh', '-c', '{restart}']\n{more}"
            f"[[check]]\nname = 'answers'\ndeadline = 0\ncommand = ['/usr/bin/test', '-e', '{self._sign}']\n"
        )

    def works(self) -> None:
        self._sign.touch()

    def breaks_down(self) -> None:
        self._sign.unlink(missing_ok=True)

    @property
    def migrations(self) -> list[str]:
        """What the prepare hook was told, each time that it ran."""
        return self._file.read_text().splitlines() if self._file.exists() else []


@pytest.fixture
def database(stocked: Site, tmp_path: Path) -> Database:
    return Database(stocked, tmp_path)


def release(site: Site, version: str, **options: Any) -> str:
    return site.release(version, message="drop the old column", one_way=True, **options)


def stays(site: Site, version: str) -> StaysError:
    """Release a version one-way that does not pass."""
    site.lock(version)
    with pytest.raises(StaysError) as caught:
        site.open().release(one_way=True, message="drop the old column")
    return caught.value


ASKS = '[ "$VENVSHIP_ONE_WAY" = 1 ] || exit 76;'
"""Of a prepare hook that cannot do its work in a way that can be gone back from."""

KILLS = "[ $VENVSHIP_EVENT = rollback ] || { kill -9 $PPID; sleep 9; }"
"""Of a restart hook: venvship dies with a release on trial."""


def test_prepare_never_runs_on_the_way_back_by_hand_or_automatic(database: Database, tmp_path: Path) -> None:
    site = database.site
    a = site.release("1.0")
    b = site.release("1.1")
    forward = ["reactivate,,,", f"reactivate,{a},,"]
    assert database.migrations == forward
    site.open().rollback()
    assert site.current == a
    site.open().rollback(b)
    assert (site.current, database.migrations) == (b, forward), "a person's rollback"
    database.breaks_down()
    site.lock("1.2")
    assert site.run("release", "--force").code == 23
    assert (site.current, len(database.migrations)) == (b, 3), "forward once, and not on the way back"
    database.works()
    database.settings(restart=KILLS)
    site.lock("1.3")
    assert site.run("release", "--force").code == -9
    assert site.run("recover").code == -9
    assert site.run("recover").code == 22
    assert (site.current, len(database.migrations)) == (b, 4), "nor in a recovery, forward or back"


def test_hooks_see_the_event_what_was_live_and_whether_a_person_is_there(database: Database) -> None:
    site = database.site
    site.environment |= {"VENVSHIP_ONE_WAY": "1", "VENVSHIP_UNATTENDED": "1"}  # of an outer venvship
    a = site.release("1.0")
    site.lock("1.1")
    b = site.open().update().release
    assert b is not None
    c = release(site, "1.2")
    site.open().promote(b.id, force=True)
    assert database.migrations == [
        "reactivate,,,",
        f"reactivate,{a},1,",
        f"reactivate,{b.id},,1",
        f"promote,{c},,",
    ]


def test_a_one_way_release_that_passes_is_marked_wherever_it_is_shown(
    database: Database, tmp_path: Path
) -> None:
    site = database.site
    told = tmp_path / "told"
    site.release("1.0")
    database.settings(more=f"notify = ['sh', '-c', 'cat >> {told}']\n")
    a = site.release("1.1")
    b = release(site, "1.2")
    assert site.open().show(b).release.one_way
    assert {view.id: view.one_way for view in site.open().list().releases}[a] is False
    assert site.run("show", "--json").data["release"]["one_way"] is True
    assert f"Release   {b} (current, one-way)" in site.run("show").out
    assert "current, one-way" in site.run("list").out
    status = site.run("status", "--json").data
    assert (status["current"]["one_way"], status["barrier"]) == (True, b)
    assert f"needs `--force`: {b} was released one-way" in site.run("status").out
    events = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(e["event"], e["release"], e["one_way"]) for e in events] == [
        ("released", a, False),
        ("released", b, True),
    ]
    facts = [e.facts.get("one_way") for e in site.open().history().events if e.release == b]
    assert facts == [True, True, None], "promoted, promoting, and not sealed"


def test_a_one_way_release_that_fails_stays_and_needs_a_person_until_check_passes(
    database: Database, tmp_path: Path
) -> None:
    site = database.site
    told = tmp_path / "told"
    a = site.release("1.0")
    database.settings(more=f"notify = ['sh', '-c', 'cat >> {told}']\n")
    database.breaks_down()
    site.lock("1.1")
    done = site.run("release", "--one-way", "-m", "drop the old column", "--json")
    b = str(site.current)
    assert (done.code, done.json["error"]["slug"]) == (23, "one-way-stays")
    assert b != a
    assert done.json["error"]["live"] == b == done.data["release"]["id"]
    assert done.data["outcome"] == "reactivated"
    assert "check 'answers' failed" in done.json["error"]["message"]
    assert "it stays live, since it was released one-way" in done.json["error"]["message"]
    assert "venvship rollback --force" in done.json["error"]["hint"]
    assert site.events()[-2:] == ["promoting", "promoted"]
    assert json.loads(told.read_text())["event"] == "one-way-stays"
    assert site.debris() == []

    said = site.run("status")
    assert f"a person is needed: {b} is live, and has not passed since" in said.err
    assert "when it was released one-way: check 'answers' failed" in said.err
    assert site.open().show(b).release.state is State.INCONCLUSIVE
    assert site.run("check").code == 40
    database.works()
    assert site.run("check").code == 0
    assert "person" not in site.run("status").err
    assert site.open().show(b).release.state is State.PROVEN


def test_nothing_is_removed_while_a_one_way_release_fails(database: Database) -> None:
    site = database.site
    before = [site.release(version) for version in ("1.0", "1.1", "1.2")]
    (site.path / "venvship.toml").write_text(f"keep = 2\n{(site.path / 'venvship.toml').read_text()}")
    database.breaks_down()
    stays(site, "1.3")
    assert {view.id for view in site.open().list().releases} > set(before)


def test_a_signal_during_the_trial_does_not_take_a_one_way_release_back(
    database: Database, tmp_path: Path
) -> None:
    site = database.site
    a = site.release("1.0")
    begun = tmp_path / "begun"
    database.settings(restart=f"[ $VENVSHIP_EVENT = rollback ] || {{ touch {begun}; sleep 60; }}")
    site.lock("1.1")
    releasing = site.start("release", "--one-way", "-m", "drop it", env={})
    _wait_for(begun)
    releasing.send_signal(signal.SIGTERM)
    _out, err = releasing.communicate(timeout=60)
    assert releasing.returncode == 23, err
    assert site.current != a
    assert "(interrupted: interrupted by SIGTERM)" in err
    assert site.events()[-1] == "promoted"
    assert "a person is needed" in site.run("status").err


def _wait_for(path: Path) -> None:
    limit = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_recovery_tries_a_one_way_release_again_and_never_takes_it_back(database: Database) -> None:
    site = database.site
    a = site.release("1.0")
    database.settings(restart=KILLS)
    site.lock("1.1")
    assert site.run("release", "--one-way", "-m", "drop it").code == -9
    b = str(site.current)
    assert b != a
    assert site.run("recover").code == -9, "tried again"
    done = site.run("recover", "--json")
    assert (done.code, site.current, done.data["outcome"]) == (23, b, "stays"), done.out
    assert "interrupted 2 times" in done.json["error"]["message"]
    assert site.run("recover").code == 0, "it is settled"
    assert "a person is needed" in site.run("status").err
    assert site.debris() == []


def test_recovery_keeps_a_one_way_release_that_passes_the_second_time(
    database: Database, tmp_path: Path
) -> None:
    site = database.site
    site.release("1.0")
    once = tmp_path / "once"
    database.settings(restart=f"[ -e {once} ] || {{ touch {once}; {KILLS}; }}")
    site.lock("1.1")
    assert site.run("release", "--one-way", "-m", "drop it").code == -9
    done = site.run("recover")
    b = str(site.current)
    assert done.code == 0, done.err
    view = site.open().show(b).release
    assert (view.one_way, view.state) == (True, State.PROVEN), "the journal had it from the first line on"
    assert site.run("rollback").code == 25


def test_at_boot_an_interrupted_one_way_release_stays_untried(database: Database, tmp_path: Path) -> None:
    site = database.site
    a = site.release("1.0")
    kept = (site.path / "state" / "settings.toml").read_bytes()
    asked = tmp_path / "asked"
    database.settings(restart=KILLS, more=f"[[check]]\nname = 'asked'\ncommand = ['touch', '{asked}']\n")
    site.lock("1.1")
    assert site.run("release", "--one-way", "-m", "drop it").code == -9
    b = str(site.current)
    done = site.run("recover", "--boot")
    assert (done.code, site.current, asked.exists()) == (23, b, False), done.err
    assert b != a
    assert "not tried again before the services started" in done.err
    assert (site.path / "state" / "settings.toml").read_bytes() == kept
    assert site.run("recover", "--boot").code == 0
    assert "a person is needed" in site.run("status").err
    database.settings()
    assert site.run("check").code == 0
    assert "a person" not in site.run("status").err


def test_a_rollback_past_a_one_way_release_is_refused_without_force(database: Database) -> None:
    site = database.site
    a, b = site.release("1.0"), site.release("1.1")
    c = release(site, "1.2")
    d = site.release("1.3")
    journal = site.events()
    assert site.run("rollback", "--dry-run").code == 0
    assert site.run("rollback").code == 0, "to the one-way release itself"
    assert site.current == c
    for arguments in ((), (a,), (b,), ("--dry-run",), ("--dry-run", a)):
        done = site.run("rollback", "--json", *arguments)
        assert (done.code, done.json["error"]["slug"], site.current) == (25, "no-way-back", c), arguments
        assert f"{c} was released one-way" in done.json["error"]["message"]
        assert "venvship rollback --force" in done.json["error"]["hint"]
    assert site.run("rollback", d).code == 0, "it was built after it"
    assert site.run("rollback", a).code == 25
    assert len(site.events()) == len(journal) + 4, "a refusal leaves nothing"
    assert site.run("rollback", "--force", b, "-m", "the dump is back").code == 0
    assert site.current == b
    assert site.run("rollback", a).code == 0, "the person has decided: nothing lies between any more"


def test_a_promotion_past_a_one_way_release_is_refused_without_force(database: Database) -> None:
    site = database.site
    a = site.release("1.0")
    b = release(site, "1.1")
    done = site.run("promote", a, "--json")
    assert (done.code, done.json["error"]["slug"]) == (25, "no-way-back")
    assert f"venvship promote --force {a}" in done.json["error"]["hint"]
    assert site.run("promote", a, "--dry-run").code == 25
    assert len(database.migrations) == 2, "its prepare hook was not run"
    assert site.run("promote", a, "--force").code == 0
    assert site.run("promote", b, "--force").code == 0
    assert site.run("rollback").code == 25, "where it is live again, it is a barrier again"


def test_an_earlier_lockfile_is_not_released_again_past_a_one_way_release(database: Database) -> None:
    site = database.site
    site.release("1.0")
    b = release(site, "1.1")
    site.lock("1.0")
    with pytest.raises(NoWayBackError, match=f"before {b}, which was released one-way"):
        site.open().release()
    with pytest.raises(NoWayBackError) as caught:
        site.open().update()
    assert not caught.value.told
    assert [hold.kind for hold in site.open().status().holds] == ["one-way"]
    with pytest.raises(NoWayBackError) as caught:
        site.open().update()
    assert caught.value.told, "once"
    assert site.current == b
    assert site.open().release(no_promote=True).outcome == "unchanged", "to build it harms nothing"
    assert site.open().release(force=True).outcome == "reactivated"
    assert site.open().status().holds == ()


def test_a_new_lockfile_goes_on_from_a_one_way_release(database: Database) -> None:
    site = database.site
    site.release("1.0")
    database.breaks_down()
    stays(site, "1.1")
    b = site.current
    database.works()
    site.lock("1.2")
    assert site.open().update().outcome == "reactivated"
    database.breaks_down()
    site.lock("1.3")
    with pytest.raises(Exception, match="fails too"):
        site.open().update()
    database.works()
    assert site.current != b
    assert site.open().status().barrier == b


def test_a_rollback_does_not_turn_a_one_way_release_on_trial_back(database: Database, tmp_path: Path) -> None:
    site = database.site
    site.release("1.0")
    begun, ends = tmp_path / "begun", tmp_path / "ends"
    script = f"touch {begun}; until [ -e {ends} ]; do sleep 0.05; done"
    # In a check, which would be ended at once: a hook is always waited for.
    database.settings(
        more=f"[[check]]\nname = 'slow'\ndeadline = 0\ntimeout = 60\ncommand = ['sh', '-c', '{script}']\n"
    )
    site.lock("1.1")
    releasing = site.start("release", "--one-way", "-m", "drop it")
    _wait_for(begun)
    try:
        refused = site.run("rollback", timeout=30)
        assert refused.code == 25, refused.err
        forced = site.start("rollback", "--force")
        time.sleep(0.5)
        assert forced.poll() is None, "it waits for the trial"
    finally:
        ends.touch()
    _out, err = releasing.communicate(timeout=60)
    assert releasing.returncode == 0, err
    _out, err = forced.communicate(timeout=60)
    assert forced.returncode == 0, err
    assert site.events()[-4:] == ["promoting", "promoted", "rolling-back", "rolled-back"]


def test_a_rollback_from_an_interrupted_one_way_release_needs_force(database: Database) -> None:
    site = database.site
    a = site.release("1.0")
    database.settings(restart=KILLS)
    site.lock("1.1")
    assert site.run("release", "--one-way", "-m", "drop it").code == -9
    assert "it stays: it is released one-way" in site.run("status").out
    assert site.run("rollback").code == 25
    assert site.run("rollback", "--force").code == 0
    assert site.current == a


def test_the_exit_status_76_of_prepare_asks_for_one_way(database: Database) -> None:
    site = database.site
    a = site.release("1.0")
    database.settings(script=ASKS)
    site.lock("1.1")
    done = site.run("release", "--json")
    assert (done.code, done.json["error"]["slug"], done.data["outcome"]) == (21, "one-way-needed", "rejected")
    assert "venvship release --one-way -m" in done.json["error"]["hint"]
    assert site.current == a
    assert len(database.migrations) == 1
    with pytest.raises(OneWayNeededError):
        site.open().update()
    assert site.events()[-1] == "rejected"
    b = release(site, "1.1")
    assert (site.current, len(database.migrations)) == (b, 2)


def test_an_update_is_refused_by_the_exit_status_76_each_time_and_never_one_way(database: Database) -> None:
    site = database.site
    site.release("1.0")
    database.settings(script=ASKS)
    site.lock("1.1")
    assert site.run("update", env={"VENVSHIP_ONE_WAY": "1"}).code == 21
    assert site.run("update").code == 20, "too early"
    assert len(database.migrations) == 1


def test_the_exit_status_76_under_one_way_is_a_failure_like_another(database: Database) -> None:
    site = database.site
    site.release("1.0")
    database.settings(script="exit 76;")
    site.lock("1.1")
    with pytest.raises(RejectedError, match="exit 76") as caught:
        site.open().release(one_way=True, message="drop it")
    assert not isinstance(caught.value, OneWayNeededError)


def test_one_way_needs_a_message_and_a_promotion(database: Database) -> None:
    site = database.site
    for arguments in (["--one-way"], ["--one-way", "-m", " "], ["--one-way", "-m", "x", "--no-promote"]):
        assert site.run("release", *arguments).code == 2, arguments
    with pytest.raises(UsageError):
        site.open().release(one_way=True)
    assert site.run("update", "--one-way").code == 2
    assert site.run("promote", "current", "--one-way").code == 2


PREPARED = "the prepare hook had run before, and what it did is not undone"


def test_a_failure_after_prepare_says_that_it_had_run(database: Database) -> None:
    site = database.site
    site.release("1.0")
    database.settings(restart="[ $VENVSHIP_EVENT = rollback ]")
    site.lock("1.1")
    with pytest.raises(RolledBackError, match=PREPARED):
        site.open().release()
    site.settings()
    site.lock("1.2")
    site.settings("[hooks]\nrestart = ['sh', '-c', '[ $VENVSHIP_EVENT = rollback ]']\n")
    with pytest.raises(RolledBackError) as caught:
        site.open().release()
    assert PREPARED not in caught.value.message, "there is none"


def test_a_switch_that_is_not_made_says_that_prepare_had_run(database: Database) -> None:
    """Also a signal that comes after the hook."""
    site = database.site
    a = site.release("1.0")
    b = site.release("1.1")
    database.settings(script=f"ln -sfn releases/{a} $VENVSHIP_ROOT/current;")
    site.lock("1.2")
    with pytest.raises(SupersededError) as caught:
        site.open().release()
    assert PREPARED in caught.value.message
    assert b != a
    site.open().recover()
    runtime = site.runtime()
    database.settings(script=f"kill -TERM {os.getpid()}; while :; do sleep 0.1; done;")
    with runtime.signals.install(to_the_end=False), pytest.raises(InterruptedByError):
        site.open(signals=runtime.signals).release(force=True)


def test_a_promotion_that_recovery_takes_back_says_that_prepare_had_run(database: Database) -> None:
    site = database.site
    site.release("1.0")
    database.settings(restart=KILLS)
    site.lock("1.1")
    assert site.run("release").code == -9
    database.settings(restart="[ $VENVSHIP_EVENT = rollback ]")
    done = site.run("recover")
    assert done.code == 22
    assert PREPARED in done.err


def test_the_system_log_hears_of_a_one_way_release_that_stays_as_of_an_error() -> None:
    from venvship.model.log_line import Severity, severity_of

    assert severity_of(EventName.PROMOTED, {"failed": True}) is Severity.ERROR
    assert severity_of(EventName.PROMOTED, {}) is Severity.INFO
