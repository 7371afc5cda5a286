"""What turns documents into rows with completions: the embedded translator, and a language model's logged replies.

Decides: the filters that ``mathcoder translate`` runs over documents, and the requests that a document gives.
Does not: send requests; by the time a row is written, every reply is in the log.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from data_tools.document import Document, Dropped
from data_tools.formulas.own_commands import commands_from
from data_tools.llm.asked import AskedModel
from data_tools.llm.interface import Reply, Request, Sampling
from data_tools.llm.passages import passages
from data_tools.llm.request_log import RequestLog
from data_tools.translate import prompt, symbolic
from data_tools.translate.computation import Completion, Computation, TranslatedDocument, Unparsed
from data_tools.translate.parse import CUT_OFF, parse_reply_text


@dataclass(frozen=True, slots=True)
class SymbolicTranslator:
    """The embedded translator as a filter."""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides beside the documents."""
        return {"translator": "symbolic", "version": symbolic.VERSION}

    def __call__(self, documents: Iterable[Document]) -> Iterator[TranslatedDocument | Dropped]:
        """Yield one row per document."""
        for document in documents:
            completion = symbolic.translate(document.text, commands_from(document.metadata.get("commands")))
            yield TranslatedDocument(document.id, document.text, document.metadata, completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTranslator:
    """A language model's replies as a filter: reads them from the log of what was asked.

    ``as_json`` says which form of reply was asked for. A document none of whose requests was answered is dropped.
    """

    asked: AskedModel
    as_json: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What decides beside the documents."""
        asked = {name: getattr(self.asked, name) for name in ("model", "max_tokens", "max_characters")}
        return {"translator": self.asked.kind, "prompt_version": prompt.VERSION, "as_json": self.as_json} | asked

    def requests_of(self, document: Document) -> list[Request]:
        """Return the requests of a document, one per passage."""
        schema = prompt.SCHEMA if self.as_json else None
        sampling = Sampling(max_tokens=self.asked.max_tokens, temperature=0.0, json_schema=schema)
        pieces = passages(document.text, self.asked.max_characters)
        return [Request(prompt.messages(piece, self.as_json), sampling) for piece in pieces]

    def __call__(self, documents: Iterable[Document]) -> Iterator[TranslatedDocument | Dropped]:
        """Yield one row per document."""
        log = RequestLog(self.asked.requests).open_to_read()
        for document in documents:
            replies = [log.reply(request.key(self.asked.model), request) for request in self.requests_of(document)]
            errors = [_error_of(reply) for reply in replies if reply is None or reply.outcome != "ok"]
            if len(errors) == len(replies):
                yield document.dropped(f"no reply: {errors[0] if errors else 'no text'}")
                continue
            completion = self._completion([reply for reply in replies if reply is not None], errors)
            yield TranslatedDocument(document.id, document.text, document.metadata, completion)

    def _completion(self, replies: list[Reply], errors: list[str]) -> Completion:
        computations: list[Computation] = []
        unparsed = [Unparsed("no reply", None, error) for error in errors]
        choices = [reply.choices[0] for reply in replies if reply.outcome == "ok"]
        for choice in choices:
            found, left = parse_reply_text(choice.text, choice.finish_reason)
            computations += found
            unparsed += left
            if choice.finish_reason == "length" and not any(each.reason == CUT_OFF for each in left):
                unparsed.append(Unparsed(CUT_OFF, None, ""))
        cut = any(choice.finish_reason == "length" for choice in choices)
        return Completion(
            self.asked.kind,
            self.asked.model,
            prompt.VERSION,
            sum(reply.seconds for reply in replies),
            "length" if cut else choices[0].finish_reason,
            "\n\n".join(choice.text for choice in choices),
            tuple(computations),
            tuple(unparsed),
        )


def _error_of(reply: Reply | None) -> str:
    return "never asked" if reply is None else f"{reply.outcome}: {reply.error}"
