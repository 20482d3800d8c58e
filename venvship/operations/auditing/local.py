"""Read advisories from a file or a folder, for hosts without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from venvship.errors import AuditFailedError
from venvship.model import bounds
from venvship.model import json_fields as fields
from venvship.model.advisories.advisory import Answer
from venvship.model.advisories.documents import affected_names, from_document, merged
from venvship.model.spelling import is_shallow, parse_json
from venvship.workspace.reading import ReadingWorkspace

_LEVELS: Final = 30
"""The depth to which a document may be nested. OSV's form has some eight levels."""

_HINT: Final = (
    "`[audit] advisories` names a JSON document in OSV's form, an array of them, or a folder with such files:"
    " https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip has all that OSV has about PyPI"
)


def read_local(
    workspace: ReadingWorkspace, path: Path, packages: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Answer]:
    """Look for packages in advisories that lie on this host.

    Args:
        workspace: The root.
        path: The file or folder; absolute.
        packages: Normalised names, with versions.

    Raises:
        AuditFailedError: A file cannot be read, or is in no form that is known.
        UntrustedError: Others can write one.
        InterruptedByError: A signal came.
    """
    wanted: dict[str, list[str]] = {}
    for name, version in packages:
        wanted.setdefault(name, []).append(version)
    found: dict[tuple[str, str], list[Any]] = {package: [] for package in packages}
    for file in _files(path):
        workspace.runtime.signals.raise_if_received()
        try:
            for document in _documents(parse_json(workspace.trusted.read(file))):
                for name in {name for _, name in affected_names(document)} & wanted.keys():
                    for version in wanted[name]:
                        if (advisory := from_document(document, name, version)) is not None:
                            found[name, version].append(advisory)
        except OSError as error:
            raise _failed(file, error.strerror or str(error)) from error
        except ValueError as error:
            raise _failed(file, str(error)) from error
    now, source = workspace.runtime.clock(), str(path)
    try:
        return {key: Answer(now, source, merged(advisories)) for key, advisories in found.items()}
    except ValueError as error:
        raise _failed(source, str(error)) from error


def _files(path: Path) -> list[str]:
    """The files to read: the one, or those of a folder that end in `.json`."""
    try:
        if not path.is_dir():
            return [str(path)]
        names = sorted(name for name in os.listdir(path) if name.endswith(".json"))
    except OSError as error:
        raise _failed(str(path), error.strerror or str(error)) from error
    if not names:
        raise _failed(str(path), "there is no file that ends in .json")
    if len(names) > bounds.ADVISORY_FILES:
        raise _failed(str(path), f"more than {bounds.ADVISORY_FILES:,} files")
    return [str(path / name) for name in names]


def _documents(value: object) -> Iterator[Mapping[str, Any]]:
    """The documents of a file: one, an array of them, or the `vulns` of an answer of OSV.

    Raises:
        ValueError: It is in none of these forms.
    """
    if not is_shallow(value, _LEVELS):
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        yield from map(fields.mapping, value)
        return
    document = fields.mapping(value)
    if isinstance(document.get("vulns"), list):
        yield from map(fields.mapping, document["vulns"])
    elif "id" in document:
        yield document
    else:
        raise ValueError("it is no document in OSV's form: it has no `id`")


def _failed(path: str, problem: str) -> AuditFailedError:
    return AuditFailedError(
        f"the advisories in {path} cannot be read: {problem}; nothing was changed", hint=_HINT, path=path
    )
