"""MathCoder's own grading rule, defects kept: what its recorded right/wrong split was made with.

Decides: right or wrong as the released ``evaluate.py`` decided it, each item in a fresh state. Known defects kept on purpose:
``^2``
and ``^3`` are deleted (an empty name in the list of units), 0.01 is an absolute tolerance, what stands behind the last ``=`` is
the answer, an answer ``b`` equals every number, letters are taken out of GSM8K answers. Two recorded kinds of verdict came from
state left over by earlier items and are not reproduced.
Does not: judge well (``data_tools.answers`` does), run any text as code, or take long: sizes are bounded.

Source: the rule of github.com/mathllm/MathCoder ``src/evaluate.py`` and ``src/utils.py``, described in docs/evaluation.md and
written anew.
"""

import re
from fractions import Fraction

from megatron_mathcoder.evaluation.mathcoder_latex import Tree, parse
from megatron_mathcoder.evaluation.mathcoder_tokens import NotUnderstood
from megatron_mathcoder.evaluation.mathcoder_values import Scalar, exact_value, python_value

TOLERANCE = 1e-2
MAX_CHARACTERS = 5_000

_UNITS = (
    "cookies", "screws", "square", "degree", "pints", "mb/h", "mb/s", "kb/hslices", "oranges", "persecond", "ies/hour",
    "eephants/hour", "liters", "sq.ft.", "inches", "hours", "feet", "minutes", "seconds", "cents", "mph", "meters",
    "yearsod", "rams", "centimeters", "kiorams", "years", "weeks", "miesperhour", "miles", "units", "km", "mm", "ms",
    "am", "mbperhour", "mg", "kg", "", "cm", "€", "ml", "pm", "gb", "",
)  # fmt: skip
"""The upstream list in its order: two names are fused by a comma that is missing, and two are empty."""


def graded_right(gold: str, completion: str, gsm8k: bool) -> bool:
    """Return the upstream verdict on a completion's last block. ``gsm8k``: the file's path named GSM8K."""
    for letter in "ABCD":
        marks = (f"oxed{{{letter} ", f"oxed{{{letter}. ", f"oxed{{{letter}}}", f"Answer: {letter} ")
        if any(mark in completion for mark in marks):
            completion = letter
    answer = model_answer(completion)
    if gsm8k:
        answer = re.sub(r"[a-zA-Z]", "", answer)
    return is_equal(model_answer(gold), answer)


def model_answer(text: str) -> str:
    """Return the answer the upstream rule took from a text (recorded as ``model_answer`` in its ``-wrong`` files)."""
    text = text.lower().split(" is ")[-1].replace("{}", "")
    opening, closing = text.find("oxed{"), text.rfind("}")
    if 0 <= opening < closing:
        text = text[opening + len("oxed{") : closing]
    closing, opening = text.find("}"), text.find("{")
    if closing != -1 and (opening == -1 or closing < opening):
        text = text[:closing]
    text = text.split("=")[-1].split("\\approx")[-1].replace("answer:", "")
    text = text.replace("∞", "\\infty").replace("+\\infty", "\\infty").replace("\\\\", "\\").replace("\n", "")
    text = text.replace("\\text", "").replace("\\mbox", "").replace("bmatrix", "pmatrix")
    text = text.split("\\)")[0].split("\\]")[0].split("\\(")[-1].split("\\[")[-1].replace("..</s>", "")
    return _without_units(_normal(text))


