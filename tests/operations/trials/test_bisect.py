"""`bisect` through the command line: sets, exit codes, and a root that stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

from tests.operations.trials.test_trial import NAMES, tree, upgraded
from tests.support.roots import Site
from tests.support.wheels import build_wheel, lockfile_text

__all__ = ["upgraded"]


def test_bisect_names_the_sets_and_changes_nothing(upgraded: tuple[Site, str, str]) -> None:
    site, good, bad = upgraded
    assert site.run("status").code == 0  # whatever a first look leaves is there
    before = tree(site)
    done = site.run("bisect", good, bad)

    assert (done.code, done.err) == (0, "")
    assert "Bad: b 1.0 → 2.0" in done.out
    assert "Bad together: c 1.0 → 2.0, e 1.0 → 2.0" in done.out
    assert "Not tried without these: g 1.0 → 2.0" in done.out
    assert "Good: a 1.0 → 2.0, d 1.0 → 2.0, f 1.0 → 2.0" in done.out
    assert tree(site) == before


def test_bisect_by_a_command_and_its_exit_codes(upgraded: tuple[Site, str, str]) -> None:
    site, good, bad = upgraded
    judge = ["python", "-c", "import b, sys; sys.exit(3 if b.VERSION == '2.0' else 0)"]
    data = site.run("--json", "bisect", good, bad, "--", *judge).data
    assert [one["changes"] for one in data["culprits"]] == [[{"name": "b", "from": "1.0", "to": "2.0"}]]
    assert site.open().bisect(good, bad, command=judge).to_json() == data

    # The releases the wrong way round, and a command that ends the search.
    for arguments in ([bad, good, "--", *judge], [good, bad, "--", "sh", "-c", "exit 130"]):
        refused = site.run("--json", "bisect", *arguments)
        assert refused.code == 40
        assert refused.json["error"]["slug"] == "not-told-apart"
        assert not site.debris()


def test_a_side_may_be_a_lockfile_whose_packages_the_store_does_not_have(
    upgraded: tuple[Site, str, str], tmp_path: Path
) -> None:
    site, good, _ = upgraded
    wheels = [
        build_wheel(tmp_path / "wheels", name, "3.0", files={f"{name}.py": "VERSION = '3.0'\n"})
        for name in NAMES
    ]
    lockfile = tmp_path / "next.txt"
    lockfile.write_text(lockfile_text(*wheels, options=[f"--find-links {wheels[0].path.parent}"]))
    judge = ["python", "-c", "import b, sys; sys.exit(b.VERSION == '3.0')"]
    done = site.run("--json", "bisect", good, str(lockfile), "--", *judge)
    assert (done.code, done.err) == (0, "")
    assert done.data["bad"] == str(lockfile)
    assert [one["changes"] for one in done.data["culprits"]] == [[{"name": "b", "from": "1.0", "to": "3.0"}]]
    assert not site.debris()
    assert len(os.listdir(site.path / "releases")) == 2

    judge = ["python", "-c", "import b, sys; sys.exit(b.VERSION == '1.0')"]
    again = site.run("bisect", str(lockfile), good, "--", *judge)
    assert "Bad: b 3.0 → 1.0" in again.out


def test_a_lockfile_that_is_missing_or_leaves_a_project_out_is_refused(
    upgraded: tuple[Site, str, str], tmp_path: Path
) -> None:
    site, good, _ = upgraded
    missing = site.run("bisect", good, "./none.txt")
    assert missing.code == 11
    (tmp_path / "next.txt").write_text("")
    site.settings("[project]\npath = '/srv/src/shop'\n")
    refused = site.run("bisect", good, str(tmp_path / "next.txt"))
    assert refused.code == 11
    assert "venvship release --no-promote --lockfile" in refused.err
