"""Why a package is in the lockfile, and what holds it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from venvship.model.package_hold import PackageHold


class Chain(NamedTuple):
    """Who asks for a package, through others.

    Attributes:
        input: The file of the input.
        packages: The packages: the first one is asked for by the input, the last one is that in question.
    """

    input: str
    packages: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {"input": self.input, "packages": list(self.packages)}


class Bound(NamedTuple):
    """A package, or a file, that asks for some versions only.

    Attributes:
        by: The package with its version, or the file.
        versions: The versions, as in `<6`.
    """

    by: str
    versions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a package is in the lockfile, and at this version.

    Attributes:
        package: Its normalised name.
        version: The version that the lockfile pins.
        live: The version of the live release; `None` for none.
        chains: From the inputs to the package, the shortest first.
        bounds: The inputs, constraints and packages that do not allow every later version.
        holds: The holds of the package that are in force.
        below: The version below which an unattended upgrade stays, by `[update] only`; `None` for no bound.
        group: The packages that it moves with in an unattended upgrade, itself left out.
        cooldown_days: The age that a version must have; days.
        index: The index or folder that it comes from; `None` if the lockfile does not tell.
    """

    package: str
    version: str
    live: str | None
    chains: tuple[Chain, ...]
    bounds: tuple[Bound, ...]
    holds: tuple[PackageHold, ...]
    below: str | None
    group: tuple[str, ...]
    cooldown_days: float
    index: str | None

    def to_json(self) -> dict[str, object]:
        """The JSON form, as `explained` of `lock --explain --json`."""
        return {
            "package": self.package,
            "version": self.version,
            "live": self.live,
            "chains": [chain.to_json() for chain in self.chains],
            "bounds": [bound._asdict() for bound in self.bounds],
            "holds": [hold.to_json() for hold in self.holds],
            "below": self.below,
            "group": list(self.group),
            "cooldown_days": self.cooldown_days,
            "index": self.index,
        }
