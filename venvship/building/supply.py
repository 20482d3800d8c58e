"""The wheels of a release: from the store, after those that it lacks were fetched or built, and imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from venvship.building.room import require_room
from venvship.building.store.compile import Compiler, compile_wheels
from venvship.building.store.index import understanding
from venvship.building.store.intake import importing
from venvship.building.store.store import Store, selection_key
from venvship.building.tree.combination import placed
from venvship.errors import BuildError
from venvship.model import json_fields as fields
from venvship.model.lockfiles.requirement import Requirement, may_build
from venvship.model.progress import Advance, unmeasured
from venvship.model.source import BuildRequirement, Built
from venvship.model.wheel import StoredBytecode, StoredWheel, WheelFile
from venvship.system.faults import build_faults
from venvship.system.files import make_directory, remove_name
from venvship.system.pool import working
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree

if TYPE_CHECKING:
    from venvship.building.request import BuildRequest


class Total(NamedTuple):
    """The number of wheels that were fetched, and their size in bytes."""

    wheels: int = 0
    size: int = 0


def check_room(request: BuildRequest, store: Store) -> None:
    """Refuse a build that there is no room for, as far as that can be told before anything is fetched.

    Raises:
        DiskFullError: There is not enough room.
        BuildError: The store is damaged, or a wheel that the lockfile names by its path is not there.
    """
    chosen = _chosen(request, _keys(request), store)
    wheels = [store.wheel(sha256) for sha256 in chosen.values() if sha256 is not None]
    lacking = [r.url for r in request.environment.selected if chosen[r.name] is None and r.url is not None]
    require_room(request, store, wheels, [path for path in lacking if os.path.isfile(path)])


class Supply:
    """The wheels of one release, found by an earlier selection of the store, or fetched, or built.

    A wheel that has come is in the store, even if the others fail. A download is removed once it is imported:
    the sync that makes the import durable would write it to the disk, too.

    Crash: leaves `downloads` in the scratch directory, which is the caller's to sweep; or some of the wheels
    in the store, each whole.

    Args:
        request: The build.
        store: Where wheels are, or get to.
        scratch: A directory of the caller's, for downloads.
        environ: The process environment.
        signals: Looked at between wheels.

    Raises:
        StoreDamagedError: The index of the store cannot be read.
    """

    def __init__(
        self,
        request: BuildRequest,
        store: Store,
        *,
        scratch: str,
        environ: Mapping[str, str],
        signals: Signals,
    ) -> None:
        self._request = request
        self._store = store
        self._downloads = os.path.join(scratch, "downloads")
        self._environ = environ
        self._signals = signals
        self._keys = _keys(request)
        self._chosen = _chosen(request, self._keys, store)
        self._left: dict[str, WheelFile] = {}

    def fetch(self, advance: Advance = unmeasured) -> Total:
        """Fetch the wheels that the store lacks. Those that have come are imported and compiled meanwhile.

        Once two of those that have come cannot be installed together, nothing more is compiled.

        Args:
            advance: Told how many files have come.

        Raises:
            BuildError: The store has to have all wheels, and lacks some; and see
                `venvship.building.fetching.fetch.fetch`, `Import.add` and `compile_wheels`.
            InterruptedByError: A signal came.
        """
        missing = self._missing()
        if missing and self._request.wheels is not None:
            lacking = ", ".join(" ".join(filter(None, (r.name, r.version))) for r in missing)
            raise BuildError(f"the store {self._store.path} lacks {lacking}")
        missing = [requirement for requirement in missing if requirement.source is None]
        if not missing:
            return Total()
        # Late: a release of which the store has everything fetches nothing.
        from venvship.building.fetching.fetch import fetch
        from venvship.building.fetching.fetch_session import Session

        taken = 0

        def take_and_compile(some: Mapping[str, WheelFile]) -> None:
            nonlocal taken
            taken += _size(some.values())
            self._take(some)
            # The wheels that are still to come are waited for, so that all conflicts are reported at once.
            if not placed(self._request, self.wheels().values()).conflicts:
                self.compile([self._store.wheel(file.sha256) for file in some.values()])

        with build_faults("make a directory for downloads", self._downloads):
            make_directory(self._downloads, 0o700)
        session = Session.begin(
            self._request,
            directory=self._downloads,
            environ=self._environ,
            log=os.path.join(self._request.log_dir, "fetch.txt"),
            signals=self._signals,
        )
        fetched = fetch(missing, session, advance=advance, arrived=take_and_compile)
        self._left = {name: file for name, file in fetched.items() if self._chosen[name] is None}
        return Total(len(fetched), taken + _size(self._left.values()))

    @property
    def builds(self) -> int:
        """The number of wheels that are to be built from source."""
        return sum(requirement.source is not None for requirement in self._missing())

    def build(self, advance: Advance = unmeasured) -> int:
        """Build the wheels that the store lacks from their source, and import them.

        Args:
            advance: Told how many are built.

        Returns:
            The number of wheels.

        Raises:
            CheckoutError: A source cannot be copied.
            BuildError: See `build_wheel` and `Import.add`.
            ProgramNotFoundError: There is no such program as `[project] before` names.
            InterruptedByError: A signal came.
        """
        missing = [requirement for requirement in self._missing() if requirement.source is not None]
        if not missing:
            return 0
        # Late: a release of which the store has everything builds nothing.
        from venvship.building.project.build import build_wheel
        from venvship.building.project.session import BuildSession

        with build_faults("make a directory for downloads", self._downloads):
            make_directory(self._downloads, 0o700)
        session = BuildSession(
            request=self._request,
            directory=self._downloads,
            environ=self._environ,
            log=os.path.join(self._request.log_dir, "build.txt"),
            signals=self._signals,
            store=self._store,
        )
        for done, requirement in enumerate(missing):
            advance(done, len(missing))
            built = build_wheel(requirement, session)
            facts = {"version": built.version, **built.recorded()}
            # Some thousand files: a copy of this process removes them while the wheel is taken in.
            with working(_remove, _left_behind(built.file), copies=1) as removing:
                self._take({requirement.name: built.file}, facts={requirement.name: facts})
                self.compile([self._store.wheel(built.file.sha256)])
                removing.results()
        return len(missing)

    def built(self) -> tuple[Built, ...]:
        """The members that were built from source, now or earlier, once the store has all wheels.

        Raises:
            StoreDamagedError: The record of a build cannot be read.
        """
        if self._request.wheels is not None:
            return self._request.project.built
        found: list[Built] = []
        for requirement in self._request.environment.built:
            sha256 = self._chosen[requirement.name]
            if sha256 is not None and requirement.source is not None:
                facts = self._store.selection_facts(self._keys[requirement.name])
                found.append(
                    Built(
                        name=requirement.name,
                        version=self._store.wheel(sha256).version,
                        source=requirement.source,
                        wheel_sha256=sha256,
                        build_requirements=build_requirements(facts),
                        pinned=facts.get("pinned") is True,
                    )
                )
        return tuple(found)

    def _missing(self) -> list[Requirement]:
        """The requirements whose wheels the store lacks, and that have not been fetched."""
        return [
            requirement
            for requirement in self._request.environment.selected
            if self._chosen[requirement.name] is None and requirement.name not in self._left
        ]

    def take_what_is_left(self, advance: Advance = unmeasured) -> None:
        """Import the wheels that were fetched and not imported meanwhile.

        Args:
            advance: Told how many wheels are begun.

        Raises:
            BuildError: See `Import.add`.
            DiskFullError: There is no room.
            InterruptedByError: A signal came.
        """
        if self._left:
            self._take(self._left, advance)

    def wheels(self) -> dict[str, StoredWheel]:
        """The wheels to install by the name of the requirement, once all are in the store.

        Raises:
            StoreDamagedError: The index of a wheel cannot be read.
        """
        return {
            name: self._store.wheel(sha256) for name, sha256 in self._chosen.items() if sha256 is not None
        }

    def compile(
        self, wheels: Sequence[StoredWheel], advance: Advance = unmeasured
    ) -> dict[str, StoredBytecode]:
        """Compile those of these wheels that have no bytecode yet; see `compile_wheels`."""
        compiler = Compiler(
            self._request.environment.interpreter, self._request.build.optimize, self._environ
        )
        return compile_wheels(self._store, wheels, compiler, signals=self._signals, advance=advance)

    def _take(
        self,
        some: Mapping[str, WheelFile],
        advance: Advance = unmeasured,
        facts: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        known = [self._store.wheel(sha256) for sha256 in self._chosen.values() if sha256 is not None]
        new = [file.path for file in some.values() if not self._store.has(file.sha256)]
        require_room(self._request, self._store, known, new)
        versions = {r.name: r.version for r in self._request.environment.selected}
        bad_record = self._request.build.bad_record
        with importing(self._store, self._signals.raise_if_received) as batch:
            batch.add(
                [file._replace(check_record=name not in bad_record) for name, file in some.items()], advance
            )
            for name, file in some.items():
                if self._request.build.archives:
                    batch.keep(file, ours=file.path.startswith(os.path.join(self._downloads, "")))
                found = {
                    "name": name,
                    "version": versions[name],
                    "wheel": os.path.basename(file.path),
                    "source_sha256": file.source_sha256,
                    **(facts or {}).get(name, {}),
                }
                batch.select(self._keys[name], file.sha256, found)
            self._remove_downloads(some.values())
        self._chosen |= {name: file.sha256 for name, file in some.items()}

    def _remove_downloads(self, some: Iterable[WheelFile]) -> None:
        # A wheel that the lockfile names by its path is the user's.
        ours = os.path.join(self._downloads, "")
        with build_faults("remove downloads that were imported", self._downloads):
            for file in some:
                if file.path.startswith(ours):
                    remove_name(file.path)


def _left_behind(wheel: WheelFile) -> list[str]:
    """The copy and the environment that a wheel was built in."""
    folder = os.path.dirname(os.path.dirname(wheel.path))
    with build_faults("look at what the build has left", folder):
        return [entry.path for entry in os.scandir(folder) if entry.path != os.path.dirname(wheel.path)]


def _remove(path: str) -> None:
    """Remove one of them, best effort: the caller's directory is removed with all that is in it."""
    with contextlib.suppress(OSError):
        remove_tree(path)


