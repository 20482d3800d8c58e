"""A root whose one member is built from a repository, without any command: the build alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT
from tests.support.releases import request_for
from venvship.building.builder import build
from venvship.building.project.checkout import open_checkout
from venvship.building.request import BuildRequest, ProjectBuild
from venvship.building.store.intake import prepare
from venvship.building.store.store import Store
from venvship.errors import VenvshipError
from venvship.model.lockfiles.lockfile import read_lockfile, select
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.progress import Step
from venvship.model.release import Manifest
from venvship.model.settings_project import ProjectSettings
from venvship.system.signals import Signals


class Shop:
    """A root whose one member is built from a repository."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self.root, self.checkout = path / "root", path / "src"
        self.environ = {**environ, **GIT_ENVIRONMENT}
        self.steps: list[Step] = []
        self.root.mkdir()
        self.store = Store(str(self.root / "store"))
        prepare(self.store)

    def requirement(
        self, version: str | None = "1.0", *, path: Path | None = None, **facts: Any
    ) -> Requirement:
        checkout = open_checkout(
            str(path or self.checkout),
            "HEAD",
            environ=self.environ,
            signals=Signals(),
            require=lambda _path: None,
        )
        source = checkout.source("", kind="wheel", recipe="", dynamic=version is None)
        return Requirement(
            **{
                "name": "shop",
                "version": version,
                "hashes": (),
                "text": "",
                "file": str(self.checkout),
                "line": 0,
            }
            | facts,
            source=source,
        )

    def request(
        self, requirement: Requirement | None = None, *, project: ProjectBuild | None = None, **settings: Any
    ) -> BuildRequest:
        settings = {"timeout": 120.0, **settings}
        found = project or ProjectBuild(settings=ProjectSettings(**settings), name="shop")
        number = len(list((self.root / "releases").glob("*"))) if (self.root / "releases").exists() else 0
        return request_for(
            self.root,
            [],
            release_id=f"20261122T094143Z-{number:07x}",
            requirements=[requirement or self.requirement()],
            project=found,
        )

    def build(self, request: BuildRequest) -> Manifest:
        Path(request.log_dir).mkdir(mode=0o700, exist_ok=True)
        self.steps.clear()
        return build(request, self.store, environ=self.environ, signals=Signals(), progress=self.steps.append)

    def fails(self, request: BuildRequest, kind: type[VenvshipError], says: str) -> VenvshipError:
        """The error of a build that leaves nothing but its log."""
        with pytest.raises(kind, match=says) as caught:
            self.build(request)
        assert os.listdir(self.root / "releases") == []
        assert os.listdir(self.root / "state") == []
        return caught.value

    def log(self, request: BuildRequest) -> str:
        path = Path(request.log_dir, "build.txt")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return path.read_text()

    def installed(self, request: BuildRequest) -> list[str]:
        site = Path(
            request.release_path, "lib", f"python{request.environment.interpreter.minor}", "site-packages"
        )
        return sorted(one.name for one in site.rglob("*.py") if "shop" in str(one))


def constraints(shop: Shop, text: str) -> ProjectBuild:
    """A project whose build requirements are locked by this text."""
    path = shop.root / "build.txt"
    path.write_text(text)
    lockfile = read_lockfile([str(path)], read=lambda name: Path(name).read_bytes(), sdists=())
    chosen = select(lockfile, shop.request().environment.interpreter, extras=(), groups=()).requirements
    settings = ProjectSettings(timeout=120.0, build_constraints="build.txt")
    return ProjectBuild(settings=settings, name="shop", constraints=chosen, options=lockfile.options)
