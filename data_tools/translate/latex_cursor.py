"""The tokens of an expression and the place where reading stands; what every part of the parser leans on.

Decides: how notation with several meanings is to be taken (``Reading``), and what is said of a token that cannot be read.
Does not: know any notation (``latex_operators.py``, ``latex_parser.py``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from data_tools.formulas.own_commands import Command
from data_tools.translate.expression import Node
from data_tools.translate.latex_tokens import LatexError, Token

_REASONS = {
    "ellipsis": r"\ldots \vdots \ddots",
    "plus-minus": r"\pm \mp",
    "sets, not numbers": r"\cap \cup \bigcap \bigcup \setminus \emptyset \in \subset \subseteq \mid \mathbb \mathcal \mathfrak",
    "logic": r"\forall \exists \neg \lnot \land \lor \wedge \vee \vdash \models",
    "bound of a set": r"\sup \inf \limsup \liminf",
    "vectors, operators or maps": r"\nabla \partial \circ \otimes \oplus \langle \rangle \| \lVert \Vert",
}
REFUSED = {command: reason for reason, commands in _REASONS.items() for command in commands.split()}
"""What is no computation with numbers, or is left open by the text; anything else unread is an unknown command."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How to take notation that has several meanings. ``functions`` are names the text defines as functions."""

    mixed_numbers: bool = True
    natural_log: bool = True
    slash_takes_product: bool = False
    wide_exponents: bool = True
    functions: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    """Letters that are symbols here although they are constants elsewhere: ``e`` and ``i``."""
    commands: Mapping[str, Command] = field(default_factory=dict)
    """The text's own LaTeX commands."""


class Cursor(ABC):
    """A place in a list of tokens, and the state of what is being read around it."""

    def __init__(self, tokens: list[Token], reading: Reading) -> None:
        self._tokens, self._reading = tokens, reading
        self._at = self._depth = self._open = self._integrals = self._bars = 0
        self._differential = ""
        self.choices: set[str] = set()

    @property
    def now(self) -> Token:
        """The token that is read next."""
        return self._tokens[self._at]

    def _next(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Return it and step over it; the end stays where it is."""
        token = self.now
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _accept(self, *texts: str) -> bool:
        if self.now.kind in ("mark", "command") and self.now.text in texts:
            self.take()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise LatexError(self.complaint())

    def complaint(self) -> str:
        """Return why it cannot be read here, as a reason that is counted."""
        token = self.now
        if token.kind == "text":
            return "words in the mathematics"
        if token.text in REFUSED:
            return REFUSED[token.text]
        if token.text == ",":
            return "list, tuple or interval"
        return "unknown command" if token.kind == "command" else "incomplete expression"

    def _skip_script(self) -> None:
        depth = 0
        while True:
            token = self.take()
            depth += (token.text == "{") - (token.text == "}")
            if token.kind == "end":
                raise LatexError("incomplete expression")
            if depth == 0:
                return

    def _is_differential(self) -> bool:
        return bool(self._integrals) and self.now.text == "d" and self._next().kind == "letter"

    @abstractmethod
    def sum(self) -> Node:
        """Read terms that are added; the whole of an expression."""

    @abstractmethod
    def _operand(self) -> Node:
        """Read what an operator without closing sign acts on."""

    @abstractmethod
    def _primary(self) -> Node:
        """Read a number, a name, or what is enclosed."""

    @abstractmethod
    def _script(self) -> Node:
        """Read a braced group or a single token."""

    @abstractmethod
    def _factor(self) -> Node:
        """Read one factor of a product, with its powers."""

    @abstractmethod
    def _number(self) -> Node:
        """Read a number."""
