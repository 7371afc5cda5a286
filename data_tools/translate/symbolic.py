"""The embedded translator: finds computations in LaTeX and writes a program for each, without a model.

Decides: the order of work over a document, and its bounds: characters, computations, processor time. What is over a bound is
``Unparsed`` with that reason.
Does not: parse (``latex_parser.py``), decide what is claimed (``claims.py``), or run anything.
"""

import re
import time
from collections.abc import Iterator, Mapping

from data_tools.formulas.own_commands import Command, defined_commands
from data_tools.translate.claims import claim_of
from data_tools.translate.computation import Completion, Computation, Unparsed
from data_tools.translate.congruences import congruence_of
from data_tools.translate.context import Context, is_supposed
from data_tools.translate.latex_tokens import expanded
from data_tools.translate.runs import Claim, runs_of
from data_tools.translate.solutions import Equations
from data_tools.translate.statements import Chain, chains, visible

VERSION = "1"
MAX_CHARACTERS = 4_000_000
MAX_COMPUTATIONS = 1_000
MAX_CPU_SECONDS = 20.0
OUT_OF_TIME = "document over the time limit"
EXCERPT = 160
BEFORE = 200
AROUND = 400
DEFINES = (r"\newcommand", r"\renewcommand", "\\def\\", r"\DeclareMathOperator")
SLANTED = re.compile(r"\\(?:nicefrac|sfrac)(?![A-Za-z])")
OVER = re.compile(r"\\over(?![A-Za-z])")
INVISIBLE = re.compile(r"\\(?:pause|displaystyle|avoidbreak)(?![A-Za-z])")
USUAL_COMMANDS = {r"\abs": Command(1, "|#1|")}
"""What texts use as if LaTeX had it."""
BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{")


def translate(text: str, commands: Mapping[str, Command] | None = None) -> Completion:
    """Return the computations of one document. Never raises for what the text holds.

    ``commands`` are LaTeX commands that its preamble defined, beside those that it defines itself.
    """
    begin, cpu = time.monotonic(), time.process_time()
    computations: list[Computation] = []
    unparsed: list[Unparsed] = []
    source = visible(text[:MAX_CHARACTERS])
    context, equations = Context({**USUAL_COMMANDS, **(commands or {}), **own_commands(text)}), Equations()
    seen: set[str] = set()
    for chain in chains(source):
        if time.process_time() - cpu > MAX_CPU_SECONDS or len(computations) >= MAX_COMPUTATIONS:
            unparsed.append(Unparsed(OUT_OF_TIME, (chain.span[0], len(text)), ""))
            break
        for found in _claims(chain, source, context, equations):
            if isinstance(found, Computation):
                # A text repeats itself; a step shown once is enough.
                if found.code not in seen:
                    computations.append(found)
                seen.add(found.code)
            else:
                unparsed.append(found)
    seconds = time.monotonic() - begin
    return Completion("symbolic", "", VERSION, seconds, "stop", None, tuple(computations), tuple(unparsed))


def _claims(chain: Chain, source: str, context: Context, equations: Equations) -> Iterator[Computation | Unparsed]:
    for sides, approximate in runs_of(chain):
        span = (sides[0].start, sides[-1].end)
        before = source[max(0, span[0] - BEFORE) : span[0]]
        around = source[max(0, span[0] - AROUND) : span[1] + AROUND]
        claim = congruence_of(sides) or claim_of(sides, approximate, context, before, around)
        if claim is None and not is_supposed(before):
            equations.note(sides, context)
            claim = equations.solved_by(sides[0].latex, context)
        if isinstance(claim, Claim):
            yield Computation(
                claim.title,
                tuple(written(each, context) for each in claim.conditions),
                written(claim.expression, context),
                written(claim.result, context),
                claim.code,
                span,
            )
        elif claim is not None:
            yield Unparsed(claim, span, source[span[0] : span[1]][:EXCERPT])


def own_commands(text: str) -> dict[str, Command]:
    """Return the commands that a text defines, if it is LaTeX."""
    defines = any(mark in text for mark in DEFINES)
    return defined_commands(text[:MAX_CHARACTERS]) if defines else {}


def written(latex: str, context: Context) -> str:
    """Return a side as a document can show it that has no preamble."""
    shown = with_fractions(unboxed(expanded(latex, context.commands)))
    return SLANTED.sub(r"\\frac", INVISIBLE.sub("", shown)).strip()


def with_fractions(latex: str) -> str:
    r"""Return LaTeX with ``\frac{a}{b}`` in the place of ``{a \over b}``."""
    while (match := OVER.search(latex)) is not None:
        begin, end = _brace(latex, match.start() - 1, -1), _brace(latex, match.end(), 1)
        if begin < 0 or end >= len(latex):
            break
        top, bottom = latex[begin + 1 : match.start()].strip(), latex[match.end() : end].strip()
        latex = rf"{latex[:begin]}\frac{{{top}}}{{{bottom}}}{latex[end + 1 :]}"
    return latex


def _brace(latex: str, at: int, step: int) -> int:
    """Return where the brace stands that encloses a place, in one direction."""
    opening = "{" if step > 0 else "}"
    depth = 0
    while 0 <= at < len(latex):
        if latex[at] in "{}":
            depth += 1 if latex[at] == opening else -1
            if depth < 0:
                return at
        at += step
    return at


def unboxed(latex: str) -> str:
    r"""Take ``\boxed{…}`` off, and what only spaces: it marks an answer and means nothing."""
    while (match := BOX.search(latex)) is not None:
        depth, end = 1, match.end()
        while end < len(latex) and depth:
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            end += 1
        latex = latex[: match.start()] + latex[match.end() : end - 1] + latex[end:]
    return " ".join(latex.replace("&", " ").split()) if r"\begin" not in latex else " ".join(latex.split())
