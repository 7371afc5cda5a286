"""Whether two matrix expressions with known entries are the same: sums, products, multiples, powers and determinants.

Decides: shapes; a product of two columns is refused, because a dot between vectors does not mean a matrix product.
Does not: entries with symbols.
"""

from fractions import Fraction

from data_tools.translate.evaluate import evaluate
from data_tools.translate.expression import Node, has
from data_tools.translate.numbers import NotComputable, Value, close

Rows = tuple[tuple[Value, ...], ...]
MAX_POWER = 50
SHAPES = "matrices that do not fit"


def same_matrix(left: Node, right: Node) -> bool:
    """Say whether both come to the same matrix, or the same number. Raises NotComputable."""
    mine, stated = _value(left), _value(right)
    if isinstance(mine, tuple) and isinstance(stated, tuple):
        same_shape = [len(row) for row in mine] == [len(row) for row in stated]
        pairs = zip((entry for row in mine for entry in row), (entry for row in stated for entry in row), strict=False)
        return same_shape and all(close(one, other) for one, other in pairs)
    return not isinstance(mine, tuple) and not isinstance(stated, tuple) and close(mine, stated)


def _value(node: Node) -> Rows | Value:
    if not has(node, "matrix"):
        return evaluate(node, {})
    if node.op == "matrix":
        columns = int(node.value)
        entries = [evaluate(entry, {}) for entry in node.args]
        return tuple(tuple(entries[start : start + columns]) for start in range(0, len(entries), columns))
    if node.op == "call" and node.value == "det":
        return _determinant(_matrix(_value(node.args[0])))
    if node.op == "neg":
        return _scaled(_value(node.args[0]), Fraction(-1))
    if node.op == "add":
        found = _matrix(_value(node.args[0]))
        for term in node.args[1:]:
            found = _added(found, _matrix(_value(term)))
        return found
    if node.op == "mul":
        return _product(node)
    if node.op == "pow" and node.args[1].op == "number" and node.args[1].value.isdigit():
        return _power(_matrix(_value(node.args[0])), int(node.args[1].value))
    raise NotComputable("no numeric check for this operation")


def _product(node: Node) -> Rows | Value:
    found: Rows | Value = Fraction(1)
    for factor in node.args:
        value = _value(factor)
        if isinstance(found, tuple) and isinstance(value, tuple):
            found = _multiplied(found, value)
        else:
            found = _scaled(found, value) if isinstance(found, tuple) else _scaled(value, found)
    return found


def _matrix(value: Rows | Value) -> Rows:
    if not isinstance(value, tuple):
        raise NotComputable(SHAPES)
    return value


def _scaled(value: Rows | Value, factor: Rows | Value) -> Rows | Value:
    assert not isinstance(factor, tuple)
    if isinstance(value, tuple):
        return tuple(tuple(entry * factor for entry in row) for row in value)
    return value * factor


def _added(left: Rows, right: Rows) -> Rows:
    if len(left) != len(right) or len(left[0]) != len(right[0]):
        raise NotComputable(SHAPES)
    return tuple(tuple(a + b for a, b in zip(one, other, strict=True)) for one, other in zip(left, right, strict=True))


def _multiplied(left: Rows, right: Rows) -> Rows:
    if len(left[0]) != len(right):
        raise NotComputable(SHAPES)
    columns = list(zip(*right, strict=True))
    return tuple(tuple(sum((a * b for a, b in zip(row, col, strict=True)), Fraction(0)) for col in columns) for row in left)


def _power(matrix: Rows, exponent: int) -> Rows:
    if len(matrix) != len(matrix[0]) or not 1 <= exponent <= MAX_POWER:
        raise NotComputable(SHAPES)
    found = matrix
    for _ in range(exponent - 1):
        found = _multiplied(found, matrix)
    return found


def _determinant(matrix: Rows) -> Value:
    """Return the determinant by expansion; matrices in texts are small."""
    if len(matrix) != len(matrix[0]) or len(matrix) > 6:
        raise NotComputable(SHAPES)
    if len(matrix) == 1:
        return matrix[0][0]
    minors = [tuple(row[:column] + row[column + 1 :] for row in matrix[1:]) for column in range(len(matrix))]
    terms = [(-1) ** column * matrix[0][column] * _determinant(minor) for column, minor in enumerate(minors)]
    return sum(terms, Fraction(0))
