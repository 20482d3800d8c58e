"""`verify`: hash every file of releases again and compare them with their manifests.

It changes no release. Where the owner of the root runs it, `status` reports its result from then on.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from venvship.errors import (
    DamagedError,
    NotOwnerError,
    OperationWarning,
    ReleaseError,
    StrayBytecodeError,
    UnknownLinksError,
    VenvshipError,
)
from venvship.model.spelling import FORMAT
from venvship.operations.retention.names import KnownNames
from venvship.operations.retention.stray import removal
from venvship.operations.retention.verifying import Verified, verify_release
from venvship.printable import removal_line, shell_line
from venvship.system import files
from venvship.system.accounts import user_name
from venvship.system.other_user import line_as_root
from venvship.system.trees import FOREIGN
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import release_ids, resolve_release
from venvship.workspace.usable import ANEW
from venvship.workspace.verified import MOST_EXAMPLES, Difference, Verification, known_verifications
from venvship.workspace.workspace import Workspace


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
    expect: str | None = None,
) -> VerifyResult:
    """Verify releases.

    Crash: see `_record`.

    Arguments and errors: `Root.verify`.
    """
    history = workspace.known_history().history
    if all:
        chosen = release_ids(workspace.layout, history)
    else:
        chosen = [resolve_release(workspace.layout, name, history) for name in names or ("current",)]
    found, known = [], KnownNames(workspace)
    for release_id in dict.fromkeys(chosen):
        if expect is None:
            workspace.warn_without_anchor(release_id)
        found.append(verify_release(workspace, release_id, names=known))
    if all:
        # A prune may have removed the release meanwhile, and that is no damage.
        found = [one for one in found if one.ok or workspace.layout.has_release(one.id)]
    now = workspace.runtime.clock()
    looks = {one.id: _look(one, now) for one in found}
    # For `status` alone. Everything else here only reads, and may be run by any user.
    _record(Workspace(workspace.layout, workspace.runtime, workspace.warnings), looks)
    result = VerifyResult(tuple(found))
    damaged = [release for release in result.releases if not release.intact]
    if damaged:
        first = damaged[0]
        raise DamagedError(
            f"{first.id} is damaged: {first.damaged[0].path}: {first.damaged[0].problem}"
            + (f", and {len(first.damaged) - 1} more" if len(first.damaged) > 1 else ""),
            hint=_hint(workspace, damaged),
        ).carrying(result, shown=True)
    if expect is not None:
        _require_expected(workspace, result, expect)
    unusable = [release for release in result.releases if release.problem is not None]
    if unusable:
        first = unusable[0]
        others = len(unusable) - 1
        more = f"; {others} more release{'' if others == 1 else 's'} cannot be used either" if others else ""
        raise ReleaseError(
            f"{first.id} is intact, and cannot be used: {first.problem}{more}", hint=ANEW, release=first.id
        ).carrying(result, shown=True)
    for release in result.releases:
        if release.linked:
            raise _links_error(workspace, release).carrying(result, shown=True)
    strewn = [release for release in result.releases if release.stray]
    if strewn:
        raise _stray_error(workspace, strewn[0]).carrying(result, shown=True)
    return result


def _require_expected(workspace: ReadingWorkspace, result: VerifyResult, expect: str) -> None:
    """Refuse a release whose manifest is not the one that the caller knows of. Nothing is recorded of that.

    Raises:
        DamagedError: It is another one.
    """
    (release,) = result.releases
    found = workspace.manifest(release.id).sha256
    if found != expect:
        raise DamagedError(
            f"{release.id} is not what was expected: the SHA-256 of its manifest is {found}, not {expect}",
            hint="its files fit its manifest. If the hash is that of this release, somebody who can write the"
            " root has sealed it anew: compare with the line `sealed` in the system log",
        ).carrying(result, shown=True)


_ADDED: Final = (
    "the files of the release are as they were sealed, and so is the store: find out who added the others, "
    "and remove those"
)


def _hint(workspace: ReadingWorkspace, damaged: Sequence[Verified]) -> str:
    """The remedy for damage."""
    if all(one.added for each in damaged for one in each.damaged):
        return _ADDED
    if line := _rights_line(workspace, damaged):
        return f"all contents are as they were sealed, and only owners or modes are not: {line}"
    store = f"the store may have the damaged file too: remove the store{_removal(workspace)}"
    going = {release.id for release in damaged if any(not one.added for one in release.damaged)}
    history = workspace.known_history(warn_of_torn=False).history
    steps = [
        f"`venvship unpin {release_id}`" for release_id in sorted(going) if history.is_pinned(release_id)
    ]
    if workspace.layout.current() not in going:
        return ", then ".join([store, *steps, "`venvship prune --damaged`"])
    return (
        ", then ".join([store, "`venvship release --rebuild --force`", *steps])
        + ", and an hour later `venvship prune --damaged`; until then you can go back to a release that"
        " `venvship verify --all` finds whole"
    )


def _rights_line(workspace: ReadingWorkspace, damaged: Sequence[Verified]) -> str:
    """The line that takes back rights, where nothing else is wrong; else empty.

    Nobody may write a file of a release, so of the modes only rights to write can be taken from all.
    """
    found = [one for each in damaged for one in each.damaged]
    if any(one.excess is None or one.excess & ~0o222 for one in found):
        return ""
    layout = workspace.layout
    root = os.stat(layout.path)
    commands: list[list[str]] = []
    if any(one.problem.startswith(FOREIGN) for one in found):
        commands.append(["chown", "-hR", user_name(root.st_uid), str(layout.releases)])
    excess = functools.reduce(operator.or_, (one.excess or 0 for one in found))
    if excess & 0o200:
        paths = [str(layout.release_path(each.id)) for each in damaged]
        commands.append(["chmod", "-R", "a-w", *paths])
    elif excess:
        commands.append(["chmod", "-R", "go-w", str(layout.releases)])
    if not commands:
        return ""
    if commands[0][0] == "chown" or root.st_uid != os.geteuid():
        return line_as_root(commands, workspace.runtime.environ)
    return " && ".join(map(shell_line, commands))


def _look(found: Verified, now: datetime) -> Verification:
    own = [Difference(one.path, one.problem) for one in found.damaged if not one.added]
    return Verification(
        at=now,
        files=found.files,
        damaged=len(found.damaged),
        stray=len(found.stray),
        linked=len(found.linked),
        problem=found.problem,
        examples=tuple(own[:MOST_EXAMPLES]),
    )


def _record(workspace: Workspace, found: Mapping[str, Verification]) -> None:
    """Record looks at releases, best effort. A user who does not own the root records nothing.

    Crash: the file is the old one or the new one; a temporary file is left that recovery sweeps.
    """
    layout = workspace.layout
    try:
        layout.require_writable()
        workspace.trusted.require_folders()
        with workspace.journal_mutex.hold(wait=5):
            try:
                known = {
                    name: entry
                    for name, entry in known_verifications(layout).items()
                    if layout.has_manifest(name)
                }
            except VenvshipError:
                known = {}  # garbage: the file is written anew
            known |= {name: one.to_json() for name, one in found.items()}
            files.write_json(layout.verified_file, {"format": FORMAT, "releases": known})
    except NotOwnerError:
        return
    except (OSError, VenvshipError) as error:
        text = error.strerror if isinstance(error, OSError) else error.message
        workspace.warn("verify-not-recorded", f"`status` will not know of this look at the files: {text}")


def _removal(workspace: ReadingWorkspace) -> str:
    """The command line that removes the store; empty if the settings that name it cannot be read."""
    try:
        store = os.path.normpath(workspace.layout.path / workspace.settings().store)
    except VenvshipError:
        return ""
    return f" (`{removal_line(store)}`)"


def _links_error(workspace: ReadingWorkspace, found: Verified) -> UnknownLinksError:
    """The finding of names elsewhere, of files that are all as they were sealed."""
    path = workspace.layout.release_path(found.id) / found.linked[0]
    more = f", and {len(found.linked) - 1} more" if len(found.linked) > 1 else ""
    return UnknownLinksError(
        f"{found.id} is intact, but has files with a hard link that is in neither the store nor a release: "
        f"{found.linked[0]}{more}",
        hint="a backup with `cp -al`, or another user's. Find it, and remove it: "
        f"{shell_line(['find', '/', '-xdev', '-samefile', str(path)])}",
    )


def _stray_error(workspace: ReadingWorkspace, found: Verified) -> StrayBytecodeError:
    """The finding of bytecode in a release whose own files are all as they were sealed."""
    layout = workspace.layout
    own = [entry.path for entry in layout.files(found.id, workspace.manifest(found.id))]
    more = f", and {len(found.stray) - 1} more" if len(found.stray) > 1 else ""
    return StrayBytecodeError(
        f"{found.id} is intact, but for bytecode that is not part of it: {found.stray[0]}{more}",
        hint="a process of root wrote it, without the release's start-up files; remove it as root: "
        + removal(str(layout.release_path(found.id)), found.stray, own),
    )
