"""Roots as they are after years: thousands of releases, journal lines and wheels, made in seconds.

A real release is the pattern. Copies of it get ids and journal lines of their own, as venvship would have
written them; then venvship itself is asked whether it believes them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.support.wheels import build_wheel
from venvship.model.event import Event
from venvship.model.release import new_release_id
from venvship.model.spelling import canonical_json, format_time
from venvship.root import RootLayout
from venvship.system.files import hash_file
from venvship.system.journal_lines import checksum

YEARS_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
LIFE: Final = timedelta(minutes=30)
"""From one made-up release to the next."""


def tiny_lockfile(directory: Path, names: Iterable[str]) -> str:
    """Build tiny wheels and a lockfile of them, by path: no pip has to be started for those."""
    wheels = [build_wheel(directory, name) for name in names]
    return "".join(f"{wheel.path} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def age(root: Path, *, releases: int = 0, pruned: int = 0) -> None:
    """Put releases before those that a root has.

    Args:
        root: A root with at least one release, of a tiny lockfile. What is current stays so.
        releases: So many that are still there, each with a directory of its own.
        pruned: So many, before those, that are gone.
    """
    layout = RootLayout.at(root)
    real = [json.loads(line) for line in layout.journal_file.read_text().splitlines()]
    events = [Event.from_json(line) for line in real]
    pattern = next(event.release for event in events if event.event == "sealed")
    assert pattern is not None
    own = [event for event in events if event.release == pattern][:3]
    assert [event.event for event in own] == ["sealed", "promoting", "promoted"], (
        "another order than expected"
    )

    written: list[Event] = []
    last: str | None = None
    for number in range(pruned + releases):
        at = YEARS_AGO + LIFE * number
        release_id = new_release_id(at, f"{number:07x}")
        sealed, *switch = [_moved(event, release_id, at, last) for event in own]
        if number >= pruned:
            anchor = copy_release(layout, pattern, release_id, at)
            sealed = sealed._replace(facts={**sealed.facts, "manifest_sha256": anchor})
        written += [sealed, *switch]
        if number < pruned:
            gone = own[0]._replace(event="pruned", reason="beyond keep = 5", facts={})
            written.append(gone._replace(release=release_id, at=at))
        last = release_id
    for event in events:
        first = "from" in event.facts and event.facts["from"] is None
        written.append(_moved(event, event.release, event.at, last) if first else event)
    layout.journal_file.write_bytes(b"".join(_lines(written)))


def _moved(event: Event, release_id: str | None, at: datetime, before: str | None) -> Event:
    facts = {**event.facts, "from": before} if "from" in event.facts else event.facts
    return event._replace(release=release_id, at=at, facts=facts)


def _lines(events: Iterable[Event]) -> Iterator[bytes]:
    for seq, event in enumerate(events, start=1):
        data = event._replace(seq=seq).to_json()
        data["sum"] = checksum(data)
        yield canonical_json(data) + b"\n"


def copy_release(layout: RootLayout, pattern: str, release_id: str, at: datetime) -> str:
    """Copy a sealed release under another id, file by file as a hard link, with a manifest of its own.

    Returns:
        The hash of its manifest.
    """
    source, target = layout.release_path(pattern), layout.release_path(release_id)
    shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    manifest = target / ".venvship" / "manifest.json"
    data = {
        **json.loads(manifest.read_text()),
        "id": release_id,
        "path": str(target),
        "created_at": format_time(at),
    }
    mode = manifest.parent.stat().st_mode
    manifest.parent.chmod(0o755)
    manifest.unlink()
    manifest.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")
    manifest.chmod(0o444)
    manifest.parent.chmod(mode)
    layout.lease(release_id).touch(0o444)
    return hash_file(manifest)
