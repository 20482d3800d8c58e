"""`state/verified.json`: when `verify` last looked at each release, and what it found.

`status` reports that, and looks at no file itself. It is no record of what was done, as the journal is: only
the last look at a release counts, and a root whose releases are verified every night must not grow by it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from venvship.errors import HostError, VenvshipError
from venvship.model import json_fields as fields
from venvship.model.spelling import format_time, parse_time
from venvship.root import RootLayout
from venvship.system.json_files import read_json
from venvship.workspace.reading import ReadingWorkspace

MOST_EXAMPLES: Final = 8
"""How many of a release's own files that differ are kept by name. One that still differs decides."""


class Difference(NamedTuple):
    """A file of a release that differed from its manifest; `path` is relative to the release."""

    path: str
    problem: str


class Verification(NamedTuple):
    """One look of `verify` at all files of a release.

    Attributes:
        at: When.
        files: How many files the release has.
        damaged: How many paths differ from its manifest, or were added to it.
        stray: How many paths of bytecode are not part of it.
        linked: How many of its files had a hard link elsewhere.
        problem: Why it could not be used where it stood; `None` if it could.
        examples: Some of the release's own files that differ, `MOST_EXAMPLES` at most.
    """

    at: datetime
    files: int
    damaged: int
    stray: int = 0
    linked: int = 0
    problem: str | None = None
    examples: tuple[Difference, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form, in `status --json` and in the file."""
        return {
            "at": format_time(self.at),
            "files": self.files,
            "damaged": self.damaged,
            "stray": self.stray,
            "linked": self.linked,
            "usable": {"ok": self.problem is None, "problem": self.problem},
            "examples": [one._asdict() for one in self.examples],
        }

    @classmethod
    def from_json(cls, value: object) -> Verification:
        """Read the JSON form; an older venvship wrote the first three keys only.

        Raises:
            KeyError: A key is missing.
            ValueError: A value is of another type, or makes no sense.
        """
        data = fields.mapping(value)
        problem = fields.mapping(data.get("usable", {})).get("problem")
        examples = map(fields.mapping, fields.items(data.get("examples", [])))
        return cls(
            at=parse_time(fields.text(data["at"])),
            files=fields.count(data["files"]),
            damaged=fields.count(data["damaged"]),
            stray=fields.count(data.get("stray", 0)),
            linked=fields.count(data.get("linked", 0)),
            problem=None if problem is None else fields.text(problem),
            examples=tuple(
                Difference(fields.text(one["path"]), fields.text(one["problem"])) for one in examples
            )[:MOST_EXAMPLES],
        )


def last_verification(layout: RootLayout, release_id: str) -> Verification | None:
    """The last look at a release; `None` for none, or where the file cannot be read."""
    try:
        return Verification.from_json(known_verifications(layout)[release_id])
    except (VenvshipError, KeyError, ValueError):
        return None


def known_damage(workspace: ReadingWorkspace, release_id: str) -> str | None:
    """The damage that the last `verify` found in a release, if it is still there; `None` for none.

    The file may have been put back since. So the examples are looked at again, contents included: until one
    still differs, which is the first one unless somebody did that. Files that were added do not count: they
    keep no release from running as it did.
    """
    layout = workspace.layout
    found = last_verification(layout, release_id)
    if found is None or not found.examples:
        return None
    # Late: every status imports this module, and almost none has such a release.
    from venvship.workspace.quick_look import content_problem, release_owners, unlisted_problems

    base, owners = str(layout.release_path(release_id)), release_owners(layout)
    seen = f"damaged, as `venvship verify` found on {found.at:%Y-%m-%d %H:%M} UTC"
    try:
        entries = {entry.path: entry for entry in layout.files(release_id, workspace.manifest(release_id))}
    except HostError:  # no look is possible: the one of then counts
        return f"{seen}: {found.examples[0].path}: {found.examples[0].problem}"
    except VenvshipError as error:
        return f"{seen}: {error.message}"
    unlisted = dict(unlisted_problems(base, owners))
    for path, problem_then in found.examples:
        try:
            problem = content_problem(base, entries[path], owners) if path in entries else unlisted.get(path)
        except HostError:
            problem = problem_then
        if problem is not None:
            return f"{seen}: {path}: {problem}"
    return None


def known_verifications(layout: RootLayout) -> dict[str, Any]:
    """The entries of the file, by release, as they are there.

    Raises:
        StateError: It is damaged, or cannot be read.
        FormatError: A newer venvship wrote it.
    """
    releases = (read_json(layout.verified_file, layout.ask) or {}).get("releases", {})
    return dict(releases) if isinstance(releases, dict) else {}
