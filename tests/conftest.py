"""Fixtures that every layer's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import VERSIONS, Site, build_application, copy_store, make_site
from tests.support.wheels import Distribution

os.environ["VENVSHIP_SYSLOG"] = ""  # what tests do is no news of this host


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
    """The wheels of the small application that `site` releases."""
    return build_application(tmp_path_factory.mktemp("application"))


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that each root of a session begins with, so that each wheel is fetched and compiled once."""
    return tmp_path_factory.mktemp("shared") / "store"


@pytest.fixture(scope="session")
def known_python(
    tmp_path_factory: pytest.TempPathFactory, application: dict[str, Distribution], shared_store: Path
) -> Path:
    """A `python.json` that a first release wrote, with the shared store filled on the way."""
    folder = tmp_path_factory.mktemp("first")
    site = make_site(folder / "root", application, shared_store, folder / "home", None)
    for version in VERSIONS:
        site.release(version)
    # Before anybody else puts something there.
    copy_store(shared_store, _first_filled(shared_store))
    return site.path / "state" / "python.json"


def _first_filled(shared_store: Path) -> Path:
    return shared_store.with_name("first-filled")


@pytest.fixture
def site(
    tmp_path: Path, application: dict[str, Distribution], shared_store: Path, known_python: Path
) -> Site:
    """A root with a small application and a filled store of its own, nothing released yet."""
    store = copy_store(_first_filled(shared_store), tmp_path / "store")
    return make_site(tmp_path / "root", application, store, tmp_path / "home", known_python)
