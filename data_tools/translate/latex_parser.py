r"""Reads one side of an equation in LaTeX as an expression tree, by recursive descent; a few microseconds a token, no evaluation.

Decides: what the notation means, and what is left unread rather than guessed: every refusal is a ``LatexError`` with its reason.
Where notation has two common readings (``2\frac{1}{3}``, ``\log``, ``1/2x``) the caller says which one to take, and is told that
there was a choice.
Does not: read large operators (``latex_operators.py``) and arguments (``latex_arguments.py``), or decide what a text claims
(``claims.py``).

Bounds: the number of tokens, and the depth of nesting. Why not latex2sympy or SymPy's parser: DECISIONS.md.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from data_tools.translate.expression import Node, number
from data_tools.translate.latex_arguments import CONSTANTS, FUNCTION_COMMANDS, Arguments, times
from data_tools.translate.latex_cursor import REFUSED, Reading
from data_tools.translate.latex_tokens import LatexError, Token, expanded, tokens_of

MAX_DEPTH = 40
MAX_OPEN = 100
"""Things begun inside one another: ``\\sin \\sin \\sqrt …`` nests without brackets."""
MAX_LEVELS = 120
"""Of a tree, which also grows by what stands behind a value: ``5!!!!``."""
FENCES = {r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceiling"), "|": ("|", "Abs")}
TIMES = (r"\cdot", r"\times")
STYLES = (r"\boxed", r"\fbox", r"\mathbf", r"\mathit", r"\underline", r"\displaystyle", r"\framebox", r"\bm", r"\textcolor")
OPAQUE = {r"\overline", r"\vec", r"\hat", r"\bar", r"\tilde", r"\widehat", r"\widetilde"}
VARIABLE_LETTERS = set("abcdijklmnrstuvwxyz")
"""A letter of these before a bracket is a factor; any other, like f or P, is a function unless the text says otherwise."""

TOO_DEEP = "too deeply nested"


@dataclass(slots=True)
class Parsed:
    """A tree, and the fields of ``Reading`` that had a part in it."""

    node: Node
    choices: set[str] = field(default_factory=set)


def parse_latex(latex: str, reading: Reading) -> Parsed:
    """Return the tree of a whole expression. Raises LatexError."""
    parser = _Parser(tokens_of(expanded(latex, reading.commands)), reading)
    try:
        node = parser.sum()
        parser.skip_units()
        if parser.now.kind != "end":
            raise LatexError(parser.complaint())
        if node.levels() > MAX_LEVELS:
            raise LatexError(TOO_DEEP)
    except LatexError as error:
        # In another reading it may be whole.
        raise LatexError(error.args[0], frozenset(parser.choices)) from None
    return Parsed(node, parser.choices)


class _Parser(Arguments):
    def skip_units(self) -> None:
        r"""Pass over words after a value: ``12\text{ cm}^2``."""
        while self.now.kind == "text":
            self.take()
            if self._accept("^"):
                self._script()
            self._accept("/")

    def sum(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LatexError(TOO_DEEP)
        terms = [self._signed_term()]
        while self.now.kind == "mark" and self.now.text in ("+", "-"):
            terms.append(self._signed_term())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def _signed_term(self) -> Node:
        negative = False
        while self.now.kind == "mark" and self.now.text in ("+", "-"):
            negative ^= self.take().text == "-"
        term = self._term()
        return Node("neg", (term,)) if negative else term

    def _term(self) -> Node:
        left = self._factor()
        while True:
            if self._accept(*TIMES):
                left = times(left, self._signed_factor())
            elif self._accept("/", r"\div"):
                left = Node("div", (left, self._denominator()))
            elif self._accept(r"\bmod", r"\mod"):
                left = Node("mod", (left, self._factor()))
            elif self._starts_factor():
                left = self._implicit_product(left)
            else:
                return left

    def _implicit_product(self, left: Node) -> Node:
        previous = self._tokens[self._at - 1]
        in_script = left.op == "pow" or (left.op == "mul" and left.args[-1].op == "pow")
        if self.now.kind == "number" and previous.kind in ("number", "letter") and not in_script:
            raise LatexError("two numbers side by side")
        last = left.args[-1] if left.op == "mul" else left
        is_whole = last.op == "number" and "." not in last.value and previous.kind == "number"
        if is_whole and self.now.text == r"\frac":
            right = self._factor()
            if right.op == "div" and all(part.op == "number" for part in right.args):
                self.choices.add("mixed_numbers")
                if self._reading.mixed_numbers:
                    mixed = Node("add", (last, right))
                    return mixed if left is last else Node("mul", (*left.args[:-1], mixed))
            return times(left, right)
        return times(left, self._factor())

    def _signed_factor(self) -> Node:
        if self._accept("-"):
            return Node("neg", (self._signed_factor(),))
        self._accept("+")
        return self._factor()

    def _denominator(self) -> Node:
        bottom = self._signed_factor()
        if self._starts_factor() and self.now.kind != "number":
            # 1/2x is read both ways in print.
            self.choices.add("slash_takes_product")
            while self._reading.slash_takes_product and self._starts_factor() and self.now.kind != "number":
                bottom = times(bottom, self._factor())
        return bottom

    def _starts_factor(self) -> bool:
        token = self.now
        if token.kind == "letter":
            return not self._is_differential()
        if token.kind == "mark":
            return token.text in ("(", "[", "{") or (token.text == "|" and not self._bars)
        if token.kind == "command":
            known = (r"\frac", r"\sqrt", r"\binom", r"\{", r"\sum", r"\prod", r"\int", r"\lim", *STYLES, *OPAQUE)
            return token.text in known or token.text in FUNCTION_COMMANDS or token.text in CONSTANTS or token.text in FENCES
        return token.kind in ("number", "begin")

    def _factor(self) -> Node:
        return self._postfix(self._primary())

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._accept("!"):
                double = self._accept("!")
                node = Node("call", (node,), "factorial2" if double else "factorial")
            elif self._accept(r"\%", "%"):
                node = Node("percent", (node,))
            elif self.now.text == "^" and self.now.kind == "mark":
                node = self._power(node)
            elif self.now.text == "_" and self.now.kind == "mark":
                raise LatexError("subscript of an expression")
            elif self.now.text == "'" and self.now.kind == "mark":
                raise LatexError("prime of an expression")
            else:
                return node

    def _power(self, base: Node) -> Node:
        self.take()
        if self._accept(r"\circ"):
            return Node("degrees", (base,))
        if self.now.text == "{" and self._next().text == r"\circ" and self._next(2).text == "}":
            self._at += 3
            return Node("degrees", (base,))
        return Node("pow", (base, self._script()))

    def _script(self) -> Node:
        """Read what stands after ``^`` or ``_``: a group, or one token."""
        if self.now.text == "{":
            return self._group()
        token = self.now
        if token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            # TeX raises one digit alone: x^10 prints as x¹0. Most writers mean the whole number, some do know (2^43^4).
            self.choices.add("wide_exponents")
            if not self._reading.wide_exponents:
                self._tokens[self._at : self._at + 1] = [Token("number", token.text[0]), Token("number", token.text[1:])]
            return self._number()
        return self._primary()

    def _group(self) -> Node:
        self._expect("{")
        node = self.sum()
        if self._accept(r"\choose"):
            node = Node("call", (node, self.sum()), "binomial")
        elif self._accept(r"\over"):
            node = Node("div", (node, self.sum()))
        self.skip_units()
        self._expect("}")
        return node

    def _primary(self) -> Node:
        self._open += 1
        if self._open > MAX_OPEN:
            raise LatexError(TOO_DEEP)
        node = self._begun()
        self._open -= 1
        return node

    def _begun(self) -> Node:
        token = self.now
        if token.kind == "number":
            return self._number()
        if token.kind == "letter":
            return self._letter()
        if token.kind == "mark" and token.text in ("(", "["):
            return self._bracket()
        if token.text == "{":
            return self._group()
        if token.text in FENCES:
            return self._fenced()
        if token.text == "." and self._next().text == r"\overline":
            self.take()
            return self._repeating_decimal("0.")
        if token.kind == "command":
            return self._command()
        if token.kind == "begin":
            return self._matrix()
        raise LatexError(self.complaint())

    def _number(self) -> Node:
        digits = self.take().text
        if self.now.text == "." and self._next().text == r"\overline":
            self.take()
            digits += "."
        if self.now.text == r"\overline" and "." in digits:
            return self._repeating_decimal(digits)
        if self.now.text == "_" and self.now.kind == "mark":
            raise LatexError("number in another base")
        return number(digits)

    def _repeating_decimal(self, digits: str) -> Node:
        self.take()
        self._expect("{")
        period = self.take()
        self._expect("}")
        if period.kind != "number" or "." in period.text:
            raise LatexError("incomplete expression")
        whole, _, fixed = digits.partition(".")
        nines = (10 ** len(period.text) - 1) * 10 ** len(fixed)
        value = Fraction(int(whole + fixed + period.text) - int(whole + fixed), nines)
        return Node("div", (number(value.numerator), number(value.denominator)))

    def _letter(self) -> Node:
        name = self.take().text
        if name in ("e", "i") and name not in self._reading.symbols and self.now.text != "_":
            return Node("constant", (), "E" if name == "e" else "I")
        if self.now.text == "_" and self.now.kind == "mark":
            self.take()
            name += "_" + self._subscript()
        primes = ""
        while self._accept("'"):
            primes += "'"
        is_function = name in self._reading.functions or "_" in name or bool(primes)
        is_function |= name not in VARIABLE_LETTERS and len(name) == 1
        if self.now.text == "(" and is_function:
            return Node("apply", self._arguments(), name + primes)
        if primes:
            raise LatexError("prime of an expression")
        return Node("symbol", (), name)

    def _subscript(self) -> str:
        if self.now.text != "{":
            return self.take().text.lstrip("\\")
        self.take()
        words: list[str] = []
        while not self._accept("}"):
            if self.now.kind == "end" or self.now.text in ("{", "^", "_"):
                raise LatexError("subscript of several levels")
            words.append(self.take().text.lstrip("\\"))
        return "".join(words)

    def _bracket(self) -> Node:
        found = self._arguments()
        if len(found) != 1:
            raise LatexError("list, tuple or interval")
        return found[0]

    def _fenced(self) -> Node:
        closing, name = FENCES[self.take().text]
        self._bars += closing == "|"
        node = self.sum()
        self._bars -= closing == "|"
        self._expect(closing)
        # |A| of a matrix is its determinant.
        return Node("call", (node,), "det" if name == "Abs" and node.op == "matrix" else name)

    def _command(self) -> Node:
        text = self.now.text
        if text in REFUSED:
            raise LatexError(REFUSED[text])
        self.take()
        if text in CONSTANTS:
            return Node("constant", (), CONSTANTS[text])
        if text in STYLES:
            return self._group()
        if text in FUNCTION_COMMANDS:
            return self._function(FUNCTION_COMMANDS[text])
        if text in (r"\angle", r"\triangle"):
            return Node("symbol", (), text[1:] + " " + self.take().text)
        if text in OPAQUE:
            return self._opaque(text)
        reader = {
            r"\frac": self._fraction,
            r"\binom": lambda: Node("call", (self._script(), self._script()), "binomial"),
            r"\sqrt": self._root,
            r"\sum": lambda: self._series("sum"),
            r"\prod": lambda: self._series("product"),
            r"\int": self._integral,
            r"\lim": self._limit,
            r"\{": self._braces,
        }.get(text)
        if reader is None:
            raise LatexError("unknown command")
        return reader()

    def _braces(self) -> Node:
        node = self.sum()
        self._expect(r"\}")
        return node

    def _opaque(self, command: str) -> Node:
        self._expect("{")
        words = [command[1:]]
        while not self._accept("}"):
            if self.now.kind == "end":
                raise LatexError("incomplete expression")
            words.append(self.take().text)
        return Node("symbol", (), " ".join(words))

    def _operand(self) -> Node:
        """Read what an operator without closing sign acts on: a product. A sum after it could belong to it or not."""
        node = self._term()
        bracketed = self._tokens[self._at - 1].text in (")", "]", "}")
        if self.now.kind == "mark" and self.now.text in ("+", "-") and not bracketed:
            raise LatexError("unclear how far an operator reaches")
        return node
