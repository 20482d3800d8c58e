"""How the documentation is built: `scripts/check`, or `python -m sphinx -W -b html docs build-out/docs`.

Nothing is fetched: no intersphinx, no fonts or scripts of others. Whatever Sphinx warns about is an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from venvship._version import __version__  # noqa: E402 - found through the path above

project = "venvship"
author = "the authors of venvship"
version = release = __version__

extensions = ["myst_parser", "venvship_reference"]
exclude_patterns = ["_ext"]  # and, but for manual pages, man/: see the extension
source_suffix = {".md": "markdown"}
nitpicky = True

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []

man_pages: list[tuple[str, str, str, list[str], int]] = [
    ("man/venvship", "venvship", "immutable virtual-environment releases for one host", [], 1)
]

html_theme = "furo"
html_title = f"venvship {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
pygments_style = "friendly"
