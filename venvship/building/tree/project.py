"""The project's own part of a release: `app/`, and links to what outlives releases. Nothing is written here.

`app/` has the files of a project without packaging. They came as a wheel, so they have their places already;
what is left to decide is who else may put a file there, and which modules hide each other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from venvship.building.tree.placement import Placed, Placement
from venvship.errors import InvalidWheelError
from venvship.model.lockfiles.requirement import Requirement

APP: Final = "app"
"""The folder of a project's files."""

SHARED: Final = "shared"
"""The folder, of the root, of what outlives releases; and of a release with no `app/`, of the links to it."""

_SHOWN: Final = 5
_EXTENSIONS: Final = (".py", ".so")


def project_without_packaging(selected: Iterable[Requirement]) -> str | None:
    """The name of the project whose files are in `app/`; `None` if the release has none."""
    return next((one.name for one in selected if one.source is not None and one.source.kind == "tree"), None)


def shared_links(shared: Iterable[str], *, app: bool) -> dict[str, str]:
    """The symbolic links of a release to what outlives it, each with its target.

    The targets are relative, so that a root can be moved.

    Args:
        shared: `[project] shared`.
        app: Whether the release has the files of a project in `app/`.
    """
    links = {}
    for name in shared:
        path = f"{APP if app else SHARED}/{name}"
        # From the folder of the link up to the release, then to `releases` and to the root.
        links[path] = f"{'../' * (path.count('/') + 2)}{SHARED}/{name}"
    return links


def refuse_intruders(placement: Placement, project: str | None, links: Iterable[str]) -> None:
    """Refuse files of other wheels in the folder of the project, and files in the place of a link.

    Args:
        placement: The files of the wheels.
        project: The name of the project whose files are in `app/`, if there is one.
        links: The paths of `shared_links`.

    Raises:
        InvalidWheelError: A wheel brings such a file.
    """
    if project is not None:
        for path, placed in placement.files.items():
            if path.startswith(f"{APP}/") and placed.wheel.name != project:
                raise _refusal(placed, f"this folder is that of {project}")
    for link in links:
        above = link
        while above:
            if above in placement.files:
                raise _refusal(placement.files[above], f"`shared` under [project] has a link at {link}")
            above = above.rpartition("/")[0]
        for path, placed in placement.files.items():
            if path.startswith(f"{link}/"):
                raise _refusal(placed, f"`shared` under [project] has a link at {link}")


def _refusal(placed: Placed, reason: str) -> InvalidWheelError:
    return InvalidWheelError(
        f"{placed.wheel.filename} brings {placed.path}: {reason}",
        hint="change `shared` under [project], or leave the package out of the lockfile",
        package=placed.wheel.name,
        path=placed.path,
    )


def hidden_modules(placement: Placement) -> Iterator[Mapping[str, str]]:
    """Find modules that cannot be imported, since a folder before theirs in `sys.path` has one of the name.

    The order is the standard library, `app/`, the packages.

    Args:
        placement: The files of the wheels, one of which is that of a project without packaging.

    Yields:
        Warnings, each with `slug` and `message`.
    """
    ours: dict[str, str] = {}
    packages: dict[str, str] = {}
    app, site = f"{APP}/", f"{placement.site_packages}/"
    for path, placed in placement.files.items():
        if path.startswith(app):
            name, _, rest = path.removeprefix(app).partition("/")
            # A folder without `__init__.py` hides nothing.
            if (not rest and name.endswith(_EXTENSIONS)) or rest.startswith("__init__."):
                ours.setdefault(name.partition(".")[0], app + name)
        elif path.startswith(site) and path.endswith(_EXTENSIONS):
            packages.setdefault(
                path.removeprefix(site).partition("/")[0].partition(".")[0], placed.wheel.name
            )
    if hiding := sorted(ours.keys() & packages):
        found = [f"{ours[name]} hides {name} of {packages[name]}" for name in hiding]
        yield {
            "slug": "app-hides-package",
            "message": "modules of the project are imported in place of those of packages:"
            f" {_shortened(found)}",
        }
    if hidden := sorted(ours.keys() & sys.stdlib_module_names):
        yield {
            "slug": "app-hidden",
            "message": "modules of the standard library are imported in place of those of the project, but in"
            f" a script that is started from app/: {_shortened([ours[name] for name in hidden])}",
        }


def _shortened(texts: list[str]) -> str:
    shown = ", ".join(texts[:_SHOWN])
    return f"{shown} and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else shown
