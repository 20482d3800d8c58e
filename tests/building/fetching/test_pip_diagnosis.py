"""Why pip failed: which of several things in its output and log is taken to be the cause."""

from __future__ import annotations

import pytest

from venvship.building.fetching.pip_diagnosis import diagnose
from venvship.errors import (
    BuildError,
    DistributionNotFoundError,
    HashMismatchError,
    IndexUnreachableError,
    SourceOnlyError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement

PYTHON = Interpreter("/usr/bin/python3.11", "3.11.7", "cpython", "cpython-311", "linux-x86_64", "a7", (), {})


def pin(name: str) -> Requirement:
    return Requirement(
        name=name, version="1.0", hashes=(f"sha256:{'1' * 64}",), text="", file="requirements.txt", line=1
    )


PINS = {name: pin(name) for name in ("one", "two")}

MISMATCH = f"""\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.
    one==1.0 from https://index.example/one-1.0-py3-none-any.whl:
        Expected sha256 {"1" * 64}
             Got        {"2" * 64}
"""
NO_MATCH = """\
ERROR: Could not find a version that satisfies the requirement one==1.0 (from versions: none)
ERROR: No matching distribution found for one==1.0
"""
BUILD_FAILED = "error: metadata-generation-failed\n"


def search(name: str, *lines: str) -> str:
    return "".join(f"{line}\n" for line in (f"2 location(s) to search for versions of {name}:", *lines))


def unserved(name: str, status: str = "503 Server Error: Busy") -> str:
    url = f"https://index.example/simple/{name}/"
    return search(name, f"Could not fetch URL {url}: {status} for url: {url} - skipping")


SOURCE = search(
    "one", "Skipping link: No sources permitted for one: https://index.example/one-1.0.tar.gz (from -)"
)


@pytest.mark.parametrize("pins", [PINS, None], ids=["fetch", "lock"])
@pytest.mark.parametrize("page", ["one", "two"])
def test_a_file_with_another_hash_is_the_cause_whatever_else_is_down(
    pins: dict[str, Requirement] | None, page: str
) -> None:
    assert diagnose(MISMATCH, unserved(page), PYTHON, pins).kind is HashMismatchError


@pytest.mark.parametrize("pins", [PINS, None], ids=["fetch", "lock"])
def test_a_failed_build_is_the_cause_whatever_else_is_down(pins: dict[str, Requirement] | None) -> None:
    found = diagnose(BUILD_FAILED, unserved("two"), PYTHON, pins)
    assert (found.kind, "building it from source failed" in found.message) == (BuildError, True)


def test_a_fetch_counts_the_pages_of_the_package_that_was_not_found() -> None:
    denied = "401 Client Error: No"
    assert diagnose(NO_MATCH, unserved("two") + SOURCE, PYTHON, PINS).kind is SourceOnlyError
    for log in (unserved("two") + search("one"), unserved("two", denied) + search("one")):
        assert diagnose(NO_MATCH, log, PYTHON, PINS).kind is DistributionNotFoundError
    for log in (unserved("one") + SOURCE, SOURCE + unserved("One"), unserved("one", denied)):
        found = diagnose(NO_MATCH, log, PYTHON, PINS)
        assert (found.kind, found.names) == (IndexUnreachableError, ("one",))


def test_lock_counts_every_page() -> None:
    assert diagnose(NO_MATCH, unserved("two") + SOURCE, PYTHON).kind is IndexUnreachableError
