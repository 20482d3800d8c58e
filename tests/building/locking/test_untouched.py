"""The words for a lockfile that was not written."""

from __future__ import annotations

from pathlib import Path

from venvship.building.locking.untouched import untouched


def test_a_lockfile_that_was_never_there_is_not_as_it_was(tmp_path: Path) -> None:
    lockfile = tmp_path / "requirements.txt"
    assert untouched(str(lockfile)) == f"{lockfile} was not written"
    lockfile.write_text("")
    assert untouched(str(lockfile)) == f"{lockfile} is as it was"
