"""Whether lists, sets, points, intervals, unions and matrices are the same, element by element.

Decides: when order counts (in points, intervals, matrices and lists in brackets; not in sets and bare lists), that an inequality
is an interval and several of them a union, that values which repeat count once.
Does not: judge elements; ``judge`` is handed in.
"""

from collections.abc import Callable

from data_tools.answers import evaluate
from data_tools.answers.equality import Verdict, right_if
from data_tools.answers.values import Matrix, Operation, Quantity, Relation, Sequence, Symbol, Union, Value, spread_signs

Judge = Callable[[Value, Value], Verdict]

HALF_OPEN = ("(]", "[)")


def compare_structures(gold: Value, answer: Value, judge: Judge) -> Verdict:
    """Judge two values of which one at least has elements."""
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _compare_matrices(gold, answer, judge)
    unions = _as_union(gold), _as_union(answer)
    if unions[0] is not None or unions[1] is not None:
        if unions[0] is not None and unions[1] is not None:
            return matched(unions[0].items, unions[1].items, judge)
        return Verdict("wrong", "one is a union, the other not")
    if isinstance(gold, Sequence) and isinstance(answer, Sequence):
        return _compare_sequences(gold, answer, judge)
    if isinstance(gold, Sequence):
        if len(gold.items) == 1:
            return judge(gold.items[0], answer)
        if len(spread := spread_signs(answer)) == len(gold.items):
            return matched(gold.items, tuple(spread), judge)
        return Verdict("wrong", f"one value for {len(gold.items)}")
    assert isinstance(answer, Sequence)
    return _compare_one_with_several(gold, answer, judge)


def _compare_one_with_several(gold: Value, answer: Sequence, judge: Judge) -> Verdict:
    """A list is one value when it has one element, or when it spells one value in several ways (``1/2 or 0.5``)."""
    if len(spread := spread_signs(gold)) == 2:
        return matched(tuple(spread), answer.items, judge)
    if answer.brackets == "()" or answer.brackets in HALF_OPEN or not answer.items:
        return Verdict("wrong", f"{len(answer.items)} values for one")
    verdicts = [judge(gold, each) for each in answer.items]
    spelled_anew = len(set(answer.items)) == len(answer.items) and not any(isinstance(each, Quantity) for each in answer.items)
    if len(verdicts) == 1 or (spelled_anew and all(verdict.status == "right" for verdict in verdicts)):
        return verdicts[0]
    return Verdict("wrong", f"{len(answer.items)} values for one")


def _compare_sequences(gold: Sequence, answer: Sequence, judge: Judge) -> Verdict:
    inner = answer.items[0] if len(answer.items) == 1 < len(gold.items) else None
    if isinstance(inner, Sequence) and answer.brackets in ("[]", "{}", ""):
        return judge(gold, inner)
    brackets = {gold.brackets, answer.brackets}
    if brackets & set(HALF_OPEN) or brackets == {"()", "[]"}:
        if len(brackets) == 2:
            return Verdict("wrong", f"{answer.brackets} for {gold.brackets}")
    elif gold.brackets == "{}" or (gold.brackets == "" and not gold.spaced):
        return matched(gold.items, answer.items, judge)
    elif answer.brackets == "{}":
        return Verdict("wrong", "a set for an ordered pair or list")
    return _in_order(gold.items, answer.items, judge)


def as_interval(relation: Relation) -> Value:
    """Return ``x < 3`` as the interval of its variable, ``x != 3`` as the two beside it, or the relation itself."""
    infinity = Operation("infinity")
    closed = relation.operator == "<="
    if relation.operator == "!=" and isinstance(relation.left, Symbol) and not evaluate.symbols(relation.right):
        below, above = (Operation("negative", (infinity,)), relation.right), (relation.right, infinity)
        return Union((Sequence("()", below), Sequence("()", above)))
    if relation.operator in ("<", "<=") and isinstance(relation.left, Symbol) and not evaluate.symbols(relation.right):
        return Sequence("(]" if closed else "()", (Operation("negative", (infinity,)), relation.right))
    if relation.operator in ("<", "<=") and isinstance(relation.right, Symbol) and not evaluate.symbols(relation.left):
        return Sequence("[)" if closed else "()", (relation.left, infinity))
    return relation


def _as_union(value: Value) -> Union | None:
    """Return a union, also one written ``x < 1 or x > 2``, or None for another value."""
    if isinstance(value, Union):
        return value
    if not isinstance(value, Sequence) or value.brackets or len(value.items) < 2:
        return None
    intervals = [as_interval(each) if isinstance(each, Relation) else each for each in value.items]
    if not any(isinstance(each, Relation) for each in value.items):
        return None
    parts = tuple(each for each in intervals if isinstance(each, Sequence) and each.brackets and len(each.items) == 2)
    return Union(parts) if len(parts) == len(intervals) else None


def _compare_matrices(gold: Value, answer: Value, judge: Judge) -> Verdict:
    cells = [_cells(each) for each in (gold, answer)]
    if cells[0] is None or cells[1] is None or cells[0][0] != cells[1][0]:
        return Verdict("wrong", "not a matrix of the same shape")
    return _in_order(cells[0][1], cells[1][1], judge)


def _cells(value: Value) -> tuple[tuple[int, int], tuple[Value, ...]] | None:
    """Return the shape and the cells of a matrix; a tuple or list is a column, as coordinates are written both ways."""
    if isinstance(value, Matrix):
        return (len(value.rows), len(value.rows[0])), tuple(cell for row in value.rows for cell in row)
    if isinstance(value, Sequence) and value.brackets in ("()", "[]") and value.items:
        return (len(value.items), 1), value.items
    return None


def _in_order(gold: tuple[Value, ...], answer: tuple[Value, ...], judge: Judge) -> Verdict:
    if len(gold) != len(answer):
        return Verdict("wrong", f"{len(answer)} values for {len(gold)}")
    return all_of([judge(g, a) for g, a in zip(gold, answer, strict=True)], "the same values in order")


def matched(gold: tuple[Value, ...], answer: tuple[Value, ...], judge: Judge) -> Verdict:
    """Match two lists in any order, each value once; values that repeat within one list count once."""
    left = list(answer)
    undecided = None
    for each in gold:
        verdicts = [judge(each, other) for other in left]
        found = next((i for i, verdict in enumerate(verdicts) if verdict.status == "right"), None)
        if found is not None:
            del left[found]
            continue
        undecided = undecided or next((verdict for verdict in verdicts if verdict.status == "undecided"), None)
        if undecided is None and not (len(answer) < len(gold) and _repeats(each, gold, judge)):
            return Verdict("wrong", "a value is missing")
    left = [each for each in left if not any(judge(g, each).status == "right" for g in gold)]
    return undecided or right_if(not left, "the same values")


def _repeats(value: Value, values: tuple[Value, ...], judge: Judge) -> bool:
    return sum(judge(value, other).status == "right" for other in values) > 1


def all_of(verdicts: list[Verdict], how: str) -> Verdict:
    """Return right when all are, else the first that is wrong, else the first that is undecided."""
    for status in ("wrong", "undecided"):
        if found := next((verdict for verdict in verdicts if verdict.status == status), None):
            return found
    return Verdict("right", how)
