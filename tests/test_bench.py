"""`scripts/bench --quick` on a tiny lockfile, without a network: that it measures, not what."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench.growth import Watch
from tests.bench.inputs import another_version, pin, repinned, typical
from tests.bench.measure import Command, CommandError, Row, alternate, compared
from tests.bench.plot import draw
from tests.support.roots import command
from tests.support.shapes import fits, null_or
from tests.support.wheels import build_wheel, lockfile_text

REPOSITORY = Path(__file__).resolve().parent.parent

ROW = {
    "name": str,
    "against": str,
    "part": str,
    "unit": lambda unit: unit in {"s", "MiB", "inodes"},
    "skipped": str,
    "rounds": int,
    "notes": list,
    "ours": null_or(lambda value: value >= 0),
    "peer": null_or(lambda value: value > 0),
    "ratio": null_or(lambda value: value >= 0),
    "low": null_or(float),
    "high": null_or(float),
    "target": null_or(lambda value: value >= 0),
    "met": null_or(bool),
}
"""A row of the JSON."""


@pytest.fixture(scope="module")
def lockfile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lockfile of three small wheels in a folder."""
    folder = tmp_path_factory.mktemp("bench-inputs")
    wheels = [
        build_wheel(folder / "wheels", f"part{n}", files={f"part{n}/m{i}.py": f"X = {i}\n" for i in range(3)})
        for n in range(3)
    ]
    path = folder / "requirements.txt"
    path.write_text(lockfile_text(*wheels, options=[f"--find-links {folder / 'wheels'}"]))
    return path


