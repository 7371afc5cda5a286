"""How much of a Python program is mathematics: a number from 0 to 1 to sort by.

Decides: the score is the share of a program's statements, imports and docstrings aside, that do mathematics: they use a name that
comes from a mathematical module, or raise to a power, or combine two computed values by an operator. Parts of scipy that read
files, images or signals do not count, since importing scipy alone is not mathematics.
Does not: claim to be calibrated. The default keeps every score; ``--min-relevance`` drops below one, and the score stays with the
document, so that the limit can move later.
"""

import ast
from collections.abc import Iterator

MATHS_MODULES = (
    "sympy",
    "fractions",
    "cmath",
    "statistics",
    "math",
    "mpmath",
    "scipy.integrate",
    "scipy.optimize",
    "scipy.linalg",
    "scipy.special",
    "scipy.stats",
    "scipy.interpolate",
    "scipy.fft",
    "scipy.sparse.linalg",
    "scipy.constants",
    "numpy.linalg",
    "numpy.polynomial",
)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.MatMult)


def maths_relevance(tree: ast.Module) -> float:
    """Return the score of a parsed program; 0 for one without statements. Rounded to three digits."""
    names = set(_names_from_maths(tree))
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not _says_nothing(node)]
    if not statements:
        return 0.0
    return round(sum(_does_maths(statement, names) for statement in statements) / len(statements), 3)


def _names_from_maths(tree: ast.Module) -> Iterator[str]:
    """Yield the names that imports bind to mathematical modules or to what is in them; dotted where one is used dotted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.asname or alias.name for alias in node.names if _is_maths(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            whole = _is_maths(node.module)
            for alias in node.names:
                if whole or _is_maths(f"{node.module}.{alias.name}"):
                    yield alias.asname or alias.name


def _is_maths(module: str) -> bool:
    return any(module == known or module.startswith(known + ".") for known in MATHS_MODULES)


def _says_nothing(node: ast.stmt) -> bool:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Pass)


def _does_maths(statement: ast.stmt, names: set[str]) -> bool:
    return any(_is_maths_node(node, names) for node in _own_nodes(statement))


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """Walk a statement without the statements inside it; they are counted on their own."""
    waiting: list[ast.AST] = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _is_maths_node(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Attribute):
        dotted = _dotted(node)
        return dotted in names or (dotted.startswith(("numpy.linalg", "np.linalg", "scipy.")) and _is_maths(dotted))
    if isinstance(node, ast.BinOp):
        computed = not isinstance(node.left, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple)
        other = not isinstance(node.right, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple)
        return isinstance(node.op, ast.Pow) or (isinstance(node.op, _ARITHMETIC) and computed and other)
    return False


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""
