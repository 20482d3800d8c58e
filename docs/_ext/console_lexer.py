"""Highlight `console` blocks: a line that starts with `$ ` is a command, every other line is output.

Pygments also takes `#` for the prompt of root, and brackets for the name of a virtual environment. A comment
of a crontab and `(exit status 22)` would then look like something to type.
"""

from __future__ import annotations

import re
from typing import Final

from pygments.lexers.shell import BashSessionLexer  # type: ignore[import-untyped]


class ConsoleLexer(BashSessionLexer):  # type: ignore[misc]
    """The lexer of `console` blocks in this documentation."""

    name = "console"
    aliases: Final = ["console"]

    _ps1rgx = re.compile(r"^(\$ )(.*\n?)")
    _venv = re.compile(r"(?!)")
