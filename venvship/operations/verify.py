"""`verify`: hash every file of releases again and compare them with their manifests. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from venvship.errors import DamagedError, OperationWarning, ReleaseError
from venvship.operations.retention.verifying import Verified, verify_release
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import release_ids, resolve_release
from venvship.workspace.usable import ANEW


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The result of `Root.verify`.

    Attributes:
        releases: One entry for each release that was verified.
        warnings: The warnings of the operation.
    """

    releases: tuple[Verified, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `verify --json`."""
        return {"releases": [release.to_json() for release in self.releases]}


def verify(
    workspace: ReadingWorkspace,
    names: tuple[str, ...] = (),
    *,
    all: bool = False,  # noqa: A002 - the word of the option
) -> VerifyResult:
    """Verify releases.

    Arguments and errors: `Root.verify`.
    """
    history = workspace.known_history().history
    if all:
        chosen = release_ids(workspace.layout, history)
    else:
        chosen = [resolve_release(workspace.layout, name, history) for name in names or ("current",)]
    found = [verify_release(workspace, release_id) for release_id in dict.fromkeys(chosen)]
    if all:
        # A prune may have removed the release meanwhile, and that is no damage.
        found = [one for one in found if one.ok or workspace.layout.has_release(one.id)]
    result = VerifyResult(tuple(found))
    damaged = [release for release in result.releases if not release.intact]
    if damaged:
        first = damaged[0]
        raise DamagedError(
            f"{first.id} is damaged: {first.damaged[0].path}: {first.damaged[0].problem}"
            + (f", and {len(first.damaged) - 1} more" if len(first.damaged) > 1 else ""),
            hint="the store may have the damaged file too: go back to a release that `venvship verify --all`"
            " finds whole, remove the store, then `venvship release --rebuild`",
        ).carrying(result)
    for release in result.releases:
        if release.problem is not None:
            raise ReleaseError(
                f"{release.id} is intact, and cannot be used: {release.problem}",
                hint=ANEW,
                release=release.id,
            ).carrying(result)
    return result
