"""Several roots of one host on one store: their updates and clean-ups do not disturb each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.roots import Site, build_application, make_site

ROOTS = 4


@pytest.fixture
def sites(tmp_path: Path, known_python: Path) -> list[Site]:
    wheels = build_application(tmp_path / "wheels")
    return [
        make_site(tmp_path / f"root-{number}", wheels, tmp_path / "store", tmp_path / "home", known_python)
        for number in range(ROOTS)
    ]


def all_at_once(sites: list[Site], *arguments: str) -> None:
    """Run a command in every root at the same time."""
    processes = [site.start(*arguments) for site in sites]
    said = [process.communicate(timeout=120) for process in processes]
    assert all(process.returncode == 0 for process in processes), said


def test_updates_of_several_roots_at_once_share_one_store(sites: list[Site]) -> None:
    for site in sites:
        site.lock("1.0")
    all_at_once(sites, "update")
    for number, site in enumerate(sites):
        site.lock("1.1" if number % 2 else "1.2")
    all_at_once(sites, "update")
    modules = [next((site.path / "current").glob("lib/python3*/site-packages/dep.py")) for site in sites]
    assert len({os.stat(module).st_ino for module in modules}) == 1
    all_at_once(sites, "prune")
    for site in sites:
        assert site.run("verify", "--all").code == 0


def test_a_root_that_prunes_while_another_builds_waits_for_nobody(sites: list[Site]) -> None:
    first, second, *_ = sites
    for site in (first, second):
        site.lock("1.0")
    all_at_once([first, second], "update")
    for version in ("1.1", "1.2", "1.3"):
        first.lock(version)
        building = first.start("release", "--rebuild")
        assert second.run("prune").code == 0
        assert second.run("rollback").code in {0, 24}
        building.communicate(timeout=60)
        assert building.returncode == 0
