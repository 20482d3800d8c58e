"""What the tests of fetching share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fetching import Fetcher
from venvship.building.interpreter import resolve_interpreter
from venvship.model.interpreter import Interpreter
from venvship.system.signals import Signals


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    """The one that an empty configuration leads to."""
    return resolve_interpreter(None, environ={"PATH": os.defpath}, signals=Signals())


@pytest.fixture
def fetcher(tmp_path: Path, interpreter: Interpreter, clean_env: dict[str, str]) -> Fetcher:
    """Fetches from the local index, with nobody's settings."""
    return Fetcher(tmp_path, interpreter, clean_env)
