"""Roots that extend a common file: the tier is told everywhere, and a rollback needs no file but its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.answers import refused
from tests.support.roots import Site

HOOKS = """
tier = "staging"

[hooks]
generate = ["sh", "-c", "echo generate $VENVSHIP_TIER >> {told}; touch $VENVSHIP_GENERATED/x"]
prepare = ["sh", "-c", "echo prepare $VENVSHIP_TIER >> {told}"]
restart = ["sh", "-c", "echo restart $VENVSHIP_TIER >> {told}"]
notify = ["sh", "-c", "cat > {told}.json; echo notify $VENVSHIP_TIER >> {told}"]

[[check]]
name = "tier"
command = ["sh", "-c", "echo check $VENVSHIP_TIER >> {told}"]
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


@pytest.fixture
def common(tmp_path: Path, told: Path) -> Path:
    path = tmp_path / "common.toml"
    path.write_text(HOOKS.replace("{told}", str(told)))
    return path


@pytest.fixture
def tiered(site: Site, common: Path) -> Site:
    """A root that extends `common`, and is production."""
    text = (site.path / "venvship.toml").read_text()
    (site.path / "venvship.toml").write_text(f"extends = ['{common}']\ntier = 'production'\n{text}")
    return site


def test_hooks_checks_run_journal_status_and_metrics_have_the_tier(tiered: Site, told: Path) -> None:
    done = tiered.run("release", "--json", env={"VENVSHIP_TIER": "of another root"})
    assert done.code == 0, done.err
    said = told.read_text().splitlines()
    assert said == [f"{name} production" for name in ("generate", "prepare", "restart", "check", "notify")]
    assert json.loads(Path(f"{told}.json").read_text())["tier"] == "production"
    assert tiered.run("run", "sh", "-c", "echo $VENVSHIP_TIER").out == "production\n"
    assert {event["tier"] for event in tiered.journal()} == {"production"}
    assert tiered.run("status", "--json").data["tier"] == "production"
    assert tiered.run("status").out.startswith(f"shop (production) · {tiered.path}\n")
    [info] = [
        line
        for line in tiered.run("status", "--prometheus").out.splitlines()
        if line.startswith("venvship_root_info{")
    ]
    assert 'tier="production"' in info


def test_without_a_tier_nothing_is_told_and_none_is_inherited(site: Site) -> None:
    site.release("1.0")
    assert not [event for event in site.journal() if "tier" in event]
    assert site.run("status", "--json").data["tier"] is None
    shown = site.run("run", "sh", "-c", 'echo "<$VENVSHIP_TIER>"', env={"VENVSHIP_TIER": "production"})
    assert shown.out == "<>\n"


def test_a_rollback_restarts_with_the_kept_settings_where_the_common_file_is_gone(
    tiered: Site, common: Path, told: Path
) -> None:
    first = tiered.release("1.0")
    tiered.release("1.1")
    common.unlink()
    told.unlink()
    error = refused(tiered, "release", code=10, slug="settings-invalid")
    assert error["message"].startswith(f"cannot read {common}, which {tiered.path}/venvship.toml extends: ")
    refused(tiered, "check", code=10, slug="settings-invalid")
    done = tiered.run("rollback", "--json")
    assert done.code == 0, done.err
    assert [one["slug"] for one in done.json["warnings"]] == ["settings-kept"]
    assert tiered.current == first
    assert told.read_text().splitlines() == ["restart production", "check production", "notify production"]
    assert tiered.journal()[-1]["tier"] == "production"


def test_a_change_of_the_common_file_counts_with_the_next_command(tiered: Site, common: Path) -> None:
    tiered.release("1.0")
    common.write_text("[[check]]\nname = 'no'\nwhen = 'candidate'\ncommand = ['false']\n")
    tiered.lock("1.1")
    refused(tiered, "release", code=21, slug="rejected")
    common.write_text("")
    assert tiered.run("release", "--json").data["outcome"] == "reactivated"


def test_a_mistake_in_the_common_file_is_told_by_status_with_its_name(tiered: Site, common: Path) -> None:
    tiered.release("1.0")
    common.write_text("kep = 3\n")
    refused(tiered, "release", code=10, slug="settings-invalid")
    [warning] = tiered.run("status", "--json").json["warnings"]
    assert (warning["slug"], warning["message"]) == (
        "settings-invalid",
        f"{common}: kep: no such key; did you mean keep?",
    )
