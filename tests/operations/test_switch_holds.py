"""A person's choice of a release stands until a person says otherwise: the whole table, on a real root.

1.1 is live and is what the root's lockfile says. Then a person chooses 1.0, in each of four ways.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.roots import Site, refuses
from venvship.api import Root
from venvship.errors import (
    HeldError,
    PausedError,
    RolledBackError,
    VenvshipError,
)
from venvship.model.hold import SWITCH_HOLD, HoldKind

OLD, SAME, NEW = "1.0", "1.1", "1.2"


def kinds(site: Site) -> list[HoldKind]:
    """The kinds of hold in force."""
    return [hold.kind for hold in site.open().status().holds]


@dataclass
class Desk:
    """A root with three sealed releases, so that nothing is built in a test, and how to begin anew."""

    site: Site
    releases: dict[str, str]
    journal: bytes

    def begin(self, choice: str = "", lockfile: str = SAME, settings: str = "") -> None:
        """Make 1.1 live, as the lockfile says, let a person choose, and then write a lockfile."""
        self.site.settings(settings)
        (self.site.path / "state" / "journal.jsonl").write_bytes(self.journal)
        self.link("current", SAME)
        self.link("previous", OLD)
        self.site.lock(SAME)
        if choice:
            CHOICES[choice](self)
            assert kinds(self.site) == [HoldKind.SWITCH]
            assert self.live == OLD
        self.site.lock(lockfile)

    def link(self, name: str, version: str) -> None:
        """Point a link to the release of a version, as with `ln -sfn`."""
        link = self.site.path / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"releases/{self.releases[version]}")

    @property
    def live(self) -> str | None:
        """The version that is live."""
        versions = {release: version for version, release in self.releases.items()}
        return versions.get(self.site.current or "")

    def code(
        self, ask: Callable[[Root], object], *, person: bool = True, later: timedelta | None = None
    ) -> int:
        """The exit code of a command."""
        clock = None if later is None else self.site.later(seconds=later.total_seconds())
        try:
            ask(self.site.open(person=person, clock=clock))
        except VenvshipError as error:
            return error.exit_code
        return 0


def observed(desk: Desk) -> None:
    desk.link("current", OLD)
    assert desk.site.open().recover().outcome == "observed"


def release_other(desk: Desk) -> None:
    other = desk.site.lock(OLD, name="other.txt")
    assert desk.site.open().release(lockfile=other).outcome == "reactivated"


CHOICES: dict[str, Callable[[Desk], object]] = {
    "rollback": lambda desk: desk.site.open().rollback(),
    "promote": lambda desk: desk.site.open().promote(desk.releases[OLD]),
    "release --lockfile": release_other,
    "observed": observed,
}


def desk_of(site: Site) -> Desk:
    releases = {version: site.release(version) for version in (OLD, SAME)}
    releases[NEW] = site.release(NEW, no_promote=True)
    return Desk(site, releases, (site.path / "state" / "journal.jsonl").read_bytes())


@pytest.fixture
def desk(stocked: Site) -> Desk:
    return desk_of(stocked)


@pytest.fixture
def own_desk(site: Site) -> Desk:
    """For a test that builds a newer release, after which a prune may remove one that was never live."""
    return desk_of(site)


def upgrade(root: Root) -> object:
    return root.update(upgrade=True)


def unhold_and_update(root: Root) -> object:
    root.unhold()
    return root.update()


COMMANDS: dict[str, Callable[[Root], object]] = {
    "update": Root.update,
    "update --upgrade": upgrade,
    "release": Root.release,
    "release --force": lambda root: root.release(force=True),
    "unhold, update": unhold_and_update,
}
SCRIPTS = {f"{name}, by a script": COMMANDS[name] for name in ("release", "release --force")}

STAYS = (25, OLD, True)
"""Refused: the exit code, what is live after it, and whether the root is held."""


def expected(choice: str, lockfile: str, command: str, *, resumes: bool) -> tuple[int, str, bool]:
    """The exit code, the version that is live after it, and whether the root is held then."""
    if command == "update" and lockfile == OLD:
        return 0, OLD, True  # there is nothing to do, and nobody has said anything
    if command == "update" and lockfile == NEW and resumes:
        return 0, NEW, False
    if command in {"update", "update --upgrade", "release, by a script"}:
        return STAYS
    if command == "release" and choice == "rollback" and lockfile == SAME:
        return STAYS  # the very environment that was rolled back
    return 0, lockfile, False


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_stands_until_a_person_says_otherwise(desk: Desk, choice: str, resumes: bool) -> None:
    settings = "[update]\nresume_on_new_lockfile = true\n" if resumes else ""
    found, wanted = {}, {}
    for lockfile in (SAME, NEW, OLD):
        for command, ask in {**COMMANDS, **SCRIPTS}.items():
            if resumes and not command.startswith("update"):
                continue
            desk.begin(choice, lockfile, settings)
            code = desk.code(ask, person=command not in SCRIPTS)
            found[lockfile, command] = (code, desk.live, bool(kinds(desk.site)))
            wanted[lockfile, command] = expected(choice, lockfile, command, resumes=resumes)
    assert found == wanted


@pytest.mark.parametrize("choice", CHOICES)
def test_a_promotion_is_a_persons_word_as_a_release_is(desk: Desk, choice: str) -> None:
    def promote(version: str, *, force: bool = False) -> Callable[[Root], object]:
        return lambda root: root.promote(desk.releases[version], force=force)

    for version in (SAME, NEW, OLD):
        desk.begin(choice, NEW)
        assert desk.code(promote(version), person=False) == 25
        assert (desk.live, kinds(desk.site)) == (OLD, [HoldKind.SWITCH])

    for lockfile, held in ((NEW, []), (SAME, [HoldKind.SWITCH])):
        desk.begin(choice, lockfile)
        assert desk.code(promote(NEW)) == 0
        assert (desk.live, kinds(desk.site)) == (NEW, held)

    desk.begin(choice, SAME)
    assert desk.code(promote(SAME)) == (25 if choice == "rollback" else 0)
    desk.begin(choice, SAME)
    assert desk.code(promote(SAME, force=True), person=False) == 0
    assert (desk.live, kinds(desk.site)) == (SAME, [])

    desk.begin(choice, OLD)
    assert desk.code(promote(OLD)) == 0, "it is live, and is what the lockfile says"
    assert kinds(desk.site) == []


def test_what_promotes_nothing_ends_no_hold(desk: Desk) -> None:
    for lockfile in (NEW, OLD):
        for person in (True, False):
            desk.begin("rollback", lockfile)
            code = 0 if person else 25
            assert desk.code(lambda root: root.release(dry_run=True), person=person) == code
            assert desk.code(lambda root: root.release(no_promote=True), person=person) == 0
            assert (desk.live, kinds(desk.site)) == (OLD, [HoldKind.SWITCH])
    desk.begin("rollback", NEW, refuses(NEW))
    assert desk.code(Root.release) == 22
    assert (desk.live, kinds(desk.site)) == (OLD, [HoldKind.SWITCH])


def test_a_hold_that_was_asked_for_ends_by_unhold_alone(desk: Desk) -> None:
    desk.begin("rollback", NEW)
    desk.site.open().hold(message="stocktaking")
    assert kinds(desk.site) == [HoldKind.STANDING, HoldKind.SWITCH]
    assert desk.code(Root.release) == 0
    assert kinds(desk.site) == [HoldKind.STANDING]
    desk.site.lock(SAME)
    assert desk.code(Root.release, person=False) == 0, "it holds unattended releases only"
    desk.site.lock(NEW)
    assert desk.code(Root.update) == 25

    ended = desk.site.open().unhold().ended
    assert [hold.reason for hold in ended] == ["stocktaking"]
    assert desk.code(Root.update) == 0


def test_the_lockfile_that_waited_already_is_no_new_one(own_desk: Desk) -> None:
    desk = own_desk
    desk.begin(settings="[update]\nresume_on_new_lockfile = true\n")
    desk.site.lock(NEW)
    desk.site.open().rollback()

    assert desk.code(Root.update) == 25
    desk.site.lock(NEW, comment="other bytes, the same environment")
    assert desk.code(Root.update) == 25
    desk.site.lock("1.3")
    assert desk.code(Root.update) == 0


def test_a_release_that_is_live_already_is_a_choice_too(desk: Desk) -> None:
    desk.begin()
    other = desk.site.lock(SAME, name="other.txt")
    assert desk.site.open().release(lockfile=other).outcome == "unchanged"
    assert kinds(desk.site) == [], "it is what the root's lockfile says"

    desk.site.lock(NEW)
    assert desk.site.open().release(lockfile=other).outcome == "unchanged"
    assert desk.code(Root.update) == 25
    assert desk.live == SAME


def test_a_lockfile_of_its_own_that_cannot_be_read_is_another(desk: Desk) -> None:
    desk.begin()
    (desk.site.path / "requirements.txt").write_text("<<<<<<< HEAD\n")
    assert desk.code(lambda root: root.promote(desk.releases[OLD])) == 0
    assert kinds(desk.site) == [HoldKind.SWITCH]

    desk.begin()
    (desk.site.path / "requirements.txt").unlink()
    os.mkfifo(desk.site.path / "requirements.txt")
    assert desk.code(Root.rollback) == 0, "a pipe is not waited for"
    (desk.site.path / "requirements.txt").unlink()


def test_a_root_without_a_lockfile_of_its_own_takes_the_one_that_is_named(desk: Desk) -> None:
    """A CI job that names the lockfile at each release makes no hold, and is not refused the second time."""
    desk.begin()
    (desk.site.path / "requirements.txt").unlink()
    for version in (OLD, NEW):
        other = desk.site.lock(version, name="other.txt")
        assert desk.code(lambda root, path=other: root.release(lockfile=path), person=False) == 0
        assert (desk.live, kinds(desk.site)) == (version, [])


# -- known to be bad ----------------------------------------------------------------------------------------


@pytest.fixture
def bad(desk: Desk) -> str:
    """A release that was bad; 1.1 is live, and the lockfile is that of the bad one."""
    desk.begin(settings=refuses(NEW))
    desk.site.lock(NEW)
    with pytest.raises(RolledBackError):
        desk.site.open().release()
    return desk.releases[NEW]


def test_a_bad_release_is_promoted_with_force_alone(desk: Desk, bad: str) -> None:
    before = (desk.site.path / "state" / "journal.jsonl").read_bytes()
    with pytest.raises(HeldError, match="is known to be bad") as caught:
        desk.site.open().promote(bad)
    assert str(caught.value.hint).endswith(f"venvship promote --force {bad}")
    assert (desk.site.path / "state" / "journal.jsonl").read_bytes() == before
    assert desk.live == SAME

    desk.site.settings()
    with pytest.raises(HeldError):
        desk.site.open().promote(bad)  # other checks end the refusal of its environment, and no verdict
    assert desk.site.open().promote(bad, force=True).outcome == "promoted"


def test_a_rollback_by_name_to_a_bad_release_goes_there_with_a_warning(desk: Desk, bad: str) -> None:
    result = desk.site.open().rollback(bad, no_checks=True)
    assert [warning.slug for warning in result.warnings] == ["bad-release"]
    assert desk.live == NEW


def test_unhold_says_that_what_was_rolled_back_comes_back(desk: Desk) -> None:
    desk.begin("rollback")
    done = desk.site.run("unhold")
    comes_back = f"the environment of {desk.releases[SAME]} again, which was rolled back."
    assert comes_back in done.out
    assert desk.code(Root.update) == 0
    assert desk.live == SAME

    desk.begin("promote")
    assert "The lockfile differs from the live release" in desk.site.run("unhold").out


def test_unhold_says_what_it_ended_and_that_the_bad_one_comes_back(desk: Desk, bad: str) -> None:
    done = desk.site.run("unhold")
    assert done.out.startswith("Ended: this environment, since ")
    assert f"The next `venvship update` releases the environment of {bad} again, which was bad." in done.out
    assert desk.site.run("unhold", "--json").data["ended"] == []
    assert desk.site.run("unhold").out.startswith("Nothing was held.\n")


def test_unhold_names_the_lockfile_of_a_refusal_that_is_not_the_one_on_disk(desk: Desk, bad: str) -> None:
    desk.site.lock(OLD)
    assert desk.site.run("unhold").out.startswith(f"Ended: the environment of {bad}, since ")


def test_unhold_says_which_pause_it_ended(desk: Desk) -> None:
    path = desk.site.lock(NEW)
    path.write_text(path.read_text() + f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")
    os.utime(path, (0, 0))
    assert desk.code(Root.update) == 20

    done = desk.site.run("unhold")

    assert done.out.startswith("Ended: the pause of `venvship update` until 20")
    assert ", after 1 failed attempt: " in done.out
    assert "Nothing was held" not in done.out
    assert desk.site.run("unhold", "--json").data["ended_pauses"] == []


# -- told once, and again -----------------------------------------------------------------------------------


def test_a_hold_is_told_once_and_again_every_week_with_its_age_and_what_waits(desk: Desk) -> None:
    desk.begin()
    desk.site.open().hold(message="stocktaking")
    told = {}
    for hours in range(0, 24 * 16, 6):
        desk.site.lock((SAME, NEW, OLD)[hours % 3], comment=str(hours))
        desk.site.lock(NEW if hours % 24 else "1.3")
        with pytest.raises(HeldError) as caught:
            desk.site.open(clock=desk.site.later(hours=hours)).update()
        if not caught.value.told:
            told[hours] = caught.value.message
    assert list(told) == [0, 168, 336]
    assert "(just now) by tester: stocktaking; waiting: app 1.1 → 1.3" in told[0]
    assert "(7 days ago)" in told[168]


def test_a_hold_comes_before_a_pause(desk: Desk) -> None:
    desk.begin()
    path = desk.site.lock(NEW)
    path.write_text(path.read_text() + f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")
    os.utime(path, (0, 0))
    assert desk.code(Root.update) == 20
    with pytest.raises(PausedError):
        desk.site.open().update()
    desk.site.open().hold()
    assert [desk.code(Root.update), desk.code(upgrade)] == [25, 25]


@pytest.mark.parametrize("failure", ["build", "candidate", "live"])
def test_a_persons_failure_does_not_pause_update(desk: Desk, failure: str) -> None:
    desk.begin()
    path = desk.site.lock(NEW)
    if failure == "build":
        path.write_text(path.read_text() + f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")
        os.utime(path, (0, 0))
    else:
        when = f"when = '{failure}'\n"
        desk.site.settings(f"[[check]]\nname = 'no'\n{when}command = ['false']\ndeadline = 0\n")
    code = {"build": 20, "candidate": 21, "live": 23}[failure]
    assert desk.code(Root.release) == code
    assert desk.code(Root.update) == code, "it has tried itself"
    with pytest.raises(PausedError):
        desk.site.open().update()


# -- until --------------------------------------------------------------------------------------------------


def test_a_hold_until_a_time_is_over_then_by_itself(desk: Desk) -> None:
    desk.begin(lockfile=NEW)
    result = desk.site.open().hold(message="the fair", until=datetime.now(UTC) + timedelta(days=3))
    assert result.held is not None
    assert result.held.end.startswith("Unattended releases are held until `venvship unhold` or 20")
    assert desk.code(Root.update, later=timedelta(days=2)) == 25
    assert desk.code(Root.update, later=timedelta(days=3)) == 0
    after = desk.site.open(clock=desk.site.later(days=4))
    assert after.status().held is None
    assert not after.unhold().changed, "it was over"
    desk.site.run("rollback", "-m", "no stock")
    timed = desk.site.open().hold(until=datetime.now(UTC) + timedelta(days=3))
    assert timed.held is not None
    assert timed.held.end == SWITCH_HOLD, "which outlives the time"


def test_the_time_of_a_hold_is_a_time_a_date_or_a_span(desk: Desk) -> None:
    desk.begin()
    for text, end in {"2100-12-24T08:00+01:00": "2100-12-24 07:00", "2100-12-24": "2100-12-24 00:00"}.items():
        done = desk.site.run("hold", "--until", text)
        assert done.out.splitlines()[0].endswith(f"until `venvship unhold` or {end} UTC.")
    data = desk.site.run("hold", "--until", "3d", "--json").data
    assert data["held"]["until"] > data["held"]["since"]
    for text in ("tomorrow", "2100-12-24T08:00", "2001-01-01", "0d", "99999999d", "-3d"):
        assert desk.site.run("hold", f"--until={text}").code == 2
    with pytest.raises(ValueError, match="has no time zone"):
        desk.site.open().hold(until=datetime(2100, 1, 1))  # noqa: DTZ001 - the fault


# -- a choice that no command has noticed, or finished, yet -----------------------------------------------


@pytest.mark.parametrize("link", ["moved", "removed"])
def test_unhold_ends_the_hold_of_a_switch_by_hand_that_no_command_has_noticed(desk: Desk, link: str) -> None:
    desk.begin()
    if link == "moved":
        desk.link("current", OLD)
    else:
        (desk.site.path / "current").unlink()

    done = desk.site.run("unhold")

    assert done.out.startswith("Ended: unattended releases, since "), done.out
    assert "by venvship: current was switched outside venvship" in done.out
    assert "held" not in done.err
    assert desk.site.events()[-2:] == ["observed", "unheld"]
    warned = [warning.slug for warning in desk.site.open().status().warnings]
    assert warned == ([] if link == "moved" else ["current-missing"])
    assert desk.site.previous == (None if link == "moved" else desk.releases[SAME])
    assert desk.code(Root.update) == 0
    assert (desk.live, kinds(desk.site)) == (SAME, [])
    assert not desk.site.open().unhold().changed


def test_unhold_leaves_a_link_that_is_not_ours_and_what_is_interrupted(desk: Desk, tmp_path: Path) -> None:
    desk.begin()
    (desk.site.path / "current").unlink()
    (desk.site.path / "current").symlink_to(tmp_path)
    assert desk.site.run("unhold").out == "Nothing was held.\n"

    desk.begin(settings="[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    assert desk.site.run("rollback").code == -9
    desk.site.settings()
    done = desk.site.run("unhold")
    assert "An operation was interrupted, and may hold the root when it is finished" in done.out
    assert desk.site.events()[-1] == "rolling-back"


@pytest.mark.parametrize("command", ["release", "promote"])
def test_a_dry_run_knows_the_hold_that_a_switch_by_hand_would_set(desk: Desk, command: str) -> None:
    desk.begin()
    desk.link("current", OLD)
    argv = [command, "--dry-run", *([desk.releases[SAME]] if command == "promote" else [])]
    refused = desk.site.run(*argv, "--json")
    assert refused.code == 25
    if command == "release":
        assert (refused.data["plan"], refused.data["outcome"]) == ("refuse", "held")
        assert refused.data["held"]["reason"] == "current was switched outside venvship"
    shown = desk.site.type("--no-color", *argv)
    assert shown.code == 0
    assert "Would end: unattended releases, since " in shown.text
    assert "observed" not in desk.site.events(), "nothing was recorded"


@pytest.mark.parametrize("choice", ["rollback", "promote"])
@pytest.mark.parametrize("by", ["recover", "update"])
def test_a_hold_names_the_person_whose_choice_another_command_has_finished(
    desk: Desk, choice: str, by: str
) -> None:
    desk.begin(settings="[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    argv = ["promote", desk.releases[OLD]] if choice == "promote" else ["rollback"]
    assert desk.site.run(*argv, "-m", "orders fail").code == -9
    desk.site.settings()

    done = desk.site.run(by)

    assert done.code == (25 if by == "update" else 0), done.err
    assert SWITCH_HOLD in done.out + done.err
    held = desk.site.open().status().held
    assert held is not None
    assert (held.kind, held.reason) == (HoldKind.SWITCH, "orders fail")
    assert "unattended" not in held.by
    settled = [event for event in desk.site.open().history().events if "recovered" in event.reason]
    assert [event.reason for event in settled] == ["orders fail (recovered after an interruption)"]


# -- dry runs -----------------------------------------------------------------------------------------------


def test_a_dry_run_says_which_hold_it_would_end_or_begin(desk: Desk) -> None:
    desk.begin("rollback", NEW)
    root = desk.site.open()
    for planned in (root.release(dry_run=True), root.promote(desk.releases[NEW], dry_run=True)):
        assert planned.holds.ended is not None
        assert (planned.holds.ended.kind, planned.holds.held) == (HoldKind.SWITCH, None)
    for planned in (
        root.release(dry_run=True, lockfile=desk.site.lock(OLD, name="other.txt")),
        root.release(dry_run=True, no_promote=True),
    ):
        assert planned.holds.ended is None

    desk.begin(lockfile=NEW)
    root.hold()
    planned = root.promote(desk.releases[OLD], dry_run=True, message="the new one is slow")
    assert planned.holds.held is not None
    assert planned.holds.held.kind is HoldKind.STANDING, "which is told first"
    root.unhold()
    planned = root.promote(desk.releases[OLD], dry_run=True, message="the new one is slow")
    assert planned.holds.held is not None
    assert (planned.holds.held.kind, planned.holds.held.reason) == (HoldKind.SWITCH, "the new one is slow")
    assert kinds(desk.site) == []


@pytest.mark.parametrize("command", ["release", "promote"])
def test_a_dry_run_of_what_a_hold_refuses_says_and_ends_as_the_command_would(
    desk: Desk, command: str
) -> None:
    desk.begin("rollback", SAME)
    argv = [command, *([desk.releases[SAME]] if command == "promote" else [])]
    script, shown = desk.site.run(*argv), desk.site.type("--no-color", *argv)
    assert (script.code, shown.code) == (25, 25)
    planned = desk.site.run(*argv, "--dry-run")
    assert (planned.code, planned.out, planned.err) == (25, "", script.err)
    typed = desk.site.type("--no-color", *argv, "--dry-run")
    assert (typed.code, typed.text) == (25, shown.text), "it was rolled back"


# -- one sentence -------------------------------------------------------------------------------------------


def test_the_same_sentence_stands_in_every_output(own_desk: Desk) -> None:
    desk = own_desk
    desk.begin()
    assert SWITCH_HOLD in desk.site.run("rollback", "-m", "orders fail").out
    for command in ("status", "list"):
        assert SWITCH_HOLD in desk.site.run(command).out
    desk.site.lock(NEW)
    assert SWITCH_HOLD in desk.site.run("update").err
    assert desk.site.run("update").err == ""
    other = desk.site.lock("1.3", name="other.txt")
    assert SWITCH_HOLD in desk.site.run("release", "--force", "--lockfile", str(other)).out
    assert SWITCH_HOLD in desk.site.run("promote", "--force", desk.releases[OLD]).out
    desk.link("current", SAME)
    assert SWITCH_HOLD in desk.site.run("recover").out
    desk.begin(settings=refuses(OLD))
    failed = desk.site.run("rollback")
    assert failed.code == 23
    assert SWITCH_HOLD in failed.err
    for command in ("release", "promote", "rollback"):
        assert SWITCH_HOLD in " ".join(desk.site.run(command, "--help").out.split())
    root = Path(__file__).parents[2]
    for page in (
        "README.md",
        "docs/how-to/rollback.md",
        "docs/how-to/updates.md",
        "docs/explanation/states.md",
    ):
        assert SWITCH_HOLD in " ".join((root / page).read_text().split()), page


def test_a_person_at_a_terminal_reads_first_whose_hold_the_release_ends(desk: Desk) -> None:
    desk.begin()
    assert desk.site.run("rollback", "-m", "orders fail").code == 0
    desk.site.lock(NEW)
    script = desk.site.run("release")
    assert script.code == 25
    assert "by " in script.err
    assert "orders fail" in script.err
    assert "--force" in script.err

    shown = desk.site.type("--no-color", "release")
    assert shown.code == 0, shown.text
    first = shown.text.index("ends if the release stays live: held since")
    assert first < shown.text.index("orders fail")
    assert first < shown.text.index("switch")
    assert "Ended: unattended releases, since " in shown.text
    assert kinds(desk.site) == []
