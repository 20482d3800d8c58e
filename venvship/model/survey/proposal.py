"""The settings to write for what a survey found, each with its reason.

A hook or a check that could fail in a healthy project is active only where the project shows that it applies.
Otherwise it stands as a comment, with the reason. So what is written releases as it stands.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from venvship.model.settings_service import SLOT
from venvship.model.survey.django import GENERATED, SETTINGS_VARIABLE, Database, Django
from venvship.model.survey.expressions import FromVariable, InTree, Text, Value
from venvship.model.survey.projects import Project
from venvship.model.survey.survey import Survey
from venvship.model.systemd_syntax import escape_name

ADMIN: Final = "{bin}/django-admin"

_SECONDS: Final = 60
"""Seconds for a check that loads the whole application, on a busy host."""

_ELSEWHERE: Final = ("/", ":memory:", "file:")
"""How the name of an SQLite database begins that is not relative to the working directory."""


class Line(NamedTuple):
    """One key to write.

    Attributes:
        key: Its name in its table.
        value: As TOML has it.
        reason: For the comment beside it; empty for the meaning of the key.
        active: Whether it is set; else it stands as a comment below its reason.
    """

    key: str
    value: object
    reason: str = ""
    active: bool = True


@dataclass(slots=True, kw_only=True)
class Proposal:
    """The settings for a new root.

    Attributes:
        title: What was found, in a few words: `the Django project shop`.
        tables: By the name of the table, `""` for the top level, the keys to write.
        checks: The keys of each check, in order; a check whose first line is inactive stands as a comment.
        found: What was found and is used, a line each.
        left_out: What was found and is not used, or has to be changed by a person, a line each.
    """

    title: str = ""
    tables: dict[str, list[Line]] = field(default_factory=dict)
    checks: list[list[Line]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def set(self, table: str, line: Line) -> None:
        """Add a key to a table."""
        self.tables.setdefault(table, []).append(line)


def propose(
    found: Survey, *, name: str, checkout: str, python: Mapping[str, str], env_file: str = ""
) -> Proposal:
    """Propose the settings for a checkout.

    Args:
        found: What it tells; its `project` is chosen.
        name: The application's name.
        checkout: The absolute path of the checkout.
        python: The interpreter that was chosen for it: `path`, and `reason`.
        env_file: The absolute path of a file `.env` in the checkout, which no commit has; empty without one.
    """
    project = found.project
    if project is None:
        raise RuntimeError("which project is open")
    proposal = Proposal(title=_title(found, project))
    proposal.set("", Line("name", name))
    proposal.set("", Line("python", python["path"], python["reason"]))
    proposal.found.append(f"Python: {python['path']} ({python['reason']})")
    _project(proposal, found, project, checkout)
    lacking = _lacking(found.django, env_file)
    if found.django is not None:
        _django(proposal, found.django, project, env_file, lacking)
    elif env_file:
        _env_file(proposal, env_file)
    _checks(proposal, found, project, lacking)
    if found.servers:
        _service(proposal, name)
    return proposal


def _title(found: Survey, project: Project) -> str:
    if found.django is not None:
        kind = "Django project"
    elif found.applications:
        kind = f"{found.applications[0].framework} application"
    else:
        kind = "project"
    return f"the {kind} {project.name}" if project.name else f"the {kind}"


def _project(proposal: Proposal, found: Survey, project: Project, checkout: str) -> None:
    proposal.set("project", Line("path", checkout))
    if project.folder:
        proposal.set("project", Line("member", project.folder))
    lock = found.lock
    if lock.file:
        proposal.set("project", Line("lockfile", lock.file))
        proposal.found.append(f"lockfile: {lock.file}")
    elif lock.inputs:
        inputs = [posixpath.join(checkout, name) for name in lock.inputs]
        proposal.set("lock", Line("inputs", inputs, "nothing in the checkout pins versions by hash"))
        proposal.found.append(
            "nothing is locked in the checkout: the lockfile is requirements.txt in the root, made from "
            f"{', '.join(lock.inputs)} there"
        )
    else:
        proposal.left_out.append("no lockfile, and no list of requirements")
    if project.build == "tree":
        proposal.set("project", Line("build", "tree", project.reason))
        proposal.found.append(f"the code goes into a release as it is, below app/ ({project.reason})")
    else:
        proposal.found.append(f"the code goes into a release as a wheel ({project.reason})")


def _env_file(proposal: Proposal, env_file: str) -> None:
    reason = "the values of development; for production write another file, and name it here"
    proposal.set("", Line("env_file", env_file, reason))
    proposal.found.append(f"environment: {env_file} ({reason})")


def _lacking(django: Django | None, env_file: str) -> str:
    """The reason why the project's settings cannot be imported as things are; empty if they can."""
    if django is None or env_file or not django.variables:
        return ""
    return f"the settings need {', '.join(django.variables)}, for which `env_file` has to be set"


