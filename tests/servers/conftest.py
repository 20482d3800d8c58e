"""What the tests of servers share: a root with all of them, and a broker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving import Place, Shop, open_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A root with two releases of the application, and every server in both."""
    return open_shop(tmp_path_factory.mktemp("servers"))


@pytest.fixture
def place(shop: Shop) -> Iterator[Place]:
    """Where a program of it runs."""
    folder = Path(tempfile.mkdtemp(prefix="vs-"))
    yield Place(shop, folder)
    shutil.rmtree(folder)
