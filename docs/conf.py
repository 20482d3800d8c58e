"""How the documentation is built: `scripts/check`, or `python -m sphinx -W -b html docs build-out/docs`.

Nothing is fetched: no intersphinx, no fonts or scripts of others. Whatever Sphinx warns about is an error.

Environment:
    VENVSHIP_DOCS_REPOSITORY: The address of the public repository, which every page links to.
    VENVSHIP_DOCS_SOURCE: The address of a page's source there, with `{filename}` for its path below docs/.
        Without these variables the links are left out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from venvship._version import __version__  # noqa: E402 - found through the path above

REPOSITORY = os.environ.get("VENVSHIP_DOCS_REPOSITORY", "")
SOURCE = os.environ.get("VENVSHIP_DOCS_SOURCE", "")

project = "venvship"
author = "the authors of venvship"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design", "venvship_reference"]
exclude_patterns = ["_ext"]  # and, but for manual pages, man/: see the extension
source_suffix = {".md": "markdown"}
nitpicky = True
smartquotes_action = "qe"  # quotes and ellipses; `--force` has no dash in it

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []

# The button of a block copies its commands: no prompts, no output, but the lines that a command goes on in.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
copybutton_here_doc_delimiter = "END"
copybutton_copy_empty_lines = False

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
html_theme_options: dict[str, Any] = {"top_of_page_buttons": []}
if SOURCE:
    html_theme_options |= {"source_view_link": SOURCE, "top_of_page_buttons": ["view"]}
if REPOSITORY:
    html_theme_options["footer_icons"] = [
        {"name": "Source code", "url": REPOSITORY, "html": "Source code", "class": ""}
    ]
# Every colour of these has a contrast of 4.5 and more.
pygments_style = "a11y-light"
pygments_dark_style = "a11y-dark"