def _django(proposal: Proposal, django: Django, project: Project, env_file: str, lacking: str) -> None:
    proposal.set("env", Line(SETTINGS_VARIABLE, django.settings))
    proposal.found.append(f"Django: the settings are {django.settings}")
    if env_file:
        _env_file(proposal, env_file)
    elif lacking:
        reason = f"A file of KEY=VALUE lines with {', '.join(django.variables)}, which the settings need"
        proposal.set("", Line("env_file", f"/etc/{project.name or 'application'}.env", reason, active=False))
        proposal.left_out.append(
            f"{django.file} cannot be imported without {', '.join(django.variables)} in the environment: "
            "put them into a file, and its path as `env_file` into venvship.toml; then uncomment hooks and "
            "checks there"
        )
    shared: list[str] = []
    for what, value in (("the database", _sqlite(django)), ("MEDIA_ROOT", django.media_root)):
        if (place := _in_tree(value)) is not None:
            _lasting(proposal, what, place, project, django, shared)
    if shared:
        proposal.set("project", Line("shared", shared, "lives on when releases go"))
    _migrate(proposal, django, lacking)
    _collect(proposal, django, lacking)


def _sqlite(django: Django) -> Value | None:
    """The file of the database that is SQLite's, if one is."""
    for database in django.databases:
        match database:
            case (_, Text(name), _) if database.engine == "sqlite3" and not name.startswith(_ELSEWHERE):
                # Relative to the working directory, which is the checkout for who types manage.py there.
                return InTree(name)
            case _ if database.engine == "sqlite3":
                return database.name
    return None


def _in_tree(value: Value | None) -> str | None:
    """The path in the checkout that a setting has, or has by default."""
    if isinstance(value, FromVariable):
        value = value.default
    return value.path if isinstance(value, InTree) and value.path else None


def _lasting(
    proposal: Proposal, what: str, place: str, project: Project, django: Django, shared: list[str]
) -> None:
    """Something that outlives releases, and would be in one."""
    below = f"{project.folder}/" if project.folder else ""
    if project.build == "tree" and place.startswith(below):
        shared.append(place.removeprefix(below))
        proposal.found.append(f"{what} is {place}: shared by all releases, in shared/")
    else:
        proposal.left_out.append(
            f"{what} is {place}, which would be in a release, and go with it: set another place in "
            f"{django.file}, for example by a variable in `env_file`"
        )


def _migrate(proposal: Proposal, django: Django, lacking: str) -> None:
    databases = [one for one in django.databases if one.engine != "dummy"]
    hook = [ADMIN, "migrate", "--noinput"]
    if not databases:
        proposal.set("hooks", Line("prepare", hook, f"No DATABASES in {django.file}", active=False))
        return
    text = ", or ".join(dict.fromkeys(map(_described, databases)))
    if lacking:
        proposal.set("hooks", Line("prepare", hook, f"{lacking}; it migrates {text}", active=False))
        proposal.left_out.append(f"the database is not migrated: {lacking}")
        return
    proposal.set("hooks", Line("prepare", hook, f"before the switch; DATABASES is {text}"))
    proposal.found.append(f"a release migrates the database: {text}")


