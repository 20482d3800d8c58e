"""Strict, hash-pinned `requirements.txt`: files, the files that they include, and their options.

Where pip shrugs (a hash that belongs to no requirement, text after the options, a comment that swallows the
next line), this refuses.

Source: pip's "Requirements File Format".
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement

from venvship.model import bounds
from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import (
    MARKER_ERRORS,
    URL,
    Requirement,
    add_pin,
    decode,
    marker_environment,
)
from venvship.model.lockfiles.requirements_txt_lines import (
    MAX_LINE,
    LogicalLine,
    RefusedError,
    UnhashedError,
    logical_lines,
    refuse,
    refuse_foreign,
    split_options,
)
from venvship.model.lockfiles.requirements_txt_options import (
    FLAGS,
    FORMATS,
    INCLUDES,
    REFUSED,
    TAKING_VALUE,
    WHERE_FROM,
    check_formats,
    read_hash,
    read_options,
    source_option,
)
from venvship.model.lockfiles.requirements_txt_pin import parse_requirement
from venvship.model.lockfiles.selection import Selection

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

# Characters that make a reviewer see something else than pip: line separators that are not line ends in an
# editor (pip splits at them), terminal controls, and characters that reverse the direction of text.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsTxt:
    """One requirements file or several, with all that they include.

    Attributes:
        requirements: In the order of the files, whatever their markers.
        options: Option lines about indexes, for pip; in order, since a later `--index-url` overrides.
        files: Absolute path and bytes of every file, in reading order, each once.
    """

    requirements: tuple[Requirement, ...]
    options: tuple[str, ...]
    files: Mapping[str, bytes]

    def select(
        self, interpreter: Interpreter, *, extras: Sequence[str], groups: Sequence[str], problems: Problems
    ) -> Selection:
        """Choose the requirements whose marker holds for the interpreter; of equal pins, one."""
        if extras or groups:
            # A lockfile of lines has its extras resolved. Settings without effect would be believed.
            message = "`[build] extras` and `groups` mean nothing in a requirements file; remove them"
            problems.add(problems.path, None, message)
        environment = marker_environment(interpreter)
        selected: dict[str, Requirement] = {}
        for requirement in self.requirements:
            try:
                wanted = requirement.marker is None or Marker(requirement.marker).evaluate(environment)
            except MARKER_ERRORS as error:
                message = f"{requirement.name}: cannot evaluate its marker for {interpreter.label}: {error}"
                problems.add(requirement.file, requirement.line, message)
                continue
            if wanted:
                add_pin(selected, requirement, problems, f"; both markers hold for {interpreter.label}")
        return Selection(tuple(selected.values()))


def parse_requirements_txt(
    contents: Mapping[str, bytes],
    *,
    read: Callable[[str], bytes],
    sdists: Collection[str],
    real: Callable[[str], str] = os.path.normpath,
) -> RequirementsTxt:
    """Read requirements files, and those that they include.

    Args:
        contents: Absolute path and bytes of each file, in order; at least one.
        read: Returns the bytes of an included file; raises `OSError`.
        sdists: `[build] sdists`.
        real: As for `read_lockfile`.

    Raises:
        LockfileError: Something in them is refused.
    """
    folders = tuple(os.path.join(real(os.path.dirname(path)), "") for path in contents)

    def shows(file: str) -> bool:
        return file in contents or real(file).startswith(folders)

    reader = _Reader(read, sdists, Problems(next(iter(contents)), shows))
    for path, data in contents.items():
        if path not in reader.files:
            reader.take(path, data)
    reader.finish()
    return RequirementsTxt(
        requirements=tuple(reader.requirements), options=tuple(reader.options), files=reader.files
    )


@dataclass(slots=True)
class _Reader:
    """Reads requirements files and the files that they include, and collects their mistakes."""

    read: Callable[[str], bytes]
    sdists: Collection[str]
    problems: Problems
    requirements: list[Requirement] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    _including: list[str] = field(default_factory=list)
    _formats: list[tuple[str, int, str, str]] = field(default_factory=list)
    _unhashed: tuple[int, str] | None = None
    _orphans: bool = False

    def finish(self) -> None:
        """Check all files together, after the last `take`."""
        if not self.requirements and not self.problems.found:
            self.problems.add(self.problems.path, None, "it holds no requirement; nothing would be installed")
        check_formats(self._formats, self.sdists, self.problems)
        self._check_duplicates()
        self.problems.raise_if_any()

    def take(self, path: str, data: bytes) -> None:
        """Take a file's requirements and options, and those of the files it includes."""
        self.files[path] = data
        total = sum(map(len, self.files.values()))
        if total > bounds.LOCKFILE:
            self.problems.add(
                path,
                None,
                f"{total:,} bytes: a lockfile has at most {bounds.LOCKFILE:,}; this is something else",
            )
            return
        text = self._decode(path, data)
        if text is None:
            return
        self._including.append(path)
        for line in logical_lines(text):
            if self.problems.enough:
                break
            try:
                self._take_line(path, line)
            except RefusedError as error:
                self._note_unhashed(path)
                self.problems.add(path, line.number, str(error))
        self._note_unhashed(path)
        self._including.pop()

    def _decode(self, path: str, data: bytes) -> str | None:
        foreign = refuse_foreign(path)
        if foreign:
            self.problems.add(path, None, foreign)
            return None
        text = decode(path, data, self.problems)
        if text is None:
            return None
        text = text.replace("\r\n", "\n")
        hidden = _HIDDEN.search(text)
        if hidden:
            number = text.count("\n", 0, hidden.start()) + 1
            code = f"U+{ord(hidden[0]):04X}"
            self.problems.add(path, number, f"the control character {code} in it; a lockfile is plain text")
            return None
        return text

    def _take_line(self, path: str, line: LogicalLine) -> None:
        if len(line.text) > MAX_LINE:
            refuse(f"a line of {len(line.text):,} characters; this is not a lockfile")
        if line.hides:
            refuse("a comment hides the lines that this one is continued with; put it on a line of its own")
        if line.text.endswith("\\"):
            refuse("a backslash with space after it does not continue a line; remove the space")
        text, words = split_options(line.text)
        options = list(read_options(words))
        if not text.strip() and all(name == "--hash" for name, _ in options):
            self._take_orphans()
            return
        self._orphans = False
        self._note_unhashed(path)
        if text.strip():
            self._take_requirement(path, line, text.strip(), options)
        else:
            for name, value in options:
                self._take_option(path, line.number, name, value)

    def _take_orphans(self) -> None:
        self._unhashed = None
        if not self._orphans:
            self._orphans = True
            refuse(
                "a --hash that belongs to no requirement, and pip would drop it: the line above must end in a"
                " backslash, with nothing after that, and no comment may stand between"
            )

    def _note_unhashed(self, path: str) -> None:
        """Report a requirement without hashes, once the next line turned out not to be its lost hashes."""
        if self._unhashed is not None:
            self.problems.add(path, *self._unhashed)
            self._unhashed = None

    def _take_requirement(
        self, path: str, line: LogicalLine, text: str, options: Sequence[tuple[str, str | None]]
    ) -> None:
        hashes = [read_hash(name, value) for name, value in options]
        if "\t" in text:
            refuse(f"a tab in {quote(text)}, where pip wants spaces")
        try:
            requirement = parse_requirement(line, text, hashes, file=path, sdists=self.sdists)
        except UnhashedError as error:
            self._unhashed = (line.number, str(error))
            return
        except RecursionError:
            refuse(f"cannot read {quote(text)}: it is nested too deeply")
        except InvalidRequirement as error:
            refuse(f"cannot read {quote(text)} as NAME==VERSION: {_reason(error)}")
        except ValueError as error:
            refuse(f"cannot read {quote(text)}: {_reason(error)}")
        self.requirements.append(requirement)

    def _take_option(self, path: str, number: int, name: str, value: str | None) -> None:
        if name in TAKING_VALUE and not value:
            refuse(f"{name} needs a value")
        if name in FLAGS and value is not None:
            refuse(f"{name} takes no value")
        if name in FLAGS:
            self.options.append(name)
        elif name in WHERE_FROM:
            self.options.append(source_option(WHERE_FROM[name], value or "", os.path.dirname(path)))
        elif name in FORMATS:
            self._formats += [(path, number, name, each.strip()) for each in (value or "").split(",")]
        elif name in INCLUDES:
            self._include(path, value or "")
        elif name in REFUSED:
            refuse(f"{name}: {REFUSED[name]}")
        elif name == "--hash":
            refuse("a --hash among other options belongs to no requirement")
        elif name:
            refuse(f"{quote(name)} is not an option that venvship knows in a lockfile; remove it")
        else:
            refuse(f"{quote(value or '')} stands after an option; options go on lines of their own")

    def _include(self, path: str, target: str) -> None:
        if URL.match(target):
            refuse(f"-r {quote(target)}: only local files can be included")
        included = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if included in self._including:
            chain = " → ".join(os.path.basename(each) for each in [*self._including, included])
            refuse(f"-r {quote(target)} includes itself: {chain}")
        if included in self.files:
            return
        if len(self._including) > 50:
            refuse(f"-r {quote(target)}: files included more than 50 deep")
        try:
            data = self.read(included)
        except OSError as error:
            refuse(f"-r {quote(target)}: {included} cannot be read: {error.strerror or error}")
        except UnicodeEncodeError:
            refuse(f"-r {quote(target)}: not a file name in this locale")
        self.take(included, data)

    def _check_duplicates(self) -> None:
        """Refuse two different pins that no interpreter could tell apart; of others, it decides."""
        seen: dict[str | None, dict[str, Requirement]] = {}
        for requirement in self.requirements:
            add_pin(seen.setdefault(requirement.marker, {}), requirement, self.problems)


def _reason(error: ValueError) -> str:
    return quote(str(error).partition("\n")[0]).strip("`")
