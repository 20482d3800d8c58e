"""The environment of commands that are typed as by a user, with or without a package index."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.roots import command

INSTALLERS = ("PIP_", "UV_", "POETRY_")
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""Variables that say where packages come from, and whose certificates count there."""


def environment(*, network: bool) -> dict[str, str]:
    """The environment of a user's shell, with venvship and its tools on PATH."""
    path = [os.path.dirname(command()), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    plain = {"PATH": ":".join(path), "LC_ALL": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    plain["VENVSHIP_SYSLOG"] = ""  # what tests do is no news of this host
    plain |= {f"GIT_{who}_{what}": "you" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    if not network:
        return {**plain, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    # Where packages come from is the business of whoever runs the tests; HOME is another one here.
    kept = {name: value for name, value in os.environ.items() if name.startswith(INSTALLERS) or name in TRUST}
    for folder in (".config/pip", ".pip"):
        if (file := Path.home() / folder / "pip.conf").is_file():
            kept.setdefault("PIP_CONFIG_FILE", str(file))
    return {**plain, **kept}
