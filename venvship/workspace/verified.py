"""`state/verified.json`: when `verify` last looked at each release, and what it found.

`status` reports that, and looks at no file itself. It is no record of what was done, as the journal is: only
the last look at a release counts, and a root whose releases are verified every night must not grow by it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from venvship.errors import VenvshipError
from venvship.model import json_fields as fields
from venvship.model.spelling import format_time, parse_time
from venvship.root import RootLayout
from venvship.system.json_files import read_json


class Verification(NamedTuple):
    """One look of `verify` at all files of a release.

    Attributes:
        at: When.
        files: How many files the release has.
        damaged: How many paths differ from its manifest.
    """

    at: datetime
    files: int
    damaged: int

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `status --json` and in the file."""
        return {"at": format_time(self.at), "files": self.files, "damaged": self.damaged}


def last_verification(layout: RootLayout, release_id: str) -> Verification | None:
    """The last look at a release; `None` for none, or where the file cannot be read."""
    try:
        entry = fields.mapping(known_verifications(layout)[release_id])
        at = parse_time(fields.text(entry["at"]))
        return Verification(at, fields.count(entry["files"]), fields.count(entry["damaged"]))
    except (VenvshipError, KeyError, ValueError):
        return None


def known_verifications(layout: RootLayout) -> dict[str, Any]:
    """The entries of the file, by release, as they are there.

    Raises:
        StateError: It is damaged, or cannot be read.
        FormatError: A newer venvship wrote it.
    """
    releases = (read_json(layout.verified_file, layout.ask) or {}).get("releases", {})
    return dict(releases) if isinstance(releases, dict) else {}
