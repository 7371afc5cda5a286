"""The text a notebook shows for a value: containers laid out over lines when they do not fit, everything else its ``repr``.

Decides: the layout, that of IPython's plain-text display (79 columns, a group's parts all on one line or each on its own),
because recorded trajectories were shown that way.
Does not: render LaTeX, HTML or pictures.
"""

from collections.abc import Iterator
from typing import Any

WIDTH = 79
MAX_ITEMS = 1000
MAX_DEPTH = 50
BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), dict: ("{", "}")}


def plain_text(value: Any) -> str:
    """Return what a notebook would show for the value of a cell's last expression."""
    return _layout(_node(value, set(), 0), 0, 0, 0)


class _Group:
    """A bracketed sequence; ``parts`` are lists of nodes and strings that stay together."""

    def __init__(self, opening: str, closing: str, parts: list[list[Any]]) -> None:
        self.opening, self.closing, self.parts = opening, closing, parts


def _node(value: Any, above: set[int], depth: int) -> "str | _Group":
    kind = type(value)
    if kind is frozenset:
        inner = _node(set(value), above, depth)
        return _Group("frozenset(", ")", [[inner]]) if value else "frozenset()"
    if kind is type:
        return value.__name__ if value.__module__ == "builtins" else f"{value.__module__}.{value.__qualname__}"
    if kind not in BRACKETS or not value or depth > MAX_DEPTH:
        return repr(value)
    if id(value) in above:
        return f"{kind.__name__}(...)" if kind is not list else "[...]"
    above.add(id(value))
    parts = list(_parts(value, above, depth))
    above.discard(id(value))
    opening, closing = BRACKETS[kind]
    return _Group(opening, ",)" if kind is tuple and len(value) == 1 else closing, parts)


def _parts(value: Any, above: set[int], depth: int) -> Iterator[list[Any]]:
    items = sorted_if_possible(value) if isinstance(value, set) else list(value)
    for item in items[:MAX_ITEMS]:
        if isinstance(value, dict):
            yield [_node(item, above, depth + 1), ": ", _node(value[item], above, depth + 1)]
        else:
            yield [_node(item, above, depth + 1)]
    if len(items) > MAX_ITEMS:
        yield ["..."]


def sorted_if_possible(values: Any) -> list[Any]:
    """Return the values sorted, or in their own order where they have none."""
    try:
        return sorted(values)
    except Exception:
        return list(values)


def _flat(node: Any) -> str:
    if isinstance(node, str):
        return node
    return node.opening + ", ".join("".join(map(_flat, part)) for part in node.parts) + node.closing


def _layout(node: "str | _Group", indent: int, column: int, trailing: int) -> str:
    """Return ``node`` written from ``column`` on, later lines at ``indent``; ``trailing`` characters must fit behind its last
    line."""
    newline = "\n" + " " * indent
    if isinstance(node, str):
        return node.replace("\n", newline)
    flat = _flat(node)
    if column + len(flat) + trailing <= WIDTH and "\n" not in flat:
        return flat
    indent += len(node.opening)
    text = node.opening
    for index, part in enumerate(node.parts):
        is_last = index == len(node.parts) - 1
        text += "" if index == 0 else ",\n" + " " * indent
        for position, piece in enumerate(part):
            behind = sum(len(_flat(later)) for later in part[position + 1 :]) + (len(node.closing) + trailing if is_last else 1)
            last_line = text.rpartition("\n")[2]
            text += _layout(piece, indent, len(last_line) + (0 if "\n" in text else column), behind)
    return text + node.closing
