"""`init`: make a root."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from venvship.errors import (
    NotWritableError,
    OperationWarning,
    RootExistsError,
    UntrustedError,
    UsageError,
    VenvshipError,
)
from venvship.model.root_path import refuse_path
from venvship.model.settings_reading import default_name, parse_settings
from venvship.model.settings_template import ROOT_README, settings_template
from venvship.model.trust import Trusted
from venvship.operations.trusting import accounts_named, change_trust
from venvship.printable import shell_line
from venvship.root import SETTINGS_NAME, RootLayout
from venvship.system import files
from venvship.system.accounts import user_name
from venvship.workspace.runtime import Runtime
from venvship.workspace.trusted import TrustedFiles
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.operations.surveying import Surveyed


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """The result of `Root.init`.

    Attributes:
        root: The root; absolute.
        created: The absolute paths of the files that were made there; none in an existing root.
        trusted: The users and groups that may decide what runs there, besides its owner and root.
        found: What was found in a checkout and is used, a line each; none without one.
        left_out: What was found there and is not used, or has to be changed by a person.
        lockfile: The lockfile that was made, since the checkout has none; empty otherwise.
        changed: Whether a later command can see a difference.
        warnings: The warnings of the operation.
    """

    root: str
    created: tuple[str, ...]
    trusted: tuple[Trusted, ...] = ()
    found: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    lockfile: str = ""
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `init --json`."""
        return {
            "root": self.root,
            "created": list(self.created),
            "trusted": [one.to_json() for one in self.trusted],
            "found": list(self.found),
            "left_out": list(self.left_out),
            "lockfile": self.lockfile or None,
            "changed": self.changed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """The arguments of `Root.init`; `checkout` is absolute."""

    name: str | None = None
    python: str | None = None
    lockfile: str | None = None
    checkout: Path | None = None
    member: str | None = None
    trust: Sequence[str] = ()
    untrust: Sequence[str] = ()

    @property
    def only_trust(self) -> bool:
        """Whether nothing is asked for but a change of trust, which an existing root can have as well."""
        others = (self.name, self.python, self.lockfile, self.checkout, self.member)
        return bool(self.trust or self.untrust) and all(option is None for option in others)


def init(path: Path, runtime: Runtime, options: InitOptions) -> InitResult:
    """Make a root: a directory with a `venvship.toml` and a README. Or change whom a root trusts.

    Crash: the directory, the README, the settings or nothing is there, or a root without the trust that was
    asked for; run it again, in the last case with `--trust` alone.

    Arguments and errors: `Root.init`.
    """
    root = Path(os.path.realpath(path))
    refuse_path(str(root))
    settings_file = root / SETTINGS_NAME
    wanted = accounts_named(options.trust, runtime)
    if os.path.lexists(settings_file):
        if options.only_trust:
            return _trust(root, runtime, wanted, options.untrust)
        raise RootExistsError(
            f"{settings_file} exists; nothing was changed",
            hint="edit it, look at the root with `venvship status`, or make the new root elsewhere",
        )
    surveyed = _surveyed(root, runtime, options)
    text = _settings(root, runtime, options) if surveyed is None else surveyed.text
    parse_settings(text, path=str(settings_file), folder_name=root.name)  # or it would refuse what it wrote
    created: list[str] = []
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    try:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        layout = RootLayout(root)
        layout.require_writable()
        readme = root / "README"
        if not os.path.lexists(readme):
            files.write_file(readme, ROOT_README.encode())
            created.append(str(readme))
        workspace = Workspace(layout, runtime)
        workspace.trusted.require_state()  # before there are settings, that would be left
        files.write_file(settings_file, text.encode())
        created.append(str(settings_file))
        trusted = change_trust(workspace, wanted, options.untrust)
    except OSError as error:
        failed = NotWritableError(
            f"cannot make {error.filename or root}: {error.strerror}",
            hint=_given(root) if isinstance(error, PermissionError) and not created else None,
        )
        failed.changed = bool(created)
        raise failed from error
    result = InitResult(
        root=str(root),
        created=tuple(sorted(created)),
        trusted=trusted,
        found=tuple(surveyed.proposal.found) if surveyed else (),
        left_out=tuple(surveyed.proposal.left_out) if surveyed else (),
        changed=True,
        warnings=(*_closed(root, missing), *workspace.warnings, *_open(layout, runtime)),
    )
    return _locked(result, workspace) if surveyed is not None and surveyed.locks else result


def _given(root: Path) -> str:
    """The line that makes the directory of a root for this user, who may not."""
    return f"have it made for you: sudo install -d -o {user_name(os.geteuid())} {shell_line([str(root)])}"


def _locked(result: InitResult, workspace: Workspace) -> InitResult:
    """Make the lockfile of a new root, whose checkout pins nothing by hash."""
    # Late: most roots have a lockfile.
    from venvship.operations.lock import lock

    known = len(workspace.warnings)
    try:
        done = lock(workspace)
    except VenvshipError as error:
        again = f"{shell_line(['venvship', '-C', result.root])} lock"
        error.result, error.changed = result, True
        error.hint = f"{error.hint}; the root is made: then {again}" if error.hint else f"then: {again}"
        raise
    return replace(
        result,
        created=tuple(sorted((*result.created, done.lockfile))),
        lockfile=done.lockfile,
        warnings=(*result.warnings, *workspace.warnings[known:]),
    )


def _surveyed(root: Path, runtime: Runtime, options: InitOptions) -> Surveyed | None:
    """What a checkout tells; `None` without one."""
    if options.checkout is None:
        if options.member is not None:
            raise UsageError("--member names a project of a checkout", hint="name that with --from")
        return None
    if options.lockfile is not None:
        raise UsageError(
            "--from finds the lockfile of the checkout",
            hint="leave --lockfile out; another one goes into venvship.toml as `lockfile` under [project]",
        )
    # Late: it parses Python, and asks interpreters and git.
    from venvship.operations.surveying import survey_checkout

    return survey_checkout(
        options.checkout,
        root,
        runtime,
        name=options.name,
        python=options.python,
        member=options.member,
    )


def _settings(root: Path, runtime: Runtime, options: InitOptions) -> str:
    """The settings of a root without a checkout."""
    if options.python is not None:
        from venvship.building.interpreter import resolve_interpreter

        resolve_interpreter(options.python, environ=runtime.environ, signals=runtime.signals)
    name = options.name or default_name(root.name)
    return settings_template(name, options.python, options.lockfile or "requirements.txt")


def _trust(root: Path, runtime: Runtime, trust: Sequence[Trusted], untrust: Sequence[str]) -> InitResult:
    """Change whom an existing root trusts."""
    layout = RootLayout(root)
    layout.require_writable()
    workspace = Workspace(layout, runtime)
    try:
        before = workspace.trusted.accounts()
        trusted = change_trust(workspace, trust, untrust)
    except OSError as error:
        raise NotWritableError(f"cannot make {error.filename or root}: {error.strerror}") from error
    return InitResult(
        root=str(root),
        created=(),
        trusted=trusted,
        changed=trusted != before,
        warnings=(*workspace.warnings, *_open(layout, runtime)),
    )


def _open(layout: RootLayout, runtime: Runtime) -> tuple[OperationWarning, ...]:
    """A warning if users who are not trusted can change the root: its commands will refuse that."""
    try:
        TrustedFiles(layout, runtime.environ).require_path(str(layout.settings_file))
    except UntrustedError as error:
        return (OperationWarning(error.slug, f"{error.message}. {error.hint}"),)
    return ()


def _closed(root: Path, made: list[Path]) -> tuple[OperationWarning, ...]:
    """A warning if other users cannot enter the root, or a directory above it that was made on the way.

    The modes of all else in a root are set, whatever the umask. Directories above that were there before are
    the user's decision, as the mode of a home directory is.
    """
    closed = [str(folder) for folder in {root, *made} if not os.stat(folder).st_mode & stat.S_IXOTH]
    if not closed:
        return ()
    folders = shell_line(sorted(closed))
    return (
        OperationWarning(
            "root-closed",
            f"other users cannot enter {folders}: a service that runs as one of them cannot start. To let it "
            f"in: chmod o+x {shell_line(sorted(closed))}",
        ),
    )
