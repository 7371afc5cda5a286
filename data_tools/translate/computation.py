"""What a translator finds in a document: computations with code, and what it could not turn into one.

Decides: the fields of a row in ``completions/part-*.jsonl.zst`` and their order; every translator fills the same ones.
Does not: run the code or judge it; ``mathcoder execute`` does.
"""

from dataclasses import dataclass
from typing import Any, Self

import orjson

Span = tuple[int, int]
"""Begin and end of a passage, in characters of the document's text."""


@dataclass(frozen=True, slots=True)
class Computation:
    """One reasoning step of MathCoder2: conditions, expression, result, and a Python program whose output shows the result.

    ``expression`` is LaTeX, ``result`` LaTeX or plain text as it is stated in the document. ``span`` is the passage it came
    from; None when the translator does not know it (a language model does not say).
    """

    title: str
    conditions: tuple[str, ...]
    expression: str
    result: str
    code: str
    span: Span | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON data; ``from_json`` reads it back."""
        return {
            "title": self.title,
            "conditions": list(self.conditions),
            "expression": self.expression,
            "result": self.result,
            "code": self.code,
            "span": None if self.span is None else list(self.span),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave. Raises KeyError or ValueError for another row."""
        if not isinstance(row["conditions"], list) or not all(isinstance(each, str) for each in row["conditions"]):
            raise ValueError("conditions is no list of texts")
        title, expression, result, code = (_text(row, name) for name in ("title", "expression", "result", "code"))
        return cls(title, tuple(row["conditions"]), expression, result, code, _span(row))


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A passage that looked like a computation and gave none. ``reason`` is one of a fixed set of kinds, ``text`` an excerpt."""

    reason: str
    span: Span | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON data."""
        return {"reason": self.reason, "span": None if self.span is None else list(self.span), "text": self.text}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave. Raises KeyError or ValueError for another row."""
        return cls(_text(row, "reason"), _span(row), _text({"text": ""} | row, "text"))


@dataclass(frozen=True, slots=True)
class Completion:
    """What one translator said about one document.

    ``model`` and ``prompt_version`` name what wrote it, for provenance. ``seconds`` is the time it took. ``finish_reason`` is
    the server's (``length``: the text was cut off at the token limit), or ``stop``. ``text`` is a model's raw reply, None for a
    translator that writes computations directly.
    """

    translator: str
    model: str
    prompt_version: str
    seconds: float
    finish_reason: str
    text: str | None
    computations: tuple[Computation, ...]
    unparsed: tuple[Unparsed, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON data; ``from_json`` reads it back."""
        return {
            "translator": self.translator,
            "model": self.model,
            "prompt_version": self.prompt_version,
            "seconds": round(self.seconds, 3),
            "finish_reason": self.finish_reason,
            "text": self.text,
            "computations": [each.to_json() for each in self.computations],
            "unparsed": [each.to_json() for each in self.unparsed],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Read what ``to_json`` gave. Raises KeyError, TypeError or ValueError for another row."""
        return cls(
            _text(row, "translator"),
            _text(row, "model"),
            _text(row, "prompt_version"),
            float(row["seconds"]),
            _text(row, "finish_reason"),
            None if row["text"] is None else _text(row, "text"),
            tuple(Computation.from_json(each) for each in row["computations"]),
            tuple(Unparsed.from_json(each) for each in row["unparsed"]),
        )


def _text(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _span(row: dict[str, Any]) -> Span | None:
    span = row["span"]
    if span is None:
        return None
    begin, end = span
    if not isinstance(begin, int) or not isinstance(end, int) or not 0 <= begin <= end:
        raise ValueError(f"span {span} is no begin and end")
    return begin, end


@dataclass(frozen=True, slots=True)
class TranslatedDocument:
    """A row of ``completions/part-*.jsonl.zst``: a document as it came in, with its completion."""

    id: str
    text: str
    metadata: dict[str, Any]
    completion: Completion

    def to_json_line(self) -> bytes:
        """Return the row as UTF-8 JSON with a newline."""
        row = {"id": self.id, "text": self.text, "metadata": self.metadata, "completion": self.completion.to_json()}
        return orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Read a parsed row."""
        return cls(row["id"], row["text"], row["metadata"], Completion.from_json(row["completion"]))
