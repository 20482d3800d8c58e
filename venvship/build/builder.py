"""Building a release: lockfile → store → release; the steps in their order, and what a failed one leaves."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from venvship.build.assemble import assemble
from venvship.build.candidate import candidate, drop_candidate
from venvship.build.compile import bytecode_tag, compile_wheels
from venvship.build.faults import build_faults
from venvship.build.foundation import foundation
from venvship.build.intake import Incoming
from venvship.build.request import Assembled, BuildRequest
from venvship.build.room import require_room
from venvship.build.seal import seal
from venvship.build.store import Store, selection_key
from venvship.model.progress import Advance, Progress, Running, unmeasured
from venvship.model.progress import phase as told
from venvship.model.release import Manifest
from venvship.model.requirement import may_build
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.root import SCRATCH_PREFIX
from venvship.system.files import make_directory, remove_tree
from venvship.system.signals import Signals

if TYPE_CHECKING:
    from venvship.build.fetch_session import Fetched

__all__ = ["Assembled", "BuildRequest", "assemble", "build", "drop_candidate", "seal"]

FETCH_JOBS: Final = 4
"""How many pips download at once."""

PhaseContext = Callable[[str], contextlib.AbstractContextManager[Running]]


def build(
    request: BuildRequest,
    store: Store,
    *,
    environ: Mapping[str, str],
    signals: Signals,
    log_dir: str,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> Manifest:
    """Build a release and seal it.

    The caller holds `build.mutex`, and the store's mutex shared. When this returns, the release is durable;
    writing the journal's line `sealed`, without which it is still debris, is left to the caller. When this
    raises, there is no release directory, and everything that reached the store stays there for the next try:
    wheels get there, compiled, while others are still on their way.

    Crash: `releases/<id>` without a line `sealed`, and `state/scratch-<id>`; recovery removes both.

    Args:
        request: What to build.
        store: Where wheels are, or get to.
        environ: The process environment.
        signals: Looked at between wheels.
        log_dir: An existing directory for the output of the fetch.
        progress: Hears of the phases `fetch`, `import`, `compile`, `assemble` and `seal`.
        clock: Seconds from any origin, never backwards.

    Returns:
        The manifest, as it stands in the release.

    Raises:
        BuildError: Something went wrong; see its subclasses.
        InterruptedByError: A signal came.
    """
    phase: PhaseContext = functools.partial(told, progress, clock)
    scratch = os.path.join(request.root_path, "state", f"{SCRATCH_PREFIX}{request.release_id}")
    try:
        with build_faults("make a directory for temporary files", scratch):
            make_directory(scratch, 0o700)
        with (
            candidate(request.release_path) as sync_fd,
            foundation(request, scratch=scratch, environ=environ, signals=signals) as environment,
        ):
            wheels = _stored_wheels(
                request,
                store,
                scratch=scratch,
                environ=environ,
                signals=signals,
                log_dir=log_dir,
                phase=phase,
            )
            with phase("compile") as running:
                bytecode = _compile(
                    request,
                    store,
                    tuple(wheels.values()),
                    environ=environ,
                    signals=signals,
                    advance=running.advance,
                )
                tag = bytecode_tag(request.interpreter, request.build.optimize)
                paths = {sha256: store.bytecode_path(sha256, tag) for sha256 in bytecode}
                running.facts["modules"] = sum(map(len, bytecode.values()))
            with phase("assemble") as running:
                assembled = assemble(
                    request,
                    wheels,
                    bytecode,
                    paths,
                    environment=environment,
                    signals=signals,
                    advance=running.advance,
                )
                running.facts["files"] = sum(entry.type == "file" for entry in assembled.entries)
                running.facts["copied"] = assembled.linked["copy"]
            with phase("seal"):
                return seal(request, assembled, sync_fd=sync_fd, signals=signals)
    finally:
        # What cannot be removed here is swept by recovery; the error on its way out matters more.
        with contextlib.suppress(OSError):
            remove_tree(scratch)


def check_room(request: BuildRequest, store: Store) -> None:
    """Refuse a build that there is no room for, as far as that can be told before anything is fetched.

    Raises:
        DiskFullError: There is not enough room.
        BuildError: The store is damaged, or a wheel that the lockfile names by its path is not there.
    """
    chosen = _chosen(request, store, _keys(request))
    require_room(
        request,
        store,
        wheels=[store.wheel(sha256) for sha256 in chosen.values() if sha256 is not None],
        files=[
            requirement.url
            for requirement in request.selected
            if chosen[requirement.name] is None
            and requirement.url is not None
            and os.path.isfile(requirement.url)
        ],
    )


def _stored_wheels(
    request: BuildRequest,
    store: Store,
    *,
    scratch: str,
    environ: Mapping[str, str],
    signals: Signals,
    log_dir: str,
    phase: PhaseContext,
) -> dict[str, StoredWheel]:
    """Find every selected wheel in the store, after fetching and importing what it lacks."""
    build = request.build
    keys = _keys(request)
    chosen = _chosen(request, store, keys)
    missing = [requirement for requirement in request.selected if chosen[requirement.name] is None]
    downloads = os.path.join(scratch, "downloads")
    fetched: list[Fetched] = []

    def take(some: Sequence[Fetched], advance: Advance = unmeasured) -> None:
        """Import what has come; then it is in the store, whatever becomes of the rest."""
        known = [store.wheel(sha256) for sha256 in chosen.values() if sha256 is not None]
        require_room(request, store, known, [one.path for one in some if not store.has(one.sha256)])
        with store.importing(between=signals.raise_if_received) as batch:
            batch.add([_incoming(one, build.bad_record) for one in some], advance)
            for one in some:
                batch.select(keys[one.requirement.name], one.sha256, _selection_facts(one))
        chosen.update((one.requirement.name, one.sha256) for one in some)

    def take_and_compile(some: Sequence[Fetched]) -> None:
        """What can be done while the network is waited for."""
        take(some)
        _compile(request, store, [store.wheel(one.sha256) for one in some], environ=environ, signals=signals)

    with phase("fetch") as running:
        if missing:
            # Late: a release of which the store has everything fetches nothing.
            from venvship.build.fetch import fetch

            with build_faults("make a directory for downloads", downloads):
                make_directory(downloads, 0o700)
            fetched = fetch(
                missing,
                options=request.lockfile.options,
                interpreter=request.interpreter,
                sdists=build.sdists,
                directory=downloads,
                cwd=os.path.dirname(request.lockfile.path),
                environ=environ,
                timeout=build.timeout,
                jobs=FETCH_JOBS,
                log=os.path.join(log_dir, "fetch.txt"),
                signals=signals,
                advance=running.advance,
                arrived=take_and_compile,
            )
        with build_faults("look at what was fetched", downloads):
            running.facts["bytes"] = sum(os.path.getsize(one.path) for one in fetched)
        running.facts["wheels"] = len(fetched)
    with phase("import") as running:
        running.facts["wheels"] = len(fetched)
        if left := [one for one in fetched if chosen[one.requirement.name] is None]:
            take(left, running.advance)
    return {name: store.wheel(sha256) for name, sha256 in chosen.items() if sha256 is not None}


def _compile(
    request: BuildRequest,
    store: Store,
    wheels: Sequence[StoredWheel],
    *,
    environ: Mapping[str, str],
    signals: Signals,
    advance: Advance = unmeasured,
) -> dict[str, tuple[StoredFile, ...]]:
    return compile_wheels(
        store,
        wheels,
        request.interpreter,
        optimize=request.build.optimize,
        signals=signals,
        environ=environ,
        advance=advance,
    )


def _incoming(one: Fetched, bad_record: Collection[str]) -> Incoming:
    return Incoming(one.path, one.sha256, check_record=one.requirement.name not in bad_record)


def _keys(request: BuildRequest) -> dict[str, str]:
    """By requirement name, what the store files its choice under."""
    return {
        requirement.name: selection_key(
            requirement, request.interpreter, may_build(requirement.name, request.build.sdists)
        )
        for requirement in request.selected
    }


def _chosen(request: BuildRequest, store: Store, keys: Mapping[str, str]) -> dict[str, str | None]:
    """By requirement name, the hash of the wheel that the store has for it."""
    return {requirement.name: store.selection(keys[requirement.name]) for requirement in request.selected}


def _selection_facts(one: Fetched) -> dict[str, object]:
    return {
        "name": one.requirement.name,
        "version": one.requirement.version,
        "wheel": os.path.basename(one.path),
        "source_sha256": one.source_sha256,
    }
