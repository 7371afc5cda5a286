"""Writes an expression tree as SymPy code that computes it.

Decides: how each operation is said in Python, exactly (a fraction of integers is ``Rational``, never a float), and which names
must be imported. Operations stay as the text has them, so that running the code is what computes.
Does not: choose what to compute (``claims.py``).
"""

import keyword
import re

from data_tools.translate.expression import TRIGONOMETRIC, Node, free_symbols, is_literal

Code = tuple[str, int]

ADD, MUL, NEG, POW, ATOM = 1, 2, 3, 4, 5
SYMPY_NAMES = {"Max": "Max", "Min": "Min", "ln": "log"}
RESERVED = {"pi", "E", "I", "oo", "S", "N", "O", "Q", "print", "symbols", "lambda"}


class Writer:
    """Writes expressions of one program and gathers the names it imports.

    ``bound`` are names that the program assigns before (values, functions); all others become SymPy symbols. ``plain_degrees``
    writes ``60°`` outside trigonometric functions as 60. ``whole`` is the expression the program is about, ``parameter`` the
    name in the body of a function.
    """

    def __init__(self, bound: set[str], plain_degrees: bool = False, whole: Node | None = None, parameter: str = "") -> None:
        self.imports: set[str] = set()
        self.symbols: dict[str, str] = {}
        self._bound, self._plain_degrees, self._whole = bound | {parameter}, plain_degrees, whole
        self._parameter = parameter

    def code(self, node: Node) -> str:
        """Return the expression as code."""
        return self._write(node)[0]

    def _write(self, node: Node) -> Code:
        """Return code, and how tightly it binds."""
        found: Code = getattr(self, f"_{node.op}")(node)
        return found

    def _import(self, name: str) -> str:
        self.imports.add(name)
        return name

    def _in(self, node: Node, least: int) -> str:
        code, level = self._write(node)
        return code if level >= least else f"({code})"

    def _number(self, node: Node) -> Code:
        if "." in node.value:
            return f'{self._import("Rational")}("{"0" if node.value[0] == "." else ""}{node.value}")', ATOM
        return node.value.lstrip("0") or "0", ATOM

    def _symbol(self, node: Node) -> Code:
        name = python_name(node.value)
        if node.value not in self._bound:
            self.symbols[node.value] = name
        return name, ATOM

    def _constant(self, node: Node) -> Code:
        return self._import(node.value), ATOM

    def _add(self, node: Node) -> Code:
        code = self._in(node.args[0], ADD)
        for term in node.args[1:]:
            sign, term = ("-", term.args[0]) if term.op == "neg" else ("+", term)
            code += f" {sign} {self._in(term, MUL if term.op != 'neg' else ATOM)}"
        return code, ADD

    def _mul(self, node: Node) -> Code:
        return "*".join(self._in(factor, POW) for factor in node.args), MUL

    def _is_number(self, node: Node) -> bool:
        """Say whether it has a value when the program runs."""
        names = free_symbols(node)
        return names <= self._bound and self._parameter not in names

    def _exact(self, node: Node) -> bool:
        """Say whether the code gives a SymPy object; Python's own integers would divide to floats."""
        if node.op == "number":
            return "." in node.value
        if node.op == "pow":
            base, exponent = node.args
            return self._exact(base) or exponent.op != "number" or "." in exponent.value
        if node.op in ("add", "mul", "neg") or (node.op == "degrees" and self._plain_degrees):
            return any(self._exact(arg) for arg in node.args)
        return True

    def _neg(self, node: Node) -> Code:
        code, level = self._write(node.args[0])
        return f"-{code if level >= MUL else f'({code})'}", NEG if level >= POW else MUL

    def _div(self, node: Node) -> Code:
        top, bottom = node.args
        # 12000/15 is a division to be carried out, 2/3 within an expression is a number.
        if is_literal(node) and top.op == "number" and "." not in top.value + bottom.value and node is not self._whole:
            return f"{self._import('Rational')}({self.code(top)}, {self.code(bottom)})", ATOM
        if any(self._exact(arg) for arg in node.args):
            return f"{self._in(top, MUL)}/{self._in(bottom, POW)}", MUL
        return f"{self._import('Integer')}({self.code(top)})/{self._in(bottom, POW)}", MUL

    def _pow(self, node: Node) -> Code:
        base, exponent = node.args
        if base.op == "neg" and exponent.op == "div" and _is_odd(exponent.args[1]) and self._is_number(base):
            root = f"{self._import('real_root')}({self.code(base)}, {exponent.args[1].value})"
            return (root, ATOM) if exponent.args[0].value == "1" else (f"{root}**{self._in(exponent.args[0], POW)}", POW)
        code, level = self._write(base)
        if self._exact(node) and not self._exact(base):
            code, level = f"{self._import('Integer')}({code})", ATOM
        return f"{code if level > POW else f'({code})'}**{self._in(exponent, POW)}", POW

    def _percent(self, node: Node) -> Code:
        return self._div(Node("div", (node.args[0], Node("number", (), "100"))))

    def _mod(self, node: Node) -> Code:
        base, divisor = node.args
        if base.op == "pow" and not any(self._exact(part) for part in (*base.args, divisor)):
            return f"pow({self.code(base.args[0])}, {self.code(base.args[1])}, {self.code(divisor)})", ATOM
        return f"{self._in(base, POW)} % {self._in(divisor, POW)}", MUL

    def _degrees(self, node: Node) -> Code:
        if self._plain_degrees:
            return self._write(node.args[0])
        return f"{self._import('rad')}({self.code(node.args[0])})", ATOM

    def _call(self, node: Node) -> Code:
        name = node.value
        if name == "root" and _is_odd(node.args[1]) and self._is_number(node.args[0]):
            # SymPy's root of a negative number is complex; a text means the real one.
            name = "real_root"
        if name == "det":
            return f"{self._in(node.args[0], ATOM)}.det()", ATOM
        plain, self._plain_degrees = self._plain_degrees, self._plain_degrees and name not in TRIGONOMETRIC
        arguments = ", ".join(self.code(arg) for arg in node.args)
        self._plain_degrees = plain
        if name in ("gcd", "lcm") and len(node.args) > 2:
            arguments = f"[{arguments}]"
        return f"{self._import(SYMPY_NAMES.get(name, name))}({arguments})", ATOM

    def _apply(self, node: Node) -> Code:
        name = python_name(node.value.rstrip("'"))
        # The function's body may divide by its argument.
        arguments = [self.code(arg) if self._exact(arg) else f"{self._import('Integer')}({self.code(arg)})" for arg in node.args]
        return f"{name}({', '.join(arguments)})", ATOM

    def _sum(self, node: Node) -> Code:
        name = "summation" if node.op == "sum" else "product"
        body, lower, upper = node.args
        index = self._variable(node.value)
        limits = f"({index}, {self.code(lower)}, {self.code(upper)})"
        return f"{self._import(name)}({self._inside(body, node.value)}, {limits})", ATOM

    _product = _sum

    def _variable(self, name: str) -> str:
        self.symbols[name] = python_name(name)
        return python_name(name)

    def _inside(self, body: Node, variable: str) -> str:
        """Write what stands under an operator that binds ``variable``: there the name is a symbol, whatever it is outside."""
        bound, self._bound = self._bound, self._bound - {variable}
        code = self.code(body)
        self._bound = bound
        return code

    def _integral(self, node: Node) -> Code:
        body, *limits = node.args
        variable = self._variable(node.value)
        where = f"({variable}, {self.code(limits[0])}, {self.code(limits[1])})" if limits else variable
        return f"{self._import('integrate')}({self._inside(body, node.value)}, {where})", ATOM

    def _derivative(self, node: Node) -> Code:
        name, order = node.value.split(",")
        variable = self._variable(name)
        times = "" if order == "1" else f", {order}"
        return f"{self._import('diff')}({self._inside(node.args[0], name)}, {variable}{times})", ATOM

    def _limit(self, node: Node) -> Code:
        name, side = node.value.split(",")
        variable = self._variable(name)
        body = self._inside(node.args[0], name)
        return f'{self._import("limit")}({body}, {variable}, {self.code(node.args[1])}, "{side}")', ATOM

    def _matrix(self, node: Node) -> Code:
        columns = int(node.value)
        rows = [node.args[start : start + columns] for start in range(0, len(node.args), columns)]
        inner = ", ".join("[" + ", ".join(self.code(entry) for entry in row) + "]" for row in rows)
        return f"{self._import('Matrix')}([{inner}])", ATOM


def _is_odd(node: Node) -> bool:
    return node.op == "number" and node.value.isdigit() and int(node.value) % 2 == 1


def python_name(name: str) -> str:
    """Return a valid Python name for a symbol: ``x_1`` as it is, ``lambda`` as ``lambda_``, ``a_n+1`` as ``a_n_plus_1``."""
    spelled = name.replace("+", "_plus_").replace("-", "_minus_")
    clean = re.sub(r"\W", "_", spelled).strip("_") or "symbol"
    return f"{clean}_" if keyword.iskeyword(clean) or clean in RESERVED or clean[0].isdigit() else clean
