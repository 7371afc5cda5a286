r"""Reads what a command or a name takes as its arguments: fractions, roots, functions, and what stands in brackets behind them.

Decides: how far the argument of a function without brackets reaches (``\sin 2x``), and what is an argument without braces
(``\frac12``).
Does not: read sums, products or names (``latex_parser.py``).
"""

from data_tools.translate.expression import FUNCTIONS, Node, number
from data_tools.translate.latex_operators import LargeOperators
from data_tools.translate.latex_tokens import LatexError, Token

FUNCTION_COMMANDS = {f"\\{name}": name for name in FUNCTIONS - {"Abs", "sqrt", "root", "binomial", "factorial", "factorial2"}}
FUNCTION_COMMANDS |= {r"\max": "Max", r"\min": "Min"}
SEVERAL_ARGUMENTS = {"gcd", "lcm", "Max", "Min"}
INVERSE = {"sin": "asin", "cos": "acos", "tan": "atan"}
CONSTANTS = {r"\pi": "pi", r"\infty": "oo"}
BRACKETS = {"(": ")", "[": "]", r"\{": r"\}", "{": "}"}


class Arguments(LargeOperators):
    """A cursor that reads them."""

    def _arguments(self) -> tuple[Node, ...]:
        opening = self.take().text
        bars, self._bars = self._bars, 0
        found = [self.sum()]
        while self._accept(","):
            found.append(self.sum())
        self._expect(BRACKETS[opening])
        self._bars = bars
        return tuple(found)

    def _fraction(self) -> Node:
        if (order := self._derivative_order()) is not None:
            return order
        top = self._numerator() if self._integrals else self._script_digit()
        return Node("div", (top, self._script_digit()))

    def _script_digit(self) -> Node:
        """Read an argument without braces: ``\\frac12`` has two of one digit."""
        token = self.now
        if token.kind == "number" and token.text.isdigit() and len(token.text) > 1:
            self._tokens[self._at : self._at + 1] = [Token("number", digit) for digit in token.text]
        return self._number() if self.now.kind == "number" else self._script()

    def _numerator(self) -> Node:
        """Read a numerator under an integral sign: ``\\frac{dx}{x}`` holds the differential."""
        if self.now.text != "{":
            return self._script_digit()
        self.take()
        node = number(1) if self._is_differential() else self.sum()
        if self._is_differential():
            self.take()
            self._differential = self.take().text
        self._expect("}")
        return node

    def _root(self) -> Node:
        if self.now.text == "[":
            (degree,) = self._arguments()
            return Node("call", (self._script_digit(), degree), "root")
        return Node("call", (self._script_digit(),), "sqrt")

    def _function(self, name: str) -> Node:
        power: Node | None = None
        base: Node | None = None
        while self.now.kind == "mark" and self.now.text in ("^", "_"):
            if self.take().text == "^":
                power = self._script()
            else:
                base = self._script()
        if power == Node("neg", (number(1),)) and name in INVERSE:
            name, power = INVERSE[name], None
        arguments = self._function_arguments(name)
        if name == "log":
            arguments = self._log_arguments(arguments, base)
            name = "log" if len(arguments) == 2 else "ln"
        elif base is not None:
            raise LatexError("subscript of an expression")
        node = Node("call", arguments, name)
        return node if power is None else Node("pow", (node, power))

    def _log_arguments(self, arguments: tuple[Node, ...], base: Node | None) -> tuple[Node, ...]:
        if base is not None:
            return (*arguments, base)
        self.choices.add("natural_log")
        return arguments if self._reading.natural_log else (*arguments, number(10))

    def _function_arguments(self, name: str) -> tuple[Node, ...]:
        if self.now.text in ("(", "[") and self.now.kind == "mark":
            found = self._arguments()
            if len(found) > 1 and name not in SEVERAL_ARGUMENTS:
                raise LatexError("list, tuple or interval")
            return found
        if self.now.text == r"\{" and name in SEVERAL_ARGUMENTS:
            return self._arguments()
        # \sin 2x: a product of numbers and symbols, up to the next bracket, function or sign.
        node = self._factor()
        while self.now.kind == "letter" and not self._is_differential():
            node = times(node, self._factor())
        if self.now.text == "/" or self.now.text in CONSTANTS:
            raise LatexError("unclear how far an operator reaches")
        return (node,)


def times(left: Node, right: Node) -> Node:
    """Return a product; one of products is flat."""
    factors = left.args if left.op == "mul" else (left,)
    return Node("mul", (*factors, right))
