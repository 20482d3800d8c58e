"""The wheels of one release, and all that is decided of them before the first of them is compiled.

Compiling takes minutes where there is much to compile. So every reason why these wheels make no release is
found before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from venvship.building.request import BuildRequest
from venvship.building.tree.conflicts import refuse_conflicts
from venvship.building.tree.dependencies import installed_packages, refuse_other_pythons, unmet_dependencies
from venvship.building.tree.placement import Placement, place, version_folder
from venvship.building.tree.project import (
    hidden_modules,
    project_without_packaging,
    refuse_intruders,
    shared_links,
)
from venvship.model.release import Package
from venvship.model.wheel import StoredWheel
from venvship.system.faults import build_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """The wheels of one release.

    Attributes:
        wheels: By requirement name.
        packages: The installed packages, sorted by name.
        placement: Where their files go; without bytecode, which is yet to come.
        warnings: Each with `slug` and `message`.
    """

    wheels: Mapping[str, StoredWheel]
    packages: tuple[Package, ...]
    placement: Placement
    warnings: tuple[Mapping[str, str], ...]


def combine(request: BuildRequest, wheels: Mapping[str, StoredWheel]) -> Combination:
    """Decide where the files of these wheels go. Refuse wheels that cannot be installed together, or here.

    Args:
        request: The release to build.
        wheels: The wheels to install, by requirement name.

    Raises:
        NoCompatibleWheelError: A wheel is for other versions of Python.
        InvalidWheelError: A wheel brings a file that it must not bring, or one in the folder of the project.
        FileConflictError: Two wheels bring different code for one path. All such paths are named.
        UnmetDependencyError: The lockfile is not closed, and has to be.
        BuildError: A wheel is of another version than was asked for, or a file of the store cannot be read.
    """
    selected, interpreter = request.environment.selected, request.environment.interpreter
    packages = installed_packages(selected, wheels)
    refuse_other_pythons(selected, wheels, interpreter)
    placement = placed(request, wheels.values())
    refuse_conflicts(placement)
    project = project_without_packaging(selected)
    refuse_intruders(placement, project, shared_links(request.shared, app=project is not None))
    hidden = hidden_modules(placement) if project is not None else ()
    unmet = unmet_dependencies(selected, wheels, interpreter, closed=request.build.closed)
    return Combination(
        wheels=wheels,
        packages=packages,
        placement=placement,
        warnings=(*placement.warnings, *hidden, *unmet),
    )


def placed(request: BuildRequest, wheels: Iterable[StoredWheel]) -> Placement:
    """Decide where the files of all or some of the wheels of a release go.

    Raises:
        InvalidWheelError: A wheel brings a file that it must not bring.
        BuildError: A file of the store cannot be read.
    """
    version = version_folder(request.environment.interpreter)
    with build_faults("look where the files of the release go", request.release_path):
        return place(wheels, version=version, overlap=request.build.overlap, read=_contents)


def _contents(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
