"""Work done as an ordinary user, whoever runs the tests."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from venvship.system.trees import remove_tree

NOBODY = 65534
"""Another local user, whom nobody trusts."""

as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
"""Marks tests with a second user; CI runs them as root."""


def trust(root: Path, *names: str) -> None:
    """Have the owner of a root trust users and groups, by `init --trust`."""
    from venvship.api import Root

    Root.init(root, trust=names)


def unprivileged(act: Callable[[Path], None]) -> None:
    """Call a function as an ordinary user, in a directory of that user's.

    Root passes every permission check.
    """
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chmod(directory, 0o755)
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    try:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                act(directory)
                code = 0
            except BaseException:  # noqa: BLE001 - or the child would go on as a second test run
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the traceback on stderr"
    finally:
        remove_tree(directory)
