"""MathCoder's grader reading LaTeX: the tokens its parser (latex2sympy2 1.9.1) cut a text into, in lower case.

Decides: which commands it knew, that a number may have commas between thousands, that ``dx`` is a differential and no answer.
Does not: know grammar (``mathcoder_latex``).
"""

import re


class NotUnderstood(ValueError):
    """The text, or its value, is something the upstream grader raised an exception for."""


_GREEK = [
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "angle", "ell", "hbar",
    "emptyset",
]  # fmt: skip
_FUNCTIONS = [
    "arcsin", "arccos", "arctan", "arccsc", "arcsec", "arccot", "sinh", "cosh", "tanh", "sin", "cos", "tan", "csc", "sec", "cot",
    "log", "ln", "exp", "floor", "ceil",
]  # fmt: skip
_COMMANDS = {
    **dict.fromkeys(_GREEK, "greek"),
    **dict.fromkeys(_FUNCTIONS, "function"),
    "frac": "frac", "dfrac": "frac", "sqrt": "sqrt", "binom": "binom", "pi": "constant", "infty": "constant",
    "times": "*", "cdot": "*", "div": "/", "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "lt": "<", "gt": ">", "neq": "!=",
    "lfloor": "floor(", "rfloor": ")floor", "lceil": "ceil(", "rceil": ")ceil", "{": "{", "}": "}",
    "mathrm": "word", "text": "word", "overline": "word", "bar": "word", "hat": "word", "vec": "word", "tilde": "word",
}  # fmt: skip
_LONGEST_FIRST = sorted(_COMMANDS, key=len, reverse=True)
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|(?:\d+(?:,\d{3})*)?\.\d+")
_SIGNS = ("<=", ">=", "!=", "==", *"+-*/:^_=<>(){}[],;|!'.")


class Scanner:
    """One token of look-ahead, read only when it is needed: what stands behind the parsed part need not be readable."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._kind, self._value = self._scan()

    def _scan(self) -> tuple[str, str]:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        rest = self._text[self._at :]
        if not rest:
            return "end", ""
        if number := _NUMBER.match(rest):
            return self._token("number", number.group())
        if rest[0] == "\\":
            name = next((name for name in _LONGEST_FIRST if rest.startswith(name, 1)), None)
            if name is None:
                raise NotUnderstood(f"unknown command {rest[:12]!r}")
            self._at += 1
            return self._token(_COMMANDS[name], name)
        if re.match(r"d\s*(?:[a-z]|\\[a-z])", rest):
            raise NotUnderstood("a differential")
        if "a" <= rest[0] <= "z":
            return self._token("e" if rest[0] == "e" else "letter", rest[0])
        sign = next((sign for sign in _SIGNS if rest.startswith(sign)), None)
        if sign is None:
            raise NotUnderstood(f"unknown character {rest[0]!r}")
        return self._token(sign, sign)

    def _token(self, kind: str, text: str) -> tuple[str, str]:
        self._at += len(text)
        return kind, text

    def _next(self) -> str:
        value = self._value
        self._kind, self._value = self._scan()
        return value

    def _expect(self, kind: str) -> None:
        if self._kind != kind:
            raise NotUnderstood(f"{kind!r} expected at {self._value!r}")
        self._next()

    def _skip_to(self, place: int) -> None:
        self._at = place
        self._kind, self._value = self._scan()
