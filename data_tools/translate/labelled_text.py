"""Reads labelled sections out of a model's prose: conditions, expression, result and fenced Python, computation by computation.

Decides: what counts as a label (bold, plain, ``###``, numbered or bulleted, with or without "Computation"), where one computation
ends and the next begins, which fence is code and which is shown output.
Does not: judge whether a computation is whole (``parse.py``).
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

from data_tools.program_text.imports import parsed

DRESS = r"\s*(?:>\s*)?(?:#{1,6}\s*)?(?:[-*+•]\s+)?(?:\(?[0-9]{1,2}[.):]\s*|[a-d][.)]\s+)?(?:\*\*|__|\*|_)?\s*"
NUMBERING = r"(?:[0-9]{1,2}[.):]\s*)?"
UNDRESS = r"\s*(?:\*\*|__|\*|_)?\s*"
LABELS = {
    "conditions": r"conditions?(?:\s+needed)?|given|assumptions?|known(?:\s+values)?|prerequisites",
    "expression": r"(?:latex\s+)?expression|formula|latex",
    "result": r"(?:final\s+|expected\s+|numerical\s+)?result|(?:final\s+)?answer|value",
    "code": r"(?:python\s+)?code(?:\s+snippet)?|python(?:\s+(?:snippet|script|program|implementation))?|snippet",
    "output": r"(?:expected\s+|code\s+|execution\s+)?output",
    "title": r"title|name|description",
}
LABEL = re.compile(
    rf"^{DRESS}{NUMBERING}(?:(?:the|for)\s+)?(?:computation(?:'s)?\s+(?:[0-9]+\s+)?)?(?:(?:latex|python)\s+)?"
     "(?:" + "|".join(f"(?P<{name}>{words})" for name, words in LABELS.items()) + ")"
    + rf"(?:\s+\([^)\n]{{0,40}}\))?{UNDRESS}(?:[:：](?P<rest>.*)|$)",
    re.IGNORECASE,
)  # fmt: skip
HEADER = re.compile(
    rf"^{DRESS}{NUMBERING}(?:computation|calculation|step|problem)\s*(?:no\.?\s*|\#\s*)?[0-9]+{UNDRESS}[:.)\-–—]*{UNDRESS}(?P<title>.*)$",
    re.IGNORECASE,
)
HEADING = re.compile(r"^\s*#{1,6}\s+(?P<title>\S.*)$")
FENCE = re.compile(r"^\s*(?P<mark>`{3,}|~{3,})\s*\{?\.?(?P<language>[A-Za-z0-9_+-]*)[^`]*$")
LIST_MARK = re.compile(r"^\s*(?:[-*+•]\s+|\(?[0-9]{1,2}[.)]\s+)")
MATHS = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
LONG_BLANK = re.compile(r"\s{20,}")
PYTHON_NAMES = ("python", "py", "python3", "pycon", "sympy", "sage")
MAX_TRIMMED_LINES = 20


@dataclass(slots=True)
class Section:
    """One computation as it was written, not yet judged. ``code_ended`` is False while a fence is open."""

    title: str = ""
    conditions: list[str] = field(default_factory=list)
    expression: str = ""
    result: str = ""
    code: str = ""
    code_ended: bool = True
    cut_off: bool = False
    labelled: set[str] = field(default_factory=set)
    prose: list[str] = field(default_factory=list)


def sections(text: str) -> list[Section]:
    """Return the computations of a reply in the order they were written."""
    reader = _Reader()
    lines = iter(text.splitlines())
    for line in lines:
        fence = FENCE.match(line)
        if fence:
            body, ended = _fence_body(lines, fence["mark"])
            reader.fence(fence["language"].lower(), body, ended)
        else:
            reader.line(line)
    return reader.end()


def _fence_body(lines: Iterator[str], mark: str) -> tuple[str, bool]:
    body: list[str] = []
    for line in lines:
        if line.strip().startswith(mark[:3]) and set(line.strip()) == {mark[0]}:
            return "\n".join(body), True
        body.append(line)
    return "\n".join(body), False


class _Reader:
    def __init__(self) -> None:
        self._done: list[Section] = []
        self._now = Section()
        self._slot = ""
        self._loose_code: list[str] = []

    def line(self, line: str) -> None:
        # Blanks may stand in so many places of a label that a long run of them would take forever.
        dressed = LONG_BLANK.sub(" ", line)
        label, header = LABEL.match(dressed), HEADER.match(dressed)
        if label:
            name = next(name for name in LABELS if label[name] is not None)
            self._begin_slot(name, _without_closing_mark((label["rest"] or "").strip()))
        elif header:
            self._next(_plain(header["title"]))
        elif (heading := HEADING.match(line)) and not self._now.labelled:
            self._next(_plain(heading["title"]))
        else:
            self._add(line)

    def fence(self, language: str, body: str, ended: bool) -> None:
        body = textwrap.dedent(body)
        if self._slot == "output" or not _is_code(language, body):
            if not self._now.code and self._slot in ("expression", "result"):
                self._add(body)
            self._slot = ""
            return
        now = self._now
        if now.code and not now.labelled and now.code_ended:
            # Without labels each fence is a computation of its own.
            self._next("")
            now = self._now
        now.code = f"{now.code}\n{body}" if now.code else body
        now.code_ended = ended
        self._slot = ""

    def end(self) -> list[Section]:
        self._next("")
        return self._done

    def _begin_slot(self, name: str, rest: str) -> None:
        now = self._now
        repeats = name in now.labelled and name != "output"
        if repeats or (now.code and name in ("conditions", "expression", "title")):
            self._next("")
            now = self._now
        if name == "title":
            now.title = _plain(rest)
            return
        if name != "output":
            now.labelled.add(name)
        self._slot = name
        if rest:
            self._add(rest)

    def _next(self, title: str) -> None:
        self._take_loose_code()
        now = self._now
        if not now.labelled and now.code:
            _read_prose(now)
        if now.code or now.labelled:
            self._done.append(now)
        elif now.title and not title:
            title = now.title
        self._now, self._slot = Section(title), ""

    def _add(self, line: str) -> None:
        now = self._now
        if self._slot == "code":
            if not now.code:
                self._loose_code.append(line)
        elif self._slot == "conditions":
            if line.strip():
                now.conditions.append(LIST_MARK.sub("", line).strip())
        elif self._slot in ("expression", "result"):
            setattr(now, self._slot, f"{getattr(now, self._slot)} {line.strip()}".strip())
        elif self._slot == "" and line.strip():
            if now.code and not now.labelled:
                self._next("")
            self._now.prose.append(line)

    def _take_loose_code(self) -> None:
        """Take code that stands under its label without a fence: the longest beginning that is Python."""
        lines, self._loose_code = self._loose_code, []
        for end in range(len(lines), max(0, len(lines) - MAX_TRIMMED_LINES), -1):
            code = textwrap.dedent("\n".join(lines[:end])).strip("\n`")
            if not self._now.code and _parses(code) and code.strip():
                self._now.code = code
                return


def _without_closing_mark(text: str) -> str:
    """Take off the ``**`` that closes a label in front of its text: ``**Result:** 4``."""
    for mark in ("**", "__"):
        if text.startswith(mark) and text.count(mark) % 2:
            return text.removeprefix(mark).strip()
    return text


def _read_prose(section: Section) -> None:
    """Find the expression and its value in unlabelled text before a fence: the last mathematics with an equals sign."""
    text = "\n".join(section.prose)
    for match in reversed(list(MATHS.finditer(text))):
        inner = next(group for group in match.groups() if group)
        if "=" in inner:
            section.expression = inner.strip()
            break
    if not section.title:
        first = next((line for line in section.prose if line.strip()), "")
        section.title = _plain(LIST_MARK.sub("", first))[:120]


def _is_code(language: str, body: str) -> bool:
    if language in PYTHON_NAMES:
        return True
    # An untagged fence that calls or assigns something is the program; numbers alone are the output it showed.
    return language == "" and _parses(body) and any(mark in body for mark in ("print(", "import ", "=", "def "))


def _parses(code: str) -> bool:
    return parsed(code) is not None


def _plain(text: str) -> str:
    return text.strip().strip("*_#").strip(" :").strip("*_").strip()
