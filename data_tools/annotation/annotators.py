"""Who says what a document is: a language model, by its logged answers, or a person, by where a document is from.

Decides: what ``metadata.annotation`` holds, how the labels of a long document's passages become one, and why a document that
nobody could label is dropped.
Does not: send requests; by the time a row is written, every answer is in the log.

A passage without a label (no answer, or a malformed one) leaves its document undecided only when it could change the verdict.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import Any

from data_tools.annotation.sample import Sample
from data_tools.annotation.schemes import CUT_OFF, SCHEMES, VERSION, Scheme
from data_tools.document import Document, Dropped
from data_tools.llm.asked import AskedModel
from data_tools.llm.interface import Reply, Request, Sampling
from data_tools.llm.passages import passages
from data_tools.llm.request_log import RequestLog

RULES = ("any", "most", "first")
NO_REPLY, MALFORMED, NOT_GIVEN = "no reply", "malformed answer", "no given label"
NOT_ANNOTATED = "not annotated"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnnotator:
    """A language model's answers as a filter: reads them from the log of what was asked.

    ``rule``: ``any`` keeps a document one of whose passages is related (MathCoder2's open_web_math), ``most`` one of whose
    passages more than half are, ``first`` asks about the first alone (its cc_en_math).
    """

    asked: AskedModel
    scheme: str
    rule: str
    sample: Sample

    @property
    def settings(self) -> dict[str, Any]:
        """What decides beside the documents."""
        asked = {name: getattr(self.asked, name) for name in ("model", "max_tokens", "max_characters")}
        given = {"annotator": self.asked.kind, "prompt_version": VERSION, "scheme": self.scheme, "rule": self.rule}
        return given | asked | self.sample.settings

    def requests_of(self, document: Document) -> list[Request]:
        """Return the requests of a document: one per passage, none when it is not in the sample."""
        if self.sample.why_not(document):
            return []
        pieces = passages(document.text, self.asked.max_characters)
        scheme = SCHEMES[self.scheme]
        sampling = Sampling(max_tokens=self.asked.max_tokens, temperature=0.0)
        return [Request(scheme.messages(piece), sampling) for piece in pieces[: 1 if self.rule == "first" else None]]

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped]:
        """Yield each document with its annotation, or the record of leaving it out."""
        log = RequestLog(self.asked.requests).open_to_read()
        for document in documents:
            if why := self.sample.why_not(document):
                yield document.dropped(f"{NOT_ANNOTATED}: {why}")
                continue
            replies = [log.reply(request.key(self.asked.model), request) for request in self.requests_of(document)]
            yield self._annotated(document, [_labelled(reply, SCHEMES[self.scheme]) for reply in replies])

    def _annotated(self, document: Document, found: Sequence[tuple[str, str]]) -> Document | Dropped:
        scheme = SCHEMES[self.scheme]
        labels = [label for label, _ in found]
        least, most = ([label in scheme.related or (not label and missing) for label in labels] for missing in (False, True))
        if not labels or _verdict(self.rule, least) != _verdict(self.rule, most):
            return document.dropped(next((why for label, why in found if not label), f"{NO_REPLY}: no text"))
        related = _verdict(self.rule, least)
        who = {
            "annotator": self.asked.kind,
            "model": self.asked.model,
            "prompt_version": VERSION,
            "scheme": scheme.name,
            "rule": self.rule,
        }
        # Of the passages that agree with the verdict, what most of them are.
        votes = Counter(label for label in labels if label and (label in scheme.related) == related)
        return _with(document, {"label": votes.most_common(1)[0][0], "related": related, "passages": labels, **who})


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnnotator:
    """Labels that a person gives to whole sources: ``given`` has patterns of ``provenance.file`` and labels; the first counts."""

    given: tuple[tuple[str, str], ...]
    scheme: str
    sample: Sample

    @property
    def settings(self) -> dict[str, Any]:
        """What decides beside the documents."""
        return {"annotator": "given", "given": [list(pair) for pair in self.given], "scheme": self.scheme, **self.sample.settings}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped]:
        """Yield each document with its annotation, or the record of leaving it out."""
        for document in documents:
            provenance = document.metadata.get("provenance")
            file = str(provenance.get("file", "")) if isinstance(provenance, dict) else ""
            pattern, label = next((pair for pair in self.given if fnmatch(file, pair[0])), ("", ""))
            if why := self.sample.why_not(document):
                yield document.dropped(f"{NOT_ANNOTATED}: {why}")
            elif not label:
                yield document.dropped(f"{NOT_GIVEN}: to {file}")
            else:
                related = label in SCHEMES[self.scheme].related
                who = {"annotator": "given", "given_to": pattern, "scheme": self.scheme}
                yield _with(document, {"label": label, "related": related, **who})


def _with(document: Document, annotation: dict[str, Any]) -> Document:
    return replace(document, metadata={**document.metadata, "annotation": annotation})


def _labelled(reply: Reply | None, scheme: Scheme) -> tuple[str, str]:
    """Return the label of a passage and "", or "" and why it has none."""
    if reply is None or reply.outcome != "ok":
        return "", f"{NO_REPLY}: {'never asked' if reply is None else f'{reply.outcome}: {reply.error}'}"
    choice = reply.choices[0]
    if choice.finish_reason == "length":
        return "", f"{MALFORMED}: {CUT_OFF}"
    try:
        return scheme.label(choice.text), ""
    except ValueError as error:
        return "", f"{MALFORMED}: {error}"


def _verdict(rule: str, related: Sequence[bool]) -> bool:
    return 2 * sum(related) > len(related) if rule == "most" else any(related)
