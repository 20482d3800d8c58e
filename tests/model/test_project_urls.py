"""The changelog among the links of a package."""

from __future__ import annotations

import pytest

from venvship.model.project_urls import LONGEST, changelog_link

LINK = "https://example.com/changes"


@pytest.mark.parametrize(
    "label", ["Changelog", "change-log", "Changes", "Release Notes", "What's New", "HISTORY"]
)
def test_labels_are_normalised(label: str) -> None:
    assert changelog_link(["Homepage, https://example.com", f"{label}, {LINK}"]) == LINK


def test_the_most_telling_label_counts_whatever_the_order() -> None:
    assert changelog_link(["History, https://example.com/h", f"Changelog, {LINK}"]) == LINK


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "",
        "https://example.com/\x1b[2J",
        "https://example.com/a b",
        "https://exämple.com",
        "https://example.com/" + "a" * LONGEST,
    ],
)
def test_a_link_that_is_no_plain_address_is_none(link: str) -> None:
    assert changelog_link([f"Changelog, {link}"]) is None
    assert changelog_link([f"Changelog, {link}", f"Changes, {LINK}"]) == LINK


def test_without_such_a_label_there_is_none() -> None:
    assert changelog_link(["Homepage, https://example.com", "no comma"]) is None