def _normal(text: str) -> str:
    """Return the text without the marks that the upstream clean-up (Hendrycks' for MATH, altered) took out."""
    for mark in ("\n", "\\!"):
        text = text.replace(mark, "")
    text = text.replace("\\\\", "\\").replace("tfrac", "frac").replace("dfrac", "frac")
    for mark in ("\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "$"):
        text = text.replace(mark, "")
    text = text.split("\\text{ ")[0].replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    text = "0" + text if text[0] == "." else text
    for sign in ("=", "\\approx"):
        if len(sides := text.split(sign)) == 2:
            text = sides[1]
    has_root = "sqrt" in text
    text = (_braced_roots(text) if has_root else text).replace(" ", "")
    text = _braced_fractions(text) if has_root else text
    text = "\\frac{1}{2}" if text == "0.5" else text
    fraction = re.fullmatch(r"(0|-?[1-9]\d*)/(0|-?[1-9]\d*)", text, flags=re.ASCII)
    return f"\\frac{{{fraction[1]}}}{{{fraction[2]}}}" if fraction else text


def _braced_roots(text: str) -> str:
    first, *rest = text.split("\\sqrt")
    return first + "".join("\\sqrt" + (piece if piece[:1] in ("", "{") else f"{{{piece[0]}}}{piece[1:]}") for piece in rest)


def _braced_fractions(text: str) -> str:
    first, *rest = text.split("\\frac")
    if any(len(piece) < 2 for piece in rest if piece[:1] != "{"):
        return text
    return first + "".join("\\frac" + (piece if piece[0] == "{" else _braced_pair(piece)) for piece in rest)


def _braced_pair(piece: str) -> str:
    upper, lower = piece[0], piece[1]
    return f"{{{upper}}}{piece[1:]}" if lower == "{" else f"{{{upper}}}{{{lower}}}{piece[2:]}"


def _without_units(text: str) -> str:
    for unit in _UNITS:
        text = text.replace(f"{unit}^3", "").replace(f"{unit}^2", "")
        text = text.replace(unit, "") if unit else text
        text = _without_group(text, "")
    for unit in ("m", "p", "g", "l", "s", "ft"):
        text = _without_group(text, unit)
    return text.replace("ft^3", "").replace("ft^2", "")


def _without_group(text: str, unit: str) -> str:
    return text.replace(f"{{{unit}}}^3", "").replace(f"{{{unit}}}^2", "").replace(f"{{{unit}}}", "")


def is_equal(gold: str, answer: str) -> bool:
    """Return the upstream equality of two answers that ``model_answer`` gave."""
    gold, answer = gold.lower().replace(" ", ""), answer.lower().replace(" ", "")
    if not gold or not answer or max(len(gold), len(answer)) > MAX_CHARACTERS:
        return False
    if gold == answer:
        return True
    gold, answer = _evaluated_tuple(gold), _evaluated_tuple(answer)
    if gold == answer:
        return True
    try:
        trees = parse(answer), parse(gold)
        if trees[0] == trees[1] or abs(_value_of(trees[0], trees) - _value_of(trees[1], trees)) < TOLERANCE:
            return True
        # Its last try subtracts exactly, so that 15.63 - 15.62 is not more than the double 0.01.
        exact = [exact_value(tree) for tree in trees]
        return exact[0] is not None and exact[1] is not None and abs(exact[0] - exact[1]) < Fraction(TOLERANCE)
    except (ValueError, ArithmeticError, RecursionError):
        return False


def _value_of(tree: Tree, trees: tuple[Tree, Tree]) -> Scalar:
    """Return a tree's number. In the upstream function ``a`` was the parsed answer and ``b`` the parsed gold, for any text to
    use."""
    names: dict[str, Scalar] = {}
    for name, parsed in zip("ab", trees, strict=True):
        try:
            names[name] = python_value(parsed, {})
        except NotUnderstood:
            continue
    return python_value(tree, names)


def _evaluated_tuple(text: str) -> str:
    """Return ``(1,\\frac{9}{2})`` as ``(1,4.5)``; unchanged if an element has no value."""
    elements = text[1:-1].split(",")
    if text[0] + text[-1] not in ("()", "[]") or len(elements) < 2:
        return text
    try:
        values = [each if "infty" in each or each in ("a", "-a") else str(python_value(parse(each), {})) for each in elements]
    except (ValueError, ArithmeticError):
        return text
    return f"{text[0]}{','.join(values)}{text[-1]}"
