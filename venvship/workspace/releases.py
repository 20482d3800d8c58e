"""The releases of a root and their names: which directories are releases, and which one a name means."""

from __future__ import annotations

from venvship.errors import AmbiguousReleaseError, NoSuchReleaseError, VenvshipError
from venvship.model.history import History
from venvship.root import RootLayout


def release_ids(layout: RootLayout, history: History) -> list[str]:
    """The ids of all releases, newest first in the journal's order.

    A directory is a release when it has a manifest and the journal has its `sealed` line. One with only
    the manifest is left by a crash between the two: debris.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    known = [name for name in layout.with_manifest() if is_known(name, history)]
    return sorted(known, key=lambda name: history.records[name].seq, reverse=True)


def debris_names(layout: RootLayout, history: History) -> list[str]:
    """Directories under `releases/` that are no release; never the current one, whatever it lacks.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    unknown = [name for name in layout.with_manifest() if not is_known(name, history)]
    try:
        current = layout.current()
    except VenvshipError:
        current = None
    return sorted(name for name in [*layout.without_manifest(), *unknown] if name != current)


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


def _special(layout: RootLayout, name: str, history: History) -> str | None:
    if name == "current":
        current = layout.current()
        if current is None:
            raise NoSuchReleaseError("nothing is current yet", hint="make a first release: venvship release")
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
