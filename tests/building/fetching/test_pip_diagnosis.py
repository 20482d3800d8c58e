"""Why pip failed: which of several things in its output and log is taken to be the cause."""

from __future__ import annotations

import pytest

from venvship.building.fetching.listed_file import ListedFile, listed_file
from venvship.building.fetching.pip_diagnosis import diagnose
from venvship.errors import (
    BuildError,
    DistributionNotFoundError,
    HashMismatchError,
    IndexUnreachableError,
    NoCompatibleWheelError,
    SourceOnlyError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement

TAGS = ("cp311-cp311-linux_x86_64", "py3-none-any")
PYTHON = Interpreter(
    "/usr/bin/python3.11", "3.11.7", "cpython", "cpython-311", "linux-x86_64", "a7", TAGS, {}
)


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


URL = "https://files.example.org/one-1.0-py3-none-any.whl"


@pytest.mark.parametrize("marks", [("\N{MULTIPLICATION SIGN} ", "╰─> "), ("", "")], ids=["utf-8", "ascii"])
@pytest.mark.parametrize("pins", [PINS, None], ids=["fetch", "lock"])
@pytest.mark.parametrize(
    ("slug", "text", "reason", "told"),
    [
        ("connection-failed", f"Failed to connect to files.example.org while fetching {URL}",
         "[Errno 111] Connection refused", "[Errno 111] Connection refused"),
        ("connection-timeout", f"Unable to fetch {URL}",
         "files.example.org didn't respond within 15 seconds", "didn't respond within 15 seconds"),
        ("ssl-verification-failed",
         f"Failed to establish a secure connection to files.example.org while fetching {URL}",
         "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Bad for 'a'. (_ssl.c:1006)",
         "its certificate is not valid here: Bad for 'a'"),
        ("ssl-missing", f"Failed to establish a secure connection for {URL}",
         "The 'ssl' module is unavailable but required for HTTPS URLs", "The 'ssl' module is unavailable"),
        ("proxy-connection-failed", f"Failed to connect to proxy http://127.0.0.1:1 while fetching {URL}",
         "Cannot connect to proxy.", "Cannot connect to proxy."),
        ("incomplete-download",
         "Download failed after 6 attempts because not enough bytes were received (1 kB/2 kB)",
         f"URL: {URL}", "not enough bytes were received (1 kB/2 kB)"),
    ],
)  # fmt: skip
def test_an_error_of_newer_pips_about_a_file_is_that_of_its_server(
    slug: str,
    text: str,
    reason: str,
    told: str,
    pins: dict[str, Requirement] | None,
    marks: tuple[str, str],
) -> None:
    output = f"Collecting one\nerror: {slug}\n\n{marks[0]}{text}\n{marks[1]}{reason}\n\nhint: Try again.\n"
    found = diagnose(output, "", PYTHON, pins)
    assert (found.kind, found.data) == (IndexUnreachableError, {"url": URL})
    assert found.message.startswith(f"the package index did not serve {URL}: ")
    assert told in found.message


def test_lock_counts_every_page() -> None:
    assert diagnose(NO_MATCH, unserved("two") + SOURCE, PYTHON).kind is IndexUnreachableError


# -- all evidence before a word --------------------------------------------------------------------------

SDIST, WHEEL, FOREIGN = "one-1.0.tar.gz", "one-1.0-py3-none-any.whl", "one-1.0-cp312-cp312-linux_x86_64.whl"
A, B, C = "1" * 64, "2" * 64, "3" * 64
"""Hashes: the lockfile allows A. pip got B, see `MISMATCH`."""


def listed(*files: tuple[str, str] | tuple[str, str, str]) -> dict[str, list[ListedFile]]:
    found = [
        listed_file(name, hashes=[f"sha256:{value}"] if value else [], requires_python="".join(rest))
        for name, value, *rest in files
    ]
    return {"one": [file for file in found if file is not None]}


def skipped(reason: str, filename: str, fragment: str = "", python: str = "") -> str:
    requires = f" (requires-python:{python})" if python else ""
    return (
        f"Skipping link: {reason}: https://index.example/f/{filename}{fragment} (from https://x/){requires}"
    )


NO_SOURCE, NO_TAG = "No sources permitted for one", "none of the wheel's tags (cp312) are compatible"


@pytest.mark.parametrize(
    ("files", "kind", "words"),
    [
        ([(SDIST, A), (WHEEL, B)], SourceOnlyError, "only the source distribution one-1.0.tar.gz"),
        ([(FOREIGN, A), (WHEEL, B)], NoCompatibleWheelError, "its wheels are for cp312-cp312-linux_x86_64"),
        ([(SDIST, A, ">=3.12"), (WHEEL, B)], NoCompatibleWheelError, "it requires Python >=3.12"),
        ([(SDIST, C), (WHEEL, B)], HashMismatchError, "none of the hashes"),
        ([(SDIST, A), (WHEEL, C)], HashMismatchError, "none of the hashes"),
        ([(SDIST, A), (WHEEL, "")], HashMismatchError, "none of the hashes"),
        ([(SDIST, ""), (WHEEL, "")], HashMismatchError, "none of the hashes"),
    ],
    ids=["source", "platform", "python", "gone", "replaced on the way", "no hash of it", "no hashes"],
)  # fmt: skip
def test_a_file_was_replaced_unless_the_index_has_every_file_that_the_lockfile_allows(
    files: list[tuple[str, str]], kind: type[BuildError], words: str
) -> None:
    found = diagnose(MISMATCH, search("one"), PYTHON, PINS, listed(*files))
    assert (found.kind, found.names) == (kind, ("one",))
    assert words in found.message
    assert "venvship lock -P one" in found.hint
    assert ("[build] sdists" in found.hint) == (kind is SourceOnlyError)


def test_one_replaced_file_is_the_cause_whatever_else_is_in_the_lockfile() -> None:
    both = MISMATCH + MISMATCH.partition("\n")[2].replace("one", "two").replace(B, C)
    found = diagnose(both, search("one"), PYTHON, PINS, listed((SDIST, A), (WHEEL, B)))
    assert (found.kind, found.names, found.data) == (HashMismatchError, ("two",), {"got": [C]})
    two = [
        listed_file("two-1.0.tar.gz", hashes=[f"sha256:{A}"]),
        listed_file("two-1.0-py3-none-any.whl", hashes=[f"sha256:{C}"]),
    ]
    evidence = {**listed((SDIST, A), (WHEEL, B)), "two": [file for file in two if file is not None]}
    found = diagnose(both, search("one"), PYTHON, PINS, evidence)
    assert (found.kind, found.names) == (SourceOnlyError, ("one", "two"))
    assert 'add "one", "two" to' in found.hint


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        (
            [
                skipped(NO_SOURCE, SDIST, python=">=3.12"),
                skipped("1.0 Requires-Python >=3.12", WHEEL, python=">=3.12"),
            ],
            NoCompatibleWheelError,
            "it requires Python >=3.12",
        ),
        (
            [skipped(NO_SOURCE, SDIST, python=">=3.8"), skipped(NO_TAG, FOREIGN)],
            SourceOnlyError,
            "wheels for other platforms only (cp312-cp312-linux_x86_64)",
        ),
        ([skipped(NO_SOURCE, "one-1.0.tar.bz2")], SourceOnlyError, "only source distributions"),
        (
            [skipped(NO_SOURCE, SDIST, f"#sha256={B}"), skipped(NO_TAG, FOREIGN)],
            NoCompatibleWheelError,
            "cp312-cp312-linux_x86_64",
        ),
        (
            [skipped(NO_SOURCE, SDIST, f"#sha256={B}")],
            DistributionNotFoundError,
            f"only {SDIST}, which the lockfile does not allow",
        ),
        (
            [skipped(NO_TAG, "one-1.0%2Bcpu-cp312-cp312-linux_x86_64.whl")],
            NoCompatibleWheelError,
            "its wheels are for cp312-cp312-linux_x86_64",
        ),
        (
            [skipped(NO_TAG, FOREIGN, python="<3")],
            NoCompatibleWheelError,
            "it requires Python <3; its wheels are for cp312-cp312-linux_x86_64",
        ),
        (
            [skipped(NO_TAG, "one-2.0-cp312-cp312-linux_x86_64.whl")],
            DistributionNotFoundError,
            "no file of this version",
        ),
    ],
)
def test_all_files_of_the_version_are_looked_at_before_a_remedy_is_named(
    lines: list[str], kind: type[BuildError], words: str
) -> None:
    found = diagnose(NO_MATCH, search("one", *lines), PYTHON, PINS)
    assert (found.kind, found.names) == (kind, ("one",))
    assert words in found.message
    assert ("[build] sdists" in found.hint) == (kind is SourceOnlyError)


