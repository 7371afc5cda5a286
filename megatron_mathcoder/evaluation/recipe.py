"""What an evaluation is: models, benchmarks, and how they are asked; one TOML file.

Decides: the keys of a recipe for ``mathcoder evaluate``. Does not: read TOML (``config.loader``) or run anything.
"""

from dataclasses import dataclass
from typing import Literal

from data_tools.sandbox.walls import DEFAULT_FLOOR
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.evaluation.benchmarks import BENCHMARKS

BenchmarkName = Literal[
    "gsm8k",
    "math",
    "sat",
    "ocw",
    "mmlu_math",
    "svamp",
    "simuleq",
    "mathematics",
    "mmlu_stem",
    "olympiadbench",
    "word_problems",
]
ProtocolName = Literal["default", "few-shot-cot", "few-shot-pal", "few-shot-tir", "zero-shot-lce", "log-likelihood"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelEntry:
    """A model to evaluate."""

    name: str
    """What it is called in tables and folders; letters, digits, dots, dashes."""
    path: str
    """A Hugging Face folder, a run folder or checkpoint of ours (exported first), http://host:8000/v1#MODEL, or vllm:FOLDER."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkEntry:
    """A benchmark to ask."""

    name: BenchmarkName
    """Which it is."""
    path: str
    """Its file as published, a folder of MATH, or hf:NAME:CONFIG:SPLIT."""
    label: str = ""
    """What it is called in tables and logs, where one benchmark is asked with several files; "" = its name."""
    protocol: ProtocolName = "default"
    """How it is asked; default is the way of MathCoder2's table."""
    limit: int = 0
    """The first items alone, when not 0."""
    shots: int = -1
    """Worked examples in the prompt; -1 is the protocol's number."""
    max_new_tokens: int = 0
    """Tokens a model may write in a round, when not the protocol's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSection:
    """What holds for all models and benchmarks."""

    folder: str
    """Where predictions and the report go."""
    batch_size: int = 16
    """Prompts at a time for a model in this process."""
    temperature: float = 0.0
    """0 = greedy, as published."""
    seed: int = 3407
    """Of the draws when the temperature is not 0."""
    timeout_seconds: float = 10.0
    """CPU seconds of one block of code."""
    sandbox_floor: tuple[str, ...] = DEFAULT_FLOOR
    """Walls of the sandbox without which no code is run."""
    contamination: str = ""
    """JSONL of contaminated items, each row with benchmark and id; "" when not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """A recipe for ``mathcoder evaluate``."""

    evaluation: EvaluationSection
    models: tuple[ModelEntry, ...]
    benchmarks: tuple[BenchmarkEntry, ...]


def protocol_of(entry: BenchmarkEntry) -> str:
    """Return the name of the protocol that a benchmark is asked by."""
    return BENCHMARKS[entry.name].protocol if entry.protocol == "default" else entry.protocol


def check(config: EvaluationConfig) -> None:
    """Raise ConfigError for a recipe whose keys do not fit together."""
    if not config.models or not config.benchmarks:
        missing = "benchmarks" if config.models else "models"
        raise ConfigError(f"{missing}: none; add a table [[{missing}]]")
    names = [model.name for model in config.models]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"models: {twice[0]!r} comes twice; give each model a name of its own")
    for index, model in enumerate(config.models):
        if not model.name.replace("-", "").replace(".", "").replace("_", "").isalnum() or model.name.startswith("."):
            raise ConfigError(f"models.{index}.name = {model.name!r}: use letters, digits, dots and dashes; it names a folder")
    asked = [(entry.label or entry.name, protocol_of(entry)) for entry in config.benchmarks]
    if twice_asked := [pair for pair in asked if asked.count(pair) > 1]:
        raise ConfigError(f"benchmarks: {twice_asked[0][0]!r} is asked twice by one protocol; leave one out, or give it a label")
    for index, entry in enumerate(config.benchmarks):
        if entry.label in BENCHMARKS and entry.label != entry.name:
            raise ConfigError(
                f"benchmarks.{index}.label = {entry.label!r}: {entry.name} would stand in tables as it; write another"
            )
        if entry.protocol == "log-likelihood" and entry.name not in ("sat", "mmlu_math", "mmlu_stem"):
            raise ConfigError(f"benchmarks.{index}.protocol = 'log-likelihood': {entry.name} has no choices; take few-shot-cot")
        if entry.limit < 0 or entry.max_new_tokens < 0 or entry.shots < -1:
            raise ConfigError(f"benchmarks.{index}: limit, max_new_tokens and shots count something; write 0 or more")
    section = config.evaluation
    if section.temperature < 0 or section.batch_size < 1 or section.timeout_seconds <= 0:
        raise ConfigError("evaluation: temperature must be 0 or more, batch_size at least 1, timeout_seconds must be above 0")
