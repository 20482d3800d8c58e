"""The methods of `Root` that record a decision: pins and holds. And how a method that writes is run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Concatenate

from venvship.api.arguments import require_future
from venvship.api.reads import P, R, RootReads, with_warnings
from venvship.api.runtime import code_stamp

if TYPE_CHECKING:
    from venvship.operations.marks import HoldResult, PinResult
    from venvship.workspace.workspace import Workspace


class RootMarks(RootReads):
    """The methods of `Root` that record a decision."""

    def pin(self, release: str) -> PinResult:
        """Protect a release from prune.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            ReleaseError: There is no such release.
            BusyError: Another command is switching or removing.
            RootError: The root or its journal is unusable.
            DiskFullError: There is no room to record it.
        """
        from venvship.operations.marks import pin

        return self._write(pin, release, pinned=True)

    def unpin(self, release: str) -> PinResult:
        """Stop protecting a release from prune.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            ReleaseError: There is no such release.
            BusyError: Another command is switching or removing.
            RootError: The root or its journal is unusable.
            DiskFullError: There is no room to record it.
        """
        from venvship.operations.marks import pin

        return self._write(pin, release, pinned=False)

    def hold(
        self, package: str | None = None, *, message: str = "", until: datetime | None = None
    ) -> HoldResult:
        """Stop unattended releases of this root until `unhold`; or upgrades of one package.

        Args:
            package: A name: upgrades leave the package at the version of the lockfile. Or `NAME==VERSION`:
                they pass over that version and all below it, until a version beyond it is live. `None`: the
                root is held.
            message: The reason, for the journal.
            until: The time when the hold ends without `unhold`; aware. It is compared with the clock of each
                command that asks.

        Returns:
            The status after it, and the hold that it replaced.

        Raises:
            ValueError: `until` is over, or has no time zone.
            UsageError: `package` is neither a name nor `NAME==VERSION`, or names nothing in the lockfile.
            SettingsError: The settings cannot be read; with `package`.
            LockfileError: Another tool makes the lockfile; with `package`.
            RootError: The root or its journal is unusable.
            DiskFullError: There is no room to record it.
        """
        from venvship.operations.marks import hold

        if until is not None:
            require_future("until", until, self._runtime.clock())
        if package is not None:
            from venvship.operations.package_marks import hold_package

            return self._write(hold_package, package, message=message, until=until)
        return self._write(hold, message=message, until=until)

    def unhold(self, package: str | None = None) -> HoldResult:
        """Allow unattended releases again, of every environment: holds, refusals and pauses end.

        A switch of `current` outside venvship that no method has noticed yet is recorded first.

        Args:
            package: A name, or `NAME==VERSION`: instead, all holds of that package end, or that one.

        Returns:
            The status after it, and the holds that it ended.

        Raises:
            UsageError: `package` is neither a name nor `NAME==VERSION`.
            BusyError: `current` was switched outside venvship, and another command is switching.
            RootError: The root or its journal is unusable.
            DiskFullError: There is no room to record it.
        """
        if package is not None:
            from venvship.operations.package_marks import unhold_package

            return self._write(unhold_package, package)
        from venvship.operations.marks import unhold

        return self._write(unhold)

    def _write(
        self,
        operation: Callable[Concatenate[Workspace, P], R],
        /,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> R:
        """Run an operation that may write, and attach its warnings to its result or error."""
        from venvship.workspace.workspace import Workspace

        def watched(workspace: Workspace, /, *arguments: P.args, **options: P.kwargs) -> R:
            before = code_stamp()
            try:
                return operation(workspace, *arguments, **options)
            finally:
                if code_stamp() != before:
                    workspace.warn(
                        "venvship-replaced",
                        "venvship was upgraded or removed while this command ran, which went on with the "
                        "modules that it had loaded",
                    )

        return with_warnings(Workspace(self._layout, self._runtime), watched, *arguments, **options)
