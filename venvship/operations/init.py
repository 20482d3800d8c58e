"""`init`: make a root."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from venvship.errors import NotWritableError, OperationWarning, RootExistsError, UntrustedError
from venvship.model.root_path import refuse_path
from venvship.model.settings_reading import default_name, parse_settings
from venvship.model.settings_template import ROOT_README, settings_template
from venvship.model.trust import Trusted
from venvship.operations.trusting import accounts_named, change_trust
from venvship.printable import shell_line
from venvship.root import SETTINGS_NAME, RootLayout
from venvship.system import files
from venvship.workspace.runtime import Runtime
from venvship.workspace.trusted import TrustedFiles
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class InitResult:
    """The result of `Root.init`.

    Attributes:
        root: The root; absolute.
        created: The absolute paths of the files that were made there; none in an existing root.
        trusted: The users and groups that may decide what runs there, besides its owner and root.
        changed: Whether a later command can see a difference.
        warnings: The warnings of the operation.
    """

    root: str
    created: tuple[str, ...]
    trusted: tuple[Trusted, ...] = ()
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `init --json`."""
        return {
            "root": self.root,
            "created": list(self.created),
            "trusted": [one.to_json() for one in self.trusted],
            "changed": self.changed,
        }


def init(  # noqa: PLR0913 - keyword-only, and each is an option of the command
    path: Path,
    runtime: Runtime,
    *,
    name: str | None = None,
    python: str | None = None,
    lockfile: str | None = None,
    trust: Sequence[str] = (),
    untrust: Sequence[str] = (),
) -> InitResult:
    """Make a root: a directory with a commented `venvship.toml` and a README. Or change whom a root trusts.

    Crash: the directory, the README, the settings or nothing is there, or a root without the trust that was
    asked for; run it again, in the last case with `--trust` alone.

    Arguments and errors: `Root.init`.
    """
    root = Path(os.path.realpath(path))
    refuse_path(str(root))
    settings_file = root / SETTINGS_NAME
    wanted = accounts_named(trust, runtime)
    if os.path.lexists(settings_file):
        if (trust or untrust) and name is None and python is None and lockfile is None:
            return _trust(root, runtime, wanted, untrust)
        raise RootExistsError(
            f"{settings_file} exists; nothing was changed",
            hint="edit it, or look at the root: venvship status",
        )
    if python is not None:
        from venvship.building.interpreter import resolve_interpreter

        resolve_interpreter(python, environ=runtime.environ, signals=runtime.signals)
    text = settings_template(name or default_name(root.name), python, lockfile or "requirements.txt")
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
        trusted = change_trust(workspace, wanted, untrust)
    except OSError as error:
        failed = NotWritableError(f"cannot make {error.filename or root}: {error.strerror}")
        failed.changed = bool(created)
        raise failed from error
    warnings = (*_closed(root, missing), *workspace.warnings, *_open(layout, runtime))
    return InitResult(str(root), tuple(sorted(created)), trusted, changed=True, warnings=warnings)


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
    warnings = (*workspace.warnings, *_open(layout, runtime))
    return InitResult(str(root), (), trusted, changed=trusted != before, warnings=warnings)


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
