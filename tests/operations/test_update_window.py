"""`update` outside of `[update] window`: it is silent, does nothing, and exits with 0."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.roots import Site
from venvship.errors import HeldError, PausedError, RejectedError
from venvship.model.window import DAYS, next_opening


def day(*, days: int) -> str:
    """The name of a day, seen from today, by the clock of this host."""
    return DAYS[(datetime.now().astimezone() + timedelta(days=days)).weekday()]


def tree(site: Site) -> dict[str, tuple[int, int]]:
    """The files of the root besides those of the releases, with their inodes and times."""
    found = [*site.path.iterdir(), *(site.path / "state").rglob("*")]
    return {str(path): ((status := path.lstat()).st_ino, status.st_mtime_ns) for path in found}


def closed() -> str:
    """A setting that is open in three days, and neither today nor tomorrow, should that begin meanwhile."""
    return f"[update]\nwindow = '{day(days=3)} 00:00-24:00'\n"


def open_now() -> str:
    return f"[update]\nwindow = ['{day(days=3)} 00:00-24:00', '{day(days=0)},{day(days=1)} 00:00-24:00']\n"


def test_outside_of_its_windows_an_update_does_nothing_and_says_nothing(stocked: Site) -> None:
    a = stocked.release("1.0")
    stocked.lock("1.1")
    stocked.settings(closed())
    before = tree(stocked)
    done = stocked.run("update")
    assert (done.code, done.out, done.err) == (0, "", "")
    done = stocked.run("update", "--upgrade", "--json")
    assert (done.code, done.data["outcome"], done.data["changed"]) == (0, "waiting", False)
    assert done.data["waits_until"] is not None
    assert tree(stocked) == before
    assert stocked.current == a
    stocked.settings(open_now())
    assert stocked.open().update().outcome == "reactivated"


def test_the_clock_decides_also_after_the_jitter(stocked: Site) -> None:
    stocked.release("1.0")
    stocked.lock("1.1")
    stocked.settings(closed())
    result = stocked.open().update(jitter=0.01)
    opening = next_opening((f"{day(days=3)} 00:00-24:00",), datetime.now().astimezone())
    assert (result.outcome, result.waits_until) == ("waiting", opening)
    assert opening is not None
    assert stocked.open(clock=lambda: opening - timedelta(seconds=1)).update().outcome == "waiting"
    assert stocked.open(clock=lambda: opening).update().outcome == "reactivated"


def test_at_a_terminal_it_says_when_the_next_window_begins(stocked: Site) -> None:
    stocked.release("1.0")
    stocked.settings(closed())
    shown = stocked.type("update")
    assert "Nothing was done: no `[update] window` is open; the next one begins " in shown.text


def test_a_release_by_a_person_knows_no_window(stocked: Site) -> None:
    stocked.settings(closed())
    stocked.release("1.0")
    assert stocked.release("1.1") == stocked.current


def test_a_retry_waits_for_the_window_and_a_hold_is_not_reported_outside_of_it(stocked: Site) -> None:
    stocked.release("1.0")
    refuses = "[hooks]\nprepare = ['false']\n"
    stocked.settings(open_now() + refuses)
    stocked.lock("1.1")
    with pytest.raises(RejectedError):
        stocked.open().update()
    with pytest.raises(PausedError):
        stocked.open().update()
    later = stocked.later(hours=1)
    stocked.settings(closed() + refuses)
    events = stocked.events()
    assert stocked.open().update().outcome == "waiting"
    assert stocked.open(clock=later).update().outcome == "waiting", (
        "the pause is over, the window is not open"
    )
    stocked.open().hold(message="stocktaking")
    assert stocked.open().update().outcome == "waiting"
    assert stocked.events() == [*events, "held"]
    stocked.settings(open_now() + refuses)
    with pytest.raises(HeldError):
        stocked.open().update()


def test_a_window_that_is_none_is_an_error_of_the_settings(stocked: Site) -> None:
    stocked.release("1.0")
    stocked.settings("[update]\nwindow = 'whenever'\n")
    done = stocked.run("update", "--json")
    assert done.code == 10
    assert done.json["error"]["problems"][0]["key"] == "update.window"


def test_a_schedule_whose_time_of_day_is_in_no_window_is_warned_of(stocked: Site) -> None:
    stocked.settings("[update]\nwindow = ['Mon-Fri 09:00-16:00', 'Sat 22:00-04:00']\n")
    root = stocked.open()
    assert [warning.slug for warning in root.schedule("cron", every="05:00").warnings] == ["outside-window"]
    assert [root.schedule("cron", every=every).warnings for every in ("03:00", "12:00", "5m", "1h")] == [
        ()
    ] * 4
    stocked.settings()
    assert stocked.open().schedule("cron", every="05:00").warnings == ()