def _chosen(request: BuildRequest, keys: Mapping[str, str], store: Store) -> dict[str, str | None]:
    """The wheel to install by the name of the requirement; `None` for one that the store lacks."""
    if request.wheels is not None:
        return {name: sha256 if store.has(sha256) else None for name, sha256 in request.wheels.items()}
    return {name: store.selection(key) for name, key in keys.items()}


def _keys(request: BuildRequest) -> dict[str, str]:
    """The keys of the store's selections by the name of the requirement."""
    return {
        requirement.name: selection_key(
            requirement, request.environment.interpreter, may_build(requirement.name, request.build.sdists)
        )
        for requirement in request.environment.selected
    }


def build_requirements(facts: Mapping[str, object]) -> tuple[BuildRequirement, ...]:
    """The distributions that built a wheel, as the store's record of its choice has them.

    Raises:
        StoreDamagedError: They cannot be understood.
    """
    with understanding("the record of a build", "venvship prune"):
        rows = fields.items(facts.get("build_requirements", []))
        return tuple(BuildRequirement(*map(fields.plain, fields.items(row))) for row in rows)


def _size(fetched: Collection[WheelFile]) -> int:
    folder = os.path.dirname(next(iter(fetched)).path) if fetched else ""
    with build_faults("look at what was fetched", folder):
        return sum(os.path.getsize(file.path) for file in fetched)
