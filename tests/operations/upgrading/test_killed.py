"""A search that is killed leaves live release, lockfile and holds as they were; the next one begins anew."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.roots import Site
from tests.torture import invariants, searching
from tests.torture.children import effects, run_forked
from tests.torture.lab import Scenario, culprit

POINTS = 6
"""So many of the effects are tried; the torture takes all of them."""


def test_a_kill_in_a_search_leaves_the_root_as_it_was_and_the_next_update_begins_anew(
    site: Site, tmp_path: Path
) -> None:
    (site.path / "requirements.txt").unlink()
    culprit(site)
    snapshot = tmp_path / "snapshot"
    subprocess.run(["cp", "-a", site.path, snapshot], check=True)
    scenario = Scenario(site=site, snapshot=snapshot, command=("update", "--upgrade"))
    assert searching.state(site) == searching.BEFORE
    every = effects(site, scenario.command, tmp_path / "trace")
    assert searching.state(site) == searching.RELEASED
    lines = [
        number
        for number, effect in enumerate(every, start=1)
        if effect.startswith("write") and effect.endswith("journal.jsonl")
    ]
    rejected, held = lines[:2]
    for number in (*range(rejected + 1, held, (held - rejected) // (POINTS - 2) or 1), held, held + 1):
        before = invariants.observe(scenario.restore())
        assert run_forked(site, scenario.command, plan=f"kill@{number}").code == -9
        killed = searching.state(site)
        assert killed == (searching.BEFORE if number <= held else searching.FOUND), every[number - 1]
        following = run_forked(site, scenario.command)
        assert following.code == 0, following.err
        assert searching.state(site) == searching.RELEASED, every[number - 1]
        assert invariants.settled(site, before) == []
