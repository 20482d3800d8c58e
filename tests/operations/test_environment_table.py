"""What a release does about the environment that the lockfile asks for: the table, row by row."""

from __future__ import annotations

import pytest

from tests.support.roots import Site
from venvship.errors import HeldError, RolledBackError

BAD_12 = """
[[check]]
name = "not-1.2"
command = ["python", "-c", "import app, sys; sys.exit(app.VERSION == '1.2')"]
deadline = 0
"""


def release_bad(site: Site) -> str:
    """Release a version that its live check refuses; returns the bad release."""
    site.settings(BAD_12)
    site.lock("1.2")
    with pytest.raises(RolledBackError) as caught:
        site.open().release()
    return str(caught.value.data["release"])


def test_the_environment_of_current_is_unchanged_for_people_and_unattended(site: Site) -> None:
    a = site.release("1.0")
    site.lock("1.0", comment="other bytes, the same environment")
    assert site.open().release().outcome == "unchanged"
    assert site.open().update().outcome == "unchanged"
    assert site.current == a
    assert site.events().count("sealed") == 1


def test_the_environment_of_current_is_built_anew_on_demand(site: Site) -> None:
    a = site.release("1.0")
    result = site.open().release(rebuild=True)
    assert result.outcome == "released"
    assert site.current not in {a, None}
    assert result.release is not None
    assert result.previous is not None
    assert result.release.tree_digest == result.previous.tree_digest


@pytest.mark.parametrize("unattended", [False, True])
def test_the_environment_of_an_intact_proven_release_is_promoted_again(site: Site, unattended: bool) -> None:
    a = site.release("1.0")
    site.release("1.1")
    site.lock("1.0")
    result = site.open().update() if unattended else site.open().release()
    assert (result.outcome, site.current) == ("reactivated", a)


@pytest.mark.parametrize("unattended", [False, True])
def test_the_environment_of_a_sealed_release_is_promoted(site: Site, unattended: bool) -> None:
    site.release("1.0")
    site.lock("1.1")
    built = site.open().release(no_promote=True)
    assert built.outcome == "built"
    assert built.release is not None
    assert site.current != built.release.id
    result = site.open().update() if unattended else site.open().release()
    assert (result.outcome, site.current) == ("reactivated", built.release.id)


def test_a_damaged_release_is_not_reactivated_but_built_anew(site: Site) -> None:
    a = site.release("1.0")
    site.release("1.1")
    folder = site.path / "releases" / a / "lib"
    folder.chmod(0o755)
    (next(folder.glob("python*/site-packages"))).chmod(0o755)
    next(folder.glob("python*/site-packages/app.py")).unlink()
    site.lock("1.0")
    assert site.open().release().outcome == "released"
    assert site.current != a


@pytest.mark.parametrize("unattended", [False, True])
def test_a_new_environment_is_built_and_promoted(site: Site, unattended: bool) -> None:
    result = site.open().update() if unattended else site.open().release()
    assert result.outcome == "released"
    assert result.release is not None
    assert site.current == result.release.id


def test_an_inconclusive_environment_is_built_anew(site: Site) -> None:
    site.release("1.0")
    site.settings("[[check]]\nname = 'both'\ncommand = ['false']\ndeadline = 0\n")
    site.lock("1.1")
    assert site.run("release").code == 23, "both fail, which says nothing about the new one"
    site.settings()
    result = site.open().release()
    assert result.outcome == "released"


def test_a_bad_environment_is_refused_until_somebody_insists(site: Site) -> None:
    a = site.release("1.0")
    bad = release_bad(site)
    with pytest.raises(HeldError, match=bad):
        site.open().release()
    with pytest.raises(HeldError):
        site.open().update()
    assert site.current == a
    with pytest.raises(RolledBackError):
        site.open().release(force=True)
    assert site.events().count("promoting") == 3


def test_a_refusal_lapses_when_the_checks_change(site: Site) -> None:
    site.release("1.0")
    release_bad(site)
    site.settings()
    assert site.open().release().outcome == "released"


def test_a_refusal_lapses_by_unhold(site: Site) -> None:
    site.release("1.0")
    release_bad(site)
    site.open().unhold()
    with pytest.raises(RolledBackError):
        site.open().release()


def test_a_refusal_survives_the_removal_of_its_release(site: Site) -> None:
    site.release("1.0")
    bad = release_bad(site)
    site.settings(f"{BAD_12}")
    site.open(clock=site.later(hours=3)).prune()
    assert bad in [release.id for release in site.open().list().releases], "kept to look into"
    settings = (
        (site.path / "venvship.toml").read_text().replace('name = "shop"', 'name = "shop"\nkeep_failed = 0')
    )
    (site.path / "venvship.toml").write_text(settings)
    site.open(clock=site.later(hours=3)).prune()
    assert bad not in [release.id for release in site.open().list().releases]
    with pytest.raises(HeldError):
        site.open().release()


def test_under_a_hold_by_hand_a_person_goes_on_and_only_unhold_lifts_it(site: Site) -> None:
    site.release("1.0")
    site.open().hold(message="migration")
    site.lock("1.1")
    with pytest.raises(HeldError, match="migration"):
        site.open().update()
    assert site.open().release().outcome == "released"
    held = site.open().status().held
    assert held is not None
    assert held.reason == "migration"
    site.open().unhold()
    assert site.open().status().held is None


def test_a_hold_after_a_rollback_is_lifted_by_a_persons_release(site: Site) -> None:
    site.release("1.0")
    site.release("1.1")
    site.open().rollback(message="checkout is broken")
    site.release("1.2")
    assert site.open().status().held is None


def test_a_rollback_by_a_person_holds_the_root_until_the_lockfile_is_another_one(site: Site) -> None:
    site.release("1.0")
    site.release("1.1")
    site.open().rollback(message="checkout is broken")
    for _ in range(2):
        with pytest.raises(HeldError, match="checkout is broken"):
            site.open().update()
    site.lock("1.2")
    assert site.open().update().outcome == "released"
    assert site.open().status().held is None


def test_three_bad_environments_in_a_row_hold_the_root(site: Site) -> None:
    site.release("1.0")
    site.settings(BAD_12.replace("== '1.2'", "!= '1.0'"))
    for version in ("1.1", "1.2", "1.3"):
        site.lock(version)
        with pytest.raises(RolledBackError):
            site.open().release()
    held = site.open().status().held
    assert held is not None
    assert held.scope == "root"


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(site: Site) -> None:
    a = site.release("1.0")
    site.lock("1.1")
    before = sorted((p, p.lstat().st_mtime_ns) for p in site.path.rglob("*"))
    result = site.open().release(dry_run=True)
    assert (result.outcome, result.plan) == ("planned", "build")
    assert [change.to_json() for change in result.diff.changed] == [
        {"name": "app", "from": "1.0", "to": "1.1"}
    ]
    assert sorted((p, p.lstat().st_mtime_ns) for p in site.path.rglob("*")) == before
    assert site.current == a
