"""``mathcoder filter``: documents that a fastText model, or a score they already carry, says are related.

Decides: the score is stored with every document (``metadata.scores.NAME``) and with every dropped row (``score``), so that
another threshold needs no other run of the model: ``--threshold 0`` scores and keeps all, ``--score NAME`` filters by what is
stored.
Does not: train (``train_filter.py``).
"""

import argparse
import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from data_tools.arguments import fraction
from data_tools.document import Document, Dropped
from data_tools.document_slice import DocumentFilter
from data_tools.document_stage import filter_parser, input_documents, make_documents
from data_tools.filters.fasttext_model import FastTextModel, load
from megatron_mathcoder.config.errors import DataError

SCORE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class FastTextFilter:
    """Keeps documents that the model at ``path`` scores with ``threshold`` or more."""

    path: str
    sha256: str
    name: str
    threshold: float

    @property
    def settings(self) -> dict[str, Any]:
        """The model by content."""
        return {"model": self.sha256, "score": self.name, "threshold": self.threshold}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped]:
        """Yield each document with its score, or the record of dropping it."""
        score = _model(self.path).score
        for document in documents:
            value = round(score(document.text), SCORE_DECIMALS)
            stored = document.metadata.get("scores")
            scores = {**(stored if isinstance(stored, dict) else {}), self.name: value}
            if value >= self.threshold:
                yield Document(document.id, document.text, {**document.metadata, "scores": scores})
            else:
                yield document.dropped(f"score below {self.threshold:g}: {value:.4f} by {self.name}", score=value, scores=scores)


@dataclass(frozen=True, slots=True)
class StoredScoreFilter:
    """Keeps documents whose stored score ``name`` is ``threshold`` or more."""

    name: str
    threshold: float

    @property
    def settings(self) -> dict[str, Any]:
        """The score and the threshold."""
        return {"score": self.name, "threshold": self.threshold}

    def __call__(self, documents: Iterable[Document]) -> Iterator[Document | Dropped]:
        """Yield each document, or the record of dropping it; one without the score is dropped with that reason."""
        for document in documents:
            scores = document.metadata.get("scores")
            value = scores.get(self.name) if isinstance(scores, dict) else None
            if not isinstance(value, int | float):
                yield document.dropped(f"no score: {self.name}")
            elif value >= self.threshold:
                yield document
            else:
                yield document.dropped(f"score below {self.threshold:g}: {value:.4f} by {self.name}", score=value, scores=scores)


@functools.lru_cache(maxsize=1)
def _model(path: str) -> FastTextModel:
    return load(Path(path))


def _parser() -> argparse.ArgumentParser:
    parser = filter_parser(prog="mathcoder filter", description="Documents that a fastText model says are related.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="MODEL.bin", help="of mathcoder train-filter, or a published one")
    which.add_argument("--score", metavar="NAME", help="filter by the score that an earlier run stored under this name")
    parser.add_argument(
        "--threshold",
        type=fraction,
        metavar="T",
        help="least score that is kept (default: the one chosen when the model was trained)",
    )
    return parser


def _judge(options: argparse.Namespace) -> DocumentFilter:
    if options.score:
        if options.threshold is None:
            raise DataError("--score was given without --threshold; add the least score that is kept")
        return StoredScoreFilter(options.score, options.threshold)
    path = Path(options.model)
    if not path.is_file():
        raise DataError(f"model {options.model!r} does not exist; train one with mathcoder train-filter")
    _model(str(path))
    threshold = options.threshold if options.threshold is not None else _trained_threshold(path)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return FastTextFilter(str(path), sha256, path.stem, threshold)


def _trained_threshold(path: Path) -> float:
    manifest = path.with_suffix(".json")
    if not manifest.is_file():
        raise DataError(f"{manifest} is not there, so no threshold is known for {path}; add --threshold")
    return float(orjson.loads(manifest.read_bytes())["threshold"])


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError for what a person can mend."""
    options = _parser().parse_args(argv)
    judge = _judge(options)
    make_documents("filter", input_documents(options), judge, options)
    return 0
