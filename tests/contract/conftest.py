"""Roots for the tests of the contract."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.answers import links, released
from tests.support.index import LocalIndex
from tests.support.roots import NewSite, Site, make_removable, make_site
from tests.support.second_user import command_for_others
from tests.support.wheels import Distribution

NOBODY = 65534


@pytest.fixture(scope="session")
def long_lived(new_site: NewSite) -> Site:
    """The root behind `shop`."""
    site = new_site("shop")
    released(site, "1.0", "1.1")
    return site


@pytest.fixture
def shop(long_lived: Site) -> Iterator[Site]:
    """A root with two releases, for tests that switch nothing and build nothing."""
    long_lived.settings()
    long_lived.lock("1.1")
    before = links(long_lived.path)
    assert set(before) == {"current", "previous"}
    yield long_lived
    assert links(long_lived.path) == before
    assert long_lived.debris() == []


@pytest.fixture
def online(shop: Site, index: LocalIndex) -> Iterator[Site]:
    """`shop`, with an index to ask instead of none."""
    offline = dict(shop.environment)
    del shop.environment["PIP_NO_INDEX"]
    shop.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    yield shop
    shop.environment.clear()
    shop.environment.update(offline)


@pytest.fixture(scope="module")
def world_readable(application: dict[str, Distribution], shared_store: Path) -> Iterator[Site]:
    """A root with two releases that other users may look into; skips where there can be no other user."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a command as another user")
    folder = Path(tempfile.mkdtemp(prefix="contract-"))
    folder.chmod(0o755)
    try:
        site = make_site(folder / "root", application, shared_store, folder / "home", None)
        site.program = command_for_others(folder)
        released(site, "1.0", "1.1")
        yield site
    finally:
        make_removable(folder)
        shutil.rmtree(folder)


@pytest.fixture
def hooked(stocked: Site) -> Callable[..., None]:
    """Write settings with a restart hook or checks, each one shell line that says yes or no."""

    def write(*, restart: str = "", prepare: str = "", candidate: str = "", live: str = "") -> None:
        text = "".join(
            f"{name} = ['sh', '-c', {line!r}]\n"
            for name, line in (("restart", restart), ("prepare", prepare))
            if line
        )
        text = f"[hooks]\n{text}" if text else ""
        for when, line in (("candidate", candidate), ("live", live)):
            if line:
                text += (
                    f"[[check]]\nname = '{when}'\nwhen = '{when}'\ndeadline = 0\n"
                    f"command = ['sh', '-c', {line!r}]\n"
                )
        stocked.settings(text)

    return write
