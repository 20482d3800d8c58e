"""Everything that is known about the files that a fetch or `lock` could have taken.

pip's debug log has every file that it looked at; the direct downloader reports the files on the pages that it
has read, with their hashes. A reason is given only after a look at all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.specifiers import SpecifierSet

from venvship.building.fetching.listed_file import ListedFile, listed_by_link, merged
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement
from venvship.printable import printable

_LINK = r"(\w+://\S+?)(?: \(from [^)]*\))?(?: \(requires-python:([^)]*)\))?(?:, version:|\s|$)"
_SKIPPED = re.compile(rf"(?m)Skipping link: (.+?): {_LINK}")
_FOUND = re.compile(rf"(?m)Found link {_LINK}")

_EXAMPLES: Final = 3
_EXAMPLE_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known about the lockfile, and what could have been taken; see `diagnose`."""

    debug: str
    interpreter: Interpreter
    pins: Mapping[str, Requirement] | None
    listed: Mapping[str, Sequence[ListedFile]]
    locked_here: bool = True

    def files(self, name: str, wanted: SpecifierSet) -> list[ListedFile]:
        """The files of a project, of the wanted versions, that were seen by pip or by us; each once."""
        links = [(link, python) for _, link, python in _SKIPPED.findall(self.debug)]
        seen = (listed_by_link(*found) for found in (*links, *_FOUND.findall(self.debug)))
        files = merged([*self.listed.get(name, ()), *(file for file in seen if file is not None)])
        # By PEP 440, 1.0+cpu satisfies a pin 1.0.
        return [f for f in files if f.name == name and wanted.contains(f.version, prereleases=True)]

    def was_skipped(self, name: str, reason: str) -> bool:
        """Whether pip passed over a file of a project for a reason that has these words."""
        links = [link for why, link, _ in _SKIPPED.findall(self.debug) if reason in why]
        return any(file is not None and file.name == name for file in map(listed_by_link, links))

    def hashes(self, name: str) -> set[str] | None:
        """The hashes that the lockfile allows; `None` where it is to be written."""
        pin = (self.pins or {}).get(name)
        return None if pin is None else set(pin.hashes)

    def reasons(self, files: Sequence[ListedFile]) -> str:
        """Why none of these files runs on the interpreter; `""` if some of them do."""
        if any(f.is_for_platform(self.interpreter) and f.is_for_python(self.interpreter) for f in files):
            return ""
        wrong_python = [f for f in files if not f.is_for_python(self.interpreter)]
        reasons = []
        # Of a file for another platform it tells nothing if there are others for this Python.
        if len(wrong_python) == len(files) or any(f.is_for_platform(self.interpreter) for f in wrong_python):
            reasons.append(f"it requires Python {_examples(f.requires_python for f in wrong_python)}")
        if foreign := [f for f in files if not f.is_for_platform(self.interpreter)]:
            reasons.append(f"its wheels are for {tags_of(foreign)}")
        return "; ".join(reasons) if files else ""


def tags_of(wheels: Sequence[ListedFile]) -> str:
    """The tags of the first of some wheels, each combination once, as their file names have them."""
    return _examples("-".join(file.filename[: -len(".whl")].split("-")[-3:]) for file in wheels)


def _examples(texts: Iterable[str]) -> str:
    """The first of some texts from an index, each once."""
    found = list(dict.fromkeys(map(printable, texts)))
    shown = [text if len(text) <= _EXAMPLE_CHARACTERS else f"{text[:_EXAMPLE_CHARACTERS]}…" for text in found]
    more = f" and {len(found) - _EXAMPLES} more" if len(found) > _EXAMPLES else ""
    return ", ".join(shown[:_EXAMPLES]) + more
