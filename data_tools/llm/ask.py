"""Has a language model answer what the documents ask, before their rows are written.

Decides: when the server is contacted (only while a request is open), whether replies are asked for as JSON, what a batch file
holds.
Does not: send requests (a ``LanguageModel`` does), know what is asked (an ``Asker`` does), or write rows.
"""

import argparse
from collections.abc import Iterator
from typing import Protocol

from data_tools.document import Document
from data_tools.llm.arguments import VLLM, open_model
from data_tools.llm.asked import AskedModel
from data_tools.llm.interface import Message, Request, Sampling
from data_tools.llm.request_log import DEAD_LETTERS, Accounting, RequestLog
from data_tools.llm.run_batch import read_batch, write_batch
from data_tools.parts import atomic_file
from data_tools.progress import Progress
from data_tools.sources.record_files import RecordFiles
from megatron_mathcoder.config.errors import DataError

PROBE_WORD = "tangent"
PROBE = Request(
    (Message("user", "Greet me in one short sentence."),),
    Sampling(
        max_tokens=64,
        json_schema={
            "type": "object",
            "properties": {"word": {"enum": [PROBE_WORD]}},
            "required": ["word"],
            "additionalProperties": False,
            # Without it the blanks are left to the model, and a poor one writes nothing else.
            "enum": [{"word": PROBE_WORD}],
        },
    ),
)
"""No model answers a greeting with this object unless the server makes it."""


class Asker(Protocol):
    """What has something to ask about documents."""

    @property
    def asked(self) -> AskedModel:
        """Who answers."""

    def requests_of(self, document: Document) -> list[Request]:
        """Return the requests of a document, none when there is nothing to ask."""


def answer_all(options: argparse.Namespace, source: RecordFiles, asker: Asker) -> bool:
    """Have every request answered, by the model or through batch files; return False when replies are still to come.

    Where the output is finished nothing is asked, and no document read.
    """
    if (options.output / "manifest.json").exists() and not options.overwrite:
        if options.retry_dead:
            raise DataError(f"{options.output} is finished; --retry-dead makes it again, so add --overwrite")
        return True
    if options.write_batch or options.read_batch:
        return _exchange_batch(options, source, asker)
    _ask(options, source, asker)
    return True


def asks_for_json(asked: AskedModel, options: argparse.Namespace) -> bool:
    """Return whether replies are asked for as JSON.

    Found out once by a probe, and kept with the log, because it is part of every request.
    """
    if options.reply_format != "auto":
        return bool(options.reply_format == "json")
    known = asked.requests / "reply_format.txt"
    if known.exists():
        return known.read_text(encoding="utf-8").strip() == "json"
    if asked.kind == VLLM or options.write_batch or options.read_batch:
        # vLLM itself holds to a schema; each reply is still checked.
        return True
    with open_model(asked.kind, options) as model:
        reply = next(iter(model.complete([PROBE])))
    fired = bool(reply.choices and reply.choices[0].fits_schema)
    if not fired:
        print("the server does not hold to a JSON schema (probed); labelled sections are asked for instead")
    asked.requests.mkdir(parents=True, exist_ok=True)
    # Parts of a job array share the log: none may read half of it.
    with atomic_file(known) as stream:
        stream.write(b"json\n" if fired else b"sections\n")
    return fired


def _open_requests(options: argparse.Namespace, source: RecordFiles, asker: Asker) -> Iterator[tuple[int, Request]]:
    """Yield (bytes of input read, request) for the documents of this part."""
    done = 0
    for index, piece in enumerate(source.slices):
        if options.part is not None and index not in options.part:
            continue
        read = 0

        def note(amount: int) -> None:
            nonlocal read
            read = amount

        for document in piece.documents(note):
            if isinstance(document, Document):
                for request in asker.requests_of(document):
                    yield done + read, request
        done += piece.bytes


def _ask(options: argparse.Namespace, source: RecordFiles, asker: Asker) -> None:
    """Send every request that has no final answer; nothing is loaded or contacted when there is none."""
    share = [piece for index, piece in enumerate(source.slices) if options.part is None or index in options.part]
    with RequestLog(asker.asked.requests, _log_name(options), options.retry_dead) as log:
        if all(request.key(asker.asked.model) in log for _, request in _open_requests(options, source, asker)):
            return
        with (
            open_model(asker.asked.kind, options) as model,
            Progress("asking", sum(piece.bytes for piece in share), "tokens") as progress,
        ):
            place = 0

            def requests() -> Iterator[Request]:
                nonlocal place
                for read, request in _open_requests(options, source, asker):
                    place = read
                    yield request

            def show(found: Accounting) -> None:
                progress.show(place, found.prompt_tokens + found.completion_tokens)

            found = log.fill(model, requests(), show)
            print(found)
            _print_unanswered(found, asker)


def _print_unanswered(found: Accounting, asker: Asker) -> None:
    if found.failed or found.dead:
        print(
            f"{found.failed + found.dead} got no reply, such as {found.error!r}; all are in "
            f"{asker.asked.requests / DEAD_LETTERS}, and --retry-dead with --overwrite asks them again"
        )


def _log_name(options: argparse.Namespace) -> str:
    return "log" if options.part is None else f"log-{options.part.index}-of-{options.part.count}"


def _exchange_batch(options: argparse.Namespace, source: RecordFiles, asker: Asker) -> bool:
    """Read a batch's replies into the log, write what is still open; return whether nothing is open."""
    with RequestLog(asker.asked.requests, _log_name(options), options.retry_dead) as log:
        waiting = {
            key: request
            for _, request in _open_requests(options, source, asker)
            if (key := request.key(asker.asked.model)) not in log
        }
        if options.read_batch:
            found = Accounting()
            for key, reply in read_batch(options.read_batch, waiting):
                log.append(key, reply, asker.asked.model)
                found.count(reply)
            print(f"{options.read_batch}: {found.ok} replies and {found.failed} refusals to {len(waiting)} requests")
            _print_unanswered(found, asker)
            waiting = {key: request for key, request in waiting.items() if key not in log}
        if not waiting:
            return True
        if not options.write_batch:
            raise DataError(
                f"{len(waiting)} requests have no reply in {options.read_batch}; give the options that it was written with, or "
                "add --write-batch FILE to write them again"
            )
        count = write_batch(options.write_batch, waiting.values(), asker.asked.model)
    print(
        f"{options.write_batch}: {count} requests; run vllm run-batch -i {options.write_batch} -o REPLIES.jsonl --model "
        f"{asker.asked.model}, then this command with --read-batch REPLIES.jsonl instead"
    )
    return False