def bench(lockfile: Path, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return subprocess.run(
        [
            sys.executable,
            str(REPOSITORY / "scripts" / "bench.py"),
            "--quick",
            *("--lockfile", str(lockfile)),
            *("--cache", str(work / "cache")),
            *("--venvship", command()),
            *arguments,
        ],
        env={**env, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def measured(lockfile: Path, work: Path, *parts: str) -> dict[str, Any]:
    """Run parts; returns the JSON, after a look at what holds for every run."""
    options = [word for part in parts for word in ("--part", part)]
    done = bench(lockfile, work, *options, "--json", str(work / "out.json"), "--plot", str(work / "out.svg"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((work / "out.json").read_text())
    assert isinstance(found, dict)
    fits(
        found, {"format": int, "commit": str, "packages": int, "files": int, "filesystem": str, "rows": [ROW]}
    )
    assert found["packages"] == 3
    assert {row["part"] for row in found["rows"]} == set(parts)
    assert not list((work / "cache").glob("run-*")), "it leaves what it made"
    for row in found["rows"]:
        assert f"{row['name']} / {row['against']}" in done.stdout
        assert bool(row["skipped"]) == (row["ratio"] is None)
    return found


def rows(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["name"], row["against"]): row for row in found["rows"]}


@pytest.mark.slow
def test_releases_are_measured_beside_the_peers_that_are_there(lockfile: Path, tmp_path: Path) -> None:
    # `verify` follows on the same root: it would report hard links that a peer has left.
    found = rows(measured(lockfile, tmp_path, "cold", "warm", "changed", "verify"))

    # Without an index there is no uv: its rows say so, the others are measured.
    skipped = {key for key, row in found.items() if row["skipped"]}
    assert skipped == {key for key in found if key[1].startswith("uv")}
    assert all("uv cannot be had" in found[key]["skipped"] for key in skipped)
    assert found["warm release", "venv + pip"]["ratio"] < 1
    assert found["warm release", "cp -al"]["ratio"] > 1
    peak = found["warm release, largest process", "150 MiB"]
    assert (peak["unit"], peak["met"]) == ("MiB", True)
    assert peak["ours"] > 10
    drawn = ET.parse(tmp_path / "out.svg").getroot()
    words = {element.text for element in drawn.iter() if element.tag.endswith("text")}
    assert {"venvship", "venv + pip", "pip-sync, in place"} <= words


@pytest.mark.slow
def test_a_changed_line_is_measured_with_the_backends_that_are_there(lockfile: Path, tmp_path: Path) -> None:
    found = rows(measured(lockfile, tmp_path, "changed-line"))

    # Without an index there is only the backend in the tree.
    (shown,) = [row for row in found.values() if not row["skipped"]]
    assert shown["name"].startswith("one changed line (a backend in the tree)")
    assert shown["ratio"] > 0
    assert "the backend alone takes" in shown["notes"][0]
    assert [row["skipped"].partition(":")[0] for row in found.values() if row["skipped"]] == [
        "the build backends cannot be had"
    ] * 2


def test_a_release_is_verified_beside_sha256sum_and_its_space_counted(lockfile: Path, tmp_path: Path) -> None:
    found = rows(measured(lockfile, tmp_path, "verify", "space"))

    assert found["verify of a whole release", "sha256sum"]["ratio"] > 0
    again = found["packages' unchanged files with a second inode", "all"]
    assert (again["ours"], again["met"]) == (0, True)
    assert found["a further release, one package changed", "the environment"]["ours"] > 0


@pytest.mark.slow
def test_short_commands_are_measured_beside_a_bare_interpreter(lockfile: Path, tmp_path: Path) -> None:
    found = rows(measured(lockfile, tmp_path, "short", "unchanged"))

    for name in ("update, nothing changed", "status", "rollback, no checks, no hook"):
        row = found[name, "python -I -c pass"]
        assert row["ratio"] > 1
        assert row["low"] <= row["ratio"] <= row["high"]
    assert found["update, nothing changed", "pip-sync, in place"]["ratio"] > 0


@pytest.mark.slow
def test_growth_and_clean_up_are_measured(lockfile: Path, tmp_path: Path) -> None:
    found = measured(lockfile, tmp_path, "growth", "clean-up")["rows"]

    assert sum(row["name"].startswith(("status,", "list,", "rollback,")) for row in found) == 12
    assert any(row["name"].startswith("prune, for each") and row["ratio"] > 0 for row in found)


def test_a_lockfile_that_cannot_be_had_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    done = bench(tmp_path / "missing.txt", tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "missing.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_contenders_take_turns_and_the_warm_up_does_not_count(tmp_path: Path) -> None:
    turns: list[tuple[str, int]] = []

    def turn(name: str, *argv: str) -> Any:
        def make(number: int) -> Command:
            turns.append((name, number))
            return Command((argv,), {"PATH": os.defpath}, tmp_path)

        return make

    series = alternate({"venvship": turn("venvship", "true"), "other": turn("other", "sleep", "0.5")}, 2)

    assert turns == [(name, number) for number in range(3) for name in ("venvship", "other")]
    assert len(series.samples["venvship"]) == 2
    assert min(sample.seconds for sample in series.samples["other"]) >= 0.5
    assert series.row("x", "other", target=1.0).met is True


def test_a_peer_that_fails_is_a_skipped_row_and_venvship_is_an_error(tmp_path: Path) -> None:
    def make(*argv: str) -> Any:
        return lambda _: Command((argv,), {"PATH": os.defpath}, tmp_path)

    failing = ("sh", "-c", "echo no such thing; exit 3")
    series = alternate({"venvship": make("true"), "other": make(*failing)}, 1)
    row = series.row("x", "other", target=1.0)

    assert "exited 3: no such thing" in row.skipped
    assert (row.ratio, row.met) == (None, None)
    with pytest.raises(CommandError, match="no such thing"):
        alternate({"venvship": make(*failing)}, 1)


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    row = compared("x", "y", [1.0, 2.0, 9.0], [1.0, 1.0, 3.0], target=2.0)

    assert (row.ours, row.peer) == (2.0, 1.0)
    assert (row.low, row.ratio, row.high, row.rounds) == (1.0, 2.0, 3.0, 3)
    assert row.met is True


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux shows who holds a flock")
@pytest.mark.parametrize("held", [True, False])
def test_a_mutex_that_is_held_during_a_deletion_is_seen(held: bool, tmp_path: Path) -> None:
    (tmp_path / "releases" / ".trash-x").mkdir(parents=True)
    (tmp_path / "state").mkdir()
    with open(tmp_path / "state" / "switch.mutex", "w") as mutex:
        if held:
            fcntl.flock(mutex, fcntl.LOCK_EX)
        with Watch(tmp_path) as watch:
            time.sleep(0.1)

    assert watch.deleting > 0.01
    assert watch.held == (watch.deleting if held else 0)


def test_another_version_of_a_wheel_is_a_wheel_that_can_be_released(lockfile: Path, tmp_path: Path) -> None:
    wheel = typical(sorted((lockfile.parent / "wheels").glob("*.whl")))
    text = repinned(lockfile.read_text(), another_version(wheel, 7, tmp_path))

    assert sum("+bench.7 --hash=sha256:" in line for line in text.splitlines()) == 1
    assert pin(wheel) not in text


def test_a_plot_of_nothing_says_so() -> None:
    drawn = draw([Row("x", "y", part="warm", skipped="why")], "caption")

    assert "nothing was measured" in drawn
    assert ET.fromstring(drawn).tag.endswith("svg")
