"""Which of some packages a Python program imports.

Decides: a search for the names passes over most files; of the others the syntax tree decides. Programs that do not parse
(Python 2, notebook cells with an error in them) are cut into statements by a scanner that knows strings, comments, brackets
and continued lines.
Does not: follow imports into other files, or take a relative import (``from .fractions import x``) for the package.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

MATHS_PACKAGES = ("sympy", "fractions", "cmath", "scipy", "statistics")
"""The published list (MathCoder2). numpy is left out on purpose: it is everywhere."""

_NAME = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")
_IMPORTERS = ("__import__", "import_module")
_SHELL_LINE = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)
_ECHOED_PROMPT = re.compile(r"^\s*(?:>>>|\.\.\.)\s")
_TOKEN = re.compile(
    r"""(?P<string>[rRbBuUfF]{0,2}(?:'''(?:[^\\]|\\.)*?(?:'''|\Z)|\"\"\"(?:[^\\]|\\.)*?(?:\"\"\"|\Z)"""
    r"""|'(?:[^\\'\n]|\\.)*(?:'|(?=\n)|\Z)|"(?:[^\\"\n]|\\.)*(?:"|(?=\n)|\Z)))"""
    r"""|(?P<comment>\#[^\n]*)|(?P<joined>\\\r?\n)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[;\n])|(?P<text>[^'"\#\\()\[\]{};\n]+|.)""",
    re.DOTALL,
)


def imported_packages(code: str, packages: Iterable[str]) -> list[str]:
    """Return those of ``packages`` that ``code`` imports, in their given order."""
    wanted = [package for package in packages if package in code]
    if not wanted or not re.search(rf"\b(?:{'|'.join(map(re.escape, wanted))})\b", code) or "import" not in code:
        return []
    tree = parse_tolerantly(code)
    roots = set(_roots_by_tree(tree) if tree is not None else _roots_by_scanner(code))
    return [package for package in wanted if package in roots]


def parse_tolerantly(code: str) -> ast.Module | None:
    """Return the syntax tree, lines of shell or magic (``%matplotlib``, ``!pip``) taken out; None when it does not parse."""
    return parsed(code) or parsed(_SHELL_LINE.sub(r"\1pass", code))


def parsed(code: str) -> ast.Module | None:
    """Return the syntax tree, None when the code does not parse. What Python only warns of is not said to anybody."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _roots_by_tree(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _IMPORTERS and isinstance(node.args[0].value, str):
                yield node.args[0].value.partition(".")[0]


def _roots_by_scanner(code: str) -> Iterator[str]:
    for statement in _statements(code):
        # An import may stand behind a colon: ``try: import sympy``.
        words = re.sub(r"^(?:try|else|finally|if\b[^:]*|except\b[^:]*|with\b[^:]*)\s*:\s*", "", statement)
        if match := re.match(r"from\s+([^\W\d][\w.]*)\s+import\b", words):
            yield match[1].partition(".")[0]
        elif match := re.match(r"import\s+(.*)", words, re.DOTALL):
            for item in match[1].split(","):
                if name := _NAME.match(item.strip()):
                    yield name[0].partition(".")[0].strip()


def _statements(code: str) -> Iterator[str]:
    """Yield the statements of a program that need not be valid, without strings and comments, continued lines joined."""
    parts: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup
        if kind == "end" and (depth == 0 or _begins_anew(code, match.end())):
            yield _ECHOED_PROMPT.sub("", "".join(parts)).strip()
            parts, depth = [], 0
        elif kind in ("open", "close"):
            depth = max(0, depth + (1 if kind == "open" else -1))
        elif kind in ("text", "joined", "end"):
            parts.append(" " if kind != "text" else match[0])
    yield _ECHOED_PROMPT.sub("", "".join(parts)).strip()


def _begins_anew(code: str, position: int) -> bool:
    """Say whether a line begins with an import although a bracket is open: then the bracket was never closed."""
    return re.compile(r"[ \t]*(?:import|from)\s+\w").match(code, position) is not None
