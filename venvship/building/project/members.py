"""Choose the project of a checkout, and the other members of its workspace that it depends on."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from packaging.utils import canonicalize_name

from venvship.building.project.checkout import Checkout
from venvship.building.project.pyproject import Project, read_project
from venvship.errors import CheckoutError
from venvship.printable import lines


class Member(NamedTuple):
    """A project in a checkout: its folder, relative to `Checkout.path`, and its description."""

    folder: str
    project: Project


def read_member(checkout: Checkout, folder: str) -> Member:
    """Read the project in a folder of a checkout.

    Raises:
        CheckoutError: Its files cannot be read, or say something that no project has.
    """

    def read(name: str) -> str | None:
        try:
            return checkout.read(os.path.join(checkout.path, folder, name)).decode("utf-8-sig")
        except OSError:
            return None
        except UnicodeDecodeError as error:
            path = os.path.join(checkout.path, folder, name)
            raise CheckoutError(f"{path} is not UTF-8", path=path) from error

    return Member(folder, read_project(read, os.path.join(checkout.path, folder)))


def choose_member(checkout: Checkout, asked: str | None) -> Member:
    """The project to release.

    Args:
        checkout: Where it is.
        asked: `[project] member`: its name or folder; `None`: the only one there is.

    Raises:
        CheckoutError: There is none, or there are several and none was asked for.
    """
    top = read_member(checkout, "")
    if asked is None and top.project.can_be_built and not top.project.members:
        return top
    if asked is not None and _is_folder(asked):
        found = read_member(checkout, posixpath.normpath(asked))
        if found.project.can_be_built:
            return found
    members = _members(checkout, top)
    if asked is not None:
        name = str(canonicalize_name(asked))
        chosen = [member for member in members if name in {member.project.name, member.folder}]
    else:
        chosen = members
    if len(chosen) == 1:
        return chosen[0]
    raise _not_one(checkout, asked, members)


def needed_members(checkout: Checkout, chosen: Member) -> list[Member]:
    """The other projects of the checkout that a project depends on, directly or not.

    They are members of its workspace, and dependencies that are named by their path. A dependency that an
    extra alone asks for counts: the lockfile has resolved the extras.

    Args:
        checkout: Where they are.
        chosen: Of `choose_member`.

    Raises:
        CheckoutError: A dependency is named by a path out of the checkout, or its files cannot be read.
    """
    top = chosen if not chosen.folder else read_member(checkout, "")
    known: Mapping[str, Member] = {}
    if top.project.members:
        known = {member.project.name: member for member in _members(checkout, top)}
    found: dict[str, Member] = {}
    queue = [chosen]
    while queue:
        member = queue.pop()
        for name in sorted(member.project.dependencies):
            if name in found or name == chosen.project.name:
                continue
            path = member.project.paths.get(name)
            if path is None and name in known:
                found[name] = known[name]
            elif path is not None and not path.endswith((".whl", ".tar.gz", ".zip")):
                found[name] = _at_path(checkout, member, name, path)
            if name in found:
                queue.append(found[name])
    return [found[name] for name in sorted(found)]


def locked_folders(checkout: Checkout, named: Mapping[str, str], chosen: Member) -> frozenset[str] | None:
    """The folders of the other members, as a lockfile names them.

    Args:
        checkout: Where they are.
        named: The names of projects by their folders, relative to `Checkout.path`.
        chosen: Of `choose_member`.

    Returns:
        Them; `None` if the lockfile names no project of the checkout.

    Raises:
        CheckoutError: The files of a member cannot be read.
    """
    found: set[str] = set()
    own = False
    for place, name in named.items():
        normal = posixpath.normpath(place)
        folder = "" if normal == "." else normal
        if folder.split("/")[0] == "..":
            continue
        if folder == chosen.folder:
            own = True
            continue
        project = read_member(checkout, folder).project
        if project.can_be_built and project.name == name:
            found.add(folder)
    return frozenset(found) if own or found else None


def _at_path(checkout: Checkout, member: Member, name: str, path: str) -> Member:
    folder = posixpath.normpath(posixpath.join(member.folder, path))
    try:
        found = read_member(checkout, "" if folder == "." else folder)
    except FileNotFoundError:
        found = None
    if found is None or found.project.name != name:
        raise CheckoutError(
            f"{member.project.name} depends on {name} in {path}, and the checkout has no such project there",
            hint="have it in the same repository, or release it to an index",
            path=checkout.path,
        )
    return found


def _is_folder(asked: str) -> bool:
    return not asked.startswith("/") and posixpath.normpath(asked).split("/")[0] not in {"..", "."}


def _members(checkout: Checkout, top: Member) -> list[Member]:
    """The projects of a workspace; without one, all projects that are there."""
    folders = [folder for folder in checkout.folders() if folder]
    if top.project.members:
        folders = [
            folder
            for folder in folders
            if _matches(folder, top.project.members) and not _matches(folder, top.project.without)
        ]
    every = [top, *(read_member(checkout, folder) for folder in folders)]
    return [member for member in every if member.project.can_be_built]


def _matches(folder: str, patterns: tuple[str, ...]) -> bool:
    """Whether a folder is one of a workspace's: `*` stands for a part of one name."""
    parts = folder.split("/")
    for pattern in patterns:
        wanted = posixpath.normpath(pattern).split("/")
        if wanted and wanted[-1] == "**":
            if len(parts) >= len(wanted) - 1 and all(map(fnmatchcase, parts, wanted[:-1])):
                return True
        elif len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


def _not_one(checkout: Checkout, asked: str | None, members: list[Member]) -> CheckoutError:
    found = [f"  {member.project.name}, in {member.folder or 'the top folder'}" for member in members]
    if not members:
        return CheckoutError(
            f"{checkout.path} has no project that can be built: no pyproject.toml with a name and a build "
            "backend, and no setup.py",
            hint='for code without packaging: build = "tree" under [project] in venvship.toml',
            path=checkout.path,
        )
    what = f"{checkout.path} has no project {asked}" if asked else f"{checkout.path} has several projects"
    return CheckoutError(
        lines(f"{what}. These can be built:", *found),
        hint="name one by `member` under [project] in venvship.toml",
        path=checkout.path,
        members=[member.project.name for member in members],
    )
