"""Reading the journal, without a mutex: of an append that is under way a reader sees a torn end at most."""

from __future__ import annotations

import os

from venvship.errors import StateError
from venvship.model import bounds
from venvship.system.journal_lines import NOTHING, Reading, parse
from venvship.system.regular import read_regular


def damaged_journal_error(reading: Reading) -> StateError:
    """The refusal to decide on, or to append to, a journal that is damaged in the middle."""
    return StateError(
        f"the journal is damaged: {reading.damage}; the lines after it are not known",
        hint="`venvship rollback RELEASE` still works; for the rest, restore state/journal.jsonl from a "
        "backup",
    )


def lost_journal_error(current: str) -> StateError:
    """The refusal of a journal that is sound and does not know the current release."""
    return StateError(
        f"the journal is damaged: it does not know {current}, which is live; it was lost, or is an old copy",
        hint="restore state/journal.jsonl from a backup; without one, `venvship recover` takes up the "
        "releases that are intact",
    )


class JournalReader:
    """Reads the journal of one root.

    Args:
        path: `state/journal.jsonl`.

    Attributes:
        status: The `fstat` of the file as it was read last; `None` where there was none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.status: os.stat_result | None = None
        self._raw = b""  # the file's bytes when it was read last
        self._reading = NOTHING  # their lines

    def read(self) -> Reading:
        """Read it all. Never writes; a torn end is passed over.

        A command reads it several times. Bytes that it has read before are compared, and not parsed again;
        of the same bytes the same object is returned.

        Raises:
            FormatError: It was written by a newer venvship.
            StateError: It exists and cannot be read.
            HostError: The host has nothing left to read it with.
        """
        try:
            raw, self.status = read_regular(self._path, bounds.JOURNAL)
        except FileNotFoundError:
            raw, self.status = b"", None
        except OSError as error:
            raise StateError(f"cannot read {self._path}: {error.strerror}") from error
        if raw != self._raw:
            grown = raw.startswith(self._raw[: self._reading.size])
            known = self._reading if grown else NOTHING
            self._reading, self._raw = parse(raw, path=self._path, known=known), raw
        return self._reading
