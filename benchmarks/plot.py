"""A table as a picture: one bar a subject, the bound as a line. SVG, written by hand."""

from __future__ import annotations

from html import escape

from .tables import Table

WIDTH, LABELS, FIGURES = 760, 210, 90
BAR, GAP, TOP, BOTTOM = 22, 8, 58, 34
OURS, FLOOR, LINE = "#1f6f8b", "#b9c4c9", "#b3261e"
TEXT = "font-family='sans-serif' font-size='13' fill='#222'"


def svg(table: Table) -> str:
    """The picture's source."""
    height = TOP + len(table.rows) * (BAR + GAP) + BOTTOM
    most = max([row.plotted for row in table.rows] + [table.line or 0]) or 1
    scale = (WIDTH - LABELS - FIGURES) / most
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}'>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
        f"<text x='16' y='26' {TEXT} font-weight='bold'>{escape(table.title)}</text>",
        f"<text x='16' y='45' {TEXT} fill-opacity='0.7'>{escape(table.plotted)}; less is better</text>",
    ]
    for number, row in enumerate(table.rows):
        y = TOP + number * (BAR + GAP)
        ours = "airouter" in row.subject or "list_providers" in row.subject
        length = max(row.plotted * scale, 1)
        parts += [
            f"<text x='{LABELS - 10}' y='{y + 16}' {TEXT} text-anchor='end'>{escape(row.subject)}</text>",
            f"<rect x='{LABELS}' y='{y}' width='{length:.1f}' height='{BAR}' fill='{OURS if ours else FLOOR}'/>",
            f"<text x='{LABELS + length + 6:.1f}' y='{y + 16}' {TEXT}>{_short(row.plotted)}</text>",
        ]
    if table.line is not None:
        x, end = LABELS + table.line * scale, height - BOTTOM + 4
        parts += [
            f"<line x1='{x:.1f}' y1='{TOP - 6}' x2='{x:.1f}' y2='{end}' stroke='{LINE}' stroke-dasharray='4 3'/>",
            f"<text x='{x:.1f}' y='{end + 16}' {TEXT} text-anchor='middle'>bound {_short(table.line)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
