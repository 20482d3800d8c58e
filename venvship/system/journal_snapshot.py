"""The snapshot beside the journal: what its first lines fold to, so that those are not parsed again.

Only ever a cache. It says which bytes of the journal it was made of, and whoever reads it holds these very
bytes against it; so it can be old, foreign, torn, empty or missing, and nothing is lost but time.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from venvship.model.history import History
from venvship.model.history_snapshot import FOLD, from_json, to_json
from venvship.model.release import FORMAT, canonical_json
from venvship.system import files
from venvship.system.journal_lines import checksum

NAME = "journal.snapshot.json"
"""Its name, in the folder of the journal."""

EVERY = 1000
"""After so many more lines it is made anew; so many are parsed by a reader at most, where all goes well."""


class Snapshot(NamedTuple):
    """What the beginning of a journal folds to.

    Attributes:
        size: Its bytes.
        sha256: Of these bytes, as hexadecimal digits.
        history: What its lines fold to, without what snapshots forget; `history.seq` is their number.
    """

    size: int
    sha256: str
    history: History

    def covers(self, raw: bytes) -> bool:
        """Whether a journal begins with just these bytes."""
        if len(raw) < self.size:
            return False
        return hashlib.sha256(memoryview(raw)[: self.size]).hexdigest() == self.sha256


def read_snapshot(path: str) -> Snapshot | None:
    """Read a snapshot; `None` for none, or one that is damaged or was made by other rules. Never fails."""
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read())
        if data["sum"] != checksum(data) or (data["format"], data["fold"]) != (FORMAT, FOLD):
            return None
        return Snapshot(size=int(data["size"]), sha256=data["sha256"], history=from_json(data["history"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def write_snapshot(path: str, covered: bytes, history: History) -> None:
    """Replace the snapshot. Whoever does holds the journal's mutex.

    Crash: the old one or the new one; after a power cut it may be empty. A `.journal.snapshot.json.<random>`
    may be left, which is debris.

    Args:
        path: Where.
        covered: The journal's bytes, up to the end of a line.
        history: What they fold to.

    Raises:
        OSError: It could not be written; the old one is still there.
    """
    data = {
        "format": FORMAT,
        "fold": FOLD,
        "size": len(covered),
        "sha256": hashlib.sha256(covered).hexdigest(),
        "history": to_json(history),
    }
    files.write_file(path, canonical_json({**data, "sum": checksum(data)}) + b"\n", durable=False)
