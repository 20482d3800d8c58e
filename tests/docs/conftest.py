"""What the tests of the documentation share."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import docs_examples
from tests.support.roots import command

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DOCS = REPOSITORY / "docs"
sys.path.insert(0, str(DOCS / "_ext"))  # as docs/conf.py does


class Site:
    """The documentation as it was built."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def html(self, page: str) -> str:
        """The HTML of a page, such as `"reference/commands"`."""
        return (self.path / f"{page}.html").read_text(encoding="utf-8")

    def text(self, page: str) -> str:
        """The text of a page, without its markup."""
        body = re.sub(r"<(script|style)\b.*?</\1>", "", self.html(page), flags=re.DOTALL)
        return html.unescape(re.sub(r"<[^>]+>", "", body))


def build(builder: str, out: Path) -> Path:
    """Build the documentation as strictly as scripts/check does, with no way to a network."""
    nowhere = "http://127.0.0.1:9"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", builder, str(DOCS), str(out)],
        env={**os.environ, "http_proxy": nowhere, "https_proxy": nowhere, "no_proxy": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def built_docs(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The documentation as a site."""
    return Site(build("html", tmp_path_factory.mktemp("docs")))


@pytest.fixture(scope="session")
def recording(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]], Path]:
    """What the commands of the JSON examples print now, the root's journal, and where it was."""
    place = tmp_path_factory.mktemp("examples")
    recorded, journal = docs_examples.record(place, command())
    return recorded, journal, place
