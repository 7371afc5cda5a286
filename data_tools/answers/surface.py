"""The surface of an answer: one spelling for what is only typeset or typed in another way.

Decides: which marks carry no meaning (spacing, sizes, dollar signs), and when a comma separates thousands.
Does not: know what an answer is; ``tokens`` and ``read`` come after.
"""

import re

from data_tools.answers.characters import in_plain_characters
from data_tools.answers.spelling import in_signs

MAX_ANSWER_CHARACTERS = 4000
"""A longer text is no final answer. It bounds the work that one answer can ask for."""

_SPACING = re.compile(
    r"\\(?:left|right|big|Big|bigg|Bigg|bigl|bigr|displaystyle|textstyle|limits|quad|qquad|mathstrut|tiny|small|large|Large|LARGE"
    r"|huge|Huge|bm|boldsymbol)(?![a-zA-Z])|\\(?:bf|rm|it)(?![a-zA-Z])(?!\s*\{)"
)
_TEXT_COMMANDS = re.compile(
    r"\\(?:mbox|underline|textrm|textnormal|textbf|textit|mathrm|mathbf|mathit|mathsf|operatorname|rm|bf)\s*(?=\{)"
)
_MARKED_THOUSANDS = re.compile(r"(?<=\d)(?:,\s*\\!\s*|\{,\}|\\,|\\ )(?=\d{3})")
_PLAIN_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")
_CURRENCY = re.compile(r"\\\$|[€£¥₹]|\$|\\(?:pounds|euro)(?![a-zA-Z])|\b(?:USD|EUR|GBP)\b|(?<![A-Za-z])(?:Rs\.|US)(?=\s?[\d$])")
_FRACTION = re.compile(r"\\(?:[dtcs]|nice)frac(?![a-zA-Z])")
_OPENING_SIGN = re.compile(r"^(?:=|\\approx(?![a-zA-Z]))\s*(?=.)")
_OPENING_WORDS = re.compile(
    r"^(?:(?:therefore|thus|hence|so)\b,?\s*)?(?:(?:the\s+)?(?:(?:final\s+)?answers?|results?|value)\s*(?:is|are|:|=)\s*:?\s*|(?:所以)?答案?\s*[是为:]\s*)?"
    r"(?:(?:approximately|about|roughly|exactly)\b\s*|approx\.\s*)?",
    re.I,
)


def clean(text: str, thousands: bool = True) -> str:
    """Return ``text`` in the one spelling that ``tokens`` reads. ``thousands=False`` leaves plain commas between digits alone."""
    text = in_plain_characters(text).strip()
    if r"\begin" not in text:
        text = re.sub(r"\\{2}(?=[a-zA-Z]{2})", r"\\", text)
    text = _MARKED_THOUSANDS.sub("", text)
    text = _SPACING.sub(" ", text)
    text = re.sub(r"\b(?:np|numpy|math|sympy|sp)\.(?=[a-zA-Z])", "", text)
    text = _FRACTION.sub(r"\\frac", text).replace(r"\langle", "(").replace(r"\rangle", ")")
    text = text.replace(r"\lbrace", r"\{").replace(r"\rbrace", r"\}")
    text = _TEXT_COMMANDS.sub(r"\\text", text)
    text = re.sub(r"(?<!\\)\\[!,;:> ]|~", " ", text)
    text = _CURRENCY.sub("", re.sub(r"(?<!\\)\\[()\[\]]", "", text))
    text = in_signs(_OPENING_SIGN.sub("", _unwrapped(_OPENING_WORDS.sub("", text.strip()).strip())))
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"(?<=[^.\s])\s*[.,;:]+$", "", text).strip() if not re.search(r"\\\.$", text) else text
    return _without_thousands(text) if thousands else text


def _unwrapped(text: str) -> str:
    """Take ``\\boxed{…}`` and pairs of stars or quotes off the whole text."""
    for _ in range(4):
        inner = boxed(text) if text.startswith((r"\boxed", r"\fbox")) and text.endswith("}") else None
        if inner is not None:
            text = inner.strip()
        elif len(text) > 4 and text.startswith("**") and text.endswith("**"):
            text = text[2:-2].strip()
        elif len(text) > 2 and text[0] == text[-1] and text[0] in "\"'`*" and text[0] not in text[1:-1]:
            text = text[1:-1].strip()
        else:
            break
    return text


def _without_thousands(text: str) -> str:
    """Join ``1,234`` outside round and square brackets, where the comma would separate elements."""
    if not _PLAIN_THOUSANDS.search(text):
        return text
    depth, pieces, begin = 0, [], 0
    for match in _PLAIN_THOUSANDS.finditer(text):
        between = text[begin : match.start()]
        depth += sum(between.count(c) for c in "([") - sum(between.count(c) for c in ")]")
        pieces += [between, match.group().replace(",", "") if depth <= 0 else match.group()]
        begin = match.end()
    return "".join(pieces) + text[begin:]


def boxed(text: str) -> str | None:
    """Return what is in the last ``\\boxed{…}`` or ``\\fbox{…}`` of ``text``, its braces matched, or None.

    A box that is never closed reaches to the end of its line: a model may have been cut off inside it.
    """
    begin = max(text.rfind(r"\boxed"), text.rfind(r"\fbox"))
    if begin < 0:
        return None
    rest = text[begin:].split("boxed" if text.startswith(r"\boxed", begin) else "fbox", 1)[1]
    if not rest.lstrip().startswith("{"):
        bare = re.match(r"\s*([^\s$\\{}]+)", rest)
        return bare.group(1) if bare else None
    rest = rest.lstrip()
    depth = 0
    for index, character in enumerate(rest):
        escaped = index > 0 and rest[index - 1] == "\\"
        depth += (character == "{" and not escaped) - (character == "}" and not escaped)
        if depth == 0:
            return rest[1:index]
    return rest[1:].split("\n", 1)[0]


def words(text: str) -> str:
    """Return ``text`` as words to compare: lower case, no markup, one blank between words, no punctuation at the ends."""
    text = re.sub(r"\\(?:text|mbox)\b|[{}$\"'`*]|\\", " ", text)
    text = re.sub(r"(?<=\b[apAP])\.\s*(?=[mM]\b)", "", text)
    text = re.sub(r"(?<=[A-Za-z]{2})[!?]+$", "", re.sub(r"\s+", " ", text).strip(" .,;:()"))
    return re.sub(r"^(?:an?|the)\s+(?=\w)", "", text.casefold())
