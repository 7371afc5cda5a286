"""The elements of a parsed page, and what is asked of them everywhere.

Decides: that a name is compared without its namespace, and a text without its line breaks.
Does not: know an element's meaning.
"""

from typing import Any

Node = Any
"""A ``resiliparse.parse.html.DOMNode``."""


def tag_of(node: Node) -> str:
    """Return an element's name without a namespace prefix, in lower case."""
    return str(node.tag or "").rpartition(":")[2].lower()


def elements_of(node: Node) -> list[Node]:
    """Return the elements directly in a node, without the texts between them."""
    return [child for child in node.child_nodes if child.type == 1]


def text_of(node: Node) -> str:
    """Return all text in a node, with one space for white space."""
    return " ".join((node.text or "").split())
