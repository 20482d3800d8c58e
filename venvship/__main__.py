"""The program: `venvship`, and `python -m venvship`."""

from __future__ import annotations

import gc
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process.

    Nobody looks for garbage: what a command makes, it keeps until it ends, and that is soon. Looking through
    it is a twentieth of what `status` takes, and of a release.

    Until a command notes signals (`system/signals.py`), Ctrl-C ends this at once and without a word: Python
    would show a traceback of its imports.
    """
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from venvship.cli import main as run

    run()


if __name__ == "__main__":
    main()
