"""Fixtures that every layer's tests share."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import (
    NewSite,
    Site,
    build_application,
    copy_store,
    fill,
    make_removable,
    make_site,
)
from tests.support.wheels import Distribution
from venvship.system.files import hash_file
from venvship.system.mutex import shared

os.environ["VENVSHIP_SYSLOG"] = ""  # what tests do is no news of this host


def pytest_configure() -> None:
    """Take back what a shell has set: `nohup` ignores SIGHUP, a job in the background of a script SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            # Programs that are started get the default action. This process still outlives its terminal.
            signal.signal(number, lambda *_: None)
    os.umask(0o022)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many cases the tests went through that count them, with `record_property("cases", …)`."""
    counts: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "cases" and report.when == "call":
                test = report.nodeid.partition("[")[0]
                counts[test] = counts.get(test, 0) + int(value)
    for test, count in sorted(counts.items()):
        terminalreporter.write_line(f"{count:>7,} cases of {test}")


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """An empty directory for wheels and sdists; `index` serves it."""
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    return directory


@pytest.fixture
def index(wheelhouse: Path) -> Iterator[LocalIndex]:
    """A package index over `wheelhouse`."""
    with LocalIndex(wheelhouse) as running:
        yield running


@pytest.fixture
def clean_env(tmp_path: Path, index: LocalIndex) -> dict[str, str]:
    """An environment for subprocesses that knows nothing of this machine but its PATH.

    pip finds `index` and no other, without pauses between tries, and reads no configuration file.
    """
    home = tmp_path / "home"
    home.mkdir()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index.url,
        "PIP_RETRIES": "0",
    }


@pytest.fixture(scope="session")
def application(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Distribution]:
    """The wheels of the small application that `site` releases: the same bytes in every session."""
    return build_application(tmp_path_factory.mktemp("application"))


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, application: dict[str, Distribution]) -> Iterator[Path]:
    """The folder that `fill` makes; nobody changes it.

    Every worker of pytest-xdist is a session of its own. The first that comes here makes the folder for all.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "filled"
    with shared(f"{folder}.mutex", exclusive=True, wait=600):
        if not folder.exists():
            fill(folder, application, tmp_path_factory.mktemp("filling"))
    before = _contents(folder)
    yield folder
    assert _contents(folder) == before, "a test has changed what all share"


def _contents(folder: Path) -> dict[Path, tuple[int, str]]:
    return {
        path: (path.lstat().st_mode, hash_file(path) if path.is_file() else "") for path in folder.rglob("*")
    }


@pytest.fixture(scope="session")
def known_python(filled: Path) -> Path:
    """A `python.json` that a first release wrote."""
    return filled / "python.json"


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Path:
    """A filled store that the long-lived roots of a session share."""
    return copy_store(filled / "store", tmp_path_factory.mktemp("shared") / "store")


@pytest.fixture(scope="session")
def new_site(
    tmp_path_factory: pytest.TempPathFactory,
    application: dict[str, Distribution],
    shared_store: Path,
    known_python: Path,
) -> NewSite:
    """Makes roots that live longer than a test, with nothing released yet."""

    def make(name: str) -> Site:
        folder = tmp_path_factory.mktemp(name)
        return make_site(folder / "root", application, shared_store, folder / "home", known_python)

    return make


@pytest.fixture
def site(tmp_path: Path, application: dict[str, Distribution], filled: Path) -> Site:
    """A root with a small application and a filled store of its own, nothing released yet."""
    store = copy_store(filled / "store", tmp_path / "store")
    return make_site(tmp_path / "root", application, store, tmp_path / "home", filled / "python.json")


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


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
    not change, so this is the same root again. A test that releases the versions in their order prunes none.
    """
    site = warehouse
    site.settings()
    site.lock("1.0")
    journal = site.path / "state" / "journal.jsonl"
    written = journal.read_bytes()
    known = set(os.listdir(site.path / "releases"))
    yield site
    assert known <= set(os.listdir(site.path / "releases")), "the test has removed a release that others need"
    journal.write_bytes(written)
    for name in ("current", "previous", "state/settings.toml", "state/operation.json", "state/verified.json"):
        (site.path / name).unlink(missing_ok=True)
    for link in (*site.path.glob(".to.*"), *site.path.glob(".back.*")):
        link.unlink()
    for name in set(os.listdir(site.path / "releases")) - known:
        make_removable(site.path / "releases" / name)
        shutil.rmtree(site.path / "releases" / name)
    shutil.rmtree(site.path / "log", ignore_errors=True)
