"""`status --prometheus`: the text format to the letter, and the figures."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_start import imports, snapshot
from tests.support.answers import accepted, complaint, only, refusal, released, run_as
from tests.support.roots import Site, make_site
from tests.support.wheels import Distribution
from venvship.cli.prometheus import METRICS

NOBODY = 65534

SAMPLE = re.compile(
    r"([a-z_]+)\{((?:[a-z_0-9]+=\"(?:[^\"\\\n]|\\[\\n\"])*\",?)+)\} (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
)
LABEL = re.compile(r"([a-z_0-9]+)=\"((?:[^\"\\\n]|\\[\\n\"])*)\"(?:,|$)")


@dataclass
class Figures:
    """What was printed."""

    values: dict[tuple[str, ...], float] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        return self.values[(key,) if isinstance(key, str) else key]

    def __contains__(self, name: str) -> bool:
        return name in self.order


def parse(text: str) -> Figures:
    """Read the text format strictly: HELP, TYPE, samples; each metric once and together.

    The keys of `values` are a metric's name and the values of its labels but for `root`.
    """
    assert text.endswith("\n")
    found = Figures()
    lines = iter(text.splitlines())
    name = ""
    for line in lines:
        if line.startswith("#"):
            helped = re.fullmatch(r"# HELP ([a-z_]+) (\S[^\\]*\S)", line)
            assert helped, line
            name = helped[1]
            assert name not in found.order, f"{name} comes twice"
            found.order.append(name)
            assert next(lines) == f"# TYPE {name} gauge"
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == name, "a sample stands below its own HELP and TYPE"
        pairs = LABEL.findall(match[2])
        assert ",".join(f'{key}="{value}"' for key, value in pairs) == match[2], line
        unescaped = {
            key: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value) for key, value in pairs
        }
        assert list(unescaped) == ["root", *METRICS[name][0]], "the labels that the reference lists"
        key = (name, *(value for label, value in unescaped.items() if label != "root"))
        assert key not in found.values, f"{line} comes twice"
        found.values[key] = float(match[3])
        found.labels[name] = unescaped
    return found


def figures(site: Site) -> Figures:
    done = site.run("status", "--prometheus")
    assert (done.code, done.err) == (0, "")
    return parse(done.out)


def test_what_is_live_is_in_figures(stocked: Site) -> None:
    released(stocked, "1.0", "1.1")
    status = accepted(stocked.run("status", "--json"))
    found = figures(stocked)
    release = status["current"]
    assert found.labels["venvship_release_info"] == {
        "root": str(stocked.path),
        "name": "shop",
        "release": release["id"],
        "state": "unchecked",
        "python": release["python"],
        "lockfile_sha256": release["lockfile_sha256"],
    }
    assert found["venvship_release_packages"] == 2
    assert found["venvship_release_usable"] == 1
    assert found["venvship_rollback_ready"] == 1
    assert found["venvship_releases", "unchecked"] == 2
    assert found["venvship_releases", "bad"] == 0
    assert found["venvship_last_outcome", "promoted"] == 1
    assert sum(value for key, value in found.values.items() if key[0] == "venvship_last_outcome") == 1
    created, live, last = (
        found[f"venvship_{name}_timestamp_seconds"]
        for name in ("release_created", "release_live", "last_outcome")
    )
    assert time.time() - 3600 < created <= live == last <= time.time()
    assert found["venvship_filesystem_available_bytes"] > 0
    assert found["venvship_filesystem_used_bytes"] > 0
    for quiet in (
        "interrupted",
        "debris",
        "lockfile_changed",
        "old_processes",
        "journal_damaged",
        "journal_torn",
    ):
        assert found[f"venvship_{quiet}"] == 0
    assert "venvship_warnings" not in found
    assert "venvship_held_since_timestamp_seconds" not in found


def test_metrics_come_in_the_order_of_the_reference(shop: Site) -> None:
    order = figures(shop).order
    assert order == [name for name in METRICS if name in order]
    absent = {
        "venvship_held_since_timestamp_seconds",
        "venvship_update_paused_until_timestamp_seconds",
        "venvship_warnings",
    }
    verified = {
        "venvship_audited_timestamp_seconds",
        "venvship_vulnerabilities",
        "venvship_verified_timestamp_seconds",
        "venvship_verified_damaged",
    }
    assert set(METRICS) - set(order) - verified == absent


def test_names_follow_the_conventions_of_prometheus() -> None:
    for name, (_, text) in METRICS.items():
        assert name.startswith("venvship_")
        assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_ms", "_time"))
        assert ("timestamp" in name) == name.endswith("_timestamp_seconds")
        assert text.endswith(".")
        assert not set(text) & set("\\\n")


def test_a_root_without_releases_has_figures_too(site: Site) -> None:
    found = figures(site)
    assert "venvship_release_info" not in found
    assert "venvship_last_outcome_timestamp_seconds" not in found
    assert found["venvship_rollback_ready"] == 0
    assert found["venvship_root_info", "shop", found.labels["venvship_root_info"]["version"], ""] == 1


def test_holds_are_told_apart_by_their_scope(stocked: Site, hooked: Callable[..., None]) -> None:
    [a] = released(stocked, "1.0")
    hooked(live=only(a))
    stocked.lock("1.1")
    assert stocked.run("release").code == 22
    found = figures(stocked)
    assert (found["venvship_held", "environment"], found["venvship_held", "root"]) == (1, 0)
    assert found["venvship_last_outcome", "rolled-back"] == 1
    assert found["venvship_releases", "bad"] == 1
    assert found["venvship_lockfile_changed"] == 1
    assert found["venvship_held_since_timestamp_seconds", "environment"] > time.time() - 3600
    stocked.run("hold")
    found = figures(stocked)
    assert (found["venvship_held", "environment"], found["venvship_held", "root"]) == (0, 1)


def test_a_failed_build_is_the_last_outcome(stocked: Site) -> None:
    released(stocked, "1.0")
    before = figures(stocked)["venvship_last_outcome_timestamp_seconds"]
    (stocked.path / "requirements.txt").write_text(f"gone==1.0 --hash=sha256:{'0' * 64}\n")
    assert stocked.run("release").code == 20
    found = figures(stocked)
    assert found["venvship_last_outcome", "build-failed"] == 1
    assert found["venvship_last_outcome", "promoted"] == 0
    assert found["venvship_last_outcome_timestamp_seconds"] >= before


def test_a_release_that_is_gone_is_nothing_to_go_back_to(stocked: Site) -> None:
    a, _ = released(stocked, "1.0", "1.1")
    python = stocked.path / "releases" / a / "bin" / "python"
    target = python.readlink()
    python.parent.chmod(0o755)
    python.unlink()
    try:
        assert figures(stocked)["venvship_rollback_ready"] == 0
    finally:
        python.symlink_to(target)
        python.parent.chmod(0o555)


def journal_torn(site: Site) -> None:
    with open(site.path / "state" / "journal.jsonl", "ab") as journal:
        journal.write(b'{"torn')


def journal_damaged(site: Site) -> None:
    with open(site.path / "state" / "journal.jsonl", "r+b") as journal:
        journal.write(b"#")


def journal_lost(site: Site) -> None:
    (site.path / "state" / "journal.jsonl").unlink()


def debris(site: Site) -> None:
    (site.path / "releases" / ".trash-20200101T000000Z-0000000").mkdir()


def settings(site: Site) -> None:
    (site.path / "venvship.toml").write_text("[[[")


def foreign(site: Site) -> None:
    (site.path / "current").unlink()
    (site.path / "current").symlink_to("/usr")


@pytest.mark.parametrize(
    ("trouble", "metric", "slug"),
    [
        (journal_torn, "venvship_journal_torn", "journal-torn"),
        (journal_damaged, "venvship_journal_damaged", "journal-damaged"),
        (journal_lost, "venvship_journal_damaged", "journal-damaged"),
        (debris, "venvship_debris", ""),
        (settings, "", "settings-invalid"),
        (foreign, "", "current-not-ours"),
    ],
)
def test_trouble_is_a_figure_and_no_failure(
    stocked: Site, trouble: Callable[[Site], None], metric: str, slug: str
) -> None:
    released(stocked, "1.0")
    trouble(stocked)
    found = figures(stocked)
    if metric:
        assert found[metric] == 1
    assert {key[1] for key in found.values if key[0] == "venvship_warnings"} >= ({slug} if slug else set())


def test_an_interrupted_operation_is_a_figure(stocked: Site, hooked: Callable[..., None]) -> None:
    released(stocked, "1.0")
    stocked.lock("1.1")
    hooked(restart="kill -9 $PPID")
    assert stocked.run("release").code == -9
    found = figures(stocked)
    assert found["venvship_interrupted"] == 1
    assert found["venvship_operation_running"] == 0
    assert found["venvship_warnings", "interrupted"] == 1


@pytest.mark.parametrize("name", ['the "shop"', "back\\slash", 'caf\u00e9 {a="b"} 5%'])
def test_names_and_paths_are_escaped(
    tmp_path: Path, application: dict[str, Distribution], shared_store: Path, known_python: Path, name: str
) -> None:
    site = make_site(tmp_path / name, application, shared_store, tmp_path / "home", known_python)
    (site.path / "venvship.toml").write_text("")
    labels = figures(site).labels["venvship_root_info"]
    assert (labels["root"], labels["name"]) == (str(site.path), name)


def test_there_is_one_output(shop: Site) -> None:
    refusal(shop.run("status", "--prometheus", "--json"), 2, "usage")
    refusal(shop.run("--json", "status", "--prometheus"), 2, "usage")
    complaint(shop.run("status", "--prometheus", cwd=shop.path.parent), 12)


def test_measuring_is_reading(shop: Site) -> None:
    before = snapshot(shop.path)
    figures(shop)
    assert snapshot(shop.path) == before


def test_measuring_works_for_who_may_write_nothing(world_readable: Site) -> None:
    done = run_as(world_readable, NOBODY, "status", "--prometheus")
    assert (done.code, done.err) == (0, "")
    assert parse(done.out)["venvship_release_usable"] == 1


def test_measuring_imports_no_more_than_status_does(shop: Site) -> None:
    more: set[str] = imports(shop, "status", "--prometheus") - imports(shop, "status")
    ours = {name for name in more if name.startswith("venvship")}
    assert ours == {"venvship.cli.prometheus", "venvship.operations.reporting.measure"}
    assert more - ours <= {"venvship"}


def test_figures_are_what_the_python_interface_gives(stocked: Site) -> None:
    released(stocked, "1.0", "1.1")
    measured: Any = stocked.open().measure()
    assert measured.states["unchecked"] == 2
    assert measured.last_outcome.event == "promoted"
    assert measured.status.current.id == stocked.current
