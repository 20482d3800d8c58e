"""`state/advisories.json`: the answers about known vulnerabilities that `audit` keeps.

`status`, metrics and the notify hook report from it, and ask nobody. It is no record: `audit` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Final

from venvship.errors import VenvshipError
from venvship.model.advisories.advisory import Answer, Known, known
from venvship.model.release import Manifest
from venvship.model.settings_audit import AuditSettings
from venvship.root import RootLayout
from venvship.system.json_files import read_json
from venvship.workspace.reading import ReadingWorkspace

Answers = Mapping[tuple[str, str], Answer]
"""Answers by the normalised name of a package and its version."""

SEPARATOR: Final = "=="


def kept_answers(layout: RootLayout) -> Answers:
    """The answers that are kept; none where the file is missing.

    Raises:
        StateError: It is damaged, or cannot be read.
        FormatError: A newer venvship wrote it.
        UntrustedError: Others can write it.
    """
    data = read_json(layout.advisories_file, layout.ask) or {}
    packages = data.get("packages", {})
    found: dict[tuple[str, str], Answer] = {}
    for key, value in packages.items() if isinstance(packages, dict) else ():
        name, separator, version = key.partition(SEPARATOR)
        try:
            if separator:
                found[name, version] = Answer.from_json(value)
        except (KeyError, ValueError):
            continue  # no answer: it is asked for again
    return found


def audited_packages(manifest: Manifest, settings: AuditSettings) -> list[tuple[str, str]]:
    """The packages of a release that a source of advisories may know: neither its own code nor private."""
    own = {one.name for one in (manifest.project, *manifest.built) if one is not None}
    return [
        (package.name, package.version)
        for package in manifest.packages
        if package.name not in own and not is_private(package.name, settings.private)
    ]


def is_private(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern of `[audit] private` covers a name."""
    return any(fnmatchcase(name, pattern.lower().replace("_", "-")) for pattern in patterns)


def known_vulnerabilities(
    workspace: ReadingWorkspace, settings: AuditSettings, release_id: str | None
) -> Known | None:
    """Count the known vulnerabilities of a release, from the answers that are kept.

    `None` if there are none, or they or the manifest cannot be read.
    """
    if release_id is None:
        return None
    try:
        answers = kept_answers(workspace.layout)
        if not answers:
            return None
        packages = audited_packages(workspace.manifest(release_id), settings)
    except VenvshipError:
        return None
    return known(packages, answers, settings.ignore, workspace.runtime.clock())
