"""A fastText classifier of two labels: trained, stored, and asked for the probability of the first.

Decides: MathCoder2's settings (``SETTINGS``), that a text is prepared as theirs were (line breaks become spaces, nothing else),
and one thread, with which training is reproducible to the bit.
Does not: choose training texts or a threshold (``train_filter.py``).

The package is ``fasttext-numpy2``: the others fail with numpy 2.
"""

import ctypes
import errno
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import fasttext

from data_tools.filters.training_progress import passes_shown
from megatron_mathcoder.config.errors import DataError

POSITIVE, NEGATIVE = "__label__related", "__label__other"
M_PERTURB = -6
"""glibc's option (``malloc.h``): memory is filled with the complement of this byte when it is handed out."""
KNOWN_POSITIVES = (POSITIVE, "__label__math")
"""The label whose probability is the score, in models of ours and in the published ones."""

SETTINGS: dict[str, Any] = {"lr": 0.5, "epoch": 5, "wordNgrams": 2, "bucket": 200_000, "dim": 50, "loss": "ova"}
"""As published (MathCoder2, cc_en_math); the rest is fastText's default."""


def prepared(text: str) -> str:
    """Return ``text`` on one line, as fastText reads and was trained on."""
    return text.replace("\n", " ").replace("\r", " ")


def write_training_file(path: Path, labelled: Iterable[tuple[str, bool]]) -> None:
    """Write fastText's training format: a label and a text per line."""
    with path.open("w", encoding="utf-8", errors="replace") as stream:
        for text, related in labelled:
            stream.write(f"{POSITIVE if related else NEGATIVE} {prepared(text)}\n")


def train(training_file: Path, model_file: Path, seed: int, settings: dict[str, Any]) -> None:
    """Write the model of ``training_file``; the same file, seed and settings give the same bytes.

    In a process of its own, whose memory is zero at first: fastText reads what it has not written. Raises DataError when the
    training diverges or its process ends, and OSError when the disk is full.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        try:
            executor.submit(_train, str(training_file), str(model_file), seed, settings).result()
        except (BrokenProcessPool, MemoryError):
            sizes = " and ".join(f"--{name} {settings[name]}" for name in ("bucket", "dim"))
            raise DataError(f"fastText ended while it trained, most often for lack of memory: lower {sizes}") from None


def _train(training_file: str, model_file: str, seed: int, settings: dict[str, Any]) -> None:
    _clear_memory()
    try:
        # It reads the words once, and then all of the file in each epoch.
        with passes_shown("train-filter", Path(training_file), settings["epoch"] + 1):
            model = fasttext.train_supervised(training_file, seed=seed, thread=1, verbose=0, **settings)
    except RuntimeError as error:
        raise DataError(f"fastText could not train: {error} Try a lower --lr than {settings['lr']}") from None
    model.save_model(model_file)
    if Path(model_file).stat().st_size < model.get_input_matrix().nbytes + model.get_output_matrix().nbytes:
        # fastText does not ask whether the disk took what it wrote.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), model_file)


def _clear_memory() -> None:
    """Have this process's memory zero when it is handed out, where its C library can.

    With one thread fastText draws only a tenth of its first matrix and takes the rest as memory holds it
    (``DenseMatrix::uniform``): zeros for a large matrix in a fresh process, anything for a small one.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_PERTURB, 0xFF)


class FastTextModel:
    """A loaded model. ``score`` is the probability of the positive label, 0 to 1."""

    def __init__(self, model: Any, positive: str) -> None:
        self._model, self._positive = model, positive
        self._predict = model.f.predict

    def score(self, text: str) -> float:
        """Return the probability that ``text`` is related. With one-vs-all loss the labels' probabilities need not sum to 1."""
        # The binding's own method: the Python layer over it builds numpy arrays for every call.
        for probability, label in self._predict(prepared(text) + "\n", 2, 0.0, "replace"):
            if label == self._positive:
                return min(float(probability), 1.0)
        return 0.0


def load(path: Path) -> FastTextModel:
    """Load a model of ours or a published one. Raises DataError: not a model, or not one of two labels of which one is known."""
    try:
        model = fasttext.load_model(str(path))
    except ValueError as error:
        raise DataError(f"model {str(path)!r} cannot be read by fastText: {error}") from None
    labels = model.get_labels()
    positive = next((label for label in KNOWN_POSITIVES if label in labels), None)
    if positive is None or len(labels) != 2:
        raise DataError(
            f"model {str(path)!r} has the labels {', '.join(labels)}; needed are two, one of them {' or '.join(KNOWN_POSITIVES)}"
        )
    return FastTextModel(model, positive)
