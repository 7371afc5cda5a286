"""Decides what a chain of equations claims that a program can compute, and has the program written.

Decides: that an equation is a claim only when nothing else can be meant: a value, a calculus operation, or an identity. An
equation to be solved, a definition and a supposition are no claims. The kinds: ``value_claims.py``, ``calculus_claims.py``,
``identity_claims.py``; besides ``congruences.py`` and ``solutions.py``.
Does not: run the program; the verdict comes from ``mathcoder execute``.
"""

from data_tools.translate.calculus_claims import calculus_claim
from data_tools.translate.context import Context, is_supposed
from data_tools.translate.identity_claims import identity_claim
from data_tools.translate.runs import Claim, Run, base_reading, read_run, readings_of
from data_tools.translate.statements import Side
from data_tools.translate.value_claims import AMBIGUOUS, closed_claim, conditional_claim

EQUATION = "an equation or a definition, no computation"
SUPPOSED = "supposed, not claimed"


def claim_of(sides: tuple[Side, ...], approximate: bool, context: Context, before: str, around: str) -> Claim | str | None:
    """Return what a run claims, the reason why it gives nothing, or None when it only says what something is."""
    reading = base_reading(sides, context)
    run = read_run(sides, approximate, reading)
    known = [node for node in run.nodes if node is not None]
    if not known:
        return run.errors[0]
    first, last = run.nodes[0], run.nodes[-1]
    noted = first is not None and last is not None and context.note(first, last, _text(sides[0], sides[-1]), sides[-1].end)
    if is_supposed(before):
        return SUPPOSED
    found: list[Claim | str] = []
    for each in readings_of(run, reading):
        claim = _claim_in(read_run(sides, approximate, each) if run.choices else run, context, around, noted)
        if isinstance(claim, Claim):
            return claim
        found.append(claim)
    if noted or EQUATION in found:
        return None
    return found[0] if len(found) == 1 else AMBIGUOUS


def _claim_in(run: Run, context: Context, around: str, says_what_it_is: bool) -> Claim | str:
    for attempt in (closed_claim, calculus_claim, conditional_claim, identity_claim):
        if attempt is conditional_claim and says_what_it_is:
            # What defines a function or a value cannot be shown by that definition.
            continue
        claim = attempt(run, context, around)
        if claim is not None:
            return claim
    if run.errors:
        return run.errors[0]
    return EQUATION


def _text(*sides: Side) -> str:
    return " = ".join(side.latex for side in sides)