def test_lock_names_the_python_that_the_wanted_version_requires() -> None:
    output = NO_MATCH.replace("(from versions: none)", "(from versions: 0.8, 0.9)")
    lines = [skipped("1.0 Requires-Python >=3.12", WHEEL, python=">=3.12")]
    assert "it requires Python >=3.12" in diagnose(output, search("one", *lines), PYTHON).message
    found = diagnose(output, search("one", skipped(NO_TAG, FOREIGN.replace("1.0", "0.7"))), PYTHON)
    assert "only 0.8, 0.9" in found.message, "the files of other versions are no reason"


@pytest.mark.parametrize(
    ("output", "files"),
    [
        (MISMATCH, [(SDIST, C), (WHEEL, B)]),
        (MISMATCH, [(SDIST, A), (WHEEL, B)]),
        (MISMATCH, [(FOREIGN, A), (WHEEL, B)]),
        (NO_MATCH, [(FOREIGN, A)]),
    ],
    ids=["replaced", "source", "platform", "nothing"],
)  # fmt: skip
def test_a_lockfile_that_lock_does_not_generate_is_not_to_be_locked_by_it(
    output: str, files: list[tuple[str, str]]
) -> None:
    found = diagnose(output, search("one"), PYTHON, PINS, listed(*files), locked_here=False)
    assert "venvship lock" not in found.hint
    assert "lock again" in found.hint
    assert "with the program that generated the lockfile, for other pins of one" in found.hint
    here = diagnose(output, search("one"), PYTHON, PINS, listed(*files))
    assert here.hint.endswith(": venvship lock -P one")
