"""A release to run hooks and checks in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from venvship.health.context import Context
from venvship.system.signals import Signals

RELEASE = "20261122T094143Z-3f9a1c2"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    release = tmp_path / "releases" / RELEASE
    (release / "bin").mkdir(parents=True)
    (release / "bin/python").symlink_to(sys.executable)
    (tmp_path / "log").mkdir()
    return Context(
        root=str(tmp_path),
        release_id=RELEASE,
        release_path=str(release),
        previous_id=None,
        event="release",
        environ={"PATH": "/usr/bin:/bin"},
        leases=str(tmp_path / "state" / "leases"),
        log_dir=str(tmp_path / "log" / RELEASE),
        signals=Signals(),
    )
