"""A few power cuts on each file system; `scripts/torture` makes many."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture import powercuts
from tests.torture.filesystems import KINDS, NO_FLUSH
from tests.torture.lab import Lab
from tests.torture.powercuts import Bench
from tests.torture.tally import Scale


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("power"), filled)


@pytest.fixture(scope="module", params=KINDS)
def bench(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Bench]:
    reason = powercuts.reason_to_skip(request.param)
    if reason:
        pytest.skip(reason)
    with powercuts.bench(lab, request.param) as made:
        yield made


def test_a_power_cut_breaks_nothing_that_was_acknowledged(bench: Bench) -> None:
    points = list(powercuts.random_cuts(bench, Scale(points=2), ("release", "promote")))
    assert [wrong for _, wrong in points] == [[], []], points


def test_what_a_command_says_is_true_after_a_power_cut(bench: Bench) -> None:
    points = list(powercuts.cuts_afterwards(bench, Scale(points=2), ("release", "promote")))
    assert [wrong for _, wrong in points] == [[], []], points


def test_what_was_cut_is_mounted_anew_though_another_namespace_has_a_copy(bench: Bench) -> None:
    bench.disk.insert()
    (bench.disk.path / "file").write_text("durable")
    subprocess.run(["sync", "--file-system", bench.disk.path], check=True)
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; read line"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        bench.disk.cut(NO_FLUSH)
        ends = threading.Timer(0.5, other.stdin.close)
        ends.start()
        bench.disk.restart()
        ends.join()
    assert (bench.disk.path / "file").read_text() == "durable"
