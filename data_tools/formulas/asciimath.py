r"""AsciiMath to LaTeX: ``sum_(i=1)^n i^3=((n(n+1))/2)^2``.

Decides: AsciiMath's grammar (asciimath.org): longest token first, brackets around a fraction's or script's argument fall away,
``[[a,b],[c,d]]`` is a matrix, what is in quotes is text.
Does not: find it in a page (``raw_formulas.py``), or know colours and CSS classes.
"""

import re

MAX_DEPTH = 60
MAX_MATRIX_DEPTH = 4

_GREEK = (
    "alpha beta gamma Gamma delta Delta epsilon varepsilon zeta eta theta Theta vartheta iota kappa lambda Lambda mu nu xi Xi pi "
    "Pi rho sigma Sigma tau upsilon phi Phi varphi chi psi Psi omega Omega"
)
_SAME = (
    "sum prod int oint in aleph quad cdots vdots ddots diamond lim sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh"
)
_MORE = "log ln det dim gcd min max exp vdash to"
_SYMBOLS = {
    **{name: rf"\{name}" for name in f"{_GREEK} {_SAME} {_MORE}".split()},
    "*": r"\cdot",
    "**": r"\ast",
    "***": r"\star",
    "//": "/",
    "\\\\": r"\backslash",
    "xx": r"\times",
    "-:": r"\div",
    "o+": r"\oplus",
    "ox": r"\otimes",
    "o.": r"\odot",
    "^^": r"\wedge",
    "^^^": r"\bigwedge",
    "vv": r"\vee",
    "vvv": r"\bigvee",
    "nn": r"\cap",
    "nnn": r"\bigcap",
    "uu": r"\cup",
    "uuu": r"\bigcup",
    "!=": r"\neq",
    "lt": "<",
    "gt": ">",
    "<=": r"\leq",
    "le": r"\leq",
    "ge": r"\geq",
    ">=": r"\geq",
    "-<": r"\prec",
    ">-": r"\succ",
    "!in": r"\notin",
    "sub": r"\subset",
    "sup": r"\supset",
    "sube": r"\subseteq",
    "supe": r"\supseteq",
    "-=": r"\equiv",
    "~=": r"\cong",
    "~~": r"\approx",
    "prop": r"\propto",
    "not": r"\neg",
    "=>": r"\Rightarrow",
    "<=>": r"\Leftrightarrow",
    "AA": r"\forall",
    "EE": r"\exists",
    "_|_": r"\bot",
    "TT": r"\top",
    "|--": r"\vdash",
    "|==": r"\models",
    "del": r"\partial",
    "grad": r"\nabla",
    "+-": r"\pm",
    "O/": r"\emptyset",
    "oo": r"\infty",
    "...": r"\ldots",
    ":.": r"\therefore",
    "/_": r"\angle",
    "square": r"\square",
    "CC": r"\mathbb{C}",
    "NN": r"\mathbb{N}",
    "QQ": r"\mathbb{Q}",
    "RR": r"\mathbb{R}",
    "ZZ": r"\mathbb{Z}",
    "mod": r"\bmod",
    "uarr": r"\uparrow",
    "darr": r"\downarrow",
    "rarr": r"\rightarrow",
    "->": r"\to",
    "larr": r"\leftarrow",
    "harr": r"\leftrightarrow",
    "rArr": r"\Rightarrow",
    "lArr": r"\Leftarrow",
    "hArr": r"\Leftrightarrow",
    "|->": r"\mapsto",
    "and": r"\text{ and }",
    "or": r"\text{ or }",
    "if": r"\text{ if }",
    "lcm": r"\operatorname{lcm}",
    "lamda": r"\lambda",
    "epsi": r"\epsilon",
    "|__": r"\lfloor",
    "__|": r"\rfloor",
    "|~": r"\lceil",
    "~|": r"\rceil",
    "dx": "dx",
    "dy": "dy",
    "dt": "dt",
}
_UNARY = {
    "sqrt": r"\sqrt",
    "hat": r"\hat",
    "bar": r"\overline",
    "ul": r"\underline",
    "vec": r"\vec",
    "tilde": r"\tilde",
    "dot": r"\dot",
    "ddot": r"\ddot",
    "bb": r"\mathbf",
    "bbb": r"\mathbb",
    "cc": r"\mathcal",
    "tt": r"\mathtt",
    "fr": r"\mathfrak",
    "sf": r"\mathsf",
    "cancel": r"\cancel",
    "text": r"\text",
    "mbox": r"\text",
}
_AROUND = {"abs": (r"\left|", r"\right|"), "norm": (r"\left\|", r"\right\|"), "floor": (r"\left\lfloor", r"\right\rfloor")}
_AROUND["ceil"] = (r"\left\lceil", r"\right\rceil")
_BINARY = {"frac": r"\frac", "stackrel": r"\stackrel", "overset": r"\overset", "underset": r"\underset"}
_OPEN = {"(": "(", "[": "[", "{": r"\{", "(:": r"\langle", "<<": r"\langle", "{:": "."}
_CLOSE = {")": ")", "]": "]", "}": r"\}", ":)": r"\rangle", ">>": r"\rangle", ":}": "."}
_MATRIX = {"(": "pmatrix", "[": "bmatrix", "{": "Bmatrix", "|": "vmatrix"}
_WORDS = sorted([*_SYMBOLS, *_UNARY, *_AROUND, *_BINARY, *_OPEN, *_CLOSE, "root"], key=len, reverse=True)
_TOKEN = re.compile(r'\s*("[^"]*"|\d+(?:\.\d+)?|' + "|".join(map(re.escape, _WORDS)) + r"|\S)")


