"""Advisories as they concern one version: ranges as OSV evaluates them, doubles, and bad answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.advisory_service import FIXED, WITHDRAWN, document
from venvship.model import bounds
from venvship.model.advisories.advisory import Advisory
from venvship.model.advisories.documents import from_document, from_osv, from_pypi, merged


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ("0.9", ("1.1.1", "1.2")),
        ("1.1", ("1.1.1", "1.2")),
        ("1.1.1", None),
        ("1.1.9", ("1.2",)),
        ("1.2rc1", ("1.2",)),
        ("1.2", None),
        ("1.2.post1", None),
    ],
)
def test_a_version_is_in_the_ranges_or_not(version: str, fixed: tuple[str, ...] | None) -> None:
    found = from_document(document("PYSEC-2099-1"), "app", version)

    assert (None if found is None else found.fixed) == fixed


@pytest.mark.parametrize(
    ("version", "affected"), [("1.0", False), ("1.1", True), ("1.2", True), ("1.3", False)]
)
def test_a_range_may_end_with_the_last_version_that_is_affected(version: str, affected: bool) -> None:
    events = [{"last_affected": "1.2"}, {"introduced": "1.1"}]  # their order says nothing
    part = {
        "package": {"name": "A_pp", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }

    found = from_document({"id": "X-1", "affected": [part]}, "a-pp", version)
    assert (found is not None) is affected
    assert found is None or found.fixed == ()


def test_advisories_are_one_through_a_third_one() -> None:
    first, second = Advisory("CVE-1", ("GHSA-1",), ("2.0",)), Advisory("OSV-1", ("CVE-2",), ("1.10", "1.9"))
    third = Advisory("PYSEC-1", ("GHSA-1", "CVE-2"), ())

    for order in ((first, second, third), (third, second, first), (second, third, first)):
        (one,) = merged(order)
        assert one == Advisory("PYSEC-1", ("CVE-1", "CVE-2", "GHSA-1", "OSV-1"), ("1.9", "1.10", "2.0"), "")
    assert len(merged((first, second))) == 2


def test_a_withdrawn_advisory_is_none() -> None:
    assert from_pypi({"vulnerabilities": [WITHDRAWN]}, "1.0") == ()
    assert from_osv({"vulns": [document("X-1", withdrawn="2099-01-01T00:00:00Z")]}, "app", "1.0") == ()
    assert from_document(document("X-1", withdrawn="2099-01-01T00:00:00Z"), "app", "1.0") is None


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"vulnerabilities": {"id": "X"}},
        {"vulnerabilities": [1]},
        {"vulnerabilities": [{**FIXED, "id": None}]},
        {"vulnerabilities": [{**FIXED, "id": "X-1\n"}]},
        {"vulnerabilities": [{**FIXED, "fixed_in": "1.1"}]},
        {"vulnerabilities": [FIXED] * (bounds.ADVISORIES + 1)},
    ],
)
def test_an_answer_in_another_form_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller words it
        from_pypi(answer, "1.0")


def test_an_answer_that_goes_on_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="more advisories"):
        from_osv({"vulns": [], "next_page_token": "x"}, "app", "1.0")


def test_a_version_that_no_release_can_have_is_no_fix() -> None:
    (one,) = from_pypi({"vulnerabilities": [{**FIXED, "fixed_in": ["; rm -rf /", 1, "1.5", "1.5.0"]}]}, "1.0")

    assert one.fixed == ("1.5",)
