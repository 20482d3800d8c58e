"""Where a rollback goes, and that `status`, `list` and every hint say the same, whatever was interrupted."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from tests.support.roots import Site, refuses
from venvship.errors import NothingToRollBackToError, RejectedError, RollbackFailedError

PASSES = "[[check]]\nname = 'fine'\ndeadline = 0\ncommand = ['true']\n"


def states(site: Site) -> dict[str, str]:
    return {view.id: view.state.value for view in site.open().list().releases}


def target(site: Site) -> str | None:
    """Where a rollback would go, as all reports have it."""
    root = site.open()
    status, listing = root.status(), root.list()
    told = status.previous.id if status.previous else None
    assert [view.id for view in listing.releases if view.previous] == ([told] if told else [])
    assert root.measure().status.previous == status.previous
    return told


def on_trial(site: Site) -> str | None:
    """A promotion of the oldest release is killed in its trial: what it left is where a rollback goes."""
    a, _b, c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    site.settings(
        "[hooks]\nrestart = ['sh', '-c', '[ $VENVSHIP_EVENT != promote ] || kill -9 $PPID; sleep 0']\n"
    )
    assert site.run("promote", a).code == -9
    assert site.current == a
    return c


def moved_by_hand(site: Site) -> str | None:
    a, b, _c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    os.symlink(f"releases/{b}", site.path / "by-hand")
    os.replace(site.path / "by-hand", site.path / "current")
    assert site.previous == b, "the link does not know yet"
    return a


def removed_by_hand(site: Site) -> str | None:
    _a, b = site.release("1.0"), site.release("1.1")
    os.unlink(site.path / "current")
    return b


def interpreter_gone(site: Site) -> str | None:
    a, b, _c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    folder = site.path / "releases" / b / "bin"
    folder.chmod(0o755)
    (folder / "python").unlink()
    return a


@pytest.mark.parametrize("happened", [on_trial, moved_by_hand, removed_by_hand])
def test_status_names_the_release_that_a_rollback_goes_to(
    stocked: Site, happened: Callable[[Site], str | None]
) -> None:
    goes_to(stocked, happened(stocked))


def test_status_names_the_nearest_release_whose_interpreter_is_there(site: Site) -> None:
    goes_to(site, interpreter_gone(site))


def goes_to(site: Site, expected: str | None) -> None:
    """Hold the reports against the rollback that follows."""
    assert target(site) == expected

    done = site.run("rollback")

    assert done.code == 0, done.err
    assert site.current == expected
    assert f"\nLive: {expected} (was " in done.out
    assert ", unchecked, last live 20" in done.out


def test_a_first_line_says_what_is_known_of_the_target_and_what_is_passed_over(stocked: Site) -> None:
    site = stocked
    site.settings(PASSES)
    a = site.release("1.0")
    site.settings()
    b, c = site.release("1.1"), site.release("1.2")

    status = site.run("status").out
    assert re.search(
        rf"^Rollback  would go to {a}, proven, last live \S+ \S+ UTC \(.*\)$", status, re.MULTILINE
    )
    assert f"passed over {b}: unchecked, and live for " in status
    done = site.run("rollback", "-q")

    first = done.out.splitlines()[0]
    assert re.match(rf"Live: {a} \(was {c}\), proven, last live \S+ \S+ UTC \(", first)
    assert f"; passed over {b}: unchecked, and live for " in first
    assert states(site) == {a: "proven", b: "unchecked", c: "unchecked"}


def test_each_reason_is_printed_once_however_many_releases_are_passed_over(site: Site) -> None:
    site.settings(PASSES)
    a = site.release("1.0")
    gone = [site.release(version) for version in ("1.1", "1.2", "1.3")]
    for release in gone[:2]:
        folder = site.path / "releases" / release / "bin"
        folder.chmod(0o755)
        (folder / "python").unlink()
    done = site.run("rollback", "--dry-run")
    assert f"Would switch to {a}, from {gone[2]}: " in done.out
    for release in gone[:2]:
        assert (done.out + done.err).count(f"{release}: cannot be used: ") == 1
    assert site.run("promote", a).code == 0
    assert site.run("unhold").code == 0
    folder = site.path / "releases" / a / "bin"
    folder.chmod(0o755)
    (folder / "python").unlink()
    (site.path / "releases" / gone[2] / "bin").chmod(0o755)
    (site.path / "releases" / gone[2] / "bin" / "python").unlink()
    done = site.run("rollback")
    assert done.code == 24
    for release in gone:
        assert (done.out + done.err).count(f"{release}: cannot be used: ") == 1


def test_an_unchecked_release_that_was_live_for_a_day_is_a_target_like_a_proven_one(stocked: Site) -> None:
    site = stocked
    site.settings(PASSES)
    a = site.release("1.0")
    site.settings()
    b = site.release("1.1")
    site.lock("1.2")
    c = site.open(clock=site.later(hours=25)).release().release
    assert c is not None

    assert (site.previous, target(site)) == (b, b)
    result = site.open(clock=site.later(hours=25)).rollback()
    assert (site.current, site.previous) == (b, a)
    assert (result.outcome, result.passed_over) == ("switched", ())
    assert result.last_live is not None


def test_a_check_that_is_not_required_proves_nothing(stocked: Site) -> None:
    site = stocked
    site.settings(PASSES + "required = false\n")
    a = site.release("1.0")
    assert states(site)[a] == "unchecked"


@pytest.mark.parametrize("again", ["promote", "rollback"])
def test_what_failed_as_a_target_is_passed_over_until_it_passes(stocked: Site, again: str) -> None:
    site = stocked
    a, b, c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    site.settings(refuses("1.1"))
    with pytest.raises(RollbackFailedError) as caught:
        site.open().rollback()
    assert caught.value.hint == (
        f"restart the service by hand, then `venvship check`; or go back to {a}: venvship rollback"
    )
    assert states(site)[b] == "unchecked", "nobody is blamed"
    site.settings()
    site.open().promote(c, force=True)

    assert (site.previous, target(site)) == (a, a)
    assert f"passed over {b}: failed when a rollback went there, " in site.run("status").out
    assert site.open().show(b).release.failed_at is not None

    site.settings(PASSES)
    getattr(site.open(), again)(b, **({"force": True} if again == "promote" else {}))
    assert states(site)[b] == "proven"
    site.open().promote(c, force=True)
    assert (site.previous, target(site)) == (b, b)


def test_an_automatic_rollback_that_fails_tells_a_command_that_works(stocked: Site) -> None:
    site = stocked
    a, b = site.release("1.0"), site.release("1.1")
    site.settings("[[check]]\nname = 'no'\ndeadline = 0\ncommand = ['false']\n")
    site.lock("1.2")
    with pytest.raises(RollbackFailedError) as caught:
        site.open().release()

    assert caught.value.hint is not None
    assert caught.value.hint.endswith(f"; or go back to {a}: venvship rollback")
    assert target(site) == a
    site.settings()
    site.open().rollback()
    assert site.current == a
    assert states(site)[b] == "unchecked"


def test_without_a_target_a_hint_names_the_release_that_was_live_before(stocked: Site) -> None:
    site = stocked
    a, b = site.release("1.0"), site.release("1.1")
    site.open().rollback()
    with pytest.raises(NothingToRollBackToError) as caught:
        site.open().rollback()
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("to the release that was live before: venvship rollback @{1}; ")
    site.open().rollback("@{1}")
    assert site.current == b

    site.settings(refuses("1.0"))
    with pytest.raises(RollbackFailedError):
        site.open().rollback()
    site.settings()
    site.open().unhold()
    result = site.open().promote(b)

    assert result.back is not None
    assert (result.back.line, result.back.release_id) == ("venvship promote @{1}", a)
    assert target(site) is None
    assert f"passed over {a}: failed when a rollback went there, " in site.run("status").out
    site.open().promote("@{1}")
    assert site.current == a


def test_a_release_that_turns_bad_is_no_target_any_more(stocked: Site) -> None:
    """It was unchecked, and `previous` named it."""
    site = stocked
    a, b, _c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    site.settings(refuses("1.1"))
    assert site.run("promote", b).code == 22
    assert states(site)[b] == "bad"
    assert (site.previous, target(site)) == (a, a)


def test_what_a_candidate_check_refuses_is_rejected_and_not_built_again(site: Site) -> None:
    site.settings("[[check]]\nname = 'no'\nwhen = 'candidate'\ndeadline = 0\ncommand = ['false']\n")
    with pytest.raises(RejectedError) as caught:
        site.open().release()
    refused = str(caught.value.data["release"])
    assert states(site) == {refused: "rejected"}
    assert f"{refused}  rejected" in site.run("list").out

    site.settings(PASSES)
    assert site.open().release().outcome == "reactivated"
    assert states(site) == {refused: "proven"}


def test_what_passes_the_candidate_check_that_refused_it_is_sealed_again(site: Site) -> None:
    rejects = "[[check]]\nname = 'no'\nwhen = 'candidate'\ndeadline = 0\ncommand = ['false']\n"
    site.settings(rejects)
    with pytest.raises(RejectedError) as caught:
        site.open().release(no_promote=True)
    refused = str(caught.value.data["release"])
    site.settings()
    planned = site.open().release(no_promote=True, dry_run=True)
    assert (planned.plan, states(site)) == ("reactivate", {refused: "rejected"})

    assert site.open().release(no_promote=True, message="the proxy is back").outcome == "built"
    assert states(site) == {refused: "sealed"}
    assert site.events() == ["sealed", "rejected", "accepted"]
    assert site.open().history().events[0].reason == "the proxy is back"
    assert site.open().release(no_promote=True).outcome == "unchanged"
    assert f"Would promote {refused}, which is built already" in site.run("release", "--dry-run").out

    site.settings(rejects)
    with pytest.raises(RejectedError):
        site.open().promote(refused)
    assert states(site) == {refused: "rejected"}


def test_it_is_said_where_nothing_restarts_the_service_and_nothing_proves_a_release(stocked: Site) -> None:
    site = stocked
    said = "No restart hook and no live check are set"
    assert said in site.run("status").out
    assert said in site.run("release").out
    for settings in (PASSES, "[hooks]\nrestart = ['true']\n"):
        site.settings(settings)
        site.lock("1.1" if settings is PASSES else "1.2")
        assert said not in site.run("release").out
        assert said not in site.run("status").out
