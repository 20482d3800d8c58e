"""What the tests of servers share: a root with all of them, and a broker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import whole_host
from tests.support.deployed import Deployed
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


@pytest.fixture(scope="module")
def deployed(shop: Shop) -> Iterator[Deployed]:
    """The root on a host of its own."""
    if reason := whole_host.reason_to_skip():
        pytest.skip(reason)
    srv = shop.path.parent / "srv"
    srv.mkdir(exist_ok=True)
    with whole_host.host(shop.path.parent, srv) as host:
        yield Deployed(shop, host)