def _described(database: Database) -> str:
    if database.variable:
        kind = f", by default {database.engine}" if database.engine else ""
        return f"what the variable {database.variable} names{kind}"
    match database.name:
        case Text(name):
            where = f" {name}"
        case InTree(path):
            where = f" {path}"
        case FromVariable(name, _):
            where = f" named by the variable {name}"
        case _:
            where = ""
    return f"{database.engine or 'a database'}{where}"


def _collect(proposal: Proposal, django: Django, lacking: str) -> None:
    hook = [ADMIN, "collectstatic", "--noinput"]
    if not django.static_files:
        return
    if django.static_root is None:
        reason = f"no STATIC_ROOT in {django.file}"
    elif not django.generated:
        reason = (
            f'STATIC_ROOT in {django.file} has to be in the release: os.path.join(sys.prefix, "{GENERATED}")'
        )
    elif lacking:
        reason = lacking
    else:
        proposal.set("hooks", Line("generate", hook, "into generated/ of each release"))
        proposal.found.append("static files are collected into each release")
        return
    proposal.set("hooks", Line("generate", hook, reason, active=False))
    proposal.left_out.append(f"static files are not collected: {reason}")


def _checks(proposal: Proposal, found: Survey, project: Project, lacking: str) -> None:
    modules = _modules(found, project)
    checks: list[tuple[str, str, object]] = []
    if modules:
        checks.append(("imports", "import", list(modules)))
    if found.django is not None:
        checks.append(("django", "command", [ADMIN, "check"]))
    for name, kind, target in checks:
        keys = [("name", name), ("when", "candidate"), (kind, target), ("timeout", _SECONDS)]
        proposal.checks.append([Line(key, value, lacking, active=not lacking) for key, value in keys])
    if modules and not lacking:
        proposal.found.append(
            f"a release is checked before the switch: it has to import {', '.join(modules)}"
        )
    reason = "Once a service runs, it has to answer from the new release:"
    live = [("name", "answers"), ("http", "http://127.0.0.1:8000/"), ("from_release", True)]
    proposal.checks.append([Line(key, value, reason, active=False) for key, value in live])
    served = _served(found)
    both = bool(served and found.servers)
    of = f" ({served}{', with ' if both else ''}{', '.join(found.servers)})"
    proposal.left_out.append(
        "no service is restarted: set `restart` below [hooks]"
        + (of if served or found.servers else "")
        + ("; once a release is live, `venvship service systemd` prints it and the unit" if both else "")
    )


def _service(proposal: Proposal, name: str) -> None:
    """Propose two slots, as a comment: the units have to be installed first."""
    reason = (
        "Two slots, so that no switch loses a request. `venvship service systemd` prints the units that go "
        "with these lines:"
    )
    unit = f"{escape_name(name)}@{SLOT}.service"
    for verb in ("start", "stop"):
        argv = ["/usr/bin/systemctl", verb, unit]
        proposal.set("service", Line(verb, argv, reason if verb == "start" else "", active=False))
    proposal.set("service", Line("health", "/healthz", active=False))
    proposal.left_out.append("a service in two slots, which loses no request, stands as a comment: [service]")


def _served(found: Survey) -> str:
    if found.django is not None:
        return f"{found.django.wsgi}:application" if found.django.wsgi else ""
    return found.applications[0].target if found.applications else ""


def _modules(found: Survey, project: Project) -> tuple[str, ...]:
    """The modules that a service starts from."""
    if found.django is not None:
        return tuple(filter(None, (found.django.wsgi or found.django.asgi or found.django.settings,)))
    if found.applications:
        return (found.applications[0].module,)
    return tuple(dict.fromkeys(script.module for script in project.scripts))[:1]
