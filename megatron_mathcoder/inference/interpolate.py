"""``mathcoder interpolate``: new problems between an easy one and a hard one, written by a language model.

Decides: which pairs are shown (drawn by the seed, as many as asked for), what is asked, and what is not taken: a reply that was
cut off, has no problem in it, repeats one of its two sources or an earlier problem (MathCoder, arXiv 2310.03731, section 2.2:
from easy problems alone a model writes near-copies). What is left: ``DIR/problems.jsonl`` (``id``, ``question``, ``easy``,
``hard``), ``DIR/dropped.jsonl`` (``id``, ``reason``), ``DIR/replies.jsonl``, from which a run that was killed goes on, and the
funnel, ``DIR/manifest.json``.
Does not: solve them (``solve``), or look for benchmark items in them (``decontaminate``).
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from data_tools.arguments import positive_int, seed, temperature
from data_tools.document import reason_kind
from data_tools.inputs import check_not_read
from data_tools.llm.interface import Message, Reply, Request, Sampling
from data_tools.manifest import check_conservation, code_version
from data_tools.parts import atomic_file, write_json
from data_tools.progress import CountProgress
from megatron_mathcoder.inference.language_models import FORMS, open_model
from megatron_mathcoder.inference.prediction_log import PredictionLog, check_some_ended
from megatron_mathcoder.inference.problems import read_problems

PROMPT = """Here are two mathematics problems. The first is easy, the second is hard.

Easy problem:
{easy}

Hard problem:
{hard}

