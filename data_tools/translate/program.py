"""Writes the self-contained program of one computation.

Decides: its layout: imports of what it uses, symbols, the conditions as assignments and functions, one ``print``.
Does not: decide what to compute (``claims.py``).
"""

from collections.abc import Mapping, Sequence

from data_tools.translate.context import Definition, Stated
from data_tools.translate.expression import Node, has
from data_tools.translate.python_code import Writer, python_name

INTEGER_SYMBOLS = "integer=True, positive=True"


def program(
    node: Node,
    shown: str = "{}",
    values: Mapping[str, Stated] | None = None,
    functions: Sequence[Definition] = (),
    imports: Sequence[str] = (),
    plain_degrees: bool = False,
    integers: frozenset[str] = frozenset(),
    extra_symbols: Sequence[str] = (),
    assumption: str = "",
) -> str:
    """Return code that computes ``node`` and prints it; ``shown`` is the printed expression around it, ``imports`` its names."""
    values = values or {}
    writer = Writer({*values, *(each.name for each in functions)}, plain_degrees, node)
    assignments = [f"{python_name(name)} = {_exact(writer, each.node)}" for name, each in sorted(values.items())]
    definitions: list[str] = []
    for each in functions:
        inside = Writer({other.name for other in functions}, plain_degrees, parameter=each.parameter)
        body = inside.code(each.body)
        writer.imports |= inside.imports
        writer.symbols |= inside.symbols
        definitions.append(f"def {python_name(each.name)}({python_name(each.parameter)}):\n    return {body}\n")
    printed = f"print({shown.format(writer.code(node))})"
    names = sorted({*writer.symbols.values(), *extra_symbols})
    declared = _symbols(names, integers, assumption)
    wanted = sorted(writer.imports | set(imports) | ({"symbols"} if declared else set()), key=str.lower)
    lines = [f"from sympy import {', '.join(wanted)}", ""] if wanted else []
    if definitions:
        lines += ["\n\n".join(definitions)]
    return "\n".join([*lines, *declared, *assignments, printed])


def _exact(writer: Writer, node: Node) -> str:
    code = writer.code(node)
    if has(node, "div", "symbol", "constant", "call", "degrees", "percent") or "." in code:
        return code
    writer.imports.add("Integer")
    return f"Integer({code})"


def _symbols(names: Sequence[str], integers: frozenset[str], assumption: str) -> list[str]:
    plain = [name for name in names if name not in integers]
    whole = [name for name in names if name in integers]
    lines = []
    for group, assumed in ((plain, assumption), (whole, INTEGER_SYMBOLS)):
        if group:
            lines.append(f'{", ".join(group)} = symbols("{" ".join(group)}"{", " + assumed if assumed else ""})')
    return lines
