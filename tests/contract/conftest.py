"""Roots for the tests of the contract."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.answers import links, released, run_as
from tests.support.index import LocalIndex
from tests.support.roots import NewSite, Site, make_site
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
    site = make_site(folder / "root", application, shared_store, folder / "home", None)
    try:
        try:
            runs = run_as(site, NOBODY, "--version").code == 0
        except PermissionError:
            runs = False
        if not runs:
            pytest.skip("another user cannot run the command under test from where it is installed")
        released(site, "1.0", "1.1")
        yield site
    finally:
        make_removable(folder)
        shutil.rmtree(folder)


def make_removable(tree: Path) -> None:
    for path, _, _ in os.walk(tree):
        os.chmod(path, 0o700)


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


@pytest.fixture(scope="session")
def warehouse(new_site: NewSite) -> Site:
    """The root behind `stocked`."""
    site = new_site("warehouse")
    for version in ("1.0", "1.1", "1.2"):
        site.lock(version)
        assert site.run("release", "--no-promote").code == 0
    return site


@pytest.fixture
def stocked(warehouse: Site) -> Iterator[Site]:
    """A root where every version is built and none was ever live, so that a test need not wait for builds.

    Afterwards the journal and the links are put back, and what the test built is removed: sealed releases do
    not change, so this is the same root again.
    """
    site = warehouse
    site.settings()
    site.lock("1.0")
    journal = site.path / "state" / "journal.jsonl"
    written = journal.read_bytes()
    known = set(os.listdir(site.path / "releases"))
    yield site
    journal.write_bytes(written)
    for name in ("current", "previous", "state/settings.toml", "state/operation.json", "state/verified.json"):
        (site.path / name).unlink(missing_ok=True)
    for name in set(os.listdir(site.path / "releases")) - known:
        make_removable(site.path / "releases" / name)
        shutil.rmtree(site.path / "releases" / name)
    shutil.rmtree(site.path / "log", ignore_errors=True)
