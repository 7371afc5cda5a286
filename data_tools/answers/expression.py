"""From tokens to an expression's tree: sums, products, powers, functions, in LaTeX, plain or Python spelling.

Decides: the grammar. Products without a sign bind like products with one; ``\\sin 2x`` is the sine of the product; a whole
number before a fraction is a mixed number; ``e`` and ``i`` are the constants. Nothing is evaluated here, and no text is ever
handed to Python's or SymPy's parser.
Does not: read lists, relations or units (``read``).
"""

from collections.abc import Sequence as Seq
from fractions import Fraction

from data_tools.answers.tokens import Token, tokenize
from data_tools.answers.values import Number, Operation, Symbol, Value

MAX_DEPTH = 40
MAX_TOKENS = 600
MAX_DECIMAL_EXPONENT = 2000
TRIGONOMETRIC = frozenset(["sin", "cos", "tan", "cot", "sec", "csc"])
RADIANS = Operation("divide", (Operation("pi"), Number(Fraction(180))))

_CLOSING = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_BEGINS_ATOM = frozenset(["number", "name", "function", "constant", "frac", "binom", "overline", "lfloor", "lceil", "begin"])
_ROUNDING = {"lfloor": "floor", "lceil": "ceiling"}


class NoExpression(ValueError):
    """The text is not an expression of this grammar."""


def parse_expression(text: str) -> Value:
    """Return the tree of a cleaned text.

    Raises NoExpression: with the reason.
    """
    return _Parser(tokenize(text)).whole()


def number_from(text: str) -> Number:
    """Return the exact number of a literal such as ``12``, ``.50`` or ``1.7e4``, with the digits it was written to."""
    mantissa, _, exponent = text.lower().partition("e")
    power = int(exponent or 0)
    if abs(power) > MAX_DECIMAL_EXPONENT:
        raise NoExpression(f"the exponent of {text[:20]} is too large")
    whole, _, places = mantissa.partition(".")
    value = Fraction(int((whole + places) or 0), 10 ** len(places)) * Fraction(10) ** power
    decimal = bool(places.strip("0"))
    return Number(value, Fraction(10) ** (power - len(places)) if decimal else None)


