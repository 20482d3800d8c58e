"""The program: `venvship`, and `python -m venvship`."""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # `python -m` puts the working directory before the standard library

import gc
import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process.

    Disable the garbage collector: a command is short and its memory goes with the process (5 % of `status`).

    Until a command notes signals (`system/signals.py`), Ctrl-C ends the process at once and silently: Python
    would show a traceback of its imports.
    """
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from venvship.cli.main import main as run
    except (OSError, MemoryError, ImportError) as error:  # no more descriptors, or it is being upgraded
        text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(error))
        os.write(2, f"error: cannot start: {text}\n".encode())
        os._exit(12)
    run()


if __name__ == "__main__":
    main()
