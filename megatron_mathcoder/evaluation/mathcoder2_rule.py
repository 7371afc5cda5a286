"""The string rules that MathCoder2's table was made with: MAmmoTH's for GSM8K and MATH, a letter for SAT and MMLU-STEM.

Decides: right or wrong by the published rules, kept as they are so that a published number can be had again: after the trigger
"The answer is", GSM8K takes the first number and MATH a cleaned text, and both compare strings without case.
Does not: compare values (1/2 is not 0.5 here). ``ocw_rule`` has the rule for OCW.

Source: MathCoder2 ``test/scripts`` with MAmmoTH ``math_eval`` and DeepSeek-Math ``evaluation``, described in
docs/evaluation.md and written anew.
"""

import re
from fractions import Fraction

from data_tools.answers.surface import boxed

TRIGGERS = ("The answer is:", "The answer is", "the answer is")
NUMBER_BENCHMARKS = frozenset(["gsm8k", "svamp", "mathematics", "deepmind", "simuleq"])
LETTER_BENCHMARKS = frozenset(["sat", "mmlu_math", "mmlu_stem"])

_UNIT = re.compile(r"\\text\s*\{\s.*", re.S)


def graded_right(gold: str, text: str, benchmark: str) -> bool:
    """Return the published verdict on a model's text."""
    if benchmark in LETTER_BENCHMARKS:
        return letter(text) == gold.strip("() .").lower()
    answer, triggered = _after_trigger(text, (*TRIGGERS, "####") if benchmark in NUMBER_BENCHMARKS else TRIGGERS)
    if benchmark in NUMBER_BENCHMARKS:
        number = _number(answer, triggered)
        return bool(number) and _plain(number) == _plain(gold.replace(",", ""))
    return bool(answer) and math_text(_math_answer(answer, triggered)).lower() == math_text(gold).lower()


def letter(text: str) -> str:
    """Return the first letter a–d after "the final answer is", or "" when there is none."""
    found = re.search(r"the final answer is \(?([a-d])\)?", text.lower())
    return found.group(1) if found else ""


def _after_trigger(text: str, triggers: tuple[str, ...]) -> tuple[str, bool]:
    text = text.strip("\n")
    if any(text.count(trigger) > 1 for trigger in triggers):
        text = text.split("\n\n")[0]
    pieces = re.split("|".join(triggers), text)
    return pieces[-1].strip("\n").rstrip(".").rstrip("/").strip(" "), len(pieces) > 1


def _number(answer: str, triggered: bool) -> str:
    found = re.findall(r"-?\d+/?\.?\d*", answer.replace(",", ""))
    return (found[0] if triggered else found[-1]).rstrip(".").rstrip("/") if found else ""


def _plain(number: str) -> str:
    """Return a number as the published rule prints it: without the zeros at the end of a decimal. One beyond floats stays."""
    try:
        value = Fraction(number)
        return str(value.numerator) if value.denominator == 1 else str(float(value)) if "/" not in number else number
    except (ValueError, ZeroDivisionError, OverflowError):
        return number


def _math_answer(answer: str, triggered: bool) -> str:
    if (inside := boxed(answer)) is not None:
        return inside
    if triggered:
        return re.sub(r"(?<=[\d}])\s+[A-Za-z]+$", "", answer.split("=")[-1].strip().strip("$"))
    found = re.findall(r"-?\d+(?:[.,]\d+)*(?:/\d+)?", answer)
    return found[-1] if found else ""


def math_text(text: str) -> str:
    """Return a MATH answer in the one spelling that is compared (the clean-up published with MATH)."""
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
    text = text.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "").replace("$", "")
    text = _UNIT.sub("", text).replace("\\%", "").replace("%", "")
    text = text.replace(" .", " 0.").replace("{.", "{0.").strip()
    text = "0" + text if text.startswith(".") else text
    sides = text.split("=")
    text = sides[1] if len(sides) == 2 and len(sides[0].strip()) <= 2 else text
    text = re.sub(r"\\sqrt\s*(?![\s{])(\w)", r"\\sqrt{\1}", text).replace(" ", "")
    text = re.sub(r"\\frac(?!\{)(\w)(?!\{)(\w)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac(?!\{)(\w)(?=\{)", r"\\frac{\1}", text)
    text = "\\frac{1}{2}" if text == "0.5" else text
    return re.sub(r"(-?\d+)/(-?\d+)", r"\\frac{\1}{\2}", text) if re.fullmatch(r"-?\d+/-?\d+", text) else text
