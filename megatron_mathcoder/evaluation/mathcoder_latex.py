"""LaTeX as MathCoder's grader understood it, so that its recorded verdicts can be had again.

Decides: which texts its LaTeX parser (latex2sympy2 1.9.1) accepted, and when two of its unevaluated trees were structurally equal
(``52f`` and ``52*f`` are, ``-48g`` and ``-48*g`` are not). Written anew from its observed behaviour.
Answers are lower case when they come here, so ``E`` and ``I`` never do.
Does not: judge well. It keeps the defects; ``data_tools.answers`` is the grader to trust.

A parse reads as far as it can and ignores the rest (``664_7`` is 664), except where a token promises more (``5,`` and ``5^``
fail).
"""

import re
from fractions import Fraction

from megatron_mathcoder.evaluation.mathcoder_tokens import NotUnderstood, Scanner

Tree = tuple[object, ...] | Fraction
"""``Fraction`` | ("symbol", name) | ("constant", name) | ("add"|"multiply"|"list", …) | ("power", base, exponent) | (function,
…)."""

MAX_DEPTH = 60


_ATOMS = frozenset(["number", "letter", "greek", "constant", "word", "function", "frac", "sqrt", "binom", "e"])


def parse(text: str) -> Tree:
    """Return the tree of a text.

    Raises NotUnderstood: where the upstream parser raised.
    """
    parser = _Parser(re.sub(r"\\quad|\\,|~|\$|\\displaystyle", " ", text.replace(r"\mathrm{d}", "d")))
    return parser.whole()


