"""Charts as SVG, so that a report needs no other file and no library.

Decides: their size and colours. Text takes the page's colour, so that a page may be light or dark.
Does not: know what is counted.
"""

from collections.abc import Sequence
from html import escape

COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#97bbf5", "#9c6b4e")
DROPPED = "#b8bcc4"
_BAR = 24
_LABEL = 170
_WIDTH = 720


def bars(rows: Sequence[tuple[str, float, str]], colour: str = COLOURS[0], width: int = 460) -> str:
    """Draw horizontal bars: label, value, and the text beside the bar."""
    most = max((value for _, value, _ in rows), default=0) or 1
    label = 150
    parts = []
    for index, (name, value, text) in enumerate(rows):
        y, length = index * _BAR, max((width - label - 110) * value / most, 1)
        parts.append(f'<text x="{label - 8}" y="{y + 16}" text-anchor="end">{escape(_short(name, 22))}</text>')
        parts.append(f'<rect x="{label}" y="{y + 4}" width="{length:.1f}" height="{_BAR - 8}" rx="3" fill="{colour}"/>')
        parts.append(f'<text x="{label + length + 6:.1f}" y="{y + 16}">{escape(text)}</text>')
    return _svg(parts, len(rows) * _BAR, width)


def flow(rows: Sequence[tuple[str, int, int]], colour: str) -> str:
    """Draw what each stage kept and dropped, one bar below the other on one scale: name, kept, dropped."""
    most = max((kept + dropped for _, kept, dropped in rows), default=0) or 1
    parts = []
    for index, (name, kept, dropped) in enumerate(rows):
        y, scale = index * _BAR, (_WIDTH - _LABEL - 190) / most
        here, gone = kept * scale, dropped * scale
        text = f"{kept:,}" + (f"  ({dropped:,} dropped)" if dropped else "")
        parts.append(f'<text x="{_LABEL - 8}" y="{y + 16}" text-anchor="end">{escape(_short(name, 24))}</text>')
        parts.append(f'<rect x="{_LABEL}" y="{y + 4}" width="{here:.1f}" height="{_BAR - 8}" fill="{colour}"/>')
        parts.append(f'<rect x="{_LABEL + here:.1f}" y="{y + 4}" width="{gone:.1f}" height="{_BAR - 8}" fill="{DROPPED}"/>')
        parts.append(f'<text x="{_LABEL + here + gone + 6:.1f}" y="{y + 16}">{escape(text)}</text>')
    return _svg(parts, len(rows) * _BAR)


def columns(rows: Sequence[tuple[str, int]], colour: str = COLOURS[0]) -> str:
    """Draw a histogram: label under a column, count over it."""
    return stacked_columns([(label, count, 0) for label, count in rows], colour)


def stacked_columns(rows: Sequence[tuple[str, int, int]], colour: str, mark: float | None = None) -> str:
    """Draw a histogram of two counts, the second in grey on the first; ``mark`` (0 to 1 of the width) is a line."""
    most = max((first + second for _, first, second in rows), default=0) or 1
    step = min(64.0, _WIDTH / max(len(rows), 1))
    parts = []
    for index, (label, first, second) in enumerate(rows):
        x, low, high = index * step, 110 * first / most, 110 * second / most
        width = f'x="{x:.1f}" width="{step - 4:.1f}"'
        parts.append(f'<rect {width} y="{132 - low:.1f}" height="{low:.1f}" fill="{colour}"/>')
        parts.append(f'<rect {width} y="{132 - low - high:.1f}" height="{high:.1f}" fill="{DROPPED}"/>')
        middle = x + step / 2 - 2
        if first + second:
            text = f"{first + second:,}"
            parts.append(f'<text x="{middle:.1f}" y="{128 - low - high:.1f}" text-anchor="middle" font-size="10">{text}</text>')
        parts.append(f'<text x="{middle:.1f}" y="147" text-anchor="middle" font-size="10">{escape(label)}</text>')
    if mark is not None:
        x = mark * step * len(rows)
        parts.append(f'<rect x="{x - 1:.1f}" y="6" width="2" height="128" fill="#d62f2f"/>')
    return _svg(parts, 154)


def shares(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str]) -> str:
    """Draw one full-width bar for each row, divided by the shares of ``names``, with a legend."""
    parts = []
    for index, (label, values) in enumerate(rows):
        total, x, y = sum(values) or 1, 90.0, index * 44
        parts.append(f'<text x="82" y="{y + 23}" text-anchor="end">{escape(label)}</text>')
        for number, value in enumerate(values):
            width, share = (_WIDTH - 90) * value / total, value / total
            box = f'x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="32" fill="{COLOURS[number % len(COLOURS)]}"'
            parts.append(f"<rect {box}><title>{escape(f'{names[number]}: {share:.1%}')}</title></rect>")
            if width > 34:
                middle = f'x="{x + width / 2:.1f}" y="{y + 24}"'
                parts.append(f'<text {middle} text-anchor="middle" fill="#fff" font-weight="600">{share:.0%}</text>')
            x += width
    top = len(rows) * 44 + 8
    for number, name in enumerate(names):
        x, y = 90 + (number % 2) * 320, top + (number // 2) * 22
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" rx="2" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y + 11}">{escape(name)}</text>')
    return _svg(parts, top + 22 * ((len(names) + 1) // 2) + 4)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _svg(parts: Sequence[str], height: float, width: int = _WIDTH) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}"'
    return f'{head} font-size="12" fill="currentColor" role="img">{"".join(parts)}</svg>'
