"""Every switch, and the link `previous`, go to releases that could run: their interpreters are asked, too."""

from __future__ import annotations

import re

import pytest

from tests.support.forging import forget_anchors, rewrite_manifest
from tests.support.roots import Site
from venvship import errors


def get_another_interpreter(site: Site, release_id: str) -> None:
    """Have a release look as if its interpreter had been replaced by one that does not serve it."""
    rewrite_manifest(
        site.path / "releases" / release_id, lambda manifest: manifest["python"].update(magic="other")
    )
    forget_anchors(site.path / "state" / "journal.jsonl")


def test_previous_never_names_a_release_whose_interpreter_is_another_one(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    get_another_interpreter(site, b)
    c = site.release("1.2")
    assert site.previous == a, "after a promotion"

    before = site.events()
    assert site.open().recover().outcome == "clean"
    assert (site.previous, site.events()) == (a, before), "nothing flips to and fro"

    (site.path / "previous").unlink()
    assert site.open().recover().outcome == "clean"
    assert site.previous == a, "after a recovery"

    site.release("1.3")
    assert site.previous == c
    assert site.open().rollback().release.id == c
    assert site.previous == a, "after a rollback"


def test_a_release_whose_interpreter_is_another_one_is_not_promoted_again(site: Site) -> None:
    a = site.release("1.0")
    site.release("1.1")
    site.lock("1.0")
    assert site.open().release(dry_run=True).plan == "reactivate"
    get_another_interpreter(site, a)
    assert site.open().release(dry_run=True).plan == "build"


@pytest.mark.parametrize("case", ["damaged journal", "promotion on trial"])
def test_a_blind_rollback_does_not_go_to_one_either(site: Site, case: str) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    if case == "damaged journal":
        get_another_interpreter(site, a)
        journal = site.path / "state" / "journal.jsonl"
        journal.write_text("damaged\n" + journal.read_text())
    else:
        site.settings("[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
        site.lock("1.2")
        assert site.run("release").code == -9
        site.settings()
        get_another_interpreter(site, b)
        assert site.open().rollback().release.id == a
        return

    with pytest.raises(errors.NothingToRollBackToError) as caught:
        site.open().rollback()
    assert re.search(r"passed over \S+: cannot be used: ", caught.value.message)
    assert site.current == b
