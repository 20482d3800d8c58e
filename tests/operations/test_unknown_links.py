"""Hard links of a release's files: those of the store and of releases are known, any other is a finding."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.support.answers import refusal
from tests.support.roots import Site
from venvship.errors import UnknownLinksError
from venvship.operations.verify import VerifyResult
from venvship.system.trees import remove_tree


def linked(site: Site, *names: str) -> tuple[str, ...]:
    """The files that `verify` reports."""
    try:
        found = site.open().verify(*names)
    except UnknownLinksError as error:
        found = cast(VerifyResult, error.result)
    assert all(one.intact and one.ok == (not one.linked) for one in found.releases)
    return tuple(path for one in found.releases for path in one.linked)


def file_of(site: Site, release_id: str, name: str) -> Path:
    return next((site.path / "releases" / release_id).glob(f"**/{name}"))


def test_a_name_elsewhere_is_found_whether_the_file_is_of_the_store_or_not(
    site: Site, tmp_path: Path
) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    assert linked(site, a, b) == ()

    for name in ("dep.py", "app", "pyvenv.cfg", "manifest.json"):
        os.link(file_of(site, b, name), tmp_path / name)
    found = linked(site, b)
    assert {os.path.basename(path) for path in found} == {"dep.py", "app", "pyvenv.cfg", "manifest.json"}
    assert [os.path.basename(path) for path in linked(site, a)] == ["dep.py"], "the same file"

    error = refusal(site.run("verify", b, "--json"), 40, "unknown-links")
    assert "find / -xdev -samefile" in error["hint"]
    assert "has a hard link elsewhere" in site.run("verify", b).out
    assert site.open().rollback().release.id == a, "its files are intact"


def test_names_in_other_roots_of_the_store_are_known(site: Site, tmp_path: Path) -> None:
    other = replace(site, path=tmp_path / "other")
    other.path.mkdir()
    other.settings()
    a = site.release("1.0")
    b = other.release("1.0")

    assert linked(site, a) == linked(other, b) == ()
    os.link(file_of(site, a, "dep.py"), tmp_path / "elsewhere.py")
    assert len(linked(site, a)) == 1

    # A root that is gone may be elsewhere, with its releases: then only files count that the store has not.
    other.path.rename(tmp_path / "moved")
    assert linked(site, a) == ()
    os.link(file_of(site, a, "pyvenv.cfg"), tmp_path / "pyvenv.cfg")
    assert linked(site, a) == ("pyvenv.cfg",)


def test_a_list_of_roots_that_is_younger_than_the_release_tells_nothing(site: Site, tmp_path: Path) -> None:
    """The store was removed, which is allowed, and with it the list of the roots that share its files."""
    other = replace(site, path=tmp_path / "other")
    other.path.mkdir()
    other.settings()
    a = site.release("1.0")
    other.release("1.0")
    remove_tree(site.store)
    assert linked(site, a) == ()

    b = site.release("1.1", rebuild=True)
    assert linked(site, a, b) == ()
    os.link(file_of(site, b, "dep.py"), tmp_path / "elsewhere.py")
    assert len(linked(site, a, b)) == 1


@pytest.mark.parametrize("link", ["hardlink", "copy"])
def test_a_root_with_its_own_store_finds_nothing_after_a_rebuild_and_a_prune(
    site: Site, tmp_path: Path, link: str
) -> None:
    site.settings(f'keep = 2\nlink = "{link}"\n')
    for version in ("1.0", "1.1", "1.2"):
        site.release(version)
    site.open(clock=site.later(days=9)).prune()
    shutil.copytree(site.path / "releases", tmp_path / "backup", symlinks=True)

    assert site.open().verify(all=True).releases
