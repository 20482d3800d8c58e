"""What tests of a service in two slots have in common."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.roots import make_site
from tests.support.service import Slots, build_web
from tests.support.wheels import Distribution


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Distribution]:
    """The wheels of the web application."""
    return build_web(tmp_path_factory.mktemp("web"))


@pytest.fixture
def service(tmp_path: Path, web: dict[str, Distribution], known_python: Path) -> Iterator[Slots]:
    """A root with the service, nothing released yet."""
    site = make_site(tmp_path / "root", web, tmp_path / "store", tmp_path / "home", known_python)
    folder = Path(tempfile.mkdtemp(prefix="slots-"))  # the path of a socket is short
    slots = Slots(site, folder)
    slots.write_settings()
    yield slots
    slots.close()
    shutil.rmtree(folder)
