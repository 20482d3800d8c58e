"""The command line: click commands, one renderer, one exit.

Only this package imports click, and it writes to standard output and standard error.
"""

from __future__ import annotations

from venvship.cli.main import main

__all__ = ["main"]
