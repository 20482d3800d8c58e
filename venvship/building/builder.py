"""Building a release: lockfile → store → release. The steps in their order; `tree/seal.py` is the last.

A trial environment is built in the same way up to the seal, and removed again.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterator, Mapping

from venvship.building.request import BuildRequest
from venvship.building.store.store import Store
from venvship.building.supply import Supply
from venvship.building.tree.assemble import assemble
from venvship.building.tree.assembled import Assembled
from venvship.building.tree.candidate import candidate
from venvship.building.tree.closing import close_directories
from venvship.building.tree.combination import combine
from venvship.building.tree.foundation import foundation
from venvship.building.tree.hook_files import Generate, generated_files, with_generated
from venvship.building.tree.seal import seal
from venvship.model.progress import Progress, step
from venvship.model.release import Manifest
from venvship.root import SCRATCH_PREFIX
from venvship.system.faults import build_faults
from venvship.system.files import make_directory
from venvship.system.signals import Signals
from venvship.system.trees import empty_directory, remove_tree


def build(
    request: BuildRequest,
    store: Store,
    *,
    environ: Mapping[str, str],
    signals: Signals,
    progress: Progress,
    generate: Generate | None = None,
) -> Manifest:
    """Build a release and seal it.

    The caller holds `build.mutex`, and the store's mutex shared. On return the release is durable; the caller
    writes the journal's line `sealed`, without which it is still debris, and then removes the empty
    `state/scratch-<id>`, which says so. On an exception there is no release
    directory, and every wheel that reached the store stays there for the next try: wheels are imported and
    compiled while others are still being fetched.

    Crash: `releases/<id>` without a line `sealed`, and `state/scratch-<id>`; recovery removes both.

    Args:
        request: The release to build.
        store: The store; it gets the wheels that it lacks.
        environ: The process environment.
        signals: Looked at between wheels.
        progress: Called with the steps `fetch`, `import`, `compile`, `assemble`, `generate` and `seal`; with
            `build` where the store lacks the wheel of a source.
        generate: Fills `generated/` of the release, before it is sealed; without it there is no such folder.

    Returns:
        The manifest, as it stands in the release.

    Raises:
        BuildError: Something went wrong; see its subclasses.
        InterruptedByError: A signal came.
    """
    context = _assembled(
        request, store, environ=environ, signals=signals, progress=progress, generate=generate
    )
    with context as (assembled, supply, sync_fd), step(progress, time.monotonic, "seal"):
        manifest = seal(request, assembled, built=supply.built(), sync_fd=sync_fd, signals=signals)
    with contextlib.suppress(OSError):
        empty_directory(_scratch(request))
    return manifest


@contextlib.contextmanager
def unsealed(
    request: BuildRequest,
    store: Store,
    *,
    environ: Mapping[str, str],
    signals: Signals,
    progress: Progress,
    generate: Generate | None = None,
) -> Iterator[None]:
    """Build an environment that is never sealed, and remove it after the block, however that ends.

    The caller holds `build.mutex` all the time, and the store's mutex shared until the block begins. In the
    block the environment is complete and read-only, and it is no release.

    Crash: `releases/<id>` without a manifest, and `state/scratch-<id>`; recovery removes both.

    Args:
        request: The environment to build.
        store: As for `build`.
        environ: As for `build`.
        signals: As for `build`.
        progress: As for `build`; there is no step `seal`.
        generate: As for `build`.

    Raises:
        BuildError: Something went wrong; see its subclasses.
        InterruptedByError: A signal came.
    """
    context = _assembled(
        request, store, environ=environ, signals=signals, progress=progress, generate=generate
    )
    with context as (assembled, _, _):
        try:
            with build_faults("close the environment", request.release_path):
                close_directories(request.release_path, assembled)
            yield
        finally:
            # Before the scratch, which says that the rest of a candidate is that of a build.
            with contextlib.suppress(OSError):
                remove_tree(request.release_path)
    with contextlib.suppress(OSError):
        remove_tree(_scratch(request))


def _scratch(request: BuildRequest) -> str:
    return os.path.join(request.root_path, "state", f"{SCRATCH_PREFIX}{request.release_id}")


@contextlib.contextmanager
def _assembled(
    request: BuildRequest,
    store: Store,
    *,
    environ: Mapping[str, str],
    signals: Signals,
    progress: Progress,
    generate: Generate | None,
) -> Iterator[tuple[Assembled, Supply, int]]:
    """All steps but the seal, which the block does. If it fails, candidate and scratch are removed.

    Yields:
        The assembled candidate, its wheels, and a descriptor on its directory, for the sync of the seal.
    """
    begun = functools.partial(step, progress, time.monotonic)
    scratch = _scratch(request)
    try:
        with build_faults("make a directory for temporary files", scratch):
            make_directory(scratch, 0o700)
        with (
            candidate(request.release_path) as sync_fd,
            foundation(request, scratch=scratch, environ=environ, signals=signals) as base,
        ):
            supply = Supply(request, store, scratch=scratch, environ=environ, signals=signals)
            with begun("fetch") as running:
                fetched = supply.fetch(running.advance)
                running.facts.update(bytes=fetched.size, wheels=fetched.wheels)
            if supply.builds:
                with begun("build") as running:
                    running.facts["wheels"] = supply.build(running.advance)
            with begun("import") as running:
                supply.take_what_is_left(running.advance)
                running.facts["wheels"] = fetched.wheels
            combination = combine(request, supply.wheels())
            with begun("compile") as running:
                bytecode = supply.compile(tuple(combination.wheels.values()), running.advance)
                running.facts["modules"] = sum(len(compiled.files) for compiled in bytecode.values())
            with begun("assemble") as running:
                assembled = assemble(
                    request,
                    combination,
                    bytecode,
                    foundation=base,
                    signals=signals,
                    advance=running.advance,
                )
                running.facts["files"] = sum(entry.type == "file" for entry in assembled.entries)
                running.facts["copied"] = assembled.linked["copy"]
            if generate is not None:
                with begun("generate") as running:
                    assembled = with_generated(request.release_path, assembled, generate)
                    running.facts["files"] = generated_files(assembled)
            yield assembled, supply, sync_fd
    except BaseException:
        # Recovery sweeps the rest; the error matters more.
        with contextlib.suppress(OSError):
            remove_tree(scratch)
        raise
