"""The text of a document with code: reasoning steps, each followed by its program.

Decides: two layouts. ``steps`` is MathCoder2's: of each document only the steps, in order, each with title, conditions,
expression, result and code. ``inserted`` keeps the document and puts each block after the passage it came from.
Does not: choose the computations, or run anything.
"""

import re
from collections.abc import Sequence

from data_tools.translate.computation import Computation

LAYOUTS = ("steps", "inserted")
NUMBERING = re.compile(r"^\W*Computation\s*(?:No\.?\s*)?\d+\s*[:.)\-–—]*\s*", re.I)
FENCE = re.compile(r"^\s*(`{3,})", re.M)


def block(computation: Computation) -> str:
    """Return one step, its parts apart by blank lines."""
    title = NUMBERING.sub("", computation.title).strip(" *#")
    conditions = "\n".join(f"{number}. {text.strip()}" for number, text in enumerate(computation.conditions, start=1))
    expression = f"${computation.expression}$" if computation.expression else ""
    return "\n\n".join(filter(None, (title, conditions, expression, f"result: ${computation.result}$", fenced(computation.code))))


def fenced(code: str) -> str:
    """Return a fenced Python block; the fence is longer than any in the code."""
    longest = max((len(match[1]) for match in FENCE.finditer(code)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}python\n{code.strip(chr(10))}\n{fence}"


def steps(computations: Sequence[Computation]) -> str:
    """Return the reasoning steps of a document as a document of their own."""
    return "\n\n".join(map(block, computations))


def inserted(text: str, computations: Sequence[Computation]) -> str:
    """Return the document with each block after the paragraph that its passage ends in.

    A computation without a span is looked for by its expression, then its result; where neither is found, its block comes last.
    """
    places: dict[int, list[Computation]] = {}
    for computation in computations:
        places.setdefault(_place(text, computation), []).append(computation)
    pieces = []
    begin = 0
    for place in sorted(places):
        pieces.append(text[begin:place].strip("\n"))
        pieces += map(block, places[place])
        begin = place
    pieces.append(text[begin:].strip("\n"))
    return "\n\n".join(filter(None, pieces))


def _place(text: str, computation: Computation) -> int:
    end = computation.span[1] if computation.span else _found_end(text, computation)
    if end is None:
        return len(text)
    paragraph = text.find("\n\n", min(end, len(text)))
    return len(text) if paragraph < 0 else paragraph


def _found_end(text: str, computation: Computation) -> int | None:
    for wanted in (computation.expression, computation.result):
        # Short ones are found anywhere.
        if len(wanted) >= 8 and (start := text.find(wanted)) >= 0:
            return start + len(wanted)
    return None
