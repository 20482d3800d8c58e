"""The program: `venvship`, and `python -m venvship`."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process.

    Nobody looks for garbage: what a command makes, it keeps until it ends, and that is soon. Looking through
    it is a twentieth of what `status` takes, and of a release.
    """
    gc.disable()
    from venvship.cli import main as run

    run()


if __name__ == "__main__":
    main()
