"""The purpose of a promotion, as the journal has it from its first line to its last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from venvship.model.event import RECOVERED
from venvship.model.history import Intent, LockfileDue
from venvship.model.security_fix import Fix, fix_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """The purpose of a promotion. The journal has it from the first line on, so recovery continues with it.

    Attributes:
        via: The command.
        unattended: Whether the command ran unattended.
        lockfile: The release's lockfile, if that takes its place on disk once the release is proven.
        reason: The person's message.
        own_environment: The environment of the root's own lockfile, `""` if it cannot be told: a promotion of
            another one sets a switch hold. `None` where that is not asked, as for `update`.
        one_way: Whether there is no way back: a release that does not pass stays.
        prepared: Whether the prepare hook has run for the release.
        fixes: The packages that it moves, if it is a security update.
        uploaded: When the packages that it moves were uploaded (RFC 3339), by name, if that is known.
        force: Whether `--force` was given. It is not recorded.
        recovered: Whether the promotion was interrupted, and another command goes on with it.
    """

    via: str
    unattended: bool = False
    lockfile: LockfileDue | None = None
    reason: str = ""
    own_environment: str | None = None
    one_way: bool = False
    prepared: bool = False
    fixes: tuple[Fix, ...] = ()
    uploaded: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    recovered: bool = False

    def to_facts(self) -> dict[str, Any]:
        """The facts of the journal's lines `promoting` and `promoted`."""
        lockfile = self.lockfile.to_facts() if self.lockfile else {}
        own = {} if self.own_environment is None else {"lockfile_environment": self.own_environment}
        flags = {"one_way": self.one_way, "prepared": self.prepared}
        true = {name: True for name, value in flags.items() if value}
        always = {"via": self.via, "unattended": self.unattended}
        uploaded = {"uploaded": dict(self.uploaded)} if self.uploaded else {}
        return {**always, **lockfile, **own, **true, **fix_facts(self.fixes), **uploaded}


def errand_of(intent: Intent) -> Errand:
    """The purpose of an interrupted promotion."""
    return Errand(
        via=intent.via,
        unattended=intent.unattended,
        lockfile=intent.lockfile,
        reason=intent.reason,
        own_environment=intent.own_environment,
        one_way=intent.one_way,
        prepared=intent.prepared,
        fixes=intent.fixes,
        uploaded=intent.uploaded or {},
        recovered=True,
    )


def recovered_reason(message: str) -> str:
    """The reason of an outcome that a recovery records: the message of the operator who asked for it."""
    return f"{message} ({RECOVERED})" if message else RECOVERED
