"""A failure of `update` is reported once: cron mails all that is printed, every few minutes.

The journal is the memory. A failed attempt is in it anyway. A problem that kept the update from beginning,
such as a lockfile that is refused, is recorded here, before it is printed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from venvship.errors import (
    AuditFailedError,
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
    except (NotAnsweringError, AuditFailedError) as error:
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


def warn_once(workspace: Workspace, slug: str, message: str, *, about: str = "") -> None:
    """Add a warning to an unattended release, unless the same one was reported lately.

    Crash: the journal has the report, and nothing was printed; it is printed again after seven days.

    Args:
        workspace: The root.
        slug: Of the warning.
        message: Of the warning.
        about: What it is about, where the words may change; by default the message.
    """
    reported = False
    with contextlib.suppress(OSError, VenvshipError):
        reported = _was_reported(workspace, "warning", slug, about or message, message)
    if not reported:
        workspace.warn(slug, message)


def _report_problem(workspace: Workspace, error: VenvshipError) -> None:
    """Record a problem that kept the update from beginning, unless it was reported lately."""
    # Why a service does not answer is told in other words at each attempt.
    about = error.message
    if isinstance(error, NotAnsweringError):
        about = str(error.data["release"])
    elif isinstance(error, AuditFailedError):
        about = ""
    error.told = _was_reported(workspace, "update", error.slug, about, error.message)


def _was_reported(workspace: Workspace, scope: str, slug: str, about: str, message: str) -> bool:
    """Whether a problem was reported lately; if not, record that it is now."""
    problem, now = digest([slug, about]), workspace.runtime.clock()
    attempts = fold_attempts(workspace.journal.read().events)
    reported = (attempts.warnings if scope == "warning" else attempts.problems).get(problem)
    if reported is not None and reported <= now < reported + TOLD_AGAIN:
        return True
    workspace.open_for_writing()
    workspace.record(
        EventName.REFUSED,
        release=None,
        reason=message.splitlines()[0],
        facts={"scope": scope, "slug": slug, "problem": problem},
    )
    return False
