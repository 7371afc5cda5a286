"""The final answer in a model's text.

Decides: what counts as stating an answer, most explicit first: ``\\boxed{…}``, ``#### …``, "the answer is …", a text that is
nothing but an answer, a single line whose last sentence has one value. Several boxes on the last line are several values.
Does not: fish: the last of many numbers in prose, or a number in a traceback, is nobody's answer. A protocol with a narrower rule
of its own (MathCoder's, MAmmoTH's, DeepSeek's) has it in its grader.
"""

import re

from data_tools.answers.surface import boxed

BARE_CHARACTERS = 400
"""A text of one line up to this length is taken for the answer itself."""

_TEXT = re.compile(r"\\text\s*\{[^{}]*\}")
_HASHES = re.compile(r"####\s*(.+)")
_PHRASE = re.compile(
    r"(?:(?:final\s+|correct\s+)?answers?(?:\s+to\s+[^.\n:]{1,80})?\s*(?:is|are|:|=)\s*:?|答案\s*[是为:：])\s*(.+)", re.I
)
_HEADING = re.compile(r"^(?:#{1,3}[ \t]*|\*\*)(?:final[ \t]+)?answer\**[ \t]*:?\**[ \t]*\n\s*(.+)", re.I | re.M)
_END_TOKENS = re.compile(r"(?:(?:</s>|<\|\w{1,20}\|>)\s*)+\Z")
END_CHARACTERS = 200
"""At the end of a text, where the tokens that end it are taken off."""
_CALCULATED = re.compile(r"<<[^<>]*>>")
"""A calculation as GSM8K notes it, before its result."""
_ARRAY = re.compile(r"(?:(?:Immutable)?(?:Dense)?Matrix|array)\(\[[^=]*\]\)|\[\s*\[[-\d.eE+\s\[\],/]+\]\s*\]")
"""As SymPy and NumPy print it, on several lines."""
CLOSING = "I hope it is correct"
"""What Minerva's prompt, and many after it, have a model write behind its answer."""
_ERROR = re.compile(r"Traceback \(most recent call last\)|^[^\S\n]*\w*(?:Error|Exception): |^Cell In\[", re.M)
_DELIMITED = r"(?:\$\$?((?:\\.|[^$\\]){1,400}?)\$\$?|\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\])"
_MATH = re.compile(_DELIMITED, re.S)
_SEVERAL = re.compile(rf"{_DELIMITED}(?:\s*(?:[,;]|,?\s*(?:and|or)\b)?\s*{_DELIMITED})+", re.S)
_TELLS = re.compile(r"(?:it|there|he|she|they|we|you)\s.*\.", re.I)
_VALUE = re.compile(r"[-+]?(?:\\\$|\$|€|£)?\d[\d,]*(?:\.\d+)?(?:\s?\\?%)?(?:/\d+)?")


def final_answer(text: str) -> str | None:
    """Return the answer a text states, as it is written, or None when it states none."""
    text = text.strip()
    text = text[:-END_CHARACTERS] + _END_TOKENS.sub("", text[-END_CHARACTERS:]).rstrip()
    text = _TEXT.sub(lambda found: found.group().replace("\n", " "), text)
    if not text or _ERROR.search(text):
        return None
    if _ARRAY.fullmatch(text):
        return text
    if r"\boxed" in text or r"\fbox" in text:
        return _boxes(text)
    if found := _HASHES.findall(text):
        return str(found[-1]).strip()
    if found := _PHRASE.findall(text) or _HEADING.findall(text):
        return _statement(found[-1])
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1 and len(text) <= BARE_CHARACTERS and not _is_sentence(text):
        return text
    return _only_value(lines[-1], text) if len(lines) == 1 else None


def _boxes(text: str) -> str | None:
    """Return what is in the boxes of the last line that has one."""
    last = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    pieces = re.split(r"(?=\\boxed|\\fbox)", text[text.rfind("\n", 0, last) + 1 :])[1:]
    found = dict.fromkeys(inside for piece in pieces if (inside := boxed(piece)) is not None)
    return ", ".join(found) if found else None


def _statement(rest: str) -> str:
    """Return what follows "the answer is" up to the end of its sentence."""
    rest, closing, _ = rest.strip().partition(CLOSING)
    rest = _CALCULATED.sub("", rest.rstrip().removesuffix(".") if closing else rest)
    if rest.count("**") % 2:
        # Of bold print that began before the phrase, or ends behind it.
        rest = rest.removeprefix("**").removesuffix("**").strip()
    if several := _SEVERAL.match(rest):
        return several.group()
    if math := _MATH.match(rest):
        return next(group for group in math.groups() if group is not None).strip()
    return re.split(r"(?<=[^\s.])\.(?:\s|$)", rest, maxsplit=1)[0].strip()


def _is_sentence(text: str) -> bool:
    if _TELLS.fullmatch(text):
        return True
    return len(re.findall(r"(?<![\\A-Za-z{])[A-Za-z]{2,}", _TEXT.sub("", text))) > 4


def _only_value(line: str, text: str) -> str | None:
    """Return the one value of the last sentence, or None when it has none or several."""
    if text.endswith(("\\]", "$$")):
        inside = _MATH.findall(text)
        return next((group.strip() for group in inside[-1] if group), None) if inside else None
    sentence = re.split(r"(?<=[a-z)$\d])\.\s+(?=[A-Z])", line.strip())[-1]
    if maths := _MATH.findall(sentence):
        values = {next(group for group in each if group).strip() for each in maths}
        return values.pop() if len(values) == 1 else None
    numbers = _VALUE.findall(sentence)
    return numbers[0] if len(numbers) == 1 else None
