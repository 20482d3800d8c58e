"""Trials with real builds: the culprits are found, and nothing of a trial is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.roots import Site
from tests.support.wheels import Distribution, build_wheel, lockfile_text
from venvship.errors import InterruptedByError
from venvship.model.settings import Settings
from venvship.model.upgrades.closure import Mixes
from venvship.model.upgrades.search import Findings, Search, Verdict
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.trials.sides import Side, side_of_release
from venvship.operations.trials.trial import Judge, Judged, judge_by_checks, run_trial
from venvship.root import RootLayout
from venvship.workspace.workspace import Workspace

NAMES = "abcdefgh"

CHECK = '''
[[check]]
name = "works"
when = "candidate"
command = ["{bin}/python", "-c", """
import sys
new = {name for name in "abcdefgh" if __import__(name).VERSION == "2.0"}
sys.exit("b" in new or {"c", "e"} <= new or "h" in new)
"""]
'''
"""Fails with new `b`, with new `c` and new `e` together, and with new `h`, which new `g` needs."""


def lock(site: Site, wheels: list[Distribution]) -> None:
    text = lockfile_text(*wheels, options=[f"--find-links {wheels[0].path.parent}"])
    (site.path / "requirements.txt").write_text(text)


@pytest.fixture
def upgraded(site: Site, tmp_path: Path) -> tuple[Site, str, str]:
    """A root with two releases: eight packages at 1.0, and at 2.0."""
    ids = []
    for version in ("1.0", "2.0"):
        wheels = [
            build_wheel(
                tmp_path / "wheels",
                name,
                version,
                files={f"{name}.py": f"VERSION = {version!r}\n"},
                requires=["h>=2"] if (name, version) == ("g", "2.0") else [],
            )
            for name in NAMES
        ]
        lock(site, wheels)
        result = site.open().release()
        assert result.release is not None
        ids.append(result.release.id)
    site.settings(CHECK)
    return site, ids[0], ids[1]


class Trials:
    """The two releases as sides, and their trials."""

    def __init__(self, upgraded: tuple[Site, str, str]) -> None:
        site, before, after = upgraded
        self.workspace = Workspace(RootLayout.at(site.path), site.runtime())
        self.workspace.open_for_writing()
        self.settings: Settings = self.workspace.settings()
        interpreter = find_interpreter(self.workspace, self.settings)
        self.sides: tuple[Side, Side] = (
            side_of_release(self.workspace, self.settings, before, interpreter),
            side_of_release(self.workspace, self.settings, after, interpreter),
        )
        self.mixes = Mixes(self.sides[0].packages, self.sides[1].packages, interpreter.markers)

    def search(self, judge: Judge = judge_by_checks) -> Findings:
        search = Search(self.mixes)
        while search.trial is not None:
            judged = run_trial(self.workspace, self.settings, self.sides, search.trial, judge=judge)
            search.tell(judged.verdict)
        return search.findings


def tree(site: Site) -> list[tuple[str, int]]:
    """Every name below the root, and the journal's size."""
    found = []
    for folder, folders, names in os.walk(site.path):
        found += [(os.path.relpath(os.path.join(folder, name), site.path), 0) for name in (*folders, *names)]
    return sorted([*found, ("journal", (site.path / "state" / "journal.jsonl").stat().st_size)])


def names(changes: object) -> str:
    return "".join(change.name for change in changes)  # type: ignore[attr-defined]


def test_culprits_alone_in_pairs_and_tied_by_requirements_are_found(
    upgraded: tuple[Site, str, str],
) -> None:
    site, _, _ = upgraded
    trials = Trials(upgraded)
    before = tree(site)
    findings = trials.search()

    assert sorted(names(one.changes) for one in findings.sets) == ["b", "ce", "h"]
    assert names(findings.waiting) == "g"
    assert names(findings.good) == "adf"
    assert tree(site) == before


def test_a_signal_in_a_trial_leaves_nothing(upgraded: tuple[Site, str, str]) -> None:
    site, _, _ = upgraded
    trials = Trials(upgraded)
    before = tree(site)

    def interrupted(workspace: Workspace, settings: Settings, release_id: str) -> Judged:
        assert site.debris(), "the candidate stands while it is judged"
        raise InterruptedByError(signal.SIGINT)

    with pytest.raises(InterruptedByError):
        trials.search(interrupted)
    assert tree(site) == before


def test_a_trial_that_cannot_be_built_is_unknown(upgraded: tuple[Site, str, str]) -> None:
    site, _, _ = upgraded
    trials = Trials(upgraded)
    lost = trials.sides[1].wheels["a"]
    os.rename(site.store / "wheels" / lost, site.store / "lost")
    search = Search(trials.mixes)
    assert search.trial is not None
    judged = run_trial(trials.workspace, trials.settings, trials.sides, search.trial)

    assert judged.verdict is Verdict.UNKNOWN
    assert "lacks a 2.0" in judged.reason
    assert not site.debris()
