"""How many copies with small edits ``mathcoder dedup`` finds, and how many problems with another number it takes for copies.

Decides: the texts (pages of prose and code, GSM8K's and MATH's problems), the edits, and a seed. An edit replaces words between
spaces, as a share of all and at least one, by words of other texts; or letters that are no digits; or raises one number by one.
Does not: time anything (``bench_dedup.py``).

Run it: python tests/benchmarks/bench_dedup_recall.py
"""

import random
import re
import sys
from collections.abc import Callable

from data_corpus import SHARED_DATA, judge

from data_tools.benchmarks import read_benchmark
from data_tools.dedup.clusters import find_copies
from data_tools.dedup.signatures import sign

MOST_TEXTS = 1000
RECALL_BAR = 98
FALSE_BAR = 0.1
WORD_SHARES = (0.005, 0.01, 0.02)
LETTER_SHARE = 0.01
SIGNED_TOGETHER = 200
ALPHABET = "abcdefghijklmnopqrstuvwxyz"

Edit = Callable[[str, list[str], random.Random], str | None]
"""From a text and the words of all texts of its kind to the edited text; None where it has no place for the edit."""


def words_replaced(share: float) -> Edit:
    def edit(text: str, words: list[str], rng: random.Random) -> str:
        kept = text.split(" ")
        for place in rng.sample(range(len(kept)), max(1, round(share * len(kept)))):
            kept[place] = rng.choice(words)
        return " ".join(kept)

    return edit


def letters_replaced(text: str, words: list[str], rng: random.Random) -> str:
    kept = list(text)
    places = [place for place, letter in enumerate(kept) if not letter.isdigit()]
    for place in rng.sample(places, max(1, round(LETTER_SHARE * len(kept)))):
        kept[place] = rng.choice(ALPHABET)
    return "".join(kept)


def number_raised(text: str, words: list[str], rng: random.Random) -> str | None:
    numbers = list(re.finditer(r"[0-9]+", text))
    if not numbers:
        return None
    number = rng.choice(numbers)
    return f"{text[: number.start()]}{int(number[0]) + 1}{text[number.end() :]}"


def kinds() -> dict[str, list[str]]:
    """Return the texts of each kind, none twice."""
    rng = random.Random(0)
    benchmarks = SHARED_DATA / "benchmarks"
    gsm8k = [item.question for item in read_benchmark(benchmarks / "gsm8k_train.jsonl")]
    math = read_benchmark(benchmarks / "math_test.jsonl")
    found = {
        "pages of 60 to 400 words": pages(rng),
        "GSM8K's problems of 20 to 40 words": [text for text in gsm8k if 20 <= len(text.split()) < 40],
        "GSM8K's problems of 40 to 80 words": [text for text in gsm8k if 40 <= len(text.split()) < 80],
        "MATH's problems of 20 to 60 words": [item.question for item in math if 20 <= len(item.question.split()) < 60],
        "MATH's problems with long solutions": [
            f"{item.question}\n{item.solution}" for item in math if len(item.solution.split()) >= 100
        ],
    }
    distinct = {name: list(dict.fromkeys(texts)) for name, texts in found.items()}
    return {name: rng.sample(texts, min(MOST_TEXTS, len(texts))) for name, texts in distinct.items()}


def pages(rng: random.Random) -> list[str]:
    cut = []
    for folder, pattern in (("markdown", "*.md"), ("textbooks_latex", "*.tex")):
        for path in sorted((SHARED_DATA / folder).rglob(pattern)):
            words = path.read_text(errors="replace").split(" ")
            if len(words) > 150:
                cut.append(" ".join(words[: rng.randrange(60, 400)]))
    return cut


def found(texts: list[str], edit: Edit) -> tuple[int, int]:
    """Return how many of the edited texts fell into one cluster with their originals, and how many were edited."""
    rng = random.Random(1)
    words = sorted({word for text in texts for word in text.split() if word.isalpha()})
    pairs = [(text, changed) for text in texts if (changed := edit(text, words, rng)) is not None]
    together = [text for text, _ in pairs] + [changed for _, changed in pairs]
    signed = [sign(together[begin : begin + SIGNED_TOGETHER]) for begin in range(0, len(together), SIGNED_TOGETHER)]
    kept = find_copies(signed).kept
    half = len(pairs)
    return int((kept[:half] == kept[half:]).sum()), half


def main() -> int:
    print("| texts | words replaced: 0.5 % | 1 % | 2 % | letters replaced: 1 % | one number raised |")
    print("|---|---|---|---|---|---|")
    edits = [*(words_replaced(share) for share in WORD_SHARES), letters_replaced]
    recalls, false, numbered = [], 0, 0
    for name, texts in kinds().items():
        shares = [100 * hits / total for hits, total in (found(texts, edit) for edit in edits)]
        merged, raised = found(texts, number_raised)
        print(f"| {name} | {' | '.join(f'{share:.1f} %' for share in shares)} | {merged} of {raised} |")
        recalls.append(shares[WORD_SHARES.index(0.01)])
        false, numbered = false + merged, numbered + raised
    missed = judge("recall at 1 % of words, the least of all kinds", min(recalls), RECALL_BAR, unit="%")
    return missed | judge("texts with another number taken for copies", 100 * false / numbered, FALSE_BAR, at_most=True, unit="%")


if __name__ == "__main__":
    sys.exit(main())
