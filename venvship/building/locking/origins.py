"""Where the packages of a lock may come from, and where they came from: the worker's rules and notes.

`pip_compile_worker.py` keeps to the rules, in the process of pip-compile. See ADR 0059.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from venvship.errors import IndexChangedError, LockError
from venvship.model.lockfiles.origins import origin_recorded
from venvship.printable import enclosed, lines
from venvship.system.files import create_file

if TYPE_CHECKING:
    from venvship.building.locking.pip_compile_worker import Notes, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRules:
    """Where packages may come from. Names are normalised; sources are URLs without credentials, or paths.

    Attributes:
        fixed: Pairs of a pattern for names and a source; the first that fits counts.
        recorded: The source of each package of the lockfile that is there now.
        movable: The packages that may come from another source than the recorded one; `None`: all.
        strict: Whether a package without a source is refused if several offer it, with different files.
        kept: The hashes that the lockfile allows, by name.
        excepted: By name, the version that no cooldown leaves out.
    """

    fixed: tuple[tuple[str, str], ...] = ()
    recorded: Mapping[str, str] = field(default_factory=dict)
    movable: frozenset[str] | None = None
    strict: bool = False
    kept: Mapping[str, frozenset[str]] = field(default_factory=dict)
    excepted: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: str) -> None:
        """Write them for the worker.

        Raises:
            OSError: The file cannot be written.
        """
        rules: Rules = {
            "fixed": list(self.fixed),
            "recorded": dict(self.recorded),
            "movable": None if self.movable is None else sorted(self.movable),
            "strict": self.strict,
            "kept": {name: sorted(hashes) for name, hashes in self.kept.items()},
            "excepted": dict(self.excepted),
        }
        create_file(path, json.dumps(rules).encode(), mode=0o600)


class Elsewhere(NamedTuple):
    """What another source offers of a package.

    Attributes:
        origin: The other source.
        highest: Its highest version that is no pre-release; `""` for none.
        different: The versions of which it has other files.
    """

    origin: str
    highest: str
    different: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginNotes:
    """Where packages came from, by normalised name. Secrets in sources are masked.

    Attributes:
        chosen: The source of each version on offer.
        elsewhere: What other sources offer of a package that was not to come from them.
        gone: The source that has nothing of a package, and the others that have.
        doubtful: The sources that offer a package that is new, each with other files.
        uploaded: The time at which each version was uploaded (RFC 3339), where the index tells it.
    """

    chosen: Mapping[str, Mapping[str, str]]
    elsewhere: Mapping[str, tuple[Elsewhere, ...]]
    gone: Mapping[str, tuple[str, tuple[str, ...]]]
    doubtful: Mapping[str, tuple[str, ...]]
    uploaded: Mapping[str, Mapping[str, str]]

    def of(self, selected: Mapping[str, str]) -> dict[str, str]:
        """The sources of packages in some versions; one that an input names by its file has none.

        Args:
            selected: Versions by name.
        """
        found = {}
        for name, version in selected.items():
            known = {Version(other): origin for other, origin in self.chosen.get(name, {}).items()}
            if (origin := known.get(Version(version))) is not None:
                found[name] = origin
        return found

    def refusal(self, cause: LockError, state: str) -> IndexChangedError | None:
        """The error of a lock that the rules may have made fail; `None` if they have not.

        Args:
            cause: The failure.
            state: The state of the lockfile now, for the message.
        """
        said = [
            f"{name} comes from {own}, which offers nothing of it"
            + (f"; {_listed(others)} does, and is not asked instead" if others else "")
            for name, (own, others) in sorted(self.gone.items())
        ]
        said += [
            f"{name} is new, and offered with different files by {_listed(origins)}"
            for name, origins in sorted(self.doubtful.items())
        ]
        if not said:
            return None
        names = sorted({*self.gone, *self.doubtful})
        hint = "venvship lock " + " ".join(f"-P {name}" for name in names)
        return IndexChangedError(
            lines(
                f"no lockfile without a package from another index than before; {state}:",
                *(f"  {text}" for text in said),
                enclosed("  ", cause.message),
            ),
            hint=f"to take them from there: {hint}; or fix them to an index by `[lock] index`",
            packages=names,
            log=cause.data.get("log"),
        )


def read_notes(path: str, redact: Callable[[str], str]) -> OriginNotes:
    """Read the notes of the worker; empty if it did not get as far.

    Args:
        path: The file.
        redact: Masks secrets; a `Redactor`.
    """
    notes: Notes = {"chosen": {}, "elsewhere": {}, "gone": {}, "doubtful": {}, "uploaded": {}}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            notes = json.load(file)

    def shown(origin: str) -> str:
        return origin_recorded(origin, redact)

    return OriginNotes(
        chosen={
            name: {version: shown(origin) for version, origin in versions.items()}
            for name, versions in notes["chosen"].items()
        },
        elsewhere={
            name: tuple(
                Elsewhere(shown(origin), highest, tuple(different))
                for origin, (highest, different) in others.items()
            )
            for name, others in notes["elsewhere"].items()
        },
        gone={name: (own, tuple(map(shown, others))) for name, (own, others) in notes["gone"].items()},
        doubtful={name: tuple(map(shown, origins)) for name, origins in notes["doubtful"].items()},
        uploaded=notes["uploaded"],
    )


def _listed(origins: tuple[str, ...]) -> str:
    return " and ".join(origins)
