"""A root whose lockfile venvship makes from a local index, and a candidate check that versions can break."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from tests.support.index import LocalIndex
from tests.support.roots import Finished, Site
from tests.support.wheels import build_wheel
from venvship.operations.release_result import ReleaseResult

CHECK = '''
[[check]]
name = "works"
when = "candidate"
command = ["{bin}/python", "-c", """
import importlib.metadata, json, os, sys
there = {f'{each.name}=={each.version}' for each in importlib.metadata.distributions()}
planted = json.load(open(os.path.join(os.environ['VENVSHIP_ROOT'], 'planted.json')))
sys.exit(any(set(one) <= there for one in planted))
"""]
'''
"""Fails where all versions of a planted set are there together."""

LIVE = CHECK.replace('"works"', '"answers"').replace('"candidate"', '"live"\ndeadline = 0')
"""The same as a live check."""


@dataclass
class Market:
    """The root, the index, and the versions that break the check."""

    site: Site
    index: LocalIndex
    wheelhouse: Path
    planted: list[list[str]] = field(default_factory=list)
    ahead: timedelta = field(default_factory=timedelta)

    @classmethod
    def live(
        cls,
        site: Site,
        index: LocalIndex,
        wheelhouse: Path,
        names: Iterable[str],
        settings: str = CHECK,
        *,
        requires: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> Market:
        """Release version 1.0 of some packages, with what each requires."""
        site.environment.pop("PIP_NO_INDEX", None)
        site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
        market = cls(site, index, wheelhouse)
        market.settings(settings)
        for name in names:
            market.offer(name, "1.0", *requires.get(name, ()))
        (site.path / "requirements.in").write_text("".join(f"{name}\n" for name in names))
        (site.path / "requirements.txt").unlink()
        market.plant()
        site.open().lock()
        assert site.open().release().outcome == "released"
        return market

    def settings(self, text: str) -> None:
        """Write the settings, below those of the lock."""
        self.site.settings(f'[lock]\ninputs = ["requirements.in"]\n{text}')

    def offer(self, name: str, version: str, *requires: str) -> None:
        """Have the index offer a version."""
        files = {f"{name}.py": f"VERSION = {version!r}\n"}
        build_wheel(self.wheelhouse, name, version, files=files, requires=list(requires))

    def offer_all(self, names: Iterable[str], version: str) -> None:
        """Have the index offer a version of each package."""
        for name in names:
            self.offer(name, version)

    def plant(self, *sets: str) -> None:
        """Have the check fail with each of these sets, such as `"a==2.0 b==2.0"`, and with no other."""
        self.planted = [one.split() for one in sets]
        (self.site.path / "planted.json").write_text(json.dumps(self.planted))

    def upgrade(self, *options: str) -> Finished:
        """Run `update --upgrade` as a command."""
        return self.site.run("update", "--upgrade", *options, timeout=1200)  # only a hang takes as long

    def upgraded(self) -> ReleaseResult:
        """Run `update --upgrade` through the API, so much later."""
        clock = self.site.later(seconds=self.ahead.total_seconds())
        return self.site.open(clock=clock).update(upgrade=True)

    def pins(self) -> str:
        """The versions of the lockfile, such as `a1.0 b2.0`."""
        lines = (self.site.path / "requirements.txt").read_text().splitlines()
        pins = [line.removesuffix(" \\").split("==") for line in lines if line[:1].isalpha()]
        return " ".join("".join(pin) for pin in pins)

    def held(self) -> list[str]:
        """The holds of packages, as arguments of `hold`."""
        return [hold.spelled for hold in self.site.open().status().held_packages]
