"""The releases of a root and their names: which directories are releases, and which one a name means."""

from __future__ import annotations

import os

from venvship.errors import AmbiguousReleaseError, NoSuchReleaseError, OperationWarning, VenvshipError
from venvship.model.history import DOUBT, History
from venvship.root import RootLayout


def release_ids(layout: RootLayout, history: History) -> list[str]:
    """The ids of all releases, newest first in the journal's order.

    A directory is a release when it has a manifest and the journal has its `sealed` line. With one of the two
    it is debris, where an interrupted command explains that, or it is in doubt.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    known = [name for name in layout.with_manifest() if is_known(name, history)]
    return sorted(known, key=lambda name: history.records[name].seq, reverse=True)


def debris_names(layout: RootLayout, history: History) -> list[str]:
    """Directories under `releases/` that an interrupted command left; never the current one.

    Trash, candidates without a manifest, and whole trees of an interrupted build or removal.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    return _no_releases(layout, history, doubt=False)


def in_doubt(layout: RootLayout, history: History) -> list[str]:
    """Directories under `releases/` of which journal and disk disagree, and no interrupted command did that.

    The journal does not know them, and they are sealed: an older copy of it was put back, or a copy of the
    release was. Or the journal has them as sealed, and the manifest is gone. The current one is never among
    them.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    return _no_releases(layout, history, doubt=True)


def _no_releases(layout: RootLayout, history: History, *, doubt: bool) -> list[str]:
    sealed = layout.with_manifest()
    unknown = [name for name in sealed if not is_known(name, history)]
    names = [*layout.without_manifest(), *unknown]
    if not names:
        return []
    try:
        current = layout.current()
    except VenvshipError:
        current = None
    sealed_names = set(sealed)
    return sorted(
        name
        for name in names
        if name != current and doubt == _is_in_doubt(layout, history, name, name in sealed_names)
    )


def _is_in_doubt(layout: RootLayout, history: History, name: str, has_manifest: bool) -> bool:
    record = history.records.get(name)
    if record is not None and record.pruned:
        return False  # its removal was decided, journalled and interrupted
    if not has_manifest:
        return is_known(name, history)
    # A build removes its scratch once the release is journalled.
    return not os.path.lexists(layout.scratch(name))


def doubt(layout: RootLayout, release_id: str) -> str:
    """Why a directory is in doubt, for people."""
    if layout.has_manifest(release_id):
        return "it is sealed, and the journal does not know it"
    return "the journal has it as sealed, and its manifest is gone"


def doubt_warning(layout: RootLayout, release_id: str, problem: str) -> OperationWarning:
    """The warning of a directory in doubt."""
    remedy = "`venvship recover` takes it up if it is intact" if layout.has_manifest(release_id) else ""
    return OperationWarning(
        "release-in-doubt",
        f"{layout.release_path(release_id)}: {problem}. {remedy or 'Put it back from a backup'}; "
        f"otherwise `venvship prune` removes it {DOUBT.days} days after it was found, unless it is in use",
    )


def is_known(release_id: str, history: History) -> bool:
    """Whether the journal has a release as sealed and not pruned."""
    record = history.records.get(release_id)
    return record is not None and record.seq > 0 and not record.pruned


def resolve_release(layout: RootLayout, name: str, history: History) -> str:
    """Turn `RELEASE` of the command line into an id.

    Args:
        layout: The root.
        name: An id, a unique prefix of one, `current`, `previous`, or `@{N}`.
        history: The folded journal.

    Raises:
        NoSuchReleaseError: No release has this name.
        AmbiguousReleaseError: Several have this prefix.
        ForeignLinkError: `current` is not ours.
        RootError: It, or `releases/`, cannot be read.
    """
    found = _special(layout, name, history)
    existing = release_ids(layout, history)
    if found is None:
        matches = [release_id for release_id in existing if name and release_id.startswith(name)]
        if len(matches) > 1:
            raise AmbiguousReleaseError(
                f"{name!r} is the start of {len(matches)} releases: {', '.join(sorted(matches)[:4])}",
                hint="give more of the id",
                matches=sorted(matches),
            )
        found = matches[0] if matches else None
    if found is None or found not in existing:
        raise NoSuchReleaseError(
            f"no release {name!r}" + (f": {found} is gone" if found else ""),
            hint="`venvship list` shows the releases there are",
        )
    return found


def switches_ago(name: str) -> int | None:
    """The N of `@{N}`; `None` for any other name."""
    digits = name[2:-1]
    return int(digits) if name == f"@{{{digits}}}" and digits.isdecimal() else None


def _nothing_current(layout: RootLayout, history: History) -> NoSuchReleaseError:
    if any(event.release for event in history.switches):
        hint = "`venvship status` names the release that was live last; go back to it: venvship rollback"
        return NoSuchReleaseError(f"{layout.current_link} is missing", hint=hint)
    return NoSuchReleaseError("nothing is current yet", hint="make a first release: venvship release")


def _special(layout: RootLayout, name: str, history: History) -> str | None:
    if name == "current":
        current = layout.current()
        if current is None:
            raise _nothing_current(layout, history)
        return current
    if name == "previous":
        previous = layout.previous()
        if previous is None:
            raise NoSuchReleaseError("there is no previous release")
        return previous
    ago = switches_ago(name)
    if ago is None:
        return None
    found = layout.current() if ago == 0 else history.was_current(ago)
    if found is None:
        raise NoSuchReleaseError(f"{name}: there were fewer switches")
    return found
