"""The Sphinx extension of this documentation: the directive `generated`.

    ```{generated} exit-codes
    ```

puts a part of `reference_parts` into a page.
"""

from __future__ import annotations

from typing import Any, ClassVar

import command_parts
import json_parts
import json_texts
import manual_page
import reference_parts
import reference_texts
import server_facts
import server_parts
from console_lexer import ConsoleLexer
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MODULES = (
    command_parts,
    reference_parts,
    reference_texts,
    json_parts,
    json_texts,
    server_facts,
    server_parts,
)


class Generated(SphinxDirective):
    """Puts a generated part into a page, sections included."""

    required_arguments: ClassVar[int] = 1
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Make the part and parse it.

        Raises:
            ExtensionError: There is no part of this name.
        """
        name = self.arguments[0]
        if name not in reference_parts.PARTS:
            raise self.error(f"no part is called {name!r}; there are {', '.join(reference_parts.PARTS)}")
        for source in (*reference_parts.SOURCES, *(str(module.__file__) for module in MODULES)):
            self.env.note_dependency(source)
        for example in json_parts.EXAMPLES.glob("*.json"):
            self.env.note_dependency(str(example))
        self.env.note_dependency(str(server_parts.LOCK))
        node = nodes.Element()
        lines = StringList(reference_parts.PARTS[name]().splitlines(), source=f"<generated {name}>")
        self.state.nested_parse(lines, 0, node, match_titles=True)
        return list(node.children)


def name_captions(_app: Sphinx, document: nodes.document) -> None:
    """Have links to files that a page shows end in the file's name, not in a number."""
    for box in document.findall(nodes.container):
        caption = box.next_node(nodes.caption)
        if caption is None or not box.get("literal_block"):
            continue
        name = wanted = nodes.make_id(f"file-{caption.astext()}")
        number = 1
        while name in document.ids:
            number += 1
            name = f"{wanted}-{number}"
        document.ids[name] = box
        box["ids"] = [name]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    directive: type[Directive] = Generated
    app.add_directive("generated", directive)
    app.add_lexer("console", ConsoleLexer)
    app.connect("doctree-read", name_captions)
    app.add_post_transform(manual_page.ManualPage)
    app.connect("builder-inited", manual_page.leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
