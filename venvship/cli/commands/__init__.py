"""The commands, a module for each section of `venvship --help`.

Each command opens the root, calls the API and returns the result; its decorator names the text. Importing
this package registers them with the group.
"""

from __future__ import annotations

from venvship.cli.commands import keeping, looking, releasing, serving, setting_up

__all__ = ["keeping", "looking", "releasing", "serving", "setting_up"]
