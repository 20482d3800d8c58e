"""The anchor of a release: its manifest is held against the hash that the journal has, before it is used."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.support.answers import envelope, refusal
from tests.support.forging import forge, forget_anchors, replace_file, rewrite_manifest
from tests.support.processes import script_at
from tests.support.roots import NewSite, Site
from venvship.errors import DamagedError, ReleaseError, VenvshipError

FORGED = b"VERSION = 'forged'\n"
CHECK = "[[check]]\nname = 'imports'\nwhen = 'candidate'\nimport = ['app']\n"


@pytest.fixture(scope="module")
def home(new_site: NewSite) -> tuple[Site, list[str]]:
    """Three releases; nobody switches here."""
    site = new_site("anchored")
    return site, [site.release(version) for version in ("1.0", "1.1", "1.2")]


def manifest_of(site: Site, release_id: str) -> Path:
    return site.path / "releases" / release_id / ".venvship" / "manifest.json"


def slugs(site: Site, *arguments: str) -> list[str]:
    done = site.run(*arguments, "--json")
    assert done.code == 0, done.out
    return [warning["slug"] for warning in envelope(done)["warnings"]]


def test_journal_show_and_list_have_the_hash_of_the_manifest(home: tuple[Site, list[str]]) -> None:
    site, ids = home
    anchors = {
        line["release"]: line["manifest_sha256"] for line in site.journal() if line["event"] == "sealed"
    }

    digests = {name: hashlib.sha256(manifest_of(site, name).read_bytes()).hexdigest() for name in ids}
    assert anchors == digests
    assert {view.id: view.manifest_sha256 for view in site.open().list().releases} == anchors
    shown = site.run("show", ids[0], "--json").data["release"]
    assert shown["manifest_sha256"] == anchors[ids[0]]
    assert f"sha256:{anchors[ids[0]]}" in site.run("show", ids[0]).out


def test_one_hash_kept_elsewhere_verifies_a_release(home: tuple[Site, list[str]]) -> None:
    site, (a, b, _) = home
    kept = site.open().show(a).release.manifest_sha256
    assert kept is not None

    assert site.run("verify", a, "--expect", kept).code == 0
    assert site.open().verify(a, expect=f"sha256:{kept.upper()}").releases[0].ok
    error = refusal(site.run("verify", b, "--expect", kept, "--json"), 40, "damaged")
    assert kept in error["message"]
    assert "damage-found" not in slugs(site, "status"), "no file of it is damaged"
    for wrong in ((a, b, "--expect", kept), ("--all", "--expect", kept), (a, "--expect", "f" * 63)):
        assert site.run("verify", *wrong).code == 2
    with pytest.raises(ValueError, match="one release"):
        site.open().verify(a, b, expect=kept)
    with pytest.raises(ValueError, match="not a SHA-256"):
        site.open().verify(a, expect="f" * 63)


def test_a_release_that_was_forged_whole_is_found_and_nothing_of_it_is_used(
    site: Site, tmp_path: Path
) -> None:
    """Module, list and manifest fit each other, and the manifest names a program that a look would run."""
    site.settings(CHECK)
    a, b, c = (site.release(version) for version in ("1.0", "1.1", "1.2"))
    ran = tmp_path / "ran"
    python = script_at(tmp_path / "python", f'#!/bin/sh\ntouch {ran}\nexec /usr/bin/env python3 "$@"\n')
    for release_id in (b, c):
        forge(site.path / "releases" / release_id, "app.py", FORGED, python=python)

    for line in (("verify", b), ("verify", c), ("verify", "--all")):
        error = refusal(site.run(*line, "--json"), 40, "damaged")
        assert "is not the one that was sealed" in error["message"]
    for line in (("promote", b), ("check", c), ("check", b), ("run", "--", "python", "-c", "import app")):
        done = site.run(*line)
        assert done.code == 13, done.err
        assert "is not the one that was sealed" in done.err
    assert refusal(site.run("rollback", b, "--json"), 13, "release-unusable")
    assert "is not the one that was sealed" in str(site.open().status().current)

    result = site.open().rollback()
    assert result.release.id == a
    assert [
        (passed.id, "is not the one that was sealed" in passed.reason) for passed in result.passed_over
    ] == [(b, True)]
    assert not ran.exists()


@pytest.mark.parametrize("unattended", [False, True])
def test_a_live_release_that_was_forged_is_not_unchanged_but_built_anew(site: Site, unattended: bool) -> None:
    a = site.release("1.0")
    forge(site.path / "releases" / a, "app.py", FORGED)

    root = site.open()
    result = root.update() if unattended else root.release()

    assert result.outcome == "released"
    assert site.current != a
    assert "current-unusable" in [warning.slug for warning in result.warnings]


def test_a_manifest_is_not_even_parsed_that_is_not_the_one_that_was_sealed(site: Site) -> None:
    a = site.release("1.0")
    replace_file(manifest_of(site, a), b"{")

    with pytest.raises(DamagedError, match="is not the one that was sealed"):
        site.open().verify(a)


def test_a_release_of_an_older_venvship_is_used_with_a_warning(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    forget_anchors(site.path / "state" / "journal.jsonl")

    assert site.open().show(a).release.manifest_sha256 is None
    for line in (("verify",), ("check",), ("release",), ("rollback",), ("promote", b, "--force")):
        assert slugs(site, *line).count("no-anchor") == 1, line
    for line in (("status",), ("list",), ("show", a), ("update",)):
        assert "no-anchor" not in slugs(site, *line), line
    kept = hashlib.sha256(manifest_of(site, b).read_bytes()).hexdigest()
    assert slugs(site, "verify", b, "--expect", kept) == []
    site.lock("1.2")
    assert slugs(site, "release", "--force") == []


def test_without_a_journal_a_rollback_goes_on_and_recover_takes_the_hash_again(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    anchors = {name: site.open().show(name).release.manifest_sha256 for name in (a, b)}
    (site.path / "state" / "journal.jsonl").unlink()

    assert {"journal-damaged", "no-anchor"} <= set(slugs(site, "rollback"))
    assert site.current == a
    site.open().recover()

    assert {name: site.open().show(name).release.manifest_sha256 for name in (a, b)} == anchors


def test_lines_before_a_damage_of_the_journal_still_count(site: Site) -> None:
    a = site.release("1.0")
    site.release("1.1")
    journal = site.path / "state" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-1], b"garbage\n", lines[-1]]))
    rewrite_manifest(site.path / "releases" / a, lambda data: data.update(message="another"))

    with pytest.raises(VenvshipError, match="is not the one that was sealed"):
        site.open().rollback(a)


def test_a_relocated_release_has_an_anchor_of_its_own(site: Site) -> None:
    a = site.release("1.0")
    moved = site.path.with_name("moved")
    os.rename(site.path, moved)
    site.path = moved
    site.open().relocate()

    assert site.current != a
    view = site.open().show().release
    assert view.manifest_sha256 == hashlib.sha256(manifest_of(site, view.id).read_bytes()).hexdigest()
    forge(moved / "releases" / view.id, "app.py", FORGED)
    with pytest.raises(ReleaseError, match="is not the one that was sealed"):
        site.open().promote(view.id)
