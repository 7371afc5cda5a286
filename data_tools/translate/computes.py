"""Whether a program's output comes out of a computation, or was written into it: ``print(42)`` shows nothing.

Decides: by following names through the syntax tree, without running it. A value is computed when an operation, a comparison or
a call that is no mere conversion has a part in it, or when a computed condition chose it. The last thing printed must be
computed, and must not be the expression that was asked about.
Does not: notice a computation that does nothing (``x + 0``). It is a filter against literals, not a proof.
"""

import ast
import math
import re
from collections.abc import Iterator

from data_tools.program_text.imports import parsed

CONVERSIONS = frozenset([
    "print", "str", "repr", "format", "int", "float", "complex", "bool", "list", "tuple", "set", "frozenset", "dict",
    "round", "Fraction", "Decimal", "Rational", "Integer", "Float", "S", "sympify", "symbols", "Symbol", "Matrix",
    "ImmutableMatrix", "array", "asarray", "latex", "pretty", "pprint", "join", "upper", "lower", "strip", "copy", "mpf",
    "Interval", "FiniteSet", "Eq",
])  # fmt: skip
"""Calls that only dress what they are given."""
FRACTIONS = frozenset(["Rational", "Fraction"])
PIECE = re.compile(r"\d+(?:\.\d+)?|\w+|[^\w\s()+]")
"""What an expression is made of, whatever its order; a plus sign comes and goes with it."""
PRINTERS = frozenset(["print", "pprint", "write", "display"])


def computes(code: str) -> bool:
    """Return whether what the program prints (or ends with) last is computed.

    Code that cannot be parsed, or is nested too deeply to be followed, computes nothing.
    """
    tree = _parsed(code)
    shown = [statement for statement in tree.body if _shows(statement, is_last=statement is tree.body[-1])]
    try:
        return bool(shown) and _Flow(tree).shows_computed(shown[-1])
    except RecursionError:
        return False


def echoes(code: str, output: str) -> bool:
    """Return whether the output is the expression that was to be worked on, maybe in another order: nothing was done to it."""
    shown = _pieces(output)
    if not any(piece.isalpha() or piece in "*/" for piece in shown):
        return False
    try:
        return any(_pieces(ast.unparse(node)) == shown for node in _worked_on(_parsed(code)))
    except RecursionError:
        # Python runs a sum of a thousand terms that it cannot write out again.
        return False


def _parsed(code: str) -> ast.Module:
    """Return the syntax tree; of code that cannot be parsed, an empty one."""
    return parsed(code) or ast.Module([], [])


def _worked_on(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what the last statement prints and what that is made from: of ``print(simplify(f))`` the call and ``f``."""
    values = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    last = tree.body[-1] if tree.body else None
    node: ast.expr | None = last.value if isinstance(last, ast.Expr) else None
    while node is not None:
        if isinstance(node, ast.Call):
            inside = node.func.value if isinstance(node.func, ast.Attribute) else None
            step = node.args[0] if node.args else inside
        else:
            step = values.pop(node.id, None) if isinstance(node, ast.Name) else None
        if not isinstance(node, ast.Name):
            yield node
        node = step


def _pieces(text: str) -> list[str]:
    return sorted(PIECE.findall(text))


def _shows(statement: ast.stmt, is_last: bool) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return (is_last and isinstance(statement, ast.Expr)) or any(_printed(statement)) or _calls_own_function(statement)


def _calls_own_function(statement: ast.stmt) -> bool:
    """Say whether a statement is a bare call such as ``main()``, which may print."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _printed(node: ast.AST) -> Iterator[ast.Call]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and _called_name(inner) in PRINTERS:
            yield inner


def _called_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _reduces(call: ast.Call) -> bool:
    """Say whether a fraction of two written numbers comes out with smaller ones: that much it computes."""
    parts = [argument.value for argument in call.args if isinstance(argument, ast.Constant) and isinstance(argument.value, int)]
    return len(parts) == 2 and (math.gcd(*parts) > 1 or parts[1] == 1)


class _Flow:
    """Which names of a module hold something computed; all scopes are one, which errs on the side of computed."""

    def __init__(self, tree: ast.Module) -> None:
        self.functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        self.names: set[str] = set()
        self._asked: set[str] = set()
        before = -1
        while before != len(self.names):
            before = len(self.names)
            for node in ast.walk(tree):
                self._follow(node)

    def _follow(self, node: ast.AST) -> None:
        if isinstance(node, ast.AugAssign):
            self._mark(node.target)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if self.computed(node.value):
                    self._mark(target)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            if node.value is not None and self.computed(node.value):
                self._mark(node.target)
        elif isinstance(node, ast.For | ast.comprehension):
            if self.computed(node.iter):
                self._mark(node.target)
        elif isinstance(node, ast.If | ast.While) and self.computed(node.test):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assign):
                    for target in inner.targets:
                        self._mark(target)

    def _mark(self, target: ast.AST) -> None:
        self.names |= {inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name)}

    def computed(self, node: ast.AST) -> bool:
        """Say whether an expression's value is computed."""
        if isinstance(node, ast.BinOp):
            written_text = all(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right))
            return not written_text
        if isinstance(node, ast.Compare | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda):
            return True
        if isinstance(node, ast.Name):
            return node.id in self.names
        if isinstance(node, ast.Call):
            return self._computed_call(node)
        return any(self.computed(child) for child in ast.iter_child_nodes(node))

    def _computed_call(self, call: ast.Call) -> bool:
        name = _called_name(call)
        if any(self.computed(argument) for argument in (*call.args, *(keyword.value for keyword in call.keywords))):
            return True
        if isinstance(call.func, ast.Attribute) and self.computed(call.func.value):
            return True
        if isinstance(call.func, ast.Name) and name in self.functions:
            return self._returns_computed(name)
        return name not in CONVERSIONS or (name in FRACTIONS and _reduces(call))

    def _returns_computed(self, name: str) -> bool:
        if name in self._asked:
            return True
        self._asked.add(name)
        body = self.functions[name]
        found = any(
            self.computed(node.value) for node in ast.walk(body) if isinstance(node, ast.Return | ast.Yield) and node.value
        )
        found = found or any(self.computed(each) for printed in _printed(body) for each in printed.args)
        self._asked.discard(name)
        return found

    def shows_computed(self, statement: ast.stmt) -> bool:
        """Say whether a statement that prints prints something computed, or prints under a computed condition."""
        if isinstance(statement, ast.If | ast.While) and self.computed(statement.test):
            return True
        if isinstance(statement, ast.For) and self.computed(statement.iter):
            return True
        printed = list(_printed(statement))
        if printed:
            return any(self.computed(argument) for call in printed for argument in call.args)
        return isinstance(statement, ast.Expr) and self.computed(statement.value)
