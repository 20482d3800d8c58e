"""The patches of our own modules that tests need, where the world can be arranged in no other way.

`tests/test_patches.py` holds that there are no others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from venvship.operations import schedule
from venvship.operations.switching import promotion
from venvship.operations.switching.trial import Trial
from venvship.system import interpreters, proc
from venvship.system.journal_lines import Reading
from venvship.system.journal_reader import JournalReader
from venvship.system.process import ProcessResult


def interpreters_answer(patch: pytest.MonkeyPatch, run: Callable[..., ProcessResult]) -> None:
    """Run an interpreter's probe like this: a host with no process left would start nothing else either."""
    patch.setattr(interpreters, "run", run)


def releases_have_another_interpreter(patch: pytest.MonkeyPatch) -> None:
    """Have the releases' interpreter asked: a test has just the one that runs it, which is not asked."""
    patch.setattr(proc, "own_program", lambda: None)


def trials_are(patch: pytest.MonkeyPatch, try_current: Callable[..., Trial]) -> None:
    """Try a promoted release like this: a host with no descriptor left would fail before the switch."""
    patch.setattr(promotion, "try_current", try_current)


def a_reader_is_put_to_sleep(patch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Do something just once, after the journal has been read: no other process can hit that moment."""
    read = JournalReader.read
    slept: list[bool] = []

    def read_and_sleep(journal: JournalReader) -> Reading:
        reading = read(journal)
        if not slept:
            slept.append(True)
            meanwhile()
        return reading

    patch.setattr(JournalReader, "read", read_and_sleep)


def units_are_in(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Look for units in a folder of the test: it must not write to the one that systemd reads."""
    patch.setattr(schedule, "FOLDER", str(folder))
