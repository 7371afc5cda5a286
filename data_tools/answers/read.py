"""From an answer's text to its typed value: ``read_answer("(1, \\frac{1}{2})")``.

Decides: what kind of answer a text is: number, quantity, option, words, list, tuple, interval, set, union, matrix, equation,
expression. LaTeX, plain and Python spelling mean the same.
Does not: find the answer inside a longer text (``extract``), nor compare (``compare``).
"""

import re
from dataclasses import replace

from data_tools.answers.expression import NoExpression, is_wordy, number_from, parse_expression
from data_tools.answers.surface import MAX_ANSWER_CHARACTERS, clean, words
from data_tools.answers.units import split_unit
from data_tools.answers.values import (
    Based,
    Choice,
    Matrix,
    Number,
    Operation,
    Quantity,
    Relation,
    Sequence,
    Symbol,
    Text,
    Union,
    Unreadable,
    Value,
)

MAX_ITEMS = 200
MAX_NESTING = 8

_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?")
_BASED = re.compile(r"(-?[0-9A-Z]+(?:\.[0-9A-Z]+)?)\s*_\s*(?:\{\s*(\d+)\s*\}|(\d+))")
_OPTION = re.compile(r"\(\s*([A-Ja-j])\s*\)[.:]?\s*(.*)", re.S)
_TEXT_GROUP = re.compile(r"\\text\s*\{([^{}]*)\}")
_ENTRY = re.compile(r"\s*[A-Za-z]\w*\s*:\s*(.+)", re.S)
_CONJUNCTION = re.compile(r",?\s*(?:\\text\s*\{\s*,?\s*(?:and|or)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z]))\s*")
_MATRIX = re.compile(
    r"(?:Matrix|array|np\.array|matrix)?\s*\(?\s*\\begin\s*\{([a-z]*matrix|array)\}(?:\s*\{[^{}]*\})?(.*)\\end\s*\{\1\}\s*\)?",
    re.S,
)
_PYTHON_MATRIX = re.compile(r"(?:(?:Immutable)?(?:Dense)?Matrix|(?:np\.)?array)\s*\(\s*(\[.*\])\s*\)", re.S)
_PYTHON_SET = re.compile(r"(?:FiniteSet|set|frozenset)\s*\((.*)\)", re.S)
_PYTHON_INTERVAL = re.compile(r"Interval(?:\.(open|Lopen|Ropen))?\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_PYTHON_UNION = re.compile(r"Union\s*\((.*)\)", re.S)
_PYTHON_RELATION = re.compile(r"(Eq|Lt|Le|Gt|Ge|Ne)\s*\((.*)\)", re.S)
_OPERATORS = ("<=", ">=", "!=", "==", "=", "<", ">")
_OPENING, _CLOSING = "([{", ")]}"


def read_answer(text: str, thousands: bool = True) -> Value:
    """Return what a text means; ``Unreadable`` where it has no form here. Never raises, and takes bounded time.

    ``thousands=False`` reads ``1,234`` as the list of 1 and 234.
    """
    if len(text) > MAX_ANSWER_CHARACTERS:
        return Unreadable(f"it has over {MAX_ANSWER_CHARACTERS} characters")
    try:
        return _read(clean(text, thousands), 0)
    except NoExpression as error:
        return Unreadable(str(error))


def _read(text: str, nesting: int) -> Value:
    text = text.strip()
    if not text:
        return Unreadable("it is empty")
    if nesting > MAX_NESTING:
        return Unreadable("it is nested too deeply")
    if _DECIMAL.fullmatch(text):
        return _signed_number(text)
    special = _matrix(text, nesting) or _words_alone(text, nesting) or _option(text, nesting) or _python_object(text, nesting)
    if special is not None:
        return special
    pieces = _split(_conjunctions_as_commas(text), ",;")
    if len(pieces) > 1:
        return _listed("", pieces, nesting)
    return _single(text, nesting)


def _single(text: str, nesting: int) -> Value:
    """Read what has no comma outside brackets: a bracketed sequence, a union, a relation, a quantity or an expression."""
    unions = _split(text.replace("\\cup", "∪").replace(" U ", "∪"), "∪")
    if len(unions) > 1:
        return Union(tuple(_read(piece, nesting + 1) for piece in unions))
    bracketed = _bracketed(text, nesting) or _relation(text, nesting)
    if bracketed is not None:
        return bracketed
    if match := _BASED.fullmatch(text):
        base = int(match.group(2) or match.group(3))
        if 2 <= base <= 36 and match.group(1).lstrip("-")[0].isdigit():
            return Based(match.group(1), base)
    if found := split_unit(text):
        core, unit = found
        return Quantity(_read(core, nesting + 1), unit)
    blanks = text.split(" ")
    if 1 < len(blanks) <= MAX_ITEMS and all(_DECIMAL.fullmatch(piece) for piece in blanks):
        return Sequence("", tuple(map(_signed_number, blanks)), spaced=True)
    if is_wordy(text):
        return Text(words(text))
    try:
        return parse_expression(text)
    except NoExpression:
        if _TEXT_GROUP.search(text) or re.search(r"\d\s?:\s?\d", text):
            return Text(words(text).replace(" ", ""))
        raise


def _signed_number(text: str) -> Number:
    number = number_from(text.lstrip("+-"))
    return Number(-number.value, number.quantum) if text.startswith("-") else number


def _words_alone(text: str, nesting: int) -> Value | None:
    """Read a text that is one ``\\text{…}`` or one brace group."""
    match = _TEXT_GROUP.fullmatch(text)
    if match is None and text.startswith("{") and _closes(text, 0) == len(text) - 1:
        entries = [_ENTRY.fullmatch(piece) for piece in _split(text[1:-1], ",")]
        found = [entry.group(1) for entry in entries if entry]
        return _listed("{}", found, nesting) if len(found) == len(entries) else _read(text[1:-1], nesting + 1)
    if match is None and (inner := re.fullmatch(r"\(\s*\\text\s*\{\s*([A-Za-z])\s*\}\s*\)", text)):
        return Choice(inner.group(1).upper())
    if match is None:
        return None
    inside = match.group(1).strip()
    if re.fullmatch(r"\(?[A-Ja-j]\)?", inside):
        return Choice(inside.strip("()").upper())
    if re.fullmatch(r"[A-Za-z](?:\s*,\s*(?:and\s+)?[A-Za-z])+", inside) or re.fullmatch(r"[-+\d.,/\s]+", inside):
        return _read(inside, nesting + 1)
    return Text(words(inside))


def _option(text: str, nesting: int) -> Value | None:
    if re.fullmatch(r"[A-J]", text):
        return Choice(text)
    match = _OPTION.fullmatch(text)
    if match is None:
        return None
    rest = match.group(2).strip()
    if rest and (rest[0] in "+*/^_=<>!(" or rest.startswith("\\cup")):
        return None
    return Choice(match.group(1).upper(), _read(rest, nesting + 1) if rest else None)


def _python_object(text: str, nesting: int) -> Value | None:
    if match := _PYTHON_SET.fullmatch(text):
        inside = match.group(1).strip()
        inside = inside[1:-1] if inside[:1] in ("[", "{", "(") and _closes(inside, 0) == len(inside) - 1 else inside
        return _listed("{}", _split(inside, ","), nesting)
    if match := _PYTHON_INTERVAL.fullmatch(text):
        ends = _split(match.group(2), ",")
        flags = {"open": "()", "Lopen": "(]", "Ropen": "[)"}.get(match.group(1) or "", "[]")
        if len(ends) == 4:
            flags = ("(" if ends[2].strip() == "True" else "[") + (")" if ends[3].strip() == "True" else "]")
        return _listed(flags, ends[:2], nesting)
    if match := _PYTHON_UNION.fullmatch(text):
        return Union(tuple(_read(piece, nesting + 1) for piece in _split(match.group(1), ",")))
    if match := _PYTHON_RELATION.fullmatch(text):
        sides = _split(match.group(2), ",")
        operator = {"Eq": "=", "Lt": "<", "Le": "<=", "Gt": ">", "Ge": ">=", "Ne": "!="}[match.group(1)]
        return _related(operator, sides[0], sides[1], nesting) if len(sides) == 2 else None
    return None


def _matrix(text: str, nesting: int) -> Value | None:
    if match := _MATRIX.fullmatch(text):
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", match.group(2)) if row.strip()]
        return _rows([row.split("&") for row in rows], nesting)
    match = _PYTHON_MATRIX.fullmatch(text)
    inside = match.group(1) if match else text
    if not match and not re.match(r"\[\s*\[", inside):
        return None
    if not inside.startswith("[") or _closes(inside, 0) != len(inside) - 1:
        return None
    cells = [piece.strip() for piece in _split(inside[1:-1], ",")]
    if all(cell.startswith("[") and cell.endswith("]") for cell in cells):
        return _rows([_split(cell[1:-1], ",") for cell in cells], nesting)
    return _rows([[cell] for cell in cells], nesting) if match else None


def _rows(rows: list[list[str]], nesting: int) -> Value | None:
    if not rows or len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > MAX_ITEMS:
        return None
    return Matrix(tuple(tuple(_read(cell, nesting + 1) for cell in row) for row in rows))


def _bracketed(text: str, nesting: int) -> Value | None:
    text = text.replace("\\{", "⟨").replace("\\}", "⟩")
    first, last = text[0], text[-1]
    if first == "⟨" and last == "⟩":
        return _listed("{}", _split(text[1:-1].replace("⟨", "\\{").replace("⟩", "\\}"), ","), nesting)
    if first not in "([" or last not in ")]" or _closes(text, 0) != len(text) - 1:
        return None
    pieces = _split(text[1:-1], ",;")
    if len(pieces) > 1 or first == "[":
        return _listed(first + last, pieces if pieces[0].strip() else [], nesting)
    return None


def _listed(brackets: str, pieces: list[str], nesting: int) -> Value:
    items = [_read(piece, nesting + 1) for piece in pieces if piece.strip()]
    if len(items) > MAX_ITEMS:
        return Unreadable(f"it has over {MAX_ITEMS} elements")
    spread = [each for item in items for each in spread_signs(item)]
    if brackets == "{}":
        keyed = [item.right if isinstance(item, Relation) and item.operator == "=" else item for item in spread]
        return Sequence("{}", tuple(keyed))
    return Sequence(brackets, tuple(spread))


def spread_signs(value: Value) -> list[Value]:
    """Return the two values of ``a \\pm b``, or the value itself."""
    if isinstance(value, Operation) and value.name == "pm":
        left, right = value.arguments
        return [Operation("add", (left, right)), Operation("add", (left, Operation("negative", (right,))))]
    if isinstance(value, Operation) and value.arguments:
        for index, argument in enumerate(value.arguments):
            if len(both := spread_signs(argument)) == 2:
                before, after = value.arguments[:index], value.arguments[index + 1 :]
                return [replace(value, arguments=(*before, each, *after)) for each in both]
    if isinstance(value, Relation) and len(both := spread_signs(value.right)) == 2:
        return [replace(value, right=each) for each in both]
    return [value]


def _relation(text: str, nesting: int) -> Value | None:
    text = re.sub(r"\\(?:le|leq|leqslant)(?![a-zA-Z])", "<=", text)
    text = re.sub(r"\\(?:ge|geq|geqslant)(?![a-zA-Z])", ">=", text)
    text = re.sub(r"\\(?:ne|neq)(?![a-zA-Z])", "!=", text)
    text = re.sub(r"\\(?:approx|equiv)(?![a-zA-Z])", "=", text)
    text = re.sub(r"\\lt(?![a-zA-Z])", "<", re.sub(r"\\gt(?![a-zA-Z])", ">", text))
    if member := re.match(r"\s*[A-Za-z]\w*\s*\\in(?![a-zA-Z])\s*(.+)", text, re.S):
        return _read(member.group(1), nesting + 1)
    parts, operators = _split_relations(text)
    if not operators:
        return None
    if len(operators) == 2 and all(operator in ("<", "<=", ">", ">=") for operator in operators):
        return _between(parts, operators, nesting)
    if set(operators) == {"="} and len(operators) > 1:
        parts, operators = parts[-2:], ["="]
        return _read(parts[1], nesting + 1)
    return (
        _related(operators[0], parts[0], parts[1], nesting) if len(operators) == 1 else Unreadable("it is a chain of relations")
    )


def _split_relations(text: str) -> tuple[list[str], list[str]]:
    parts, operators, depth, begin, index = [], [], 0, 0, 0
    while index < len(text):
        depth += (text[index] in _OPENING) - (text[index] in _CLOSING)
        sign = next((sign for sign in _OPERATORS if text.startswith(sign, index)), None) if depth == 0 else None
        if sign is None:
            index += 1
            continue
        parts.append(text[begin:index])
        operators.append("=" if sign == "==" else sign)
        begin = index = index + len(sign)
    return [*parts, text[begin:]], operators


def _related(operator: str, left: str, right: str, nesting: int) -> Value:
    if not right.strip() or not left.strip():
        return Unreadable("a side of the relation is empty")
    sides = _read(left, nesting + 1), _read(right, nesting + 1)
    if operator in (">", ">="):
        return Relation("<" if operator == ">" else "<=", sides[1], sides[0])
    return Relation(operator, sides[0], sides[1])  # type: ignore[arg-type]


def _between(parts: list[str], operators: list[str], nesting: int) -> Value:
    """Read ``-2 < x <= 7`` as the interval of its variable."""
    low, middle, high = (_read(part, nesting + 1) for part in parts)
    if operators[0][0] != operators[1][0] or not isinstance(middle, Symbol):
        return Unreadable("it is a chain of relations")
    if operators[0].startswith(">"):
        low, high, operators = high, low, operators[::-1]
    return Sequence(("[" if "=" in operators[0] else "(") + ("]" if "=" in operators[1] else ")"), (low, high))


def _conjunctions_as_commas(text: str) -> str:
    return _CONJUNCTION.sub(", ", text)


def _split(text: str, separators: str) -> list[str]:
    pieces, depth, begin = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth == 0 and character in separators and (index == 0 or text[index - 1] != "\\"):
            pieces.append(text[begin:index])
            begin = index + 1
    return [*pieces, text[begin:]]


def _closes(text: str, begin: int) -> int:
    """Return where the bracket at ``begin`` is closed, or -1; any closing bracket closes any opening one, as in ``[0, 1)``."""
    depth = 0
    for index in range(begin, len(text)):
        depth += (text[index] in _OPENING) - (text[index] in _CLOSING)
        if depth == 0:
            return index
    return -1
