"""`update --upgrade` that gets through: culprits are found and held back, and the rest goes live."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT, commit, project_files, repository
from tests.support.index import LocalIndex
from tests.support.market import CHECK, LIVE, Market
from tests.support.roots import Site
from venvship.errors import PausedError, RejectedError, RolledBackError, SupersededError

NAMES = "abcdef"


@pytest.fixture
def market(site: Site, index: LocalIndex, wheelhouse: Path) -> Market:
    """A root with six packages at 1.0, of which the index offers 2.0 by now."""
    found = Market.live(site, index, wheelhouse, NAMES)
    found.offer_all(NAMES, "2.0")
    return found


def events(market: Market, *names: str) -> list[str]:
    """The events of these names since the first release."""
    return [event for event in market.site.events()[3:] if event in names]


def test_culprits_alone_and_in_a_pair_are_held_back_and_the_rest_goes_live(market: Market) -> None:
    market.plant("c==2.0", "a==2.0 e==2.0")
    done = market.upgrade()

    assert (done.code, done.err) == (0, "")
    released, changes, *_, alone, pair, more = done.out.splitlines()
    assert released.startswith(f"shop: released {market.site.current} in ")
    assert changes == "  b 1.0 → 2.0 · d 1.0 → 2.0 · f 1.0 → 2.0"
    assert alone == "Held back: c 1.0 → 2.0: check 'works' failed: exit 1"
    assert pair == "Held back: a 1.0 → 2.0 with e 1.0 → 2.0: check 'works' failed: exit 1"
    assert more.startswith("More: venvship ")
    assert market.pins() == "a1.0 b2.0 c1.0 d2.0 e1.0 f2.0"
    assert market.held() == ["c==2.0", "a==2.0", "e==2.0"]
    assert [hold.together for hold in market.site.open().status().held_packages] == [
        ("c",),
        ("a", "e"),
        ("a", "e"),
    ]
    assert market.site.debris() == []
    states = [view.state for view in market.site.open().list().releases]
    assert states == ["unchecked", "rejected", "unchecked"], "no trial has left a release"
    before = market.site.events()
    silent = market.upgrade()
    assert (silent.code, silent.out, silent.err) == (0, "", "")
    assert market.site.events() == before

    market.offer("c", "2.1")
    market.offer("b", "2.1")
    done = market.upgrade("--json")
    assert market.pins() == "a1.0 b2.1 c2.1 d2.0 e1.0 f2.0"
    assert (done.data["held_back"], market.held()) == ([], ["a==2.0", "e==2.0"])
    assert {kept["name"] for kept in done.data["kept_back"]} == {"a", "e"}


def test_unhold_has_a_version_tried_again_and_what_fails_is_found_again(market: Market) -> None:
    market.plant("c==2.0")
    first = market.upgrade("--json").data
    assert first["held_back"] == [
        {
            "changes": [{"name": "c", "from": "1.0", "to": "2.0"}],
            "reason": "check 'works' failed: exit 1",
            "check": "works",
            "certain": True,
            "until": None,
        }
    ]
    assert first["outcome"] == "released"
    market.site.open().unhold("c")
    again = market.upgrade("--json").data
    assert again["held_back"] == first["held_back"]
    assert (again["outcome"], again["changed"]) == ("unchanged", True)
    market.site.open().unhold("c")
    market.plant()
    assert market.upgraded().held_back == ()
    assert market.pins() == "a2.0 b2.0 c2.0 d2.0 e2.0 f2.0"


def test_where_nothing_is_left_the_mail_says_so_and_the_hook_hears_of_it(market: Market) -> None:
    hook = market.site.path / "told"
    market.settings(f"[hooks]\nnotify = ['sh', '-c', 'cat >> {hook}']\n{CHECK}")
    market.plant(*(f"{name}==2.0" for name in NAMES))
    live = market.site.current
    done = market.upgrade()

    assert done.out.splitlines()[0] == f"shop: nothing was upgraded, {live} stays live"
    assert done.out.count("Held back: ") == 6
    assert (market.site.current, market.pins()) == (live, "a1.0 b1.0 c1.0 d1.0 e1.0 f1.0")
    [told] = [json.loads(line) for line in hook.read_text().splitlines()]
    assert told["event"] == "held-back"
    assert told["reason"].count("check 'works' failed: exit 1") == 6
    assert market.upgrade().out == ""


def test_what_needs_a_culprit_stays_as_well_and_is_not_blamed(market: Market) -> None:
    market.offer("a", "3.0", "b>=3")
    market.offer("b", "3.0")
    market.plant("b==3.0")
    [found] = market.upgraded().held_back

    assert [change.name for change in found.changes] == ["b"]
    assert market.held() == ["b==3.0"]
    # The resolver takes what works with the `b` of now, and that has passed its checks.
    assert market.pins() == "a2.0 b1.0 c2.0 d2.0 e2.0 f2.0"


def test_a_new_package_that_fails_is_kept_out(market: Market) -> None:
    market.offer("a", "2.1", "fresh")
    market.offer("fresh", "1.0")
    market.plant("fresh==1.0")
    [found] = market.upgraded().held_back

    assert [(change.name, change.before) for change in found.changes] == [("a", "1.0")]
    assert market.pins() == "a1.0 b2.0 c2.0 d2.0 e2.0 f2.0"


def test_live_checks_that_took_it_back_are_followed_by_a_search_that_cannot_tell(market: Market) -> None:
    market.settings(LIVE)
    market.plant("c==2.0")
    live = market.site.current
    with pytest.raises(RolledBackError):
        market.upgraded()
    assert market.held() == []
    done = market.upgrade()

    assert (done.code, done.err) == (0, "")
    assert "nothing was upgraded" in done.out
    assert "Held back: a 1.0 → 2.0, b 1.0 → 2.0, c 1.0 → 2.0, d 1.0 → 2.0, e 1.0 → 2.0, 1 more: " in done.out
    assert "the candidate checks cannot tell which of these is to blame" in done.out
    assert (market.site.current, market.site.debris()) == (live, [])
    assert market.held() == [f"{name}==2.0" for name in NAMES]
    assert market.upgrade().out == ""
    market.offer("c", "2.1")
    assert market.upgraded().outcome == "released"
    assert market.pins() == "a1.0 b1.0 c2.1 d1.0 e1.0 f1.0"


def test_candidate_checks_that_can_tell_find_what_live_checks_have_taken_back(market: Market) -> None:
    """A candidate check that knows more by the time of the search: the same check, and another host."""
    market.settings(CHECK + LIVE)
    check = market.site.path / "planted.json"
    market.settings(f"{CHECK}{LIVE}[hooks]\nrestart = ['cp', '{check}.live', '{check}']\n")
    market.plant("c==2.0")
    check.rename(f"{check}.live")
    market.plant()
    with pytest.raises(RolledBackError):
        market.upgraded()
    [found] = market.upgraded().held_back

    assert ([change.name for change in found.changes], found.check) == (["c"], "works")
    assert market.pins() == "a2.0 b2.0 c1.0 d2.0 e2.0 f2.0"


def test_a_refusal_by_the_prepare_hook_is_followed_by_no_search(market: Market) -> None:
    market.settings(f"{CHECK}[hooks]\nprepare = ['false']\n")
    with pytest.raises(RejectedError):
        market.upgraded()
    with pytest.raises(PausedError):
        market.upgraded()
    assert events(market, "package-held", "searched") == []


def test_where_the_live_packages_fail_as_well_no_upgrade_is_blamed(market: Market) -> None:
    market.plant("f==1.0", "f==2.0")
    failed = market.upgrade()

    assert failed.code == 21
    assert "check 'works' failed" in failed.err
    assert "the packages that are live fail as well, so no upgrade is to blame" in failed.err
    assert events(market, "rejected", "package-held", "searched") == ["rejected", "searched"]
    paused = market.upgrade()
    assert (paused.code, paused.out, paused.err) == (20, "", "")
    market.ahead += timedelta(hours=1)
    with pytest.raises(RejectedError):
        market.upgraded()
    assert events(market, "rejected", "searched") == ["rejected", "searched", "rejected"], "searched once"


def test_requirements_that_allow_nothing_else_leave_the_refusal_as_it_was(market: Market) -> None:
    (market.site.path / "requirements.in").write_text("a>=2\nb\nc\nd\ne\nf\n")
    market.plant("a==2.0")
    failed = market.upgrade()

    assert failed.code == 21
    assert "the requirements allow nothing else than what fails" in failed.err
    assert (market.held(), events(market, "searched")) == ([], ["searched"])
    assert market.upgrade("--json").json["error"]["slug"] == "paused"
    (market.site.path / "requirements.in").write_text("a>=1\nb\nc\nd\ne\nf\n")


def test_bounds_hold_back_for_a_day_what_was_not_told_apart(market: Market) -> None:
    market.settings(f"[update]\ntrials = 3\n{CHECK}")
    market.plant("c==2.0")
    [found] = market.upgraded().held_back

    assert not found.certain
    assert "not told apart: the search ended after 3 trials" in found.reason
    assert found.until is not None
    held = {change.name for change in found.changes}
    assert "c" in held
    assert market.pins() == " ".join(f"{name}{1 if name in held else 2}.0" for name in NAMES)
    market.ahead += found.until - market.site.now
    market.ahead *= 1.1
    [again] = market.upgraded().held_back
    assert len(again.changes) < len(found.changes), "the search goes on where it ended"


def test_without_trials_an_upgrade_that_fails_is_refused_as_a_whole(market: Market) -> None:
    market.settings(f"[update]\ntrials = 0\n{CHECK}")
    market.plant("c==2.0")
    with pytest.raises(RejectedError) as refused:
        market.upgraded()
    assert refused.value.data["check"] == "works"
    assert events(market, "package-held", "searched") == []


def test_packages_of_a_group_are_tried_and_held_together(market: Market) -> None:
    market.settings(f'[update]\ngroups = {{ pair = ["b", "e"] }}\n{CHECK}')
    market.plant("e==2.0")
    [found] = market.upgraded().held_back

    assert [change.name for change in found.changes] == ["b", "e"]
    assert market.pins() == "a2.0 b1.0 c2.0 d2.0 e1.0 f2.0"


def test_the_policy_bounds_what_is_tried_and_what_is_released(market: Market) -> None:
    market.settings(f'[update]\nonly = "minor"\n{CHECK}')
    market.offer_all(NAMES, "1.1")
    market.plant("c==1.1", "a==2.0")
    [found] = market.upgraded().held_back

    assert [(change.name, change.after) for change in found.changes] == [("c", "1.1")]
    assert market.pins() == "a1.1 b1.1 c1.0 d1.1 e1.1 f1.1"


@pytest.mark.parametrize("meanwhile", ["venvship hold z==1.0", "echo '# mine' >> requirements.txt"])
def test_another_command_or_a_changed_lockfile_ends_the_search(market: Market, meanwhile: str) -> None:
    once = f'test "$VENVSHIP_EVENT" != trial || test -e once || {{ touch once && {meanwhile}; }}'
    script = market.site.path / "person"
    script.write_text(f"cd $VENVSHIP_ROOT && {once}\n")
    market.settings(f"{CHECK}[[check]]\nname = 'person'\nwhen = 'candidate'\ncommand = ['sh', '{script}']\n")
    market.plant("c==2.0")
    live, pins = market.site.current, market.pins()
    with pytest.raises(SupersededError, match="meanwhile"):
        market.upgraded()

    assert events(market, "searched", "promoting") == []
    assert [hold for hold in market.held() if hold != "z==1.0"] == []
    assert (market.site.current, market.pins(), market.site.debris()) == (live, pins, [])
    [found] = market.upgraded().held_back
    assert [change.name for change in found.changes] == ["c"], "the next update begins anew"


def test_a_rest_that_the_live_checks_take_back_leaves_the_holds_and_says_so(market: Market) -> None:
    market.settings(CHECK + LIVE.replace("planted.json", "live.json"))
    (market.site.path / "live.json").write_text('[["d==2.0"]]')
    market.plant("c==2.0")
    done = market.upgrade()

    assert done.code == 22
    assert "held back: c 1.0 → 2.0: check 'works' failed: exit 1" in done.err
    assert market.held() == ["c==2.0"]
    assert "cannot tell" in market.upgrade().out
    assert market.pins() == "a1.0 b1.0 c1.0 d1.0 e1.0 f1.0"


def test_the_code_of_the_project_is_in_every_trial_and_never_blamed(market: Market, tmp_path: Path) -> None:
    """The commit is new, and so are the packages: only packages are held back."""
    site = market.site
    site.environment.update(GIT_ENVIRONMENT)
    checkout = repository(tmp_path / "src", project_files())
    settings = f'{CHECK}[project]\npath = "{checkout}"\ntimeout = 120\n'
    market.settings(settings)
    assert site.open().release().outcome == "released"
    commit(checkout, {"shop/__init__.py": "NEW = True\n"})
    market.plant("c==2.0")
    [found] = market.upgraded().held_back

    assert [change.name for change in found.changes] == ["c"]
    shown = site.open().show("current")
    assert "shop 1.0" in {f"{one.name} {one.version}" for one in shown.packages}
    assert {f"{one.name} {one.version}" for one in shown.packages} >= {"a 2.0", "b 2.0", "c 1.0"}
    [module] = (site.path / "current").glob("lib/python3*/site-packages/shop/__init__.py")
    assert module.read_text() == "NEW = True\n"
