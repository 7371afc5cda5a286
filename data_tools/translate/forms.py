r"""What a stated result and a printed line may mean: the forms of a text in which it is compared.

Decides: which dress comes off (delimiters, "the answer is", labels, NumPy's and SymPy's wrappers), what stands behind the last
equals sign, that a name as Python spells it is the symbol (``a_n_plus_1`` is ``a_{n+1}``), and that several lines may be one
array or one list.
Does not: read or compare values (``data_tools.answers`` does), or judge (``verify.py``).
"""

import re
from collections.abc import Iterable

from data_tools.answers.surface import MAX_ANSWER_CHARACTERS
from data_tools.answers.tokens import GREEK

MAX_LINES = 50
MAX_SENTENCE = 400

APPROXIMATELY = re.compile(r"^\s*(?:\\approx|\\simeq|\\sim|≈|~|(?:approximately|approx\.?|about|roughly)\b)\s*", re.I)
LEADING = re.compile(r"^\s*(?:=|:|\\therefore|\\implies|\\Rightarrow)\s*")
CONSTANT = re.compile(r"\s*\+\s*C(?:_?\d)?$")
ANGLES = (re.compile(r"\\(?:left)?\\?langle(?![a-z])"), re.compile(r"\\(?:right)?\\?rangle(?![a-z])"))
REMARK = re.compile(r"\s*\([^()]*(?:round|approx|decimal|exact)[^()]*\)\s*\.?$", re.I)
SAYS = re.compile(r"^.*[A-Za-z].*?(?:\bis\b|\bare\b|\bequals\b)\s*:?\s*(?=\S)")
LABEL = re.compile(r"^[^:{}\[\]]*[A-Za-z][^:{}\[\]]*:\s+(?=\S)")
TINY = re.compile(r"(?<![\d.])-?\d+(?:\.\d+)?[eE]-(?:9|[1-9]\d+)\b")
NAMES = "|".join(sorted(GREEK))
RATIO_OF_UNITS = re.compile(r"(?<=\d)\s+(?:m|g|N|J|W|V|L)/(?:m|s|h|g|kg|L)(?:\^?\{?[23]\}?)?\s*$")
"""``5 m/s`` could be a product of symbols; written apart from the number it is a unit."""
BOLD = re.compile(r"\\(?:mathbf|boldsymbol|bm|vec)\s*\{(\w)\}")
PRODUCT = re.compile(r"(?<![A-Za-z\\])[a-z]{2,3}(?![A-Za-z(])")
DEGREES = re.compile(r"(-?[\d.]+)\s*\^\s*\{?\\circ\}?")
WRAPPERS = (
    (re.compile(r"\b(?:np|numpy)\.(?:float|int|uint|complex|bool)\w*\(([^()]*)\)"), r"\1"),
    (re.compile(r"\bFraction\((-?\d+), (\d+)\)"), r"\1/\2"),
    (re.compile(r"\b(?:Decimal|mpf)\('([^']*)'\)"), r"\1"),
    (re.compile(r"(?<=\d)j\b"), "*I"),
    (re.compile(r"\boo\b"), r"\\infty "),
    (re.compile(rf"\b({NAMES})_?\b(?!\()"), r"\\\1 "),
    (re.compile(r"\b([A-Za-z])_(?![A-Za-z0-9_])"), r"\1"),
)
EULER = re.compile(r"\bE\b")
"""As SymPy prints it; it may be a symbol too."""
INDEXED = re.compile(r"\b([A-Za-z]+)_(\w+?_(?:plus|minus)_\w+)\b")
BARE_ARRAY = re.compile(r"\[[-\d.eE+\s\[\]]+\]")
DICTIONARY = re.compile(r"\{(\w+: [^{}:]+(?:, \w+: [^{}:]+)+)\}")
DIVISOR = re.compile(r"/\s*([A-Za-z]\w*)(?![\w(])")
BETWEEN = re.compile(r"^\(?([^<&|]+?) (<=?) (\w+)\)? & \(?\3 (<=?) ([^<&|]+?)\)?$")


def stated_forms(result: str) -> tuple[list[str], bool]:
    """Return what a stated result may mean, the barest form last, and whether it is stated as approximate."""
    text = LEADING.sub("", result.strip())
    if len(text) > MAX_ANSWER_CHARACTERS:
        return [text], False
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
    forms = (
        text,
        said,
        RATIO_OF_UNITS.sub("", said),
        DIVISOR.sub(r"/(\1)", said),
        plain,
        radians,
        behind,
        CONSTANT.sub("", behind),
    )
    return _distinct(forms), approximate


def _as_latex(name: re.Match[str]) -> str:
    """Return a name that Python allows as the symbol it stands for."""
    return f"{name[1]}_{{{name[2].replace('_plus_', '+').replace('_minus_', '-')}}}"


def shown_forms(line: str) -> list[str]:
    """Return what a printed line may mean, the barest form last; a line that is too long to be read means itself alone."""
    if len(line) > MAX_ANSWER_CHARACTERS:
        return [line]
    for pattern, form in WRAPPERS:
        line = pattern.sub(form, line)
    line = INDEXED.sub(_as_latex, line)
    # ``2/x`` looks like a number with a unit; in brackets the variable is one.
    forms = [line, EULER.sub("e", line), DIVISOR.sub(r"/(\1)", line), TINY.sub("0", line)]
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
    elif line.count(",") > 1 and re.fullmatch(r"\[[^\[\]]+\]", line):
        # A list of three or more is no interval, so it may stand for a tuple.
        forms.append(f"({line[1:-1]})")
    bare = LABEL.sub("", SAYS.sub("", line)) if len(line) < MAX_SENTENCE else line
    if bare != line:
        forms.append(bare)
    if "(" not in bare.partition("=")[0] or re.match(r"^\w+\(\w+\)\s*=", bare):
        forms.append(re.split(r"(?<![<>!=])=(?!=)", bare)[-1])
    return _distinct(form.strip() for form in forms)


def whole_forms(output: str, lines: list[str]) -> list[str]:
    """Return what several lines may mean together: one array, or a list of their values."""
    if len(lines) == 1 or len(lines) > MAX_LINES:
        return []
    joined = " ".join(output.split())
    array = shown_forms(joined)[-1] if BARE_ARRAY.fullmatch(joined) or joined.startswith(("Matrix(", "array(")) else ""
    return _distinct([array, ", ".join(shown_forms(line)[-1] for line in lines)])


def _distinct(forms: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(form for form in forms if form))
