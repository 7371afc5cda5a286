"""Whether what a program printed is the result that was stated: verified, refuted, or unverifiable with a reason.

Decides: what is compared with what (the stated result, or what stands behind its last equals sign, with the last line printed,
or with all lines as one list), the tolerance for printed floats, and that a verdict must mean something: the program computes
what it prints, prints the same in a second run with another order of sets, and another result would not have passed.
Does not: read or compare values (``data_tools.answers`` does), run code, or decide what is kept.

MathCoder2's rule drops a pair only when the code failed, or both texts are short numbers that differ by more than 0.01; it
keeps ``$2$`` against 3, ``12 cm`` against 99, and anything against no output.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from data_tools.answers.compare import LENIENT, compare
from data_tools.answers.read import read_answer
from data_tools.answers.values import Choice, Number, Text, Unreadable
from data_tools.sandbox.outcome import Outcome
from data_tools.translate.computes import computes

Word = Literal["verified", "refuted", "unverifiable"]

RELATIVE = 1e-7
"""Relative difference that a printed float may have: rounding errors of double arithmetic, not of a result."""
ABSOLUTE = 1e-9
"""A printed float below it stands for zero."""
EXACT = replace(LENIENT, percent_is_fraction=True)
FLOATING = replace(EXACT, relative_tolerance=RELATIVE)
MAX_LINES = 50
MAX_SENTENCE = 400

APPROXIMATELY = re.compile(r"^\s*(?:\\approx|\\simeq|\\sim|≈|~|(?:approximately|approx\.?|about|roughly)\b)\s*", re.I)
LEADING = re.compile(r"^\s*(?:=|:|\\therefore|\\implies|\\Rightarrow)\s*")
CONSTANT = re.compile(r"\s*\+\s*C(?:_?\d)?$")
ANGLES = (re.compile(r"\\(?:left)?\\?langle(?![a-z])"), re.compile(r"\\(?:right)?\\?rangle(?![a-z])"))
REMARK = re.compile(r"\s*\([^()]*(?:round|approx|decimal|exact)[^()]*\)\s*\.?$", re.I)
SAYS = re.compile(r"^.*[A-Za-z].*?(?:\bis\b|\bare\b|\bequals\b)\s*:?\s*(?=\S)")
LABEL = re.compile(r"^[^:{}\[\]]*[A-Za-z][^:{}\[\]]*:\s+(?=\S)")
FLOAT = re.compile(r"\d\.\d*[1-9]|\d[eE][-+]?\d")
TINY = re.compile(r"-?\d+(?:\.\d+)?[eE]-(?:9|[1-9]\d+)\b")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
GREEK = "|".join(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "eta",
        "theta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Lambda",
        "Omega",
    ]
)
BOLD = re.compile(r"\\(?:mathbf|boldsymbol|bm|vec)\s*\{(\w)\}")
PRODUCT = re.compile(r"(?<![A-Za-z\\])[a-z]{2,3}(?![A-Za-z(])")
DEGREES = re.compile(r"(-?[\d.]+)\s*\^\s*\{?\\circ\}?")
WRAPPERS = (
    (re.compile(r"\b(?:np|numpy)\.(?:float|int|uint|complex|bool)\w*\(([^()]*)\)"), r"\1"),
    (re.compile(r"\bFraction\((-?\d+), (\d+)\)"), r"\1/\2"),
    (re.compile(r"\b(?:Decimal|mpf)\('([^']*)'\)"), r"\1"),
    (re.compile(r"(?<=\d)j\b"), "*I"),
    (re.compile(r"\boo\b"), r"\\infty "),
    (re.compile(rf"\b({GREEK})_?\b(?!\()"), r"\\\1 "),
    (re.compile(r"\b([A-Za-z])_(?![A-Za-z0-9_])"), r"\1"),
)
BARE_ARRAY = re.compile(r"\[[-\d.eE+\s\[\]]+\]")
DICTIONARY = re.compile(r"\{(\w+: [^{}:]+(?:, \w+: [^{}:]+)+)\}")
DIVISOR = re.compile(r"/\s*([A-Za-z]\w*)(?![\w(])")
BETWEEN = re.compile(r"^\(?([^<&|]+?) (<=?) (\w+)\)? & \(?\3 (<=?) ([^<&|]+?)\)?$")


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict and its reason: a fixed kind, then optionally ``: `` and what was seen."""

    verdict: Word
    reason: str


def verify(result: str, code: str, first: Outcome, second: Outcome | None = None) -> Verification:
    """Judge a stated ``result`` by what its ``code`` printed in one or two runs."""
    if first.status != "ok":
        return Verification("unverifiable", f"did not run: {first.status}")
    found = judge(result, first.output)
    if found.verdict != "verified":
        return found
    if not computes(code):
        return Verification("unverifiable", "prints a literal")
    if second is not None and (second.status != "ok" or not _same_output(first.output, second.output)):
        return Verification("unverifiable", "two runs differ")
    if all(judge(other, first.output).verdict == "verified" for other in others(result)):
        return Verification("unverifiable", "another result would pass too")
    return found


def judge(result: str, output: str) -> Verification:
    """Judge a stated result by a printed text alone."""
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    stated, approximate = stated_forms(result)
    if not lines:
        return Verification("unverifiable", "nothing was printed")
    if not any(stated):
        return Verification("unverifiable", "no result was stated")
    if _any_right(stated, _whole_forms(output, lines), approximate):
        return Verification("verified", "")
    last = shown_forms(lines[-1])
    if _any_right(stated, last, approximate):
        return Verification("verified", "")
    if any(_any_right(stated, shown_forms(line), approximate) for line in lines[-MAX_LINES:-1]):
        return Verification("unverifiable", "an earlier line agrees and the last one does not")
    return _disagreement(stated[-1], last[-1])


