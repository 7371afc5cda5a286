"""Plants benchmark items in the user's own documents and counts how many are found again.

Decides: the forms in which a leak is planted (``FORMS``), and that all is drawn from a seed, so that two runs print the same.
Does not: find anything itself; it asks the filter that will do the work.
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from data_tools.benchmarks import BenchmarkItem
from data_tools.document import Document
from data_tools.document_slice import DocumentFilter

ITEMS = 300
PAGE_WORDS = 400
CARRIER_WORDS = 400_000
CHANGED_SHARE = 0.05
SEED = 0

_PUNCTUATION = re.compile(r"[.,;:!?'\"()-]")
_SPACE = re.compile(r"\s+")

Planting = Callable[[BenchmarkItem, "Carrier"], str]


class Carrier:
    """Pages of the user's words to plant in, and the words that replace others."""

    def __init__(self, words: list[str], rng: random.Random) -> None:
        self.words, self.rng = words, rng

    def page_with(self, text: str) -> str:
        """Return 400 words of the corpus with ``text`` somewhere among them."""
        begin = self.rng.randrange(max(len(self.words) - PAGE_WORDS, 1))
        page = self.words[begin : begin + PAGE_WORDS]
        cut = self.rng.randrange(len(page) + 1)
        return " ".join(page[:cut]) + "\n" + text + "\n" + " ".join(page[cut:])

    def punctuated(self, text: str) -> str:
        """Return ``text`` with other punctuation, or none, in every place that has some."""
        return _PUNCTUATION.sub(lambda _: self.rng.choice(["", " ", ".", ",", ";"]), text)

    def spaced(self, text: str) -> str:
        """Return ``text`` with other white space."""
        return _SPACE.sub(lambda _: self.rng.choice(["\n", "  ", " ", "\t", "\n\n"]), text)

    def changed(self, text: str) -> str:
        """Return ``text`` with each word replaced, left out, or followed by another, with a chance of 5 % in all."""
        kept: list[str] = []
        for word in text.split():
            edit = self.rng.choice(("replace", "insert", "delete")) if self.rng.random() < CHANGED_SHARE else "keep"
            kept += [word] if edit in ("keep", "insert") else []
            kept += [self.rng.choice(self.words)] if edit in ("replace", "insert") else []
        return " ".join(kept)


FORMS: dict[str, Planting] = {
    "whole": lambda item, carrier: item.question,
    "with solution": lambda item, carrier: f"{item.question}\n{item.solution}",
    "in a page": lambda item, carrier: carrier.page_with(item.question),
    "lower-cased": lambda item, carrier: carrier.page_with(item.question.lower()),
    "re-punctuated": lambda item, carrier: carrier.page_with(carrier.punctuated(item.question)),
    "re-spaced": lambda item, carrier: carrier.page_with(carrier.spaced(item.question)),
    "5 % changed": lambda item, carrier: carrier.page_with(carrier.changed(item.question)),
}


def self_test(
    judge: DocumentFilter, items: Sequence[BenchmarkItem], corpus: Iterable[Document], most: int = ITEMS
) -> dict[str, dict[str, list[int]]]:
    """Return form → benchmark → [found, planted], for at most so many items of each benchmark."""
    rng = random.Random(SEED)
    carrier = Carrier(_words(corpus), rng)
    by_benchmark: dict[str, list[BenchmarkItem]] = {}
    for item in items:
        by_benchmark.setdefault(item.benchmark, []).append(item)
    table: dict[str, dict[str, list[int]]] = {form: {} for form in FORMS}
    for benchmark, all_items in by_benchmark.items():
        chosen = rng.sample(all_items, min(len(all_items), most))
        for form, plant in FORMS.items():
            planted = [Document(item.id, plant(item, carrier)) for item in chosen]
            found = sum(not isinstance(verdict, Document) for verdict in judge(planted))
            table[form][benchmark] = [found, len(planted)]
    return table


def _words(corpus: Iterable[Document]) -> list[str]:
    words = list(islice((word for document in corpus for word in document.text.split()), CARRIER_WORDS))
    return words or ["text"]


def recall_lines(table: dict[str, dict[str, list[int]]]) -> list[str]:
    """Return the table as lines to print: a row per benchmark and one over all, a column per form."""
    names = list(next(iter(table.values())))
    counts = {name: {form: row[name] for form, row in table.items()} for name in names}
    counts["all"] = {form: [sum(cell[side] for cell in row.values()) for side in (0, 1)] for form, row in table.items()}
    lines = ["planted in this corpus, found again:", f"{'benchmark':28}{'planted':>8}" + "".join(f"{form:>15}" for form in table)]
    for name, row in counts.items():
        planted = max(cell[1] for cell in row.values())
        shares = (f"{found / max(count, 1):.2%}" for found, count in row.values())
        lines.append(f"{name:28}{planted:>8}" + "".join(f"{share:>15}" for share in shares))
    return lines
