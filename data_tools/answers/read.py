"""From an answer's text to its typed value: ``read_answer("(1, \\frac{1}{2})")``.

Decides: what kind of answer a text is: number, quantity, option, words, list, tuple, interval, set, union, matrix, equation,
expression. LaTeX, plain and Python spelling mean the same.
Does not: find the answer inside a longer text (``extract``), nor compare (``compare``).
"""

import re
from fractions import Fraction

from data_tools.answers.brackets import closes, split, split_at_signs
from data_tools.answers.expression import NoExpression, number_from, parse_expression
from data_tools.answers.number_words import number_in_words
from data_tools.answers.options import option_in
from data_tools.answers.python_spelling import in_mathematics
from data_tools.answers.surface import MAX_ANSWER_CHARACTERS, clean, words
from data_tools.answers.tokens import is_wordy
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
    spread_signs,
)

MAX_ITEMS = 200
MAX_NESTING = 8

_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?")
_BASED = re.compile(r"\(?(-?[0-9A-Z]+(?:\.[0-9A-Z]+)?)\)?\s*_\s*(?:\{\s*(\d+)\s*\}|(\d+))")
_DOLLARS = re.compile(r"\s*(?:\$?\s*\\\$\s*[\d,.]+\s*\.?\$?|\$\s*[\d,.]+)\s*", re.A)
_FRACTION_PERCENT = re.compile(r"(-?\s*(?:[\d.]+\s*/\s*[\d.]+|\d+\s+\d+/\d+|\d*\s*\\frac\s*(?:\{\d+\}\s*\{\d+\}|\d\d)))\s*\\?%")
_RATIO = re.compile(r"(\d+)\s*(?::|\bto\b)\s*(\d+)")
_CALL = re.compile(
    r"[A-Za-z](?:_\w|_\{\w+\})?(?:'{1,3}|\^\{?-1\}?)?\s*\(\s*\w+(?:\s*,\s*\w+)*\s*\)|m?\s*\\angle\s*\{?[A-Z]{1,3}\}?"
    r"|\\overline\s*\{[A-Z]{2}\}|\|\s*[A-Z]{2}\s*\||\[[A-Z]{3,5}\]"
)
"""What an equation may name on its left: a function's value, an angle, a length, an area."""
_BUILT_SET = re.compile(r"\s*[A-Za-z](?:\s*\\in[^|:]*)?\s*(?:\\mid(?![A-Za-z])|\||:)\s*(.+)", re.S)
_MEASURED = re.compile(r"[-+]?[\d.,/]+\s*[A-Za-z]")
_TEXT_GROUP = re.compile(r"\\text\s*\{([^{}]*)\}")
_CONJUNCTION = re.compile(r",?\s*(?:\\text\s*\{\s*,?\s*(?:and|or)\s*\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z]))\s*")
_MATRIX = re.compile(
    r"(?:Matrix|array|np\.array|matrix)?\s*[(\[]?\s*\\begin\s*\{([a-z]*matrix|array)\}(?:\s*\{[^{}]*\})?(.*)\\end\s*\{\1\}\s*[)\]]?",
    re.S,
)
_PYTHON_MATRIX = re.compile(r"(?:(?:Immutable)?(?:Dense)?Matrix|(?:np\.)?array)\s*\(\s*(\[.*\])\s*\)", re.S)
_RELATIONS = ("<=", ">=", "!=", "==", "=", "<", ">")


def read_answer(text: str, thousands: bool = True) -> Value:
    """Return what a text means; ``Unreadable`` where it has no form here. Never raises, and takes bounded time.

    ``thousands=False`` reads ``1,234`` as the list of 1 and 234.
    """
    if len(text) > MAX_ANSWER_CHARACTERS:
        return Unreadable(f"it has over {MAX_ANSWER_CHARACTERS} characters")
    try:
        value = _read(clean(text, thousands), 0)
    except NoExpression as error:
        return Unreadable(str(error))
    # The sign is gone in a cleaned text; only of one bare amount is it certain that it was a dollar's.
    return Quantity(value, "dollar") if isinstance(value, Number) and _DOLLARS.fullmatch(text) else value


def _read(text: str, nesting: int) -> Value:
    text = in_mathematics(text.strip()).strip()
    if not text:
        return Unreadable("it is empty")
    if nesting > MAX_NESTING:
        return Unreadable("it is nested too deeply")
    if _DECIMAL.fullmatch(text):
        return _signed_number(text)
    if text == r"\emptyset":
        return Sequence("{}", ())
    if (number := number_in_words(text.removeprefix("\\text{").removesuffix("}"))) is not None:
        return Number(Fraction(number))
    special = _matrix(text, nesting) or _words_alone(text, nesting) or _option(text, nesting)
    if special is not None:
        return special
    pieces = split(_conjunctions_as_commas(text), ",;")
    if len(pieces) > 1:
        return _listed("", pieces, nesting)
    return _single(text, nesting)


