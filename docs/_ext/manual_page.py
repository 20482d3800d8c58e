"""Makes a page of this documentation a manual page, for the builder `man` alone.

A table is too wide for a terminal, so it becomes a list of its first column. Links become plain text, since a
terminal follows none; headings are in capitals, as is the custom. The other builders leave the page
out: it repeats the reference.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

FOLDER = "man"


class ManualPage(SphinxPostTransform):
    """Makes a document fit for a terminal."""

    default_priority = 200  # after links are resolved
    builders = ("man",)

    def run(self, **_arguments: object) -> None:
        """Replace tables and links, and have words and lines left as they are."""
        for table in list(self.document.findall(nodes.table)):
            table.replace_self(definitions(table))
        for link in list(self.document.findall(nodes.reference)):
            link.replace_self(link.children)
        self.document.insert(0, nodes.raw("", ".nr HY 0\n.ad l\n", format="manpage"))
        for section in self.document.findall(nodes.section):
            if isinstance(section.parent, nodes.section) and section.parent.parent is self.document:
                title = section.next_node(nodes.title)
                if title is not None:
                    title[:] = [nodes.Text(title.astext().upper())]


def definitions(table: nodes.table) -> nodes.definition_list:
    """The rows of a table as a definition list: the first cell, then the last, then those between."""
    head, *rows = [list(row.findall(nodes.entry)) for row in table.findall(nodes.row)]
    found = nodes.definition_list()
    for first, *rest in rows:
        term = nodes.term()
        for paragraph in first.findall(nodes.paragraph):
            term += paragraph.children
        body = nodes.definition()
        if rest:
            body += rest[-1].children
        for name, cell in zip(head[1:-1], rest[:-1], strict=True):
            if cell.astext():
                body += nodes.paragraph("", "", nodes.Text(f"{name.astext().capitalize()}: "), *_inline(cell))
        found += nodes.definition_list_item("", term, body)
    return found


def _inline(cell: nodes.entry) -> list[nodes.Node]:
    return [child for paragraph in cell.findall(nodes.paragraph) for child in paragraph.children]


def leave_out(app: Sphinx) -> None:
    """Keep the pages for this builder from the others."""
    if app.builder.name != "man":
        app.config.exclude_patterns.append(FOLDER)
