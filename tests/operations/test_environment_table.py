"""What a release does about the environment that the lockfile asks for: the table, row by row."""

from __future__ import annotations

import pytest

from tests.support.roots import Site, refuses
from venvship.errors import RolledBackError
from venvship.operations.release import ReleaseOptions, Releasing
from venvship.root import RootLayout
from venvship.workspace.workspace import Workspace


def release_bad(site: Site) -> str:
    """Release a version that its live check refuses; returns the bad release."""
    site.settings(refuses("1.2"))
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


def test_the_result_names_the_release_that_was_compared_whatever_is_current_by_then(site: Site) -> None:
    a, _ = site.release("1.0"), site.release("1.1")
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    releasing = Releasing(workspace, ReleaseOptions())

    releasing.unchanged(a, workspace.history())

    assert releasing.result.release is not None
    assert releasing.result.release.id == a


@pytest.mark.parametrize("unattended", [False, True])
def test_the_environment_of_an_intact_proven_release_is_promoted_again(site: Site, unattended: bool) -> None:
    a = site.release("1.0")
    site.release("1.1")
    site.lock("1.0")
    result = site.open().update() if unattended else site.open().release()
    assert (result.outcome, site.current) == ("reactivated", a)


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


def test_an_inconclusive_environment_is_built_anew(site: Site) -> None:
    site.release("1.0")
    site.settings("[[check]]\nname = 'both'\ncommand = ['false']\ndeadline = 0\n")
    site.lock("1.1")
    assert site.run("release").code == 23, "both fail, which says nothing about the new one"
    site.settings()
    result = site.open().release()
    assert result.outcome == "released"


def test_a_refusal_lapses_when_the_checks_change(site: Site) -> None:
    site.release("1.0")
    release_bad(site)
    site.settings()
    assert site.open().release().outcome == "released"


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
