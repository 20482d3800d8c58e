"""The bars of the main comparison, as a drawing that can be read on light and on dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from tests.bench.measure import OURS, Row

PARTS = {"cold": "Cold: nothing there", "warm": "Warm: everything there", "changed": "One package changed"}
WIDTH, LABELS, FIGURES = 760, 170, 90
BAR, GAP, HEAD = 20, 6, 34

STYLE = """\
.panel { fill: #ffffff; stroke: #d0d7de } .text { fill: #1f2328 } .dim { fill: #59636e }
.ours { fill: #1a7f37 } .peer { fill: #8c959f }
@media (prefers-color-scheme: dark) {
  .panel { fill: #161b22; stroke: #3d444d } .text { fill: #c9d1d9 } .dim { fill: #9198a1 }
  .ours { fill: #3fb950 } .peer { fill: #656c76 }
}
text { font: 14px system-ui, sans-serif } .head { font-weight: 600 }"""


def groups(rows: Iterable[Row]) -> list[tuple[str, list[tuple[str, float]]]]:
    """The bars: for each part a title, and names with seconds, ours first, then the fastest."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.part in PARTS and row.unit == "s" and row.ours is not None and row.peer is not None:
            bars = found.setdefault(row.part, {OURS: row.ours})
            bars[row.against] = row.peer
    return [
        (PARTS[part], [(OURS, bars.pop(OURS)), *sorted(bars.items(), key=lambda bar: bar[1])])
        for part, bars in found.items()
    ]


def draw(rows: Sequence[Row], caption: str) -> str:
    """Draw the bars, all to one scale.

    Args:
        rows: All rows; those of other parts are passed over.
        caption: What has to be known to read it.

    Returns:
        An SVG document; one that only says so if there is nothing to draw.
    """
    every = groups(rows)
    longest = max((seconds for _, bars in every for _, seconds in bars), default=1.0)
    room = WIDTH - LABELS - FIGURES - 16
    lines: list[str] = []
    y = 14
    for title, bars in every:
        y += HEAD
        lines.append(f'<text class="text head" x="16" y="{y - 12}">{escape(title)}</text>')
        for name, seconds in bars:
            length = max(seconds / longest * room, 1.5)
            middle = y + BAR - 5
            kind = "ours" if name == OURS else "peer"
            box = f'x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}"'
            lines += [
                f'<text class="text" x="{LABELS - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" {box} rx="3"/>',
                f'<text class="dim" x="{LABELS + length + 8:.1f}" y="{middle}">{seconds:.2f} s</text>',
            ]
            y += BAR + GAP
    y += 24
    lines.append(
        f'<text class="dim" x="16" y="{y}">{escape(caption if every else "nothing was measured")}</text>'
    )
    height = y + 16
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    panel = f'<rect class="panel" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>'
    title = "<title>How long a release takes, in seconds: shorter is better</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", panel, *lines, "</svg>", ""])
