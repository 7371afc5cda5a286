"""Asks a model the items of a benchmark and writes each prediction down as it comes.

Decides: what a row of ``predictions.jsonl`` holds (item, prompt's hash, model, versions, the text or the blocks), and that a
resumed run asks only what is missing and refuses a log made in another way.
Does not: judge (``results``), so that a better grader needs no model.
"""

import functools
import hashlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data_tools.llm.interface import LanguageModel, Request, Sampling
from data_tools.progress import CountProgress
from data_tools.sandbox.sandbox import Sandbox
from megatron_mathcoder import __version__
from megatron_mathcoder.config.errors import ConfigError, DataError
from megatron_mathcoder.evaluation.benchmarks import LETTERS, Item, load_items
from megatron_mathcoder.evaluation.protocols import PROTOCOLS, Protocol
from megatron_mathcoder.evaluation.recipe import BenchmarkEntry, EvaluationSection, protocol_of
from megatron_mathcoder.inference.prediction_log import PredictionLog
from megatron_mathcoder.inference.tool_use import WINDOW, ToolLoop

VERSIONED = ("torch", "transformers", "tokenizers", "sentencepiece", "vllm", "math-verify", "sympy")


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark as one recipe asks it. ``key`` names it in logs and tables."""

    entry: BenchmarkEntry
    protocol: Protocol
    items: tuple[Item, ...]

    @property
    def key(self) -> str:
        """``gsm8k/few-shot-cot``."""
        return f"{self.entry.label or self.entry.name}/{self.protocol.name}"

    def row_id(self, item: Item) -> str:
        """Return the id of an item's prediction."""
        return f"{self.key}/{item.id}"

    def prompt(self, item: Item) -> str:
        """Return what the model is asked, before a format wraps it."""
        return self.protocol.prompt(self.entry.name, item, self.entry.shots)


def task_of(entry: BenchmarkEntry) -> Task:
    """Load a benchmark's items. Raises DataError as ``load_items`` does."""
    return Task(entry, PROTOCOLS[protocol_of(entry)], tuple(load_items(entry.name, entry.path, entry.limit)))


def predict(model: LanguageModel, task: Task, section: EvaluationSection, log: PredictionLog, sandbox: Sandbox | None) -> None:
    """Ask what ``log`` does not hold yet, and append each prediction as it comes.

    Raises ConfigError: the log holds predictions of another model, prompt or decoding.
    """
    sampling = Sampling(
        max_tokens=task.entry.max_new_tokens or task.protocol.max_tokens(task.entry.name),
        temperature=section.temperature,
        seed=section.seed,
        stop=task.protocol.stops,
    )
    made = {item.id: _provenance(model, task, item, sampling) for item in task.items}
    left = []
    for item in task.items:
        if (row := log.rows.get(task.row_id(item))) is None:
            left.append(item)
        else:
            _check_same(log, row, made[item.id])
    if not left:
        return
    if task.protocol.style == "letter":
        asked = _letters(model, task, left)
    else:
        asked = _texts(model, task, left, sampling, sandbox, window=max(WINDOW, section.batch_size))
    done = len(task.items) - len(left)
    with CountProgress(task.key, len(task.items), "items", done) as progress:
        for count, (item, found) in enumerate(asked, 1):
            log.append(_row(task, item, made[item.id], found))
            progress.show(count)


def _provenance(model: LanguageModel, task: Task, item: Item, sampling: Sampling) -> dict[str, Any]:
    prompt = task.prompt(item)
    return {
        "model": model.name,
        "prompt_sha256": hashlib.sha256(prompt.encode()).hexdigest(),
        "max_new_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "seed": sampling.seed,
    }


def _check_same(log: PredictionLog, row: dict[str, Any], made: dict[str, Any]) -> None:
    for key, value in made.items():
        if row.get(key) != value:
            raise ConfigError(
                f"{log.path}: {row['id']} was made with {key} = {row.get(key)!r}, now {value!r}; name another evaluation.folder"
            )


def _row(task: Task, item: Item, made: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    row = {"id": task.row_id(item), "benchmark": task.entry.name, "protocol": task.protocol.name, "item": item.id}
    return row | {"question": item.question, "ground_truth": item.gold} | made | found | {"versions": versions()}


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions that a prediction depends on. Read once: seven packages' metadata cost 6 ms, and every row has them."""
    found = {"megatron_mathcoder": __version__}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


Found = Iterator[tuple[Item, dict[str, Any]]]


def _texts(
    model: LanguageModel, task: Task, items: list[Item], sampling: Sampling, sandbox: Sandbox | None, window: int
) -> Found:
    by_id = {item.id: item for item in items}
    loop = ToolLoop(
        model=model,
        sandbox=sandbox if task.protocol.rounds else None,
        format=task.protocol.format,
        sampling=sampling,
        rounds=task.protocol.rounds or 1,
        window=window,
    )
    for trajectory in loop.run((item.id, task.prompt(item)) for item in items):
        row = trajectory.to_row()
        found = {name: row[name] for name in ("completion", "text", "blocks", "ended", "error")}
        yield by_id[trajectory.id], found


def _letters(model: LanguageModel, task: Task, items: list[Item]) -> Found:
    """Yield the letter whose text the model finds most likely. The prompt is the same for all, so whole texts are compared."""
    scores: dict[str, dict[str, float]] = {item.id: {} for item in items}
    by_id = {item.id: item for item in items}
    failed: dict[str, str] = {}
    asked = Sampling(max_tokens=0, echo=True, logprobs=0)
    requests = (
        Request(f"{task.prompt(item)} {letter}", asked, tag=(item.id, letter))
        for item in items
        for letter in LETTERS[: len(item.choices)]
    )
    for reply in model.complete(requests):
        name, letter = reply.request.tag
        if reply.outcome == "ok":
            scores[name][letter] = _log_likelihood(reply.choices[0].logprobs)
        else:
            failed[name], scores[name][letter] = reply.error, float("-inf")
        if len(scores[name]) == len(by_id[name].choices):
            error = failed.get(name, "")
            best = max(scores[name], key=lambda each: scores[name][each])
            ended = {"ended": "failed" if error else "answer", "error": error}
            finite = {each: value for each, value in scores[name].items() if value != float("-inf")}
            yield by_id[name], {"completion": "" if error else best, "log_likelihoods": finite} | ended


def _log_likelihood(logprobs: Any) -> float:
    if logprobs is None:
        raise DataError("the server gives no log probabilities of a prompt (echo); ask this benchmark by few-shot-cot instead")
    return sum(value for value in logprobs.logprobs if value is not None)
