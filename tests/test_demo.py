"""The demo does what README says, wherever it is started. Its own expectations are its exit status."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.network import environment
from tests.support.roots import command, finish

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.mark.network
def test_the_demo_goes_as_announced_from_any_directory(tmp_path: Path) -> None:
    variables = {
        **environment(network=True),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "VENVSHIP_COMMAND": command(),
    }

    done = finish(
        sys.executable, "-Es", REPOSITORY / "scripts" / "demo.py", cwd=Path("/"), env=variables, timeout=900
    )

    assert done.code == 0, done.out + done.err
    chapters = [line.strip("─ ") for line in done.out.splitlines() if line.startswith("──")]
    assert chapters[:5] == [
        "A checkout",
        "A first release",
        "An upgrade",
        "A release that is no good",
        "A person goes back",
    ]
    assert "All as announced" in done.out
    assert not list(tmp_path.glob("venvship-demo-*"))
