"""A language model of two layers that answers ``mathcoder annotate``, learned on one CPU core in minutes.

    python tests/benchmarks/tiny_annotator.py MODEL --held-out FILE.jsonl theory=DIR tool_usage=DIR …    # label=documents

For seeing the rounds of annotating and learning run against a real server without a large model. Its labels are those of whole
sources, so what it knows is where a text is likely from: no measure of what a language model would say. Half of the documents, by
a hash of the id, are learned from; the others are written to ``--held-out`` with ``metadata.source_label``, and it is tested on
them. It reads documents as ``mathcoder annotate --max-characters 1000 --rule first`` shows them.
"""

import argparse
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import xxhash
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data_tools.annotation.schemes import SCHEMES, SEVEN
from data_tools.llm.passages import passages
from data_tools.sources import documents_of
from data_tools.sources.record_files import RecordFiles

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
CONTEXT_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Labelled:
    """A document's passages and the label of its source, one of ``SEVEN``."""

    passages: list[str]
    label: str


def tokenizer_of(texts: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a BPE of bytes, each digit alone, so that a label is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    return fast


def answer_of(scheme: str, label: str) -> str:
    """Return what is to be answered for a document of ``label``, one of the seven, whichever scheme is asked."""
    if scheme == "two":
        return "Label: 1" if label in SEVEN.related else "Label: 2"
    return f"Label: {SEVEN.labels.index(label) + 1}"


def prompt_of(tokenizer: PreTrainedTokenizerFast, scheme: str, passage: str) -> str:
    """Return the text that a server makes of the annotator's chat."""
    chat = [{"role": each.role, "content": each.content} for each in SCHEMES[scheme].messages(passage)]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def loss_of(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, batch: list[tuple[str, str]]) -> torch.Tensor:
    """Return the mean cross entropy of the answers' tokens. ``batch``: (prompt, answer)."""
    rows = [
        (tokenizer.encode(prompt, add_special_tokens=False), [*tokenizer.encode(answer), tokenizer.eos_token_id])
        for prompt, answer in batch
    ]
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), -100)
    for row, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    asked = labels[:, 1:] != -100
    # The head only where an answer is predicted: over all positions it would cost more than the layers.
    return cross_entropy(model.lm_head(hidden[asked]), labels[:, 1:][asked])


def learn(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, known: list[Labelled], seconds: float, draw: random.Random
) -> int:
    """Train for ``seconds``; return the number of steps. Every label is drawn equally often, and each scheme."""
    by_label = {label: [each for each in known if each.label == label] for label in sorted({each.label for each in known})}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    begin, step = time.monotonic(), 0
    while (spent := (time.monotonic() - begin) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50) * min(1.0, 4 * (1 - spent))
        batch = []
        for _ in range(16):
            chosen, scheme = draw.choice(by_label[draw.choice(list(by_label))]), draw.choice(list(SCHEMES))
            batch.append((prompt_of(tokenizer, scheme, draw.choice(chosen.passages)), answer_of(scheme, chosen.label)))
        loss = loss_of(model, tokenizer, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 25 == 0:
            print(f"step {step}, {spent:.0%}: loss {loss.item():.3f}", flush=True)
    return step


@torch.no_grad()
def accuracy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, held_out: list[Labelled], scheme: str) -> float:
    """Return the share of documents whose first passage gets the label of its source."""
    right = 0
    for each in held_out:
        answer = answer_of(scheme, each.label)
        ids = tokenizer.encode(prompt_of(tokenizer, scheme, each.passages[0]) + answer[:-1], add_special_tokens=False)
        right += tokenizer.decode(model(torch.tensor([ids])).logits[0, -1].argmax()) == answer[-1]
    return right / len(held_out)


def main() -> None:
    """Learn, test and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("labelled", nargs="+", metavar="LABEL=PATH")
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--max-characters", type=int, default=1000)
    options = parser.parse_args()
    torch.manual_seed(1)
    sides: tuple[list[Labelled], list[Labelled]] = ([], [])
    with options.held_out.open("w") as sink:
        for label, _, path in (each.partition("=") for each in options.labelled):
            for document in documents_of(RecordFiles([path], "text", "id", 1)):
                side = xxhash.xxh3_64_intdigest(document.id.encode(), seed=1) % 2
                sides[side].append(Labelled(passages(document.text, options.max_characters), label))
                if side:
                    row = {"id": document.id, "text": document.text, "metadata": document.metadata | {"source_label": label}}
                    sink.write(json.dumps(row) + "\n")
    known, held_out = sides
    print(f"{len(known)} documents to learn from, {len(held_out)} held out", flush=True)
    tokenizer = tokenizer_of([text for each in known for text in each.passages[:20]], 4096)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        # vLLM's attention on CPUs takes heads of 32 numbers and more.
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    steps = learn(model, tokenizer, known, options.seconds, random.Random(1))
    model.save_pretrained(options.model)
    tokenizer.save_pretrained(options.model)
    sample = random.Random(2).sample(held_out, min(400, len(held_out)))
    shares = ", ".join(f"{scheme} {accuracy(model, tokenizer, sample, scheme):.1%}" for scheme in SCHEMES)
    print(f"{options.model}: {steps} steps; of {len(sample)} held-out documents labelled as their source: {shares}")


if __name__ == "__main__":
    main()
