"""The files of authorities that https checks trust (`ca`): there, and not writable by others."""

from __future__ import annotations

import os
from collections.abc import Sequence

from venvship.errors import SettingsError
from venvship.model import bounds
from venvship.model.settings_check import Check
from venvship.printable import lines
from venvship.root import RootLayout
from venvship.system.regular import read_regular


def require_certificates(layout: RootLayout, checks: Sequence[Check]) -> None:
    """Look at the files of all checks, before anything is built, switched or asked.

    Args:
        layout: The root. It is asked whose files they are.
        checks: The checks that may be asked.

    Raises:
        SettingsError: Some cannot be read, or hold no certificate; `problems` lists all of them.
        UntrustedError: A user who is not trusted can write one: it decides which service is believed.
        HostError: The host has nothing left to read them with.
    """
    problems: list[dict[str, str]] = []
    for check in checks:
        if check.ca is None:
            continue
        path = os.path.join(layout.path, check.ca)
        try:
            data, status = read_regular(path, bounds.CERTIFICATES)
        except OSError as error:
            problems.append(
                {"key": f"check {check.name}", "message": f"cannot read {path}: {error.strerror}"}
            )
            continue
        layout.ask(path, status)
        if b"-----BEGIN CERTIFICATE-----" not in data:
            problems.append(
                {"key": f"check {check.name}", "message": f"{path} has no certificate in PEM form"}
            )
    if problems:
        told = [f"{problem['key']}: {problem['message']}" for problem in problems]
        raise SettingsError(
            lines(*told), hint="correct `ca` in venvship.toml, or the file", problems=problems
        )
