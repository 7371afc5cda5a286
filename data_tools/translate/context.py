"""What a document has said so far that a computation may need: values of symbols, its functions, and who is positive.

Decides: how far a stated value reaches (some hundred characters, and only while nothing else is said of the symbol), and which
words around an equation mean that it is supposed or belongs to another arithmetic.
Does not: decide whether a computation uses it; a claim that needs a condition is made only when it holds with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from data_tools.formulas.own_commands import Command
from data_tools.translate.expression import Node, applied_functions, free_symbols, is_literal

REACH_CHARACTERS = 600
NEAR_CHARACTERS = 120

SUPPOSED = re.compile(
    r"(?<!\\)\b(suppose|assume|assuming|imagine|wrong|wrongly|false|mistake|mistakenly|incorrect|incorrectly|error|contradiction|absurd|"
    r"impossible|cannot|can't|not|never|unless|would)\b[^.;]{0,40}$",
    re.IGNORECASE,
)
OTHER_ARITHMETIC = re.compile(
    r"\\p?mod\b|\bmod(?:ulo|ular)?\b|\bbases?\b|\bbinary|\bhexadecimal|\boctal|\bclock|\bresidue|\bfield|\bring\b|\\mathbb\s*\{?[ZF]|\\mathbf\s*\{?Z"
    r"|\bgroup\b|Legendre|Jacobi|\boperation\b|\bnearest|\bround|\babout\b|\bapproximat|\bdigits?\b|_\{?(?:10|2|3|4|5|6|7|8|9|1[0-9])\}?\s*[=$+]",
    re.IGNORECASE,
)


SYMBOL_NOTATION = re.compile(
    r"[Mm]atri(?:x|ces)|[Oo]perator|[Ll]inear map|[Vv]ector|[Ss]calar|Legendre|Jacobi|[Rr]esidue|[Gg]roup|[Rr]ing\b|[Ff]ield\b"
    r"|\\p?mod\b|\bmodulo\b"
)


@dataclass(frozen=True, slots=True)
class Stated:
    """``latex`` is what the document says; ``end`` is where."""

    node: Node
    latex: str
    end: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A function of the document: ``name(parameter) = body``."""

    name: str
    parameter: str
    body: Node
    latex: str


@dataclass(slots=True)
class Context:
    """Filled statement by statement while a document is read."""

    commands: Mapping[str, Command] = field(default_factory=dict)
    """The document's own LaTeX commands."""
    values: dict[str, list[Stated]] = field(default_factory=dict)
    functions: dict[str, Definition] = field(default_factory=dict)

    def note(self, left: Node, right: Node, latex: str, end: int) -> bool:
        """Note ``left = right`` when it says what a symbol or a function is; return whether it did."""
        if left.op == "symbol" and is_literal(right) and not free_symbols(right) and right.op != "matrix":
            self.values.setdefault(left.value, []).append(Stated(right, latex, end))
            return True
        if left.op != "apply" or len(left.args) != 1 or left.value.endswith("'") or left.args[0].op != "symbol":
            return False
        parameter = left.args[0].value
        known = applied_functions(right) <= self.functions.keys() - {left.value}
        if free_symbols(right) == {parameter} and known and right.op != "apply":
            self.functions[left.value] = Definition(left.value, parameter, right, latex)
            return True
        return False

    def values_at(self, names: set[str], position: int) -> dict[str, Stated] | None:
        """Return the one value of each name in force at ``position``, or None when one has none or several."""
        found: dict[str, Stated] = {}
        for name in sorted(names):
            near = [each for each in self.values.get(name, ()) if 0 <= position - each.end <= REACH_CHARACTERS]
            if not near or any(each.node != near[0].node for each in near):
                return None
            found[name] = near[-1]
        return found

    def needed_functions(self, node: Node) -> list[Definition]:
        """Return the definitions that the node's functions need, those that others need first."""
        found: dict[str, Definition] = {}

        def gather(inner: Node, depth: int) -> None:
            for name in sorted(applied_functions(inner)):
                definition = self.functions.get(name)
                if definition is not None and name not in found and depth < 5:
                    gather(definition.body, depth + 1)
                    found[name] = definition

        gather(node, 0)
        return list(found.values())

    def expanded(self, node: Node, depth: int = 0) -> Node | None:
        """Return the node with the text's functions put in, or None when one is not known."""
        if depth > 5:
            return None
        args = [self.expanded(arg, depth) for arg in node.args]
        if any(arg is None for arg in args):
            return None
        inner = tuple(arg for arg in args if arg is not None)
        if node.op != "apply":
            return Node(node.op, inner, node.value)
        definition = self.functions.get(node.value)
        if definition is None or len(inner) != 1:
            return None
        return self.expanded(substituted(definition.body, definition.parameter, inner[0]), depth + 1)


def substituted(node: Node, name: str, value: Node) -> Node:
    """Return the node with ``value`` in the place of a free symbol."""
    if node.op == "symbol":
        return value if node.value == name else node
    if node.value.split(",")[0] == name and node.op in ("sum", "product", "integral", "limit", "derivative"):
        return node
    return Node(node.op, tuple(substituted(arg, name, value) for arg in node.args), node.value)


def is_supposed(before: str) -> bool:
    """Say whether the words right before an equation put it in doubt."""
    return bool(SUPPOSED.search(before[-NEAR_CHARACTERS:]))


def other_arithmetic(around: str) -> bool:
    """Say whether the words around an equation mean that its numbers may not be the usual ones."""
    return bool(OTHER_ARITHMETIC.search(around))


def has_symbol_notation(around: str) -> bool:
    """Say whether a fraction in brackets may be Legendre's symbol here, or a sign may be a group's operation."""
    return bool(SYMBOL_NOTATION.search(around))
