"""The builds of one release: what all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from venvship.building.request import BuildRequest
from venvship.building.store.store import Store
from venvship.system.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSession:
    """The builds of one release.

    Attributes:
        request: The release to build.
        directory: A directory of the caller's for copies, environments and wheels.
        environ: The process environment.
        log: Path of the log that gets the output of builds, redacted; mode 0600.
        signals: Signals that end a build.
        store: Has the wheels of build requirements, or gets them. Its mutex is held shared.
    """

    request: BuildRequest
    directory: str
    environ: Mapping[str, str]
    log: str
    signals: Signals
    store: Store

    @property
    def timeout(self) -> float:
        """Seconds for `before`, and for the build."""
        return self.request.project.settings.timeout