class _Parser:
    """Reads one formula. Raises RecursionError when it is nested deeper than ``MAX_DEPTH``."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self._tokens = _TOKEN.findall(text)
        self._place, self._depth = 0, depth

    def whole(self) -> str:
        """Return the LaTeX of all tokens, brackets without partners as they are."""
        parts = []
        while self._place < len(self._tokens):
            parts.append(self._expression() or self._plain(self._next()))
        return _joined(parts)

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        self._place += 1
        return str(self._tokens[self._place - 1])

    def _plain(self, token: str) -> str:
        return _CLOSE.get(token, token).replace(".", "") if token in (":}", "{:") else _CLOSE.get(token, token)

    def _expression(self) -> str:
        parts: list[str] = []
        while self._peek() and self._peek() not in _CLOSE:
            above = self._intermediate()
            if self._peek() == "/":
                self._next()
                parts.append(rf"\frac{{{_bare(above)}}}{{{_bare(self._intermediate())}}}")
            else:
                parts.append(above)
        return _joined(parts)

    def _intermediate(self) -> str:
        text = self._simple()
        for sign in ("_", "^"):
            if self._peek() == sign:
                self._next()
                text += f"{sign}{{{_bare(self._simple())}}}"
        return text

    def _simple(self) -> str:
        token = self._next() if self._peek() and self._peek() not in _CLOSE else ""
        if token.startswith('"') and len(token) > 1:
            return rf"\text{{{token[1:-1]}}}"
        if token in _OPEN:
            return self._group(token)
        if token in _UNARY:
            return f"{_UNARY[token]}{{{_bare(self._simple())}}}"
        if token in _AROUND:
            left, right = _AROUND[token]
            return f"{left} {_bare(self._simple())} {right}"
        if token in _BINARY:
            first = _bare(self._simple())
            return f"{_BINARY[token]}{{{first}}}{{{_bare(self._simple())}}}"
        if token == "root":
            index = _bare(self._simple())
            return rf"\sqrt[{index}]{{{_bare(self._simple())}}}"
        return _SYMBOLS.get(token, {"%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$"}.get(token, token))

    def _group(self, opening: str) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise RecursionError(f"AsciiMath nested deeper than {MAX_DEPTH}")
        begin = self._place
        content = self._expression()
        closing = self._next() if self._peek() else ""
        self._depth -= 1
        # A matrix is read a second time by its cells, so matrices in matrices without bound would take time without bound.
        is_matrix = opening in _MATRIX and self._depth < MAX_MATRIX_DEPTH
        rows = _matrix_rows(self._tokens[begin : self._place - 1]) if is_matrix else None
        if rows:
            lines = r" \\ ".join(" & ".join(_Parser(cell, self._depth + 1).whole() for cell in row) for row in rows)
            name = "cases" if opening == "{" and closing == ":}" else _MATRIX[opening]
            return rf"\begin{{{name}}}{lines}\end{{{name}}}"
        left, right = _OPEN[opening], _CLOSE.get(closing, "")
        tall = r"\frac" in content or r"\sum" in content or "." in (left, right)
        return rf"\left{left} {content} \right{right or '.'}" if tall else _joined([left, content, right])


def _matrix_rows(tokens: list[str]) -> list[list[str]] | None:
    """Return the cells of ``[a,b],[c,d]``, None when it is no list of bracketed rows of one length, two or more."""
    rows: list[list[str]] = []
    depth = 0
    for token in tokens:
        if depth == 0 and token in ("[", "("):
            rows.append([""])
        elif depth == 0 and token != ",":
            return None
        elif depth == 1 and token == ",":
            rows[-1].append("")
        elif depth and not (depth == 1 and token in _CLOSE):
            rows[-1][-1] += f" {token}"
        depth += (token in _OPEN) - (token in _CLOSE)
    return rows if len(rows) > 1 and len({len(row) for row in rows}) == 1 else None


def _bare(text: str) -> str:
    r"""Take off the brackets that only group an argument."""
    for left, right in (("(", ")"), ("[", "]"), (r"\{", r"\}"), (r"\left(", r"\right)")):
        inner = text[len(left) : len(text) - len(right)]
        if text.startswith(left) and text.endswith(right) and _closes_last(text, left, right):
            return inner.strip()
    return text


def _closes_last(text: str, left: str, right: str) -> bool:
    """Say whether the bracket at the beginning is closed by the one at the end."""
    depth = 0
    for match in re.finditer(f"{re.escape(left)}|{re.escape(right)}", text):
        depth += 1 if match[0] == left else -1
        if depth == 0:
            return match.end() == len(text)
    return False


def _joined(parts: list[str]) -> str:
    """Put a space after a command that letters would otherwise grow into."""
    text = ""
    for part in filter(None, parts):
        text += (" " if re.search(r"\\[A-Za-z]+\Z", text) and part[0].isalpha() else "") + part
    return text


def asciimath_to_latex(text: str) -> str:
    """Return the LaTeX of a formula, or its own text when it is nested beyond measure."""
    try:
        return _Parser(text.strip()).whole()
    except RecursionError:
        return text.strip()
