"""An answer's text cut into tokens: numbers, names, commands and signs.

Decides: which multi-letter names are functions or constants, that other letters stand alone, as in LaTeX, and how long a run of
those is a word instead.
Does not: know grammar (``read``).
"""

import re
from dataclasses import dataclass

FUNCTIONS = {
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arccot": "acot", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asin": "asin", "acos": "acos", "atan": "atan",
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "log": "log", "ln": "log",
    "lg": "log10", "exp": "exp", "sqrt": "sqrt", "cbrt": "cbrt", "abs": "abs", "Abs": "abs", "factorial": "factorial",
    "floor": "floor", "ceiling": "ceiling", "ceil": "ceiling", "binomial": "binomial", "Rational": "divide",
    "Fraction": "divide", "Integer": "same", "Float": "same", "root": "root", "gcd": "gcd", "max": "max", "min": "min",
    "Mod": "mod",
}  # fmt: skip
"""Names of functions, as written, and the operation each stands for."""

CONSTANTS = {"pi": "pi", "Pi": "pi", "infty": "infinity", "infinity": "infinity", "oo": "infinity", "inf": "infinity"}
GREEK = frozenset([
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega", "hbar", "ell",
])  # fmt: skip
SIGNS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "le": "<=", "leq": "<=", "leqslant": "<=", "ge": ">=", "geq": ">=",
    "geqslant": ">=", "lt": "<", "gt": ">", "ne": "!=", "neq": "!=", "approx": "=", "equiv": "=", "lbrace": "\\{",
    "rbrace": "\\}", "{": "\\{", "}": "\\}", "%": "%", "lbrack": "[", "rbrack": "]", "lvert": "|", "rvert": "|",
    "vert": "|", "|": "|", "mid": "|", "cup": "cup", "in": "in", "pm": "pm", "mp": "pm", "circ": "circ", "degree": "circ",
    "to": "to", "prime": "'",
}  # fmt: skip
"""LaTeX commands that are signs, and the sign."""

_TOKEN = re.compile(
    r"""(?P<number>(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+(?![A-Za-z]))?)
      | \\begin\s*\{(?P<begin>[a-z]*matrix|array|cases)\}(?:\s*\{[^{}]*\})? | \\end\s*\{(?P<end>[a-z]*matrix|array|cases)\}
      | \\text\s*\{(?P<text>[^{}]*)\}
      | (?P<row>\\\\)
      | \\(?P<command>[a-zA-Z]+|[{}%|])
      | (?P<name>[A-Za-z]+)
      | (?P<sign>\*\*|<=|>=|!=|==|[-+*/^_=<>(){}\[\],;:|!%&'])
      | (?P<blank>\s+)""",
    re.X,
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is number, name, function, constant, text, sign, ``frac`` …, unknown or stop. ``blank``: one came before."""

    kind: str
    text: str
    blank: bool = False


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a cleaned text and a last one of kind ``stop``. Characters without a meaning become ``unknown``."""
    tokens: list[Token] = []
    position, blank = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            tokens.append(Token("unknown", text[position], blank))
            position, blank = position + 1, False
            continue
        position = match.end()
        kind = match.lastgroup or "unknown"
        if kind == "blank":
            blank = True
            continue
        first, *others = _tokens_of(kind, match.group(kind))
        tokens += [Token(first.kind, first.text, blank), *others]
        blank = False
    return [*tokens, Token("stop", "", blank)]


def _tokens_of(kind: str, text: str) -> list[Token]:
    if kind == "command":
        return _command(text)
    if kind == "name":
        return _letters(text)
    if kind == "sign":
        return [Token("sign", {"**": "^", "==": "="}.get(text, text))]
    return [Token(kind, text)]


def _command(name: str) -> list[Token]:
    if name in SIGNS:
        return [Token("sign", SIGNS[name])]
    if name in FUNCTIONS:
        return [Token("function", FUNCTIONS[name])]
    if name in CONSTANTS:
        return [Token("constant", CONSTANTS[name])]
    if name in GREEK:
        return [Token("name", "\\" + name)]
    if name in ("frac", "binom", "overline", "lfloor", "rfloor", "lceil", "rceil"):
        return [Token(name, name)]
    for length in range(len(name) - 1, 1, -1):
        # \cotx and \pir come from blanks that were taken out.
        if name[:length] in FUNCTIONS or name[:length] in CONSTANTS or name[:length] in GREEK or name[:length] in SIGNS:
            return _command(name[:length]) + _letters(name[length:])
    return [Token("unknown", "\\" + name)]


def _letters(run: str) -> list[Token]:
    """Cut a run of letters: a known name is one token, others stand for the product of their letters."""
    tokens: list[Token] = []
    while run:
        length = next((n for n in range(min(len(run), 9), 1, -1) if run[:n] in FUNCTIONS or run[:n] in CONSTANTS), 1)
        name, run = run[:length], run[length:]
        if name in FUNCTIONS:
            tokens.append(Token("function", FUNCTIONS[name]))
        elif name in CONSTANTS:
            tokens.append(Token("constant", CONSTANTS[name]))
        else:
            tokens.append(Token("name", name))
    return tokens


def is_wordy(text: str) -> bool:
    """Return whether a cleaned text holds words: a run of letters that is no name, no function and no short product."""
    without = re.sub(r"\\(?:text\s*\{[^{}]*\}|[a-zA-Z]+)", " ", text)
    return any(all(token.kind == "name" for token in tokenize(run)[:-1]) for run in re.findall(r"[A-Za-z]{4,}", without)) or bool(
        re.search(r"(?<![A-Za-z])(?:is|are|to|of|no|if|we|the|not|in|by|so)(?![A-Za-z])\s", without + " ")
    )
