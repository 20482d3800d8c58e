"""The base of a release before any wheel: a virtualenv, and the bytecode of its start-up files.

Neither depends on the wheels, so a copy of this process makes them while wheels are found, fetched, compiled
and linked.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping

from venvship.building.request import BuildRequest
from venvship.building.tree.placement import site_packages_path, version_folder
from venvship.building.tree.startup_bytecode import startup_bytecode
from venvship.building.tree.virtualenvs import make_virtualenv
from venvship.system.faults import build_faults
from venvship.system.files import make_directories
from venvship.system.pool import Pool, working
from venvship.system.signals import Signals

Foundation = Pool[BuildRequest, dict[str, bytes]]
"""The work; its one result is the start-up bytecode, see `startup_bytecode`, and then the environment is
there. Waiting for it raises what `make_virtualenv` and `startup_bytecode` raise."""


@contextlib.contextmanager
def foundation(
    request: BuildRequest, *, scratch: str, environ: Mapping[str, str], signals: Signals
) -> Iterator[Foundation]:
    """Make them while the block runs.

    Until it is done, only folders of site-packages may be filled: virtualenv puts nothing in those.

    Crash: the release's directory is incomplete, and debris.

    Args:
        request: The release to build; its directory exists and is empty.
        scratch: A directory for temporary files, thrown away by the caller.
        environ: The process environment.
        signals: Looked at while the interpreter runs.

    Raises:
        BuildError: The first directories cannot be made.
        DiskFullError: There is no room for them.
    """
    with build_faults("assemble the release", request.release_path):
        # virtualenv looks whether a directory is there before it makes it; ours must not come in between.
        for folder in ("bin", site_packages_path(version_folder(request.environment.interpreter))):
            make_directories(f"{request.release_path}/{folder}")
    lay = functools.partial(_lay, scratch=scratch, environ=environ, signals=signals)
    with working(lay, (request,), copies=1) as pool:
        yield pool


def _lay(
    request: BuildRequest, *, scratch: str, environ: Mapping[str, str], signals: Signals
) -> dict[str, bytes]:
    make_virtualenv(request.release_path, request.environment.interpreter, scratch=scratch, environ=environ)
    return startup_bytecode(
        request.environment.interpreter,
        optimize=request.build.optimize,
        env=environ,
        cwd=scratch,
        signals=signals,
    )
