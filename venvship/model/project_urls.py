"""The links of a package, from the `Project-URL` lines of its metadata.

Its authors may have written anything. Labels are normalised as PyPI does: https://packaging.python.org/en/latest/specifications/well-known-project-urls/.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 500
"""Characters of a link that is shown."""

_CHANGELOG: Final = ("changelog", "changes", "releasenotes", "whatsnew", "history")
"""Normalised labels of a changelog: the first that a package has counts."""

_DROPPED: Final = str.maketrans("", "", string.punctuation + string.whitespace)


def changelog_link(lines: Iterable[str]) -> str | None:
    """The link to the changelog of a package; `None` without one, or if it is no plain address of the web.

    Args:
        lines: Of its metadata, each `LABEL, URL`.
    """
    found: dict[str, str] = {}
    for line in lines:
        label, _, url = line.partition(",")
        found.setdefault(label.translate(_DROPPED).lower(), url.strip())
    links = (found[label] for label in _CHANGELOG if label in found)
    return next((link for link in links if _is_plain(link)), None)


def _is_plain(link: str) -> bool:
    begins = link.startswith(("https://", "http://"))
    return begins and len(link) <= LONGEST and link.isascii() and link.isprintable() and " " not in link
