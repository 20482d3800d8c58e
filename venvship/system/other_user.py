"""Command lines that the user has to type as another user: as the owner of a root, or as root.

With sudo where it is there, otherwise with what util-linux and su have. sudo refuses a user without a name,
even as `#12345`, unless its configuration has `runas_allow_unknown_id`; setpriv(1) takes any number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from venvship.model.trust import ROOT_UID
from venvship.printable import shell_line
from venvship.system.accounts import user_name

_SYSTEM_FOLDERS = "/usr/sbin:/sbin"
"""Where `runuser` is, and which the PATH of an ordinary user often lacks."""


def line_as(uid: int, gid: int, words: Sequence[str], environ: Mapping[str, str]) -> str:
    """The line that runs a command as another user, in the same directory.

    Args:
        uid: The user.
        gid: The group that a user without a name gets: the group of the root's directory.
        words: The command.
        environ: The process environment, for `PATH`.
    """
    if uid == os.geteuid():
        return shell_line(words)
    if uid == ROOT_UID:
        return line_as_root([words], environ)
    name = user_name(uid)
    if name != str(uid) and _program("sudo", environ):
        return shell_line(["sudo", "-u", name, *words])
    if name != str(uid):
        runuser = _program("runuser", environ)
        command = (
            [runuser, "-u", name, "--", *words]
            if runuser
            else ["su", "-s", "/bin/sh", "-c", shell_line(words), name]  # the user may have no shell
        )
    else:
        setpriv = _program("setpriv", environ) or "setpriv"
        command = [setpriv, "--reuid", name, "--regid", str(gid), "--clear-groups", *words]
    return line_as_root([command], environ)


def line_as_root(commands: Sequence[Sequence[str]], environ: Mapping[str, str]) -> str:
    """One line that runs commands as root, one after the other while they succeed.

    Args:
        commands: The words of each.
        environ: The process environment, for `PATH`.
    """
    lines = [shell_line(words) for words in commands]
    if os.geteuid() == ROOT_UID:
        return " && ".join(lines)
    if _program("sudo", environ):
        return " && ".join(f"sudo {line}" for line in lines)
    return shell_line(["su", "-c", " && ".join(lines)])


def _program(name: str, environ: Mapping[str, str]) -> str:
    """The word that calls a program: its name where `PATH` finds it, else its path; empty if missing."""
    import shutil  # late: only a refusal needs it

    path = environ.get("PATH", os.defpath)
    if shutil.which(name, path=path):
        return name
    return shutil.which(name, path=_SYSTEM_FOLDERS) or ""
