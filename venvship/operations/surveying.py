"""Look at a checkout for `init --from`, and propose settings for it.

Nothing of it is run, and nothing is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from venvship.building.interpreter import resolve_interpreter
from venvship.building.interpreter_choice import choose_interpreter, fits
from venvship.building.project.checkout import Checkout, open_checkout
from venvship.errors import CheckoutError, InterpreterError, SettingsError, UntrustedError, UsageError
from venvship.model.settings_reading import default_name
from venvship.model.survey.files import Files
from venvship.model.survey.proposal import Proposal, propose
from venvship.model.survey.survey import Survey, survey
from venvship.model.survey.writing import settings_text
from venvship.model.trust import ROOT_UID, Trust
from venvship.printable import shell_line
from venvship.system.accounts import callers, user_name
from venvship.system.ownership import Ownership
from venvship.workspace.runtime import Runtime
from venvship.workspace.trust_hints import told


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What `init --from` goes by.

    Attributes:
        proposal: What was found, and the settings for it.
        text: The settings as a `venvship.toml`.
        locks: Whether a lockfile has to be made first, since the checkout has none.
    """

    proposal: Proposal
    text: str
    locks: bool


def survey_checkout(
    checkout: Path,
    root: Path,
    runtime: Runtime,
    *,
    name: str | None = None,
    python: str | None = None,
    member: str | None = None,
) -> Surveyed:
    """Look at a checkout, and propose the settings of a root.

    Args:
        checkout: A directory, a git checkout or a bare repository; absolute.
        root: The root that will be made.
        runtime: Where interpreters are looked for.
        name: The application's name; `None`: the project's, else the root's.
        python: The interpreter; `None`: one that fits the project.
        member: Which project of a workspace.

    Raises:
        CheckoutError: It cannot be read.
        UntrustedError: Others can write it.
        UsageError: It has several projects, and none was named.
        SettingsError: No interpreter fits, or there is no such member.
        InterruptedByError: A signal came.
    """
    opened = _opened(checkout, root, runtime)
    found = _found(opened, member)
    project = found.project
    assert project is not None
    if python is not None:
        chosen = {"path": python, "reason": "as --python says"}
        interpreter = resolve_interpreter(python, environ=runtime.environ, signals=runtime.signals)
        if not fits(interpreter.version, project.requires_python):
            raise InterpreterError(
                f"{interpreter.path} is Python {interpreter.version}, and the project asks for "
                f"{project.requires_python}",
                hint="leave --python out: then one that fits is looked for",
                path=interpreter.path,
            )
    else:
        chosen = _interpreter(found, runtime)
    proposal = propose(
        found,
        name=name or project.name or default_name(root.name),
        checkout=str(checkout),
        python=chosen,
        env_file=_env_file(checkout, project.folder),
    )
    lock = found.lock
    return Surveyed(
        proposal=proposal,
        text=settings_text(proposal, str(checkout)),
        locks=not lock.file and bool(lock.inputs),
    )


def _opened(checkout: Path, root: Path, runtime: Runtime) -> Checkout:
    ownership = Ownership(Trust(callers(runtime.environ) | {ROOT_UID}))

    def require(path: str) -> None:
        try:
            found = ownership.findings(path, os.stat(path))
        except FileNotFoundError:
            return
        if found:
            raise UntrustedError(
                f"{told(found)}. So nothing of {checkout} was used: what runs in a release is decided there",
                hint=_clone(checkout, root),
                path=found[0].path,
            )

    try:
        return open_checkout(
            str(checkout), "HEAD", environ=runtime.environ, signals=runtime.signals, require=require
        )
    except PermissionError as error:
        raise CheckoutError(
            f"{error.filename or checkout} cannot be read: {error.strerror}",
            hint=_clone(checkout, root),
            path=str(checkout),
        ) from error


def _clone(checkout: Path, root: Path) -> str:
    """The line that makes a copy which the owner of the root can read."""
    copy = shell_line([f"{root}-checkout"])
    owner = user_name(os.geteuid())
    return (
        f"make a checkout of {owner}'s own, as a user who may read that one: "
        f"git clone {shell_line([str(checkout)])} {copy} && chown -R {owner} {copy}; then --from {copy}"
    )


def _found(opened: Checkout, member: str | None) -> Survey:
    files = Files(opened.names("").tracked, lambda name: opened.read(os.path.join(opened.path, name)))
    try:
        found = survey(files, member)
    except ValueError as error:
        raise SettingsError(f"there is {error}", hint="name one of them: --member NAME") from error
    if found.project is None:
        names = [project.name or project.folder for project in found.projects]
        raise UsageError(
            f"{opened.path} has {len(names)} projects: {', '.join(names)}",
            hint=f"name the one to release: --member {shell_line([names[0]])}",
        )
    return found


def _interpreter(found: Survey, runtime: Runtime) -> dict[str, str]:
    project = found.project
    assert project is not None
    chosen = choose_interpreter(
        project.requires_python, found.python, environ=runtime.environ, signals=runtime.signals
    )
    said = [f".python-version says {found.python}"] if found.python else []
    said += [f"requires-python is {project.requires_python}"] if project.requires_python else []
    said += [f"in the home {chosen.home}: other users may not execute it"] if chosen.home else []
    return {"path": chosen.interpreter.path, "reason": "; ".join(said) or "the host's"}


def _env_file(checkout: Path, folder: str) -> str:
    """The file `.env` in the working tree; empty without one."""
    for place in dict.fromkeys((checkout / folder, checkout)):
        if (place / ".env").is_file():
            return str(place / ".env")
    return ""
