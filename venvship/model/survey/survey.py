"""All that the files of a checkout tell about the application in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from venvship.model.survey.applications import SERVERS, Application, find_applications
from venvship.model.survey.django import Django, find_django
from venvship.model.survey.files import Files
from venvship.model.survey.projects import NO_LOCK, Lock, Project, as_it_has_to_go, find_lock, find_projects

_VERSION = re.compile(r"(?:cpython-|python-?)?(3\.\d+)(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a checkout tells.

    Attributes:
        projects: All that a release could be of; more than one is a choice for a person.
        project: The one that was chosen, or the only one; `None` while that is open.
        lock: What pins its dependencies.
        python: The `X.Y` of `.python-version`; empty without one.
        django: The Django project in it.
        applications: Application objects of other frameworks.
        servers: The servers among its dependencies.
    """

    projects: tuple[Project, ...]
    project: Project | None = None
    lock: Lock = NO_LOCK
    python: str = ""
    django: Django | None = None
    applications: tuple[Application, ...] = ()
    servers: tuple[str, ...] = ()


def survey(files: Files, member: str | None = None) -> Survey:
    """Look at a checkout.

    Args:
        files: Its tracked files.
        member: The name or the folder of the project to release; `None` if there is one only.

    Raises:
        ValueError: There is no such member; the message goes on after "there is".
    """
    projects = find_projects(files)
    chosen = _chosen(projects, member)
    if chosen is None:
        return Survey(projects=projects)
    django = find_django(files, chosen.folder)
    applications = find_applications(files, chosen.folder, chosen.dependencies)
    modules = [django.settings] if django is not None else [one.module for one in applications]
    return Survey(
        projects=projects,
        project=as_it_has_to_go(chosen, modules),
        lock=find_lock(files, chosen),
        python=_python_version(files, chosen.folder),
        django=django,
        applications=applications,
        servers=tuple(server for server in SERVERS if server in chosen.dependencies),
    )


def _chosen(projects: tuple[Project, ...], member: str | None) -> Project | None:
    if member is None:
        return projects[0] if len(projects) == 1 else None
    wanted = member.strip("/")
    for project in projects:
        if wanted in {project.name, project.folder or "."}:
            return project
    named = ", ".join(project.name or project.folder for project in projects)
    raise ValueError(f"no member {member} there; the members are {named}")


def _python_version(files: Files, folder: str) -> str:
    for name in dict.fromkeys(
        (f"{folder}/.python-version" if folder else ".python-version", ".python-version")
    ):
        for line in (files.text(name) or "").splitlines():
            if match := _VERSION.fullmatch(line.strip()):
                return match[1]
    return ""
