"""`init`: make a root."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from venvship.errors import NotWritableError, OperationWarning, RootExistsError
from venvship.model.settings_reading import default_name, parse_settings
from venvship.model.settings_template import ROOT_README, settings_template
from venvship.printable import shell_line
from venvship.root import SETTINGS_NAME, RootLayout, refuse_path
from venvship.system import files
from venvship.workspace.runtime import Runtime


@dataclass(frozen=True, slots=True)
class InitResult:
    """The result of `Root.init`.

    Attributes:
        root: The root; absolute.
        created: The absolute paths of the files that were made there.
        changed: Whether a later command can see a difference.
        warnings: The warnings of the operation.
    """

    root: str
    created: tuple[str, ...]
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `init --json`."""
        return {"root": self.root, "created": list(self.created), "changed": self.changed}


def init(
    path: Path,
    runtime: Runtime,
    *,
    name: str | None = None,
    python: str | None = None,
    lockfile: str = "requirements.txt",
) -> InitResult:
    """Make a root: a directory with a commented `venvship.toml` and a README.

    Crash: the directory, the README or nothing is there; run it again.

    Arguments and errors: `Root.init`.
    """
    root = Path(os.path.realpath(path))
    refuse_path(str(root))
    settings_file = root / SETTINGS_NAME
    if os.path.lexists(settings_file):
        raise RootExistsError(
            f"{settings_file} exists; nothing was changed",
            hint="edit it, or look at the root: venvship status",
        )
    if python is not None:
        from venvship.building.interpreter import resolve_interpreter

        resolve_interpreter(python, environ=runtime.environ, signals=runtime.signals)
    text = settings_template(name or default_name(root.name), python, lockfile)
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
        files.write_file(settings_file, text.encode())
        created.append(str(settings_file))
    except OSError as error:
        failed = NotWritableError(f"cannot make {error.filename or root}: {error.strerror}")
        failed.changed = bool(created)
        raise failed from error
    warnings = _closed(root, missing)
    return InitResult(str(root), tuple(sorted(created)), changed=True, warnings=warnings)


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
