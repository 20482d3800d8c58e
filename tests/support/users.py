"""Work done as an ordinary user, whoever runs the tests."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from venvship.system.trees import remove_tree


def unprivileged(act: Callable[[Path], None]) -> None:
    """Call a function as an ordinary user, in a directory of that user's.

    Root passes every permission check.
    """
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chmod(directory, 0o755)
    if os.geteuid() == 0:
        os.chown(directory, 65534, 65534)
    try:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                act(directory)
                code = 0
            except BaseException:  # noqa: BLE001 - or the child would go on as a second test run
                traceback.print_exc()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "see the traceback on stderr"
    finally:
        remove_tree(directory)
