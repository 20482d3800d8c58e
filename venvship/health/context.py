"""The release that a check or hook runs for: its paths, its environment, its log."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from venvship.model.variables import NO_VARIABLES, Variables
from venvship.system import files
from venvship.system.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One release, and the occasion.

    Attributes:
        root: Path of the root, absolute.
        release_id: Id of the release that is asked about or acted on.
        release_path: Its real path, never through `current`: that may be switched at any moment.
        previous_id: Id of the release that was current before, if there was one.
        event: The operation, such as `"release"` or `"rollback"`.
        environ: The environment of venvship itself; `environment` derives theirs from it.
        variables: The variables of the settings, which win over `environ`.
        leases: The directory of the leases of the root's releases.
        log_dir: The directory of their logs; made when it is needed, mode 0700. Its parent exists.
        signals: Signals that end them early.
        unattended: Whether no operator is there: the command is `update`.
        one_way: Whether the operator has said that there is no way back; for the prepare hook alone.
        slot: The slot of the service that is started or stopped; empty for none.
        socket: The socket of that slot.
        usable: Whether there is a release whose programs may be run. Those of one that was built for another
            directory are left out of PATH: they would run the code of another root.
    """

    root: str
    release_id: str
    release_path: str
    previous_id: str | None
    event: str
    environ: Mapping[str, str] = field(repr=False)
    log_dir: str
    leases: str
    signals: Signals = field(repr=False)
    variables: Variables = field(default=NO_VARIABLES, repr=False)
    unattended: bool = False
    one_way: bool = False
    slot: str = ""
    socket: str = ""
    usable: bool = True

    def environment(self) -> dict[str, str]:
        """The environment of a check or hook: `environ`, the settings' variables, and the release's own.

        `VENVSHIP_PREVIOUS` is empty for a first release, and `VENVSHIP_TIER` without a tier. What is said by
        `1` is otherwise empty. None of them is what the operator's shell has.
        """
        variables = {**self.environ, **self.variables.values}
        # Set in the operator's shell, they would lead a program of the release elsewhere.
        for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__", "OLDPWD"):
            variables.pop(name, None)
        search = self.environ.get("PATH") or os.defpath
        if self.usable:
            search = f"{self.release_path}/bin:{search}"
            variables["VIRTUAL_ENV"] = self.release_path
        if self.slot:
            variables |= {"VENVSHIP_SLOT": self.slot, "VENVSHIP_SOCKET": self.socket}
        return {
            **variables,
            "PATH": search,
            # A shell believes this if it names the working directory, also when it does so through a link.
            "PWD": self.release_path,
            "VENVSHIP_ROOT": self.root,
            "VENVSHIP_RELEASE": self.release_id,
            "VENVSHIP_RELEASE_PATH": self.release_path,
            "VENVSHIP_PREVIOUS": self.previous_id or "",
            "VENVSHIP_EVENT": self.event,
            "VENVSHIP_UNATTENDED": "1" if self.unattended else "",
            "VENVSHIP_ONE_WAY": "1" if self.one_way else "",
            "VENVSHIP_TIER": self.variables.tier,
        }

    def log_path(self, name: str) -> str:
        """The log file of a check or hook.

        Its directory is made, best effort: a rollback must work on a full disk, without a log if need be.

        Crash: an empty directory may be left.
        """
        with contextlib.suppress(OSError):
            files.make_directory(self.log_dir, 0o700)
        return os.path.join(self.log_dir, re.sub(r"[^\w.-]|^\.", "_", name) + ".txt")
