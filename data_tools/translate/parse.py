"""From what a language model wrote to computations: JSON where it is JSON, labelled sections in any dress otherwise.

Decides: which shapes are understood, that a computation without code or without a stated result is ``Unparsed`` with its reason,
and that a computation cut off by the token limit is never kept.
Does not: run code or compare results.

MathCoder2's parser knows one shape; of bold labels it keeps nothing, and without headers it keeps the first computation alone.
"""

import json
import re
from itertools import islice
from typing import Any

from data_tools.llm.reasoning import without_reasoning
from data_tools.translate.computation import Computation, Unparsed
from data_tools.translate.labelled_text import Section, sections

EXCERPT = 200
NOTHING_FOUND = "no computation in the reply"
NO_CODE = "no code"
NO_RESULT = "no stated result"
CUT_OFF = "cut off at the token limit"

DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)"), ("`", "`"), ("**", "**"))
JSON_START = re.compile(r'\{\s*"|\[\s*\{')
LONE_BACKSLASH = re.compile(r'(?<!\\)((?:\\\\)*)\\(?!["\\/bfnrtu])')
EATEN_BY_JSON = re.compile("[\b\f\t\r](?=[A-Za-z])")
ESCAPES = {"\b": "\\b", "\f": "\\f", "\t": "\\t", "\r": "\\r"}
MAX_JSON_STARTS = 20


def parse_reply_text(text: str, finish_reason: str = "stop") -> tuple[list[Computation], list[Unparsed]]:
    """Return the computations of a reply in order, and what was left of it with the reason."""
    reply, text = text, without_reasoning(text)
    rows = _json_rows(text)
    found = [_section_of_row(row) for row in rows] if rows is not None else sections(text)
    if rows is None and finish_reason == "length" and found and not found[-1].code_ended:
        found[-1].cut_off = True
    computations: list[Computation] = []
    unparsed: list[Unparsed] = []
    for section in found:
        made = _computation(section)
        if isinstance(made, Computation):
            computations.append(made)
        else:
            unparsed.append(made)
    if not found and rows is None and reply.strip():
        reason = CUT_OFF if finish_reason == "length" else NOTHING_FOUND
        unparsed.append(Unparsed(reason, None, reply.strip()[:EXCERPT]))
    return computations, unparsed


def _computation(section: Section) -> Computation | Unparsed:
    expression, result = bare(section.expression), bare(section.result)
    if not result and "=" in expression:
        expression, _, result = (part.strip() for part in expression.rpartition("="))
    excerpt = (section.title or expression or result)[:EXCERPT]
    if section.cut_off:
        return Unparsed(CUT_OFF, None, excerpt)
    if not section.code.strip():
        return Unparsed(NO_CODE, None, excerpt)
    if not result:
        return Unparsed(NO_RESULT, None, excerpt)
    conditions = tuple(condition for condition in section.conditions if condition.strip(" .").lower() not in ("none", ""))
    return Computation(section.title, conditions, expression, result, section.code.strip("\n"))


def bare(text: str) -> str:
    """Take the delimiters of mathematics, code or bold print off a whole text."""
    text = text.strip()
    for begin, end in DELIMITERS:
        inner = text[len(begin) : len(text) - len(end)]
        if len(text) >= len(begin) + len(end) and text.startswith(begin) and text.endswith(end) and begin not in inner:
            return bare(inner)
    return text


def _json_rows(text: str) -> list[dict[str, Any]] | None:
    """Return the computations of a reply that is or contains JSON, None when there is no such JSON."""
    if text.strip() == "[]":
        return []
    for start in islice(JSON_START.finditer(text), MAX_JSON_STARTS):
        rows = _rows_of(_decode(text[start.start() :]))
        if rows is not None:
            return rows
    return None


def _decode(text: str) -> Any:
    # strict=False: models write line breaks inside strings.
    decoder = json.JSONDecoder(strict=False)
    for attempt in (text, LONE_BACKSLASH.sub(r"\1\\\\", text)):
        try:
            return decoder.raw_decode(attempt)[0]
        except (json.JSONDecodeError, RecursionError):
            continue
    return None


def _rows_of(value: Any) -> list[dict[str, Any]] | None:
    if isinstance(value, dict) and isinstance(value.get("computations"), list):
        value = value["computations"]
        if not value:
            return []
    rows = value if isinstance(value, list) else [value]
    good = [row for row in rows if isinstance(row, dict) and {"code", "expression", "result"} & row.keys()]
    return good if good and len(good) == len(rows) else None


def _section_of_row(row: dict[str, Any]) -> Section:
    conditions = row.get("conditions") or []
    if isinstance(conditions, str):
        conditions = conditions.splitlines()
    section = Section(_latex(row.get("title")))
    section.conditions = [_latex(each) for each in conditions if each]
    section.expression, section.result = _latex(row.get("expression")), _latex(row.get("result"))
    section.code = _code(row.get("code"))
    return section


def _latex(value: Any) -> str:
    r"""Return text with the commands that JSON's escapes ate: ``"\frac"`` in JSON is a form feed and ``rac``."""
    return EATEN_BY_JSON.sub(lambda match: ESCAPES[match.group()], "" if value is None else str(value)).strip()


def _code(value: Any) -> str:
    code = "" if value is None else str(value)
    fenced = sections(code) if "```" in code else []
    return fenced[0].code if fenced and fenced[0].code else code