class _Parser(Scanner):
    """The grammar. Each method reads one construction and leaves the token behind it as the next."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def whole(self) -> Tree:
        for opening, closing in (("[", "]"), ("{", "}")):
            if self._kind == opening and (inside := self._list_inside(closing)) is not None:
                return inside
        first = self._relation()
        if self._kind not in (",", ";"):
            return first
        separator, items = self._kind, [first]
        while self._kind == separator:
            self._next()
            items.append(self._relation())
        return ("list", *items)

    def _list_inside(self, closing: str) -> Tree | None:
        """Read ``[1,2]`` as a list, or go back and return None when the bracket is a group."""
        state = self._at, self._kind, self._value
        try:
            self._next()
            inside = self.whole()
            if self._kind == closing and isinstance(inside, tuple) and inside[0] == "list":
                return inside
        except NotUnderstood:
            pass
        self._at, self._kind, self._value = state
        return None

    def _relation(self) -> Tree:
        left = self._sum()
        while self._kind in ("=", "==", "<", ">", "<=", ">=", "!="):
            operator = self._next()
            right = self._sum()
            # An assignment to a letter is worth its right side; the global state it left behind is not reproduced.
            assigned = operator == "=" and isinstance(left, tuple) and left[0] == "symbol"
            left = right if assigned else (operator, left, right)
        return left

    def _sum(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotUnderstood("nested too deeply")
        value = self._product(True)
        while self._kind in ("+", "-"):
            sign = self._next()
            term = self._product(True)
            value = _flat("add", value, term if sign == "+" else _negative(term))
        self._depth -= 1
        return value

    def _product(self, functions: bool) -> Tree:
        value = self._unary(functions)
        while self._kind in ("*", "/", ":"):
            sign = self._next()
            right = self._unary(functions)
            value = _flat("multiply", value, right) if sign in ("*", "times", "cdot") else _quotient(value, right)
        return value

    def _unary(self, functions: bool) -> Tree:
        if self._kind in ("+", "-"):
            sign = self._next()
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise NotUnderstood("nested too deeply")
            inner = self._unary(functions)
            self._depth -= 1
            return _negative(inner) if sign == "-" else inner
        factors = [self._postfix()]
        while self._begins(functions):
            factors.append(self._postfix())
        value = factors[-1]
        for factor in factors[-2::-1]:
            value = _flat("multiply", factor, value)
        return value

    def _begins(self, functions: bool) -> bool:
        if self._kind in ("function", "frac", "sqrt", "binom", "e") and not functions:
            return self._kind == "frac"
        return self._kind in _ATOMS or self._kind in ("(", "{", "[", "|", "floor(", "ceil(")

    def _postfix(self) -> Tree:
        value = self._atom()
        while self._kind == "^":
            self._next()
            value = ("power", value, self._exponent())
        while self._kind in ("!", "'"):
            sign = self._next()
            value = ("factorial", value) if sign == "!" else ("transpose", value) if isinstance(value, tuple) else value
        return value

    def _exponent(self) -> Tree:
        if self._kind == "{":
            return self._group("{", "}")
        if self._kind not in ("number", "letter", "greek", "constant", "word"):
            raise NotUnderstood("no exponent")
        return self._single()

    def _group(self, opening: str, closing: str) -> Tree:
        self._expect(opening)
        inside = self._sum()
        self._expect(closing)
        return inside

    def _atom(self) -> Tree:
        kind = self._kind
        groups = {"(": ")", "{": "}", "[": "]"}
        if kind in groups:
            return self._group(kind, groups[kind])
        if kind == "|":
            return ("abs", self._group("|", "|"))
        if kind in ("floor(", "ceil("):
            return (kind[:-1], self._group(kind, ")" + kind[:-1]))
        if kind in ("frac", "binom"):
            self._next()
            upper, lower = self._group("{", "}"), self._group("{", "}")
            return _quotient(upper, lower) if kind == "frac" else ("binomial", upper, lower)
        if kind == "sqrt":
            return self._root()
        if kind == "function":
            return self._function()
        if kind == "e":
            self._next()
            power: Tree = Fraction(1)
            if self._kind == "^":
                self._next()
                power = self._exponent()
            return ("exp", power)
        return self._single()

    def _single(self) -> Tree:
        kind, value = self._kind, self._value
        if kind == "number":
            self._next()
            return Fraction(value.replace(",", ""))
        if kind == "constant":
            self._next()
            return ("constant", value)
        if kind == "word":
            return self._word(value)
        if kind not in ("letter", "greek"):
            raise NotUnderstood(f"{value!r} is not expected")
        self._next()
        name = value + self._subscript()
        if self._kind == "(" and (called := self._call(name)) is not None:
            return called
        return ("symbol", name)

    def _word(self, command: str) -> Tree:
        """Read ``\\mathrm{cm}``: its letters are one symbol."""
        match = re.match(r"\s*\{([^{}]*)\}", self._text[self._at :])
        if match is None:
            raise NotUnderstood("no word")
        self._skip_to(self._at + match.end())
        return ("symbol", f"\\{command}{{{match.group(1)}}}")

    def _subscript(self) -> str:
        if self._kind != "_":
            return ""
        self._next()
        if self._kind != "{":
            if self._kind not in ("number", "letter", "greek", "constant"):
                raise NotUnderstood("no subscript")
            return "_" + self._next()
        end = self._text.find("}", self._at)
        if end < 0:
            raise NotUnderstood("a subscript is not closed")
        inside = self._text[self._at : end].strip()
        self._skip_to(end + 1)
        return f"_{{{inside}}}" if len(inside) > 1 else f"_{inside}"

    def _call(self, name: str) -> Tree | None:
        """Read ``f(2)``: a letter before bracketed atoms is a function; before a sum or product it is a factor (None)."""
        state = self._at, self._kind, self._value
        try:
            self._next()
            arguments = [self._single()]
            while self._kind == ",":
                self._next()
                arguments.append(self._single())
            if self._kind == ")":
                self._next()
                return ("call", name, *arguments)
        except NotUnderstood:
            pass
        self._at, self._kind, self._value = state
        return None

    def _root(self) -> Tree:
        self._next()
        index: Tree = Fraction(2)
        if self._kind == "[":
            index = self._group("[", "]")
        radicand = self._group("{", "}")
        if isinstance(index, Fraction) and index:
            return ("sqrt", radicand) if index == 2 else ("power", radicand, 1 / index)
        return ("power", radicand, _quotient(Fraction(1), index))

    def _function(self) -> Tree:
        name = self._next()
        base: Tree | None = None
        power: Tree | None = None
        while self._kind in ("_", "^"):
            if self._next() == "_":
                base = self._exponent()
            else:
                power = self._exponent()
        argument = self._group("(", ")") if self._kind == "(" else self._product(False)
        value: Tree = (name, argument)
        if name in ("log", "ln"):
            value = ("log", argument, base or (Fraction(10) if name == "log" else ("constant", "E")))
        return value if power is None else ("power", value, power)


def _flat(operation: str, left: Tree, right: Tree) -> Tree:
    parts: list[Tree] = []
    for side in (left, right):
        if isinstance(side, tuple) and side[0] == operation:
            parts += [part for part in side[1:] if isinstance(part, tuple | Fraction)]
        else:
            parts.append(side)
    return (operation, *parts)


def _negative(value: Tree) -> Tree:
    return -value if isinstance(value, Fraction) else _flat("multiply", Fraction(-1), value)


def _quotient(upper: Tree, lower: Tree) -> Tree:
    return ("multiply", upper, ("power", lower, Fraction(-1)))
