"""The methods of `Root` that are about the service itself, rather than about releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from venvship.api.arguments import require_choice, require_several
from venvship.api.marks import RootMarks
from venvship.api.runtime import own_command

if TYPE_CHECKING:
    from venvship.operations.handover import HandoverResult
    from venvship.operations.restart import RestartResult
    from venvship.operations.service.printing import ServiceResult


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
            NotServedError: Customers are not led to the live release, or it does not answer.
            SettingsError: The settings cannot be read, or a path is too long for a socket.
            RootError: `current` cannot be read.
        """
        from venvship.operations.handover import handover_status

        return self._read(handover_status)

    def handover_ensure(self, *, boot: bool = False) -> HandoverResult:
        """Have what `current` names answer from a slot, and lead customers there.

        An operation that was interrupted is finished or undone first, as by `recover`.

        Args:
            boot: Whether the host has just started, and nothing runs any more: an interrupted promotion is
                undone, without hooks and checks.

        Raises:
            NoServiceError: The settings have no service.
            SettingsError: The settings cannot be read, and no copy of them is kept.
            NotAnsweringError: The service does not answer.
            BusyError: Another command is switching.
            RootError: The root, its journal, or the folder of the slots is unusable.
            InterruptedByError: A signal came.
        """
        from venvship.operations.handover import handover_ensure

        return self._write(handover_ensure, boot=boot)

    def service(
        self,
        kind: Literal["systemd", "supervisor", "nginx", "caddy"],
        *,
        app: str | None = None,
        job: bool = False,
        command: Sequence[str] | None = None,
    ) -> ServiceResult:
        """Generate the files that run the application, or lead a web server to it. Writes nothing.

        With `[service]` in the settings, a web server is run in two slots. Otherwise it is one service that
        the restart hook restarts.

        Args:
            kind: `"systemd"`, `"supervisor"`, `"nginx"` or `"caddy"`.
            app: The command line of the application, its program by its name in the release's `bin`. By
                default the one server that the live release has, with the application that it shows.
            job: Whether `app` ends, and a timer starts it. For systemd.
            command: The command line of venvship; it begins with an absolute path. By default the `venvship`
                beside this interpreter.

        Raises:
            UsageError: `app` cannot be run like this, is given for a web server, or a path cannot stand in a
                file of this kind.
            SettingsError: The settings cannot be read or name an unknown user, a path is too long for a
                socket, the release has no such program, or it does not show exactly one application.
            ReleaseError: The manifest of the live release is damaged.
            RootError: `current` cannot be read.
            ValueError: `kind` is another word.
            TypeError: `command` is a `str`.
        """
        require_choice("kind", kind, ("systemd", "supervisor", "nginx", "caddy"))
        require_several("command", command or ())
        from venvship.operations.service.printing import service

        return self._read(service, kind, app=app, job=job, command=command or own_command())
