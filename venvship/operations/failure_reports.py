"""A failure of `update` is reported once: cron mails all that is printed, every few minutes.

The journal is the memory. A failed attempt is in it anyway. A problem that kept the update from beginning,
such as a lockfile that is refused, is recorded here, before it is printed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from venvship.errors import (
    BuildError,
    ForeignLinkError,
    LockfileError,
    NotAnsweringError,
    PausedError,
    RejectedError,
    ReleaseError,
    RollbackFailedError,
    RolledBackError,
    VenvshipError,
)
from venvship.model.event import EventName
from venvship.model.spelling import digest, format_time
from venvship.model.update_attempts import TOLD_AGAIN, fold_attempts
from venvship.workspace.settings_files import NO_SETTINGS
from venvship.workspace.workspace import Workspace


@contextlib.contextmanager
def reported_once(workspace: Workspace) -> Iterator[None]:
    """Note on an error from inside whether it was reported before, and when the update is tried again.

    Best effort: a journal that cannot be read or written leaves an error unreported, so that it is printed.
    """
    began = workspace.runtime.clock()
    try:
        yield
    except PausedError as error:
        error.told = True  # with the failure that began the pause
        raise
    except NotAnsweringError as error:
        with contextlib.suppress(OSError, VenvshipError):
            _report_problem(workspace, error)
        raise
    except (BuildError, RejectedError, RolledBackError, RollbackFailedError) as error:
        with contextlib.suppress(OSError, VenvshipError):
            latest = fold_attempts(workspace.journal.read().events).latest
            # The journal's times are whole seconds.
            if latest is not None and latest.last >= began - timedelta(seconds=1):
                error.told = latest.told != latest.last
                error.data["until"] = format_time(latest.until)
        raise
    except (*NO_SETTINGS, LockfileError, ForeignLinkError, ReleaseError) as error:
        with contextlib.suppress(OSError, VenvshipError):
            _report_problem(workspace, error)
        raise


def _report_problem(workspace: Workspace, error: VenvshipError) -> None:
    """Record a problem that kept the update from beginning, unless it was reported lately."""
    # Why a service does not answer is told in other words at each attempt.
    about = str(error.data["release"]) if isinstance(error, NotAnsweringError) else error.message
    problem, now = digest([error.slug, about]), workspace.runtime.clock()
    reported = fold_attempts(workspace.journal.read().events).problems.get(problem)
    error.told = reported is not None and reported <= now < reported + TOLD_AGAIN
    if not error.told:
        workspace.open_for_writing()
        workspace.record(
            EventName.REFUSED,
            release=None,
            reason=error.message.splitlines()[0],
            facts={"scope": "update", "slug": error.slug, "problem": problem},
        )
