r"""The delimiters around a formula that a page keeps: ``\[…\]``, ``$…$``, ``{\displaystyle …}``, ``\begin{displaymath}``.

Decides: what counts as a delimiter, and that comments and line breaks of TeX mean nothing.
Does not: find formulas in text (``find.py``).
"""

import re

PRIVATE_MARKS = "\ue000\ue001"
"""Characters that stand for formulas while a page's text is extracted; a page's own are taken out."""

OUTER = re.compile(
    r"\A\s*(?:\\\[(?P<a>.*)\\\]|\\\((?P<b>.*)\\\)|\$\$(?P<c>.*)\$\$|\$(?P<d>[^$]*)\$|"
    r"\{\s*\\(?:displaystyle|textstyle)\b(?P<e>.*)\}|"
    r"\\begin\{(?P<f>displaymath|equation\*?|math)\}(?P<g>.*)\\end\{(?P=f)\})\s*\Z",
    re.DOTALL,
)
"""Matches text that is one delimited formula."""
_DISPLAYS = ("a", "c", "g")
_DISPLAYSTYLE = re.compile(r"\A\\displaystyle(?![A-Za-z])\s*")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?")
_PRIVATE = re.compile(f"[{PRIVATE_MARKS}]")


def stripped(latex: str) -> str:
    r"""Return LaTeX without the spaces at its ends, a control space (``\ ``) as a whole: ``\$`` would end no formula."""
    latex = latex.strip()
    while (len(latex) - len(latex.rstrip("\\"))) % 2:
        latex = latex[:-1].rstrip()
    return latex


def clean_latex(latex: str) -> tuple[str, bool]:
    r"""Return LaTeX without its outer delimiters and TeX comments, on one line, and whether the delimiters were a display's."""
    latex = _COMMENT.sub("", _PRIVATE.sub("", latex)).replace("\u00a0", " ").strip()
    display = False
    while (match := OUTER.match(latex)) is not None:
        name = match.lastgroup or ""
        inner = match[name].strip()
        if not inner or _opens_again(name, inner, match["f"]):
            break
        latex, display = inner, display or (name in _DISPLAYS and match["f"] != "math")
    latex = stripped(_DISPLAYSTYLE.sub("", latex))
    # Spaces mean nothing in mathematics but an end of a command; inside \text{} one is as good as many.
    return re.sub(r"\s+", " ", latex).replace("$$", "$"), display


def _opens_again(name: str, inner: str, environment: str | None) -> bool:
    """Say whether what looks like one pair of delimiters is two formulas in a row."""
    if name == "a":
        return r"\[" in inner
    if name == "e":
        return not _balanced(inner)
    return environment is not None and rf"\begin{{{environment}}}" in inner


def _balanced(text: str) -> bool:
    depth = 0
    for char in re.sub(r"\\[{}]", "", text):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0
