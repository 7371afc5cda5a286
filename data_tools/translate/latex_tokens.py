r"""Cuts the LaTeX of one expression into tokens, without what only changes how it looks.

Decides: which commands are spacing or size and vanish, which names of commands are letters, how numbers with thousands
separators read (``1{,}000``, ``1,\!000`` always; ``1,000`` only outside brackets, where a comma separates arguments).
Does not: know what the tokens mean together (``latex_parser.py``).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from data_tools.formulas.own_commands import Command, expand

MAX_TOKENS = 400


class LatexError(Exception):
    """LaTeX that is not read; ``args[0]`` is a reason of a fixed set, for counting."""


class Token(NamedTuple):
    """``kind``: number, letter (a symbol's name, Greek as its English word), command (with its backslash), text, mark, row (a
    line break), begin and finish (of an environment, by name), end."""

    kind: str
    text: str


VANISHES = re.compile(
    r"\\(?:left|right)\s*\.|\\[,;:!> ]|\\(?:left|right|middle|displaystyle|textstyle|scriptstyle|limits|nolimits|[bB]igg?[lr]?"
    r"|quad|qquad|thinspace|medspace|enspace|strut|mathstrut|nonumber|notag|hfill|smallskip|hline|pause)(?![A-Za-z])"
    r"|\\(?:label|tag\*?|[hv]space\*?|[hv]?phantom|color|ref|eqref)\s*\{[^{}]*\}|\\renewcommand\{[^{}]*\}\{[^{}]*\}|\\\$|~|\s+"
)
TOKEN = re.compile(
    r"(?P<thousands>\d{1,3}(?:(?:\{,\}|,\\!)\d{3})+(?:\.\d+)?(?!\d))|(?P<commas>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,]))"
    r"|(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<capitals>[A-Z]{2,})|(?P<letter>[A-Za-z])"
    r"|\\begin\s*\{(?P<begin>[a-z]+\*?)\}(?:\s*\{[lcr|]*\})?|\\end\s*\{(?P<finish>[a-z]+\*?)\}"
    r"|(?P<command>\\[A-Za-z]+|\\[{}|%$#])|(?P<row>\\\\(?:\s*\[[^\]]*\])?)|(?P<mark>[-+*/^_=(){}\[\]|,!<>:.';&·×÷−≈%])"
)
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "kappa", "lambda", "mu",
    "nu", "xi", "rho", "sigma", "tau", "phi", "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Sigma",
    "Phi", "Psi", "Omega", "ell",
}  # fmt: skip
ALIASES = {"−": "-", "·": r"\cdot", "×": r"\times", "÷": r"\div", "≈": r"\approx", "*": r"\cdot"}
RENAMED = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\nicefrac": r"\frac", r"\sfrac": r"\frac",
    r"\dbinom": r"\binom", r"\tbinom": r"\binom",
    r"\ge": r"\geq", r"\le": r"\leq", r"\ne": r"\neq", r"\cong": r"\equiv", r"\rightarrow": r"\to", r"\lvert": "|",
    r"\rvert": "|", r"\vert": "|", r"\lbrack": "[", r"\rbrack": "]", r"\lbrace": r"\{", r"\rbrace": r"\}", r"\ast": r"\cdot",
    r"\dotsc": r"\ldots", r"\dots": r"\ldots", r"\cdots": r"\ldots",
    r"\dotsb": r"\ldots", r"\dotsm": r"\ldots", r"\varnothing": r"\emptyset", r"\degree": r"\circ",
    r"\arcsin": r"\asin", r"\arccos": r"\acos", r"\arctan": r"\atan",
}  # fmt: skip
NAMED = (
    r"\operatorname", r"\mathrm", r"\text", r"\mbox", r"\textrm", r"\rm", r"\textup", r"\textit", r"\textbf", r"\hbox",
    r"\mathit",
)  # fmt: skip
NAMES = {
    name: rf"\{name}"
    for name in ("gcd", "lcm", "det", "max", "min", "log", "ln", "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "mod")
} | {f"{prefix}{name}": rf"\a{name}" for name in ("sin", "cos", "tan", "cot") for prefix in ("arc", "a")}
"""Functions that a text may name in upright letters."""
OPERATOR = re.compile(r"\\mathop\s*\{\s*(?:\\(?:text|mathrm|rm)\s*)?\{?\s*([A-Za-z]+)\s*\}?\s*\}")
PRIMES = re.compile(r"\^\s*(?:\{((?:\s*\\prime)+)\s*\}|(\\prime(?![A-Za-z])))")
BRACED_NAME = re.compile(r"\{(\\(?:mathrm|operatorname)\{[A-Za-z]+\})\}")
"""What an operator that a text declares expands to; in braces its argument would stand outside."""
GROUP = re.compile(r"\*?\s*\{([^{}]*)\}")


def expanded(latex: str, commands: Mapping[str, Command]) -> str:
    """Return LaTeX with the text's own commands replaced by what they stand for."""
    if not commands or "\\" not in latex:
        return latex
    return BRACED_NAME.sub(r"\1", expand(latex, commands))


def tokens_of(latex: str) -> list[Token]:
    """Return the tokens, the last of kind ``end``. Raises LatexError."""
    latex = OPERATOR.sub(r"\\operatorname{\1}", PRIMES.sub(lambda match: "'" * match[0].count("p"), latex))
    found: list[Token] = []
    position = depth = 0
    while position < len(latex):
        if blank := VANISHES.match(latex, position):
            position = blank.end()
            continue
        match = TOKEN.match(latex, position)
        if not match:
            raise LatexError("unknown character")
        if match.lastgroup == "commas" and depth:
            match = re.compile(r"(?P<number>\d+)").match(latex, position)
            assert match is not None
        token, position = _token(match, latex)
        found.append(token)
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if len(found) > MAX_TOKENS:
            raise LatexError("too long")
    return [*found, Token("end", "")]


def _token(match: re.Match[str], latex: str) -> tuple[Token, int]:
    kind, end = str(match.lastgroup), match.end()
    text = match[kind]
    if kind in ("thousands", "commas"):
        return Token("number", re.sub(r"[^\d.]", "", text)), end
    if kind == "capitals":
        return Token("letter", text), end
    if kind == "mark":
        text = ALIASES.get(text, text)
        return Token("command" if text.startswith("\\") else "mark", text), end
    if kind != "command":
        return Token(kind, text), end
    text = RENAMED.get(text, text)
    if text in NAMED:
        return _named(text, latex, end)
    if text[1:] in GREEK:
        return Token("letter", text[1:]), end
    return Token("mark" if not text.startswith("\\") else "command", text), end


def _named(command: str, latex: str, end: int) -> tuple[Token, int]:
    group = GROUP.match(latex, end)
    if not group:
        raise LatexError("words in the mathematics")
    words = group[1].strip()
    if words in NAMES:
        return Token("command", NAMES[words]), group.end()
    if words == "d" and command in (r"\mathrm", r"\operatorname", r"\text"):
        return Token("letter", "d"), group.end()
    return Token("text", words), group.end()
