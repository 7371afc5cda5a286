"""Bar charts as SVG, so that a report needs no other file and no library.

Decides: their size and colours.
Does not: know what is counted.
"""

from collections.abc import Sequence
from html import escape

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#97bbf5", "#9c6b4e")
_BAR = 22
_LABEL = 190
_WIDTH = 720


def bars(rows: Sequence[tuple[str, float, str]], colour: str = COLOURS[0]) -> str:
    """Draw horizontal bars: label, value, and the text beside the bar."""
    most = max((value for _, value, _ in rows), default=0) or 1
    parts = []
    for index, (label, value, text) in enumerate(rows):
        y, width = index * _BAR, (_WIDTH - _LABEL - 150) * value / most
        parts.append(f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(label[:28])}</text>')
        parts.append(f'<rect x="{_LABEL}" y="{y + 3}" width="{width:.1f}" height="{_BAR - 6}" fill="{colour}"/>')
        parts.append(f'<text x="{_LABEL + width + 6:.1f}" y="{y + 15}">{escape(text)}</text>')
    return _svg(parts, len(rows) * _BAR)


def columns(rows: Sequence[tuple[str, int]], title: str, colour: str = COLOURS[0]) -> str:
    """Draw a histogram: label under a column, count."""
    most = max((count for _, count in rows), default=0) or 1
    step = min(60.0, _WIDTH / max(len(rows), 1))
    parts = [f'<text x="0" y="12">{escape(title)}</text>']
    for index, (label, count) in enumerate(rows):
        height = 110 * count / most
        x, y = index * step, 135 - height
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{step - 4:.1f}" height="{height:.1f}" fill="{colour}"/>')
        parts.append(f'<text x="{x + step / 2 - 2:.1f}" y="{y - 3:.1f}" text-anchor="middle" font-size="10">{count:,}</text>')
        parts.append(f'<text x="{x + step / 2 - 2:.1f}" y="149" text-anchor="middle" font-size="10">{escape(label)}</text>')
    return _svg(parts, 155)


def shares(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str]) -> str:
    """Draw one full-width bar for each row, divided by the shares of ``names``, with a legend."""
    parts = []
    for index, (label, values) in enumerate(rows):
        total, x, y = sum(values) or 1, float(_LABEL), index * 36
        parts.append(f'<text x="{_LABEL - 8}" y="{y + 20}" text-anchor="end">{escape(label)}</text>')
        for number, value in enumerate(values):
            width = (_WIDTH - _LABEL) * value / total
            name = f"{names[number]}: {value / total:.1%}"
            box = f'x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="26" fill="{COLOURS[number % len(COLOURS)]}"'
            parts.append(f"<rect {box}><title>{escape(name)}</title></rect>")
            x += width
    top = len(rows) * 36 + 8
    for number, name in enumerate(names):
        x, y = (number % 3) * 240, top + (number // 3) * 20
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 11}">{escape(name)}</text>')
    return _svg(parts, top + 20 * ((len(names) + 2) // 3) + 4)


def _svg(parts: Sequence[str], height: float) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}"'
    return f'{head} font-family="sans-serif" font-size="12" role="img">{"".join(parts)}</svg>'
