"""Reads what large operators reach over: sums, products, integrals, limits, derivatives and matrices.

Decides: where their bounds, variable and operand are, and which forms are left unread.
Does not: read the expressions inside (``latex_parser.py``).
"""

from data_tools.translate.expression import Node, number
from data_tools.translate.latex_cursor import Cursor
from data_tools.translate.latex_tokens import LatexError

MATRICES = {"matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "smallmatrix", "array"}


class LargeOperators(Cursor):
    """A cursor that reads them."""

    def _bounds(self) -> dict[str, int]:
        """Skip the scripts after a large operator; return where each begins."""
        found: dict[str, int] = {}
        while self.now.kind == "mark" and self.now.text in ("^", "_"):
            mark = self.take().text
            found[mark] = self._at
            self._skip_script()
        return found

    def _read_at(self, place: int) -> Node:
        here, self._at = self._at, place
        node = self._script()
        self._at = here
        return node

    def _series(self, op: str) -> Node:
        places = self._bounds()
        if set(places) != {"^", "_"}:
            raise LatexError("sum or product over a set")
        here, self._at = self._at, places["_"]
        self._expect("{")
        index = self.take()
        if index.kind != "letter" or not self._accept("="):
            raise LatexError("sum or product over a set")
        lower = self.sum()
        self._expect("}")
        self._at = here
        if index.text in ("i", "e") and index.text not in self._reading.symbols:
            raise LatexError("index that is a constant")
        return Node(op, (self._operand(), lower, self._read_at(places["^"])), index.text)

    def _integral(self) -> Node:
        places = self._bounds()
        if places and set(places) != {"^", "_"}:
            raise LatexError("integral over a set")
        limits = (self._read_at(places["_"]), self._read_at(places["^"])) if places else ()
        self._integrals += 1
        outer, self._differential = self._differential, ""
        body = number(1) if self._is_differential() else self.sum()
        if not self._differential:
            if not self._is_differential():
                raise LatexError("integral without a differential")
            self.take()
            self._differential = self.take().text
        variable, self._differential = self._differential, outer
        self._integrals -= 1
        return Node("integral", (body, *limits), variable)

    def _limit(self) -> Node:
        if not self._accept("_"):
            raise LatexError("limit without a point")
        self._expect("{")
        variable = self.take()
        if variable.kind != "letter" or not self._accept(r"\to"):
            raise LatexError("limit without a point")
        self._depth += 1
        point, side = self._limit_point()
        self._depth -= 1
        self._expect("}")
        return Node("limit", (self._operand(), point), f"{variable.text},{side}")

    def _limit_point(self) -> tuple[Node, str]:
        sign = "-" if self._accept("-") else "+" if self._accept("+") else ""
        node = self._primary()
        side = "+-"
        if self._accept("^"):
            braced = self._accept("{")
            side = self.take().text
            if side not in ("+", "-"):
                raise LatexError("limit without a point")
            if braced:
                self._expect("}")
        if self.now.text != "}":
            raise LatexError("limit without a point")
        return (Node("neg", (node,)) if sign == "-" else node), side

    def _derivative_order(self) -> Node | None:
        r"""Read ``{d}{dx} …`` and ``{d^2}{dx^2} …`` after ``\frac``; None when it is an ordinary fraction."""
        texts = [self._next(ahead).text for ahead in range(14)]
        at, order = 2, "1"
        if texts[0] != "{" or texts[1] not in ("d", r"\partial"):
            return None
        if texts[2] == "^":
            at, order = 4, texts[3]
        if texts[at] != "}" or texts[at + 1] != "{" or texts[at + 2] != texts[1]:
            return None
        variable, end = texts[at + 3], at + 4
        if order != "1":
            end += 2
        if texts[end] != "}" or not order.isdigit() or int(order) > 9:
            return None
        self._at += end + 1
        return Node("derivative", (self._operand(),), f"{variable},{order}")

    def _matrix(self) -> Node:
        name = self.take().text.rstrip("*")
        if name not in MATRICES:
            raise LatexError("unknown environment")
        rows: list[list[Node]] = [[self.sum()]]
        while self.now.kind != "finish":
            if self._accept("&"):
                rows[-1].append(self.sum())
            elif self.now.kind == "row":
                self.take()
                if self.now.kind != "finish":
                    rows.append([self.sum()])
            else:
                raise LatexError(self.complaint())
        self.take()
        if len({len(row) for row in rows}) != 1:
            raise LatexError("ragged matrix")
        node = Node("matrix", tuple(entry for row in rows for entry in row), str(len(rows[0])))
        return Node("call", (node,), "det") if name == "vmatrix" else node
