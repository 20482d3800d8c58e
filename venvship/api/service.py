"""The methods of `Root` that are about the service itself, rather than about releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.api.marks import RootMarks

if TYPE_CHECKING:
    from venvship.operations.handover import HandoverResult
    from venvship.operations.restart import RestartResult


class RootService(RootMarks):
    """The methods of `Root` that are about the service itself."""

    def restart(self, *, message: str = "") -> RestartResult:
        """Start the live release anew: in the other slot, or with the restart hook. Then ask the live checks.

        The lineage stays as it is.

        Args:
            message: The reason, for the journal.

        Raises:
            NoServiceError: Nothing is live, or the settings name nothing to restart.
            SettingsError: The settings, or the program of a hook or check.
            RejectedError: A second one does not answer in the free slot. The first one goes on.
            RolledBackError: It did not pass the live checks. Customers are back at the old slot.
            RestartFailedError: It does not pass, and there is no other slot to go back to.
            SupersededError: Another command has switched meanwhile.
            OwnServiceError: This runs in the service. Nothing was restarted.
            ReleaseError: The release is damaged.
            BusyError: Another command is switching.
            RootError: The root, its journal, or the folder of the slots is unusable.
            InterruptedByError: A signal came. The old service goes on, or the restart hook was cut short.
        """
        from venvship.operations.restart import restart

        return self._write(restart, message=message)

    def handover_status(self) -> HandoverResult:
        """Report which slot of the service runs which release, and where customers are led.

        Raises:
            NoServiceError: The settings have no service.
            SettingsError: The settings cannot be read, or a path is too long for a socket.
            RootError: `current` cannot be read.
        """
        from venvship.operations.handover import handover_status

        return self._read(handover_status)

    def handover_ensure(self) -> HandoverResult:
        """Have what `current` names answer from a slot, and lead customers there, as after a boot.

        An operation that was interrupted is undone first, without hooks and checks.

        Raises:
            NoServiceError: The settings have no service.
            SettingsError: The settings cannot be read, and no copy of them is kept.
            RollbackFailedError: The service does not answer.
            BusyError: Another command is switching.
            RootError: The root, its journal, or the folder of the slots is unusable.
            InterruptedByError: A signal came.
        """
        from venvship.operations.handover import handover_ensure

        return self._write(handover_ensure)