def _disagreement(stated: str, shown: str) -> Verification:
    """Tell what is refuted from what cannot be judged: words, and what has no form here."""
    if {stated, shown} == {"True", "False"}:
        return Verification("refuted", "the output differs: the other truth value")
    for side, text in (("stated", stated), ("printed", shown)):
        if isinstance(read_answer(text), Text | Choice | Unreadable):
            return Verification("unverifiable", f"the {side} result is not a value that can be read")
    verdict = compare(stated, shown, EXACT)
    refuted = verdict.status == "wrong" and "words" not in verdict.reason
    return Verification("refuted" if refuted else "unverifiable", f"the output differs: {verdict.reason}")


def stated_forms(result: str) -> tuple[list[str], bool]:
    """Return what a stated result may mean, the barest form last, and whether it is stated as approximate."""
    text = LEADING.sub("", result.strip())
    for angle, bracket in zip(ANGLES, "()", strict=True):
        text = angle.sub(bracket, text)
    approximate = r"\approx" in text or "≈" in text or bool(APPROXIMATELY.match(text)) or bool(REMARK.search(text))
    text = APPROXIMATELY.sub("", REMARK.sub("", text))
    said = SAYS.sub("", text) if len(text) < MAX_SENTENCE else text
    behind = APPROXIMATELY.sub("", re.split(r"\\approx|≈|(?<![<>!=])=(?!=)", said)[-1])
    # ``2xy`` is a product and ``xy`` may be; a bold letter is a variable.
    plain = PRODUCT.sub(lambda match: " ".join(match[0]), BOLD.sub(r"\1 ", behind))
    degrees = DEGREES.fullmatch(behind)
    radians = rf"\frac{{{degrees[1]}\pi}}{{180}}" if degrees else ""
    return _distinct((text, said, plain, radians, behind, CONSTANT.sub("", behind))), approximate


def shown_forms(line: str) -> list[str]:
    """Return what a printed line may mean, the barest form last."""
    for pattern, form in WRAPPERS:
        line = pattern.sub(form, line)
    # ``2/x`` looks like a number with a unit; in brackets the variable is one.
    forms = [line, DIVISOR.sub(r"/(\1)", line), TINY.sub("0", line)]
    line = forms[-1]
    if between := BETWEEN.match(line):
        opening, closing = "(["[between[2] == "<="], ")]"[between[4] == "<="]
        return _distinct([*forms, f"{opening}{between[1].strip('(')}, {between[5].strip(')')}{closing}"])
    if BARE_ARRAY.fullmatch(line):
        forms.append(re.sub(r"(?<=[\d.\]])\s+(?=[-\d\[])", ", ", line))
        line = forms[-1]
    if re.fullmatch(r"\[[({].*[)}]\]", line):
        forms.append(line[1:-1])
    elif entries := DICTIONARY.fullmatch(line):
        forms.append("(" + re.sub(r"\w+: ", "", entries[1]) + ")")
    elif re.fullmatch(r"\[[^\[\]]+(?:,[^\[\]]+){2,}\]", line):
        # A list of three or more is no interval, so it may stand for a tuple.
        forms.append(f"({line[1:-1]})")
    bare = LABEL.sub("", SAYS.sub("", line)) if len(line) < MAX_SENTENCE else line
    if bare != line:
        forms.append(bare)
    if "(" not in bare.partition("=")[0] or re.match(r"^\w+\(\w+\)\s*=", bare):
        forms.append(re.split(r"(?<![<>!=])=(?!=)", bare)[-1])
    return _distinct(form.strip() for form in forms)


def _whole_forms(output: str, lines: list[str]) -> list[str]:
    """Return what several lines may mean together: one array, or a list of their values."""
    if len(lines) == 1 or len(lines) > MAX_LINES:
        return []
    joined = " ".join(output.split())
    array = shown_forms(joined)[-1] if BARE_ARRAY.fullmatch(joined) or joined.startswith(("Matrix(", "array(")) else ""
    return _distinct([array, ", ".join(shown_forms(line)[-1] for line in lines)])


def _any_right(stated: list[str], shown: list[str], approximate: bool) -> bool:
    return any(_right(left, right, approximate) for left in stated for right in shown)


def _right(stated: str, shown: str, approximate: bool) -> bool:
    is_float = bool(FLOAT.search(shown))
    if compare(stated, shown, FLOATING if is_float else EXACT).status == "right":
        return True
    if not (is_float or approximate):
        return False
    left, right = read_answer(stated), read_answer(shown)
    if not isinstance(left, Number) or not isinstance(right, Number):
        return False
    distance = abs(left.value - right.value)
    # "About 33" for 33.3: right to the last digit that is stated.
    return distance <= (left.quantum or Fraction(1)) / 2 if approximate else left.value == 0 and distance <= Fraction(ABSOLUTE)


def others(result: str) -> list[str]:
    """Return results with one number changed, the last and the first: of the two at least one means something else."""
    numbers = list(NUMBER.finditer(result))
    changed = []
    for match in (numbers[-1], numbers[0]) if numbers else ():
        whole, point, digits = match[0].partition(".")
        changed.append(f"{result[: match.start()]}{int(whole) + 1}{point}{digits}{result[match.end() :]}")
    return changed or ["7919"]


def _same_output(first: str, second: str) -> bool:
    """Say whether two runs printed the same; a set may come in another order when each line means the same."""
    if first == second:
        return True
    lines = first.strip().splitlines(), second.strip().splitlines()
    if len(lines[0]) != len(lines[1]):
        return False
    return all(a == b or _any_right(shown_forms(a)[-1:], shown_forms(b)[-1:], False) for a, b in zip(*lines, strict=True))


def _distinct(forms: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(form for form in forms if form))