Write one new problem whose difficulty lies between them: harder than the easy one, easier than the hard one. It must stand by
itself, have one definite answer, and repeat neither of the two with other numbers. Write the problem alone, between <problem> and
</problem>, without its solution.
"""
COPY = 0.8
"""Share of a new problem's word triples that are its source's, from which on it counts as a copy."""
_PROBLEM = re.compile(r"<problem>(.*?)</problem>", re.S)

Pair = tuple[tuple[str, str], tuple[str, str]]
"""(id, text) of an easy and of a hard problem."""


def run(argv: list[str]) -> int:
    """Run ``mathcoder interpolate``."""
    arguments = _parser().parse_args(argv)
    check_not_read(arguments.output, [arguments.easy, arguments.hard])
    easy, hard = (list(read_problems(path)) for path in (arguments.easy, arguments.hard))
    pairs = draw_pairs(easy, hard, arguments.count, arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    sampling = Sampling(max_tokens=arguments.max_new_tokens, temperature=arguments.temperature)
    with open_model(arguments.model) as model, PredictionLog(arguments.output / "replies.jsonl") as log:
        settings = {"model": model.name, "seed": arguments.seed, "temperature": arguments.temperature}
        log.check_settings(settings)
        left = {name: pair for name, pair in pairs.items() if name not in log.rows}
        with CountProgress("interpolate", len(pairs), "problems", len(pairs) - len(left)) as progress:
            requests = _requests(left, sampling, arguments.seed, is_chat=arguments.model.startswith("http"))
            for done, reply in enumerate(model.complete(requests), 1):
                log.append(_row(reply) | {"settings": settings})
                progress.show(done)
        funnel = publish(pairs, log.rows, arguments.output)
    write_json(arguments.output / "manifest.json", {"verb": "interpolate", "settings": settings} | funnel | code_version())
    reasons = ", ".join(f"{count} {reason}" for reason, count in funnel["dropped_by_reason"].items())
    print(
        f"{arguments.output}: {funnel['replies']} replies = {funnel['problems']} problems + {funnel['dropped']} dropped"
        + (f" ({reasons})" if reasons else "")
    )
    check_some_ended(log.rows.values())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mathcoder interpolate", description="Write new problems between an easy one and a hard one, by a language model."
    )
    parser.add_argument("--easy", required=True, metavar="FILE", help="JSONL of easy problems, e.g. GSM8K's training set")
    parser.add_argument("--hard", required=True, metavar="FILE", help="JSONL of hard problems, e.g. MATH's training set")
    parser.add_argument("--model", required=True, help=FORMS)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder to write; the same command goes on with it"
    )
    parser.add_argument("--count", type=positive_int, default=1000, metavar="N", help="replies asked for (default: 1000)")
    parser.add_argument("--temperature", type=temperature, default=1.0, metavar="T", help="default: 1.0")
    parser.add_argument("--max-new-tokens", type=positive_int, default=512, metavar="N", help="default: 512")
    parser.add_argument("--seed", type=seed, default=3407, help="of the pairs and of the model's draws")
    return parser


def draw_pairs(easy: list[tuple[str, str]], hard: list[tuple[str, str]], count: int, seed: int) -> dict[str, Pair]:
    """Return ``count`` pairs by their ids. A larger count begins with the same pairs."""
    draw = random.Random(seed)
    return {f"{number:06d}": (draw.choice(easy), draw.choice(hard)) for number in range(count)}


def _requests(pairs: dict[str, Pair], sampling: Sampling, seed: int, *, is_chat: bool) -> Iterator[Request]:
    for name, (easy, hard) in pairs.items():
        prompt = PROMPT.format(easy=easy[1], hard=hard[1])
        # A pair drawn twice is asked with another seed, or its reply would come twice.
        own = Sampling(max_tokens=sampling.max_tokens, temperature=sampling.temperature, seed=seed + int(name))
        yield Request((Message("user", prompt),) if is_chat else prompt, own, tag=name)


def _row(reply: Reply) -> dict[str, Any]:
    choice = reply.choices[0] if reply.choices else None
    text, finish = (choice.text, choice.finish_reason) if choice else ("", "")
    ended = "answer" if reply.outcome == "ok" else "failed"
    return {"id": reply.request.tag, "ended": ended, "error": reply.error, "text": text, "finish_reason": finish}


def publish(pairs: dict[str, Pair], rows: dict[str, dict[str, Any]], output: Path) -> dict[str, Any]:
    """Write the problems and what was dropped, in the order of their ids; return the counts."""
    dropped: Counter[str] = Counter()
    seen: dict[str, str] = {}
    with atomic_file(output / "problems.jsonl") as problems, atomic_file(output / "dropped.jsonl") as refused:
        for name, (easy, hard) in pairs.items():
            text, reason = new_problem(rows[name], easy[1], hard[1])
            if not reason and (before := seen.setdefault(" ".join(_words(text)), name)) != name:
                reason = f"duplicate: of {before}"
            if reason:
                dropped[reason_kind(reason)] += 1
                refused.write(orjson.dumps({"id": name, "reason": reason}, option=orjson.OPT_APPEND_NEWLINE))
            else:
                row = {"id": name, "question": text, "easy": easy[0], "hard": hard[0]}
                problems.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    check_conservation(len(pairs), len(pairs) - dropped.total(), dropped.total())
    counts = {"replies": len(pairs), "problems": len(pairs) - dropped.total(), "dropped": dropped.total()}
    return counts | {"dropped_by_reason": dict(sorted(dropped.items()))}


def new_problem(row: dict[str, Any], easy: str, hard: str) -> tuple[str, str]:
    """Return the problem in a reply, and why it is not taken or ""."""
    if row["ended"] == "failed":
        return "", f"no reply: {row['error']}"
    if row["finish_reason"] == "length":
        return "", "cut off: the reply was not finished"
    found = _PROBLEM.search(row["text"])
    text = found[1].strip() if found else ""
    if not text:
        return "", "no problem: nothing stands between <problem> and </problem>"
    for name, source in (("easy", easy), ("hard", hard)):
        if overlap(text, source) >= COPY:
            return text, f"copy: of the {name} problem"
    return text, ""


def overlap(text: str, source: str) -> float:
    """Return the share of the text's word triples that the source has too; numbers all count as one word."""
    own, theirs = _triples(text), _triples(source)
    return len(own & theirs) / len(own) if own else 0.0


def _triples(text: str) -> set[tuple[str, ...]]:
    words = ["0" if word.isdigit() else word for word in _words(text)]
    return set(zip(words, words[1:], words[2:], strict=False))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