def _single(text: str, nesting: int) -> Value:
    """Read what has no comma outside brackets: a bracketed sequence, a union, a relation, a quantity or an expression."""
    unions = split(text.replace("\\cup", "∪").replace(" U ", "∪"), "∪")
    if len(unions) > MAX_ITEMS:
        return Unreadable(f"it has over {MAX_ITEMS} elements")
    if len(unions) > 1:
        return Union(tuple(_read(piece, nesting + 1) for piece in unions))
    bracketed = _bracketed(text, nesting) or _relation(text, nesting)
    if bracketed is not None:
        return bracketed
    if (match := _RATIO.fullmatch(text)) and not _is_time(match):
        return Operation("divide", (number_from(match.group(1)), number_from(match.group(2))))
    if match := _BASED.fullmatch(text):
        base = int(match.group(2) or match.group(3))
        if 2 <= base <= 36 and match.group(1).lstrip("-")[0].isdigit():
            return Based(match.group(1), base)
    if percentage := _FRACTION_PERCENT.fullmatch(text):
        return Operation("percent", (_read(percentage.group(1), nesting + 1),))
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


def _is_time(match: re.Match[str]) -> bool:
    hour, minute = match.groups()
    return len(minute) == 2 and int(hour) <= 24 and int(minute) < 60


def _signed_number(text: str) -> Number:
    number = number_from(text.lstrip("+-"))
    return Number(-number.value, number.quantum) if text.startswith("-") else number


def _words_alone(text: str, nesting: int) -> Value | None:
    """Read a text that is one ``\\text{…}`` or one brace group."""
    match = _TEXT_GROUP.fullmatch(text)
    if match is None and text.startswith("{") and closes(text, 0) == len(text) - 1:
        return _read(text[1:-1], nesting + 1)
    if match is None and (inner := re.fullmatch(r"\(\s*\\text\s*\{\s*([A-Za-z])\s*\}\s*\)", text)):
        return Choice(inner.group(1).upper())
    if match is None:
        return None
    inside = match.group(1).strip()
    if re.fullmatch(r"\(?[A-Ja-j]\)?", inside):
        return Choice(inside.strip("()").upper())
    if re.fullmatch(r"[A-Za-z](?:\s*,\s*(?:and\s+)?[A-Za-z])+", inside) or re.fullmatch(r"[-+\d.,/\s]+", inside):
        return _read(inside, nesting + 1)
    if _MEASURED.match(inside) and split_unit(inside):
        return _read(inside, nesting + 1)
    return Text(words(inside))


def _option(text: str, nesting: int) -> Value | None:
    found = option_in(text)
    if found is None:
        return None
    letter, rest = found
    return Choice(letter, _read(rest, nesting + 1) if rest else None)


def _matrix(text: str, nesting: int) -> Value | None:
    if match := _MATRIX.fullmatch(text):
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]*\])?", match.group(2)) if row.strip()]
        return _rows([row.split("&") for row in rows], nesting)
    match = _PYTHON_MATRIX.fullmatch(text)
    inside = match.group(1) if match else text
    if not match and not re.match(r"\[\s*\[", inside):
        return None
    if not inside.startswith("[") or closes(inside, 0) != len(inside) - 1:
        return None
    cells = [piece.strip() for piece in split(inside[1:-1], ",")]
    if all(cell.startswith("[") and cell.endswith("]") for cell in cells):
        return _rows([split(cell[1:-1], ",") for cell in cells], nesting)
    return _rows([[cell] for cell in cells], nesting) if match else None


def _rows(rows: list[list[str]], nesting: int) -> Value | None:
    if not rows or len({len(row) for row in rows}) != 1 or len(rows) * len(rows[0]) > MAX_ITEMS:
        return None
    if len(rows) == len(rows[0]) == 1:
        return _read(rows[0][0], nesting + 1)
    return Matrix(tuple(tuple(_read(cell, nesting + 1) for cell in row) for row in rows))


def _bracketed(text: str, nesting: int) -> Value | None:
    text = text.replace("\\{", "⟨").replace("\\}", "⟩")
    first, last = text[0], text[-1]
    if first == "⟨" and last == "⟩":
        if built := _BUILT_SET.fullmatch(text[1:-1]):
            return _read(built.group(1), nesting + 1)
        return _listed("{}", split(text[1:-1].replace("⟨", "\\{").replace("⟩", "\\}"), ","), nesting)
    if first not in "([" or last not in ")]" or closes(text, 0) != len(text) - 1:
        return None
    pieces = split(text[1:-1], ",;")
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


def _relation(text: str, nesting: int) -> Value | None:
    text = re.sub(r"\\(?:le|leq|leqslant)(?![a-zA-Z])", "<=", text)
    text = re.sub(r"\\(?:ge|geq|geqslant)(?![a-zA-Z])", ">=", text)
    text = re.sub(r"\\(?:ne|neq)(?![a-zA-Z])", "!=", text)
    text = re.sub(r"\\(?:approx|equiv)(?![a-zA-Z])", "=", text)
    text = re.sub(r"\\lt(?![a-zA-Z])", "<", re.sub(r"\\gt(?![a-zA-Z])", ">", text))
    if member := re.match(r"\s*[A-Za-z]\w*\s*\\in(?![a-zA-Z])\s*(.+)", text, re.S):
        return _read(member.group(1), nesting + 1)
    parts, signs = split_at_signs(text, _RELATIONS)
    operators = ["=" if sign == "==" else sign for sign in signs]
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


def _related(operator: str, left: str, right: str, nesting: int) -> Value:
    if not right.strip() or not left.strip():
        return Unreadable("a side of the relation is empty")
    name = _CALL.fullmatch(left.strip())
    sides = Symbol(re.sub(r"\s", "", name.group())) if name else _read(left, nesting + 1), _read(right, nesting + 1)
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
