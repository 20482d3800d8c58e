"""What the prepare hook leaves behind: an exit status that asks for `--one-way`, and work that stays done."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from venvship.errors import VenvshipError
from venvship.model.settings import Settings
from venvship.operations.switching.switched import PREPARED
from venvship.printable import lines
from venvship.system.faults import root_faults
from venvship.workspace.reading import ReadingWorkspace

NO_WAY_BACK: Final = 76
"""The exit status with which a prepare hook asks for `--one-way`. It has changed nothing then."""


@contextlib.contextmanager
def prepare_has_run(workspace: ReadingWorkspace, settings: Settings) -> Iterator[None]:
    """Say in an error from inside that the prepare hook has run, if there is one.

    It stands around everything between the prepare hook and the outcome of the switch.
    """
    try:
        with root_faults(workspace.layout.path):
            yield
    except VenvshipError as error:
        if settings.hooks.prepare is not None:
            error.message = lines(error.message, PREPARED)
        raise