class _Parser:
    def __init__(self, tokens: Seq[Token]) -> None:
        if len(tokens) > MAX_TOKENS:
            raise NoExpression(f"it has over {MAX_TOKENS} tokens")
        if sum(token.kind == "sign" and token.text == "pm" for token in tokens) > 1:
            raise NoExpression("it has several signs that stand for two values")
        self._tokens, self._at, self._depth = tokens, 0, 0
        self._in_bars = False
        self._is_angle = False

    def whole(self) -> Value:
        value = self._sum()
        if self._next.kind != "stop":
            raise NoExpression(f"{self._next.text!r} is not expected")
        return value

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        if token.kind == "stop":
            raise NoExpression("it ends too early")
        self._at += 1
        return token

    def _is(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    def _accept(self, sign: str) -> bool:
        found = self._is(sign)
        self._at += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise NoExpression(f"{sign!r} is missing")

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoExpression("it is nested too deeply")
        terms = [self._term()]
        while self._is("+", "-", "pm"):
            sign = self._take().text
            term = self._term()
            if sign == "pm":
                terms = [Operation("pm", (Operation("add", tuple(terms)), term))]
            else:
                terms.append(term if sign == "+" else Operation("negative", (term,)))
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Operation("add", tuple(terms))

    def _term(self) -> Value:
        if self._is("+", "-", "pm"):
            sign = self._take().text
            if self._depth + (sign == "-") > MAX_DEPTH:
                raise NoExpression("it is nested too deeply")
            self._depth += 1
            inner = self._term()
            self._depth -= 1
            if sign == "pm":
                return Operation("pm", (Number(Fraction(0)), inner))
            return _negative(inner) if sign == "-" else inner
        value = self._power()
        while True:
            if self._is("*", "/"):
                operator = self._take().text
                right = _negative(self._power()) if self._accept("-") else self._power()
                value = Operation("multiply" if operator == "*" else "divide", (value, right))
            elif self._begins_atom():
                value = self._juxtaposed(value)
            else:
                return value

    def _begins_atom(self) -> bool:
        return self._next.kind in _BEGINS_ATOM or self._is("(", "{", "[") or (self._is("|") and not self._in_bars)

    def _juxtaposed(self, left: Value) -> Value:
        """Read what follows ``left`` without a sign: a product, or the fraction of a mixed number."""
        before, token = self._tokens[self._at - 1], self._next
        if token.kind == "number" and not (before.kind == "sign" and before.text in "})]"):
            if not (token.blank and self._fraction_follows()):
                raise NoExpression("two numbers stand side by side")
            return Operation("add", (left, Operation("divide", (self._atom(), self._after_slash()))))
        whole = isinstance(left, Number) and left.quantum is None and before.kind == "number"
        right = self._power()
        if whole and token.kind == "frac" and _is_plain_fraction(right):
            return Operation("add", (left, right))
        return Operation("multiply", (left, right))

    def _fraction_follows(self) -> bool:
        kinds = [(t.kind, t.text) for t in self._tokens[self._at : self._at + 3]]
        return len(kinds) == 3 and kinds[0][0] == kinds[2][0] == "number" and kinds[1] == ("sign", "/")

    def _after_slash(self) -> Value:
        self._expect("/")
        return self._atom()

    def _power(self) -> Value:
        value = self._postfix(self._atom())
        if self._accept("^"):
            if self._accept("circ"):
                return self._postfix(self._degrees(value))
            if self._is("{") and self._tokens[self._at + 1].text == "circ" and self._tokens[self._at + 2].text == "}":
                self._at += 3
                return self._postfix(self._degrees(value))
            value = self._postfix(Operation("power", (value, self._exponent())))
        return value

    def _exponent(self) -> Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NoExpression("it is nested too deeply")
        if self._is("-", "+"):
            sign = self._take().text
            exponent = self._power()
            exponent = _negative(exponent) if sign == "-" else exponent
        else:
            exponent = self._power()
        self._depth -= 1
        return exponent

    def _postfix(self, value: Value) -> Value:
        while True:
            if self._accept("!"):
                value = Operation("factorial", (value,))
            elif self._accept("%"):
                value = Operation("percent", (value,))
            elif self._accept("circ"):
                value = self._degrees(value)
            else:
                return value

    def _degrees(self, value: Value) -> Value:
        """Read a degree sign: a unit, but a factor of pi/180 in the argument of a trigonometric function."""
        return Operation("multiply", (value, RADIANS)) if self._is_angle else value

    def _atom(self) -> Value:
        token = self._take()
        if token.kind == "number":
            return self._number(token)
        if token.kind == "name":
            return self._name(token.text)
        if token.kind == "constant":
            return Operation(token.text)
        if token.kind == "function":
            return self._call(token.text)
        if token.kind == "frac":
            return Operation("divide", (self._braced(), self._braced()))
        if token.kind == "binom":
            return Operation("binomial", (self._braced(), self._braced()))
        if token.kind in _ROUNDING:
            inner = self._sum()
            if self._take().text != "r" + token.kind[1:]:
                raise NoExpression(f"\\{token.kind} is not closed")
            return Operation(_ROUNDING[token.kind], (inner,))
        if token.kind == "sign" and token.text in _CLOSING:
            inner = self._sum()
            self._expect(_CLOSING[token.text])
            return inner
        if token.kind == "sign" and token.text == "|":
            outer, self._in_bars = self._in_bars, True
            inner = self._sum()
            self._expect("|")
            self._in_bars = outer
            return Operation("abs", (inner,))
        raise NoExpression(f"{token.text!r} is not expected")

    def _number(self, token: Token) -> Value:
        number = number_from(token.text)
        if self._next.kind == "overline" and "." in token.text:
            self._take()
            self._expect("{")
            digits = self._take().text
            self._expect("}")
            places = len(token.text.partition(".")[2])
            if not digits.isdecimal():
                raise NoExpression("what repeats is not digits")
            return Number(number.value + Fraction(int(digits), (10 ** len(digits) - 1) * 10**places))
        return number

    def _name(self, name: str) -> Value:
        if self._accept("_"):
            name += "_" + self._subscript()
        if [token.text for token in self._tokens[self._at : self._at + 3]] == ["(", "0", ")"]:
            # An initial value, ``I(0)``: nobody writes a product with zero.
            self._at += 3
            return Symbol(f"{name}(0)")
        if name == "e":
            return Operation("e")
        return Operation("i") if name in ("i", "I") else Symbol(name)

    def _subscript(self) -> str:
        if not self._accept("{"):
            return self._take().text
        begin, depth = self._at, 1
        while depth:
            token = self._take()
            depth += (token.text == "{") - (token.text == "}")
        return "".join(token.text for token in self._tokens[begin : self._at - 1])

    def _braced(self) -> Value:
        """Read an argument as TeX does: a group, a command with its own arguments, or one digit or letter."""
        if self._accept("{"):
            inner = self._sum()
            self._expect("}")
            return inner
        token = self._next
        if token.kind == "number" and len(token.text) > 1 and token.text.isdecimal():
            # \frac12 is one token "12": its first digit is the argument, the rest stays.
            rest = Token("number", token.text[1:])
            self._tokens = [*self._tokens[: self._at], Token("number", token.text[0]), rest, *self._tokens[self._at + 1 :]]
        if token.kind == "sign" and token.text != "(":
            raise NoExpression(f"{token.text!r} is no argument")
        return self._atom()

    def _call(self, function: str) -> Value:
        power: Value | None = None
        leading: tuple[Value, ...] = ()
        if function == "sqrt" and self._accept("["):
            leading = (self._sum(),)
            self._expect("]")
        if function == "log" and self._accept("_"):
            leading = (self._braced(),)
        if self._accept("^"):
            power = self._exponent()
        outer, self._is_angle = self._is_angle, function in TRIGONOMETRIC
        arguments = (*self._arguments(function), *leading)
        self._is_angle = outer
        result = _applied(function, arguments, power)
        return result if power is None or _is_inverse(function, power) else Operation("power", (result, power))

    def _arguments(self, function: str) -> tuple[Value, ...]:
        if self._is("(", "{", "["):
            closing = _CLOSING[self._take().text]
            arguments = [self._sum()]
            while self._accept(","):
                arguments.append(self._sum())
            self._expect(closing)
            return tuple(arguments)
        if function == "sqrt":
            return (self._braced(),)
        value = self._postfix(self._power())
        while self._begins_atom() and self._next.kind != "function":
            value = self._juxtaposed(value)
        return (value,)


def _negative(value: Value) -> Value:
    return Number(-value.value, value.quantum) if isinstance(value, Number) else Operation("negative", (value,))


def _is_plain_fraction(value: Value) -> bool:
    return (
        isinstance(value, Operation)
        and value.name == "divide"
        and all(isinstance(part, Number) and part.value.denominator == 1 for part in value.arguments)
    )


def _is_inverse(function: str, power: Value) -> bool:
    return function in ("sin", "cos", "tan", "cot") and power == Number(Fraction(-1))


_ARITY = {"binomial": (2,), "divide": (1, 2), "root": (2,), "mod": (2,), "log": (1, 2), "sqrt": (1, 2)}
_MANY = ("gcd", "max", "min")


def _applied(function: str, arguments: tuple[Value, ...], power: Value | None) -> Value:
    if function not in _MANY and len(arguments) not in _ARITY.get(function, (1,)):
        raise NoExpression(f"{function} does not take {len(arguments)} arguments")
    if function in ("same", "divide") and len(arguments) == 1:
        return arguments[0]
    if function == "sqrt" and len(arguments) == 2:
        function = "root"
    if power is not None and _is_inverse(function, power):
        function = "a" + function
    return Operation(function, arguments)
