"""A mathematical expression as a tree, unevaluated: what the text says, not what it comes to.

Decides: the kinds of nodes. Does not: read LaTeX (``latex_parser.py``), compute (``evaluate.py``) or write Python
(``python_code.py``).

SymPy's own trees are not used here: they simplify while they are built, so the program written from them would print the
answer, and ``9^{9^9}`` in a text would be computed at once.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One operation with its arguments.

    ============  =============================================  ==========================================
    ``op``        ``args``                                       ``value``
    ============  =============================================  ==========================================
    number                                                       digits, maybe with a decimal point
    symbol                                                       its name, subscript included
    constant                                                     ``pi``, ``E``, ``I``, ``oo``
    add mul       terms, factors
    neg div pow   1, 2, 2
    call          arguments                                      a function of ``FUNCTIONS``
    apply         arguments                                      a function of the text: ``f``, ``f'``
    sum product   term, lower, upper                             the index
    integral      integrand[, lower, upper]                      the variable
    derivative    function                                       the variable, then ``,`` and the order
    limit         function, point                                the variable, then ``,`` and ``+``, ``-`` or ``+-``
    matrix        entries by rows                                number of columns
    degrees       number of degrees
    percent       number of hundredths
    mod           dividend, divisor
    ============  =============================================  ==========================================
    """

    op: str
    args: tuple["Node", ...] = ()
    value: str = ""

    def walk(self) -> Iterator["Node"]:
        """Yield the node and all below it."""
        yield self
        for arg in self.args:
            yield from arg.walk()

    def levels(self) -> int:
        """Return how deep the tree is; however deep, no stack is needed."""
        count, row = 0, [self]
        while row:
            count, row = count + 1, [arg for node in row for arg in node.args]
        return count


FUNCTIONS = {
    "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "sinh", "cosh", "tanh", "exp", "ln", "log", "sqrt",
    "root", "Abs", "floor", "ceiling", "gcd", "lcm", "binomial", "factorial", "factorial2", "det", "Max", "Min",
}  # fmt: skip
TRIGONOMETRIC = {"sin", "cos", "tan", "cot", "sec", "csc"}
BINDERS = {"sum", "product", "integral", "limit"}
CALCULUS = BINDERS | {"derivative"}


def number(value: int | str) -> Node:
    """Return the node of a literal."""
    return Node("number", (), str(value))


def free_symbols(node: Node) -> set[str]:
    """Return the symbols that have no meaning inside the expression: not an index or a variable of integration."""
    if node.op == "symbol":
        return {node.value}
    variable = {node.value.split(",")[0]}
    first, *others = (*map(free_symbols, node.args), set[str]())
    if node.op == "derivative":
        return first | variable
    if node.op in BINDERS and not (node.op == "integral" and len(node.args) == 1):
        first -= variable
    return first.union(*others)


def applied_functions(node: Node) -> set[str]:
    """Return the names of the text's own functions that it calls, without primes."""
    return {each.value.rstrip("'") for each in node.walk() if each.op == "apply"}


def has(node: Node, *ops: str) -> bool:
    """Say whether any node is one of ``ops``."""
    return any(each.op in ops for each in node.walk())


def is_literal(node: Node) -> bool:
    r"""Say whether it is a value as a person writes an answer: nothing is left to compute in it.

    Numbers, fractions, ``5\sqrt{2}``, ``3\pi/4``, ``2 + 3i`` and matrices of those.
    """
    if node.op in ("number", "constant"):
        return True
    if node.op in ("neg", "degrees", "percent"):
        return is_literal(node.args[0])
    if node.op == "matrix":
        return all(is_literal(arg) for arg in node.args)
    if node.op == "div":
        top, bottom = node.args
        return is_literal(top) and bottom.op == "number" and not _cancels(top, bottom)
    if node.op == "call" and node.value in ("sqrt", "ln"):
        (inner,) = node.args
        return inner.op == "number" and not (node.value == "sqrt" and _has_square_factor(inner.value))
    if node.op == "add" and has(node, "constant", "call"):
        # 3 + 2i and 1 + √5 are how such a value is written.
        rational = [arg for arg in node.args if not has(arg, "constant", "call")]
        return len(node.args) == 2 and len(rational) == 1 and all(map(is_literal, node.args))
    if node.op == "mul":
        numbers = [arg for arg in node.args if arg.op in ("number", "div", "neg")]
        values = all(is_literal(arg) and arg.op != "matrix" for arg in node.args)
        return len(numbers) <= 1 and len(node.args) <= 3 and values
    return False


def _cancels(top: Node, bottom: Node) -> bool:
    """Say whether a fraction of whole numbers is not in lowest terms, so that something is left to do."""
    if top.op != "number" or "." in top.value + bottom.value:
        return False
    return int(bottom.value) == 1 or math.gcd(int(top.value), int(bottom.value)) > 1


def _has_square_factor(digits: str) -> bool:
    if "." in digits or len(digits) > 9:
        return True
    return any(int(digits) % (root * root) == 0 for root in range(2, math.isqrt(int(digits)) + 1))


def is_settled(node: Node) -> bool:
    r"""Say whether no operation in it has numbers alone: ``\frac{2\sqrt{3} - 3}{3}`` is settled, ``7 \cdot 156`` is not."""
    if is_literal(node) or node.op in ("symbol", "constant", "number"):
        return True
    if node.op in ("add", "mul", "div", "pow", "mod", "call"):
        numbers = [arg for arg in node.args if (arg.args[0] if arg.op == "neg" else arg).op in ("number", "div")]
        if len(numbers) > 1 or (numbers and len(node.args) == 1):
            return False
    return all(map(is_settled, node.args))


def is_folded(node: Node) -> bool:
    """Say whether a sum stands inside a product, a power or a negation of it, so that it can be multiplied out."""
    return any(each.op in ("mul", "pow", "neg") and any(_core(arg).op == "add" for arg in each.args[:2]) for each in node.walk())


def _core(node: Node) -> Node:
    return node.args[0] if node.op == "neg" else node
