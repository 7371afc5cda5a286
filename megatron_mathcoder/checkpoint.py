"""Floor 4: sharded save and load, whole or not at all.

Decides: what a checkpoint holds (weights, optimizer, counters, the resolved recipe), in megatron-core's ``torch_dist``
format with the optimizer in its fully reshardable form, so that any layout reads what any other wrote.
Does not: choose when to save, or what to do with a bad checkpoint.

A save goes to ``iter_N.partial`` and is renamed when everything is on disk, so a torn save is never taken for a checkpoint. What
it leaves is as large as one, and the next save removes it.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.core import CheckpointingException
from megatron.core.optimizer import MegatronOptimizer
from torch.distributed.checkpoint.api import CheckpointException

from megatron_mathcoder.config.architecture_file import read_model_table, read_tables
from megatron_mathcoder.config.checksums import checksum, damaged_files, read_checksums, write_checksums
from megatron_mathcoder.config.errors import CheckpointError
from megatron_mathcoder.config.run_folder import (
    PARTIAL_SUFFIX,
    RUN_FILE,
    checkpoint_name,
    checkpoint_step,
    checkpoints_in,
    torn_saves,
)
from megatron_mathcoder.config.schema import ModelConfig, RunConfig
from megatron_mathcoder.model.gpt import CausalLM
from megatron_mathcoder.platforms.checkpoint_writer import FileWriters, keep_results_in_process

TORCH_WRITER = "inline_container"
"""In every error of torch's writer of .pt files: the source file it is raised in."""

IRRELEVANT_FIELDS = ("architecture", "init_method_std", "make_vocab_size_divisible_by", "max_position_embeddings")
"""Fields of ModelConfig in which a checkpoint may differ from the recipe without changing a weight's meaning."""

CONTENT_METADATA = {
    # The default form raises "flattened_range is not supported" in 0.16.1.
    "distrib_optim_sharding_type": "fully_reshardable",
    "singleton_local_shards": False,
    "chained_optim_avoid_prefix": True,
}


class _Save(NamedTuple):
    """A save whose files are being written."""

    partial: Path
    final: Path
    writers: FileWriters
    finalize: list[Callable[[], None]]
    """megatron-core's own last steps, collectives that write its metadata."""


class CheckpointFiles:
    """The checkpoints of one run: where they lie and how many are kept."""

    def __init__(
        self, folder: Path, recipe: str, keep_last: int, is_needed: Callable[[Path], bool] = lambda _path: False
    ) -> None:
        """Keep the ``keep_last`` newest checkpoints (0 = all) in ``folder``, each with the text ``recipe`` as run.toml.

        An older one is kept as long as ``is_needed`` says so.
        """
        keep_results_in_process()
        self.folder = folder
        self._recipe = recipe
        self._keep_last = keep_last
        self._unfinished: _Save | None = None
        self._is_needed = is_needed

    def start_save(self, chunks: Sequence[CausalLM], optimizer: MegatronOptimizer, counters: dict[str, float], step: int) -> None:
        """Begin to write one checkpoint; a collective of all ranks. Parameters must be synchronised over data-parallel ranks.

        When it returns, weights and optimizer may change. The save before must be finished.

        Raises:
            CheckpointError: the files could not be written; earlier checkpoints are untouched.
        """
        assert self._unfinished is None, "a save is not finished"
        final = self.folder / checkpoint_name(step)
        partial = final.with_name(final.name + PARTIAL_SUFFIX)
        if dist.get_rank() == 0:
            for torn in torn_saves(self.folder):
                shutil.rmtree(torn)
            partial.mkdir(parents=True)
        dist.barrier()
        content: dict[str, Any] = {**_sharded_weights(chunks), "counters": counters}
        content["optimizer"] = optimizer.sharded_state_dict(content, is_loading=False, metadata=CONTENT_METADATA)
        with _naming(final):
            request = dist_checkpointing.save(
                content, str(partial), content_metadata=dict(CONTENT_METADATA), async_sharded_save=True
            )
            self._unfinished = _Save(partial, final, FileWriters(request), request.finalize_fns)

    @property
    def is_saving(self) -> bool:
        """Whether a save was started and is not finished."""
        return self._unfinished is not None

    def is_written(self) -> bool:
        """Return whether this rank's files of the save are on disk; true where there is no save."""
        return self._unfinished is None or self._unfinished.writers.are_done()

    def finish_save(self) -> Path:
        """Wait for the files of all ranks and make the checkpoint visible under its name; a collective of all ranks.

        Raises:
            CheckpointError: the files could not be written; earlier checkpoints are untouched.
        """
        assert self._unfinished is not None, "no save was started"
        save, self._unfinished = self._unfinished, None
        written = save.writers.finish()
        with _naming(save.final):
            for finalize in save.finalize:
                finalize()
        shares: list[dict[str, str]] = [{} for _ in range(dist.get_world_size())]
        dist.all_gather_object(shares, written)
        if dist.get_rank() == 0:
            common = {path.name: checksum(path) for path in save.partial.iterdir() if not path.name.startswith("__")}
            self._commit(save.partial, save.final, common | {name: value for share in shares for name, value in share.items()})
        dist.barrier()
        return save.final

    def discard_after(self, step: int) -> None:
        """Remove the checkpoints after ``step``; a collective of all ranks."""
        if dist.get_rank() == 0:
            for path in checkpoints_in(self.folder):
                if checkpoint_step(path) > step:
                    shutil.rmtree(path)
        dist.barrier()

    def _commit(self, partial: Path, final: Path, checksums: dict[str, str]) -> None:
        """Make the finished folder visible under its name, durably, then drop what is older than wanted."""
        (partial / RUN_FILE).write_text(self._recipe)
        write_checksums(partial, checksums | {RUN_FILE: checksum(partial / RUN_FILE)})
        _fsync(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        _fsync(self.folder)
        if self._keep_last:
            for old in checkpoints_in(self.folder)[: -self._keep_last]:
                if not self._is_needed(old):
                    shutil.rmtree(old)


@contextlib.contextmanager
def _naming(final: Path) -> Iterator[None]:
    """Say of an error of the writing which checkpoint it is that was not written, and what to do."""
    try:
        yield
    except (CheckpointException, CheckpointingException, OSError, RuntimeError) as error:
        # torch's own writer knows no OSError: a full disk is "PytorchStreamWriter failed writing file …".
        if type(error) is RuntimeError and TORCH_WRITER not in str(error):
            raise
        free = shutil.disk_usage(final.parent).free / 1e9
        raise CheckpointError(
            f"saving {final} failed: {_reason(error)} ({free:.1f} GB free there); free space or move run.folder, "
            "then start the run again: it resumes from the checkpoint before"
        ) from error


def newest_sound_checkpoint(found: Sequence[Path], key: str, say: Callable[[str], None]) -> Path | None:
    """Return the first of the checkpoints ``found``, newest first, whose files are as they were written; None of none.

    A collective: each rank reads its share of the files. ``say`` is told of every damaged one, on every rank. ``key`` of the
    recipe named the folder they are in. Imported checkpoints have no checksums, ``verify-hf`` reads them.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    for path in found:
        share = sorted(read_checksums(path).items())[dist.get_rank() :: dist.get_world_size()]
        shares: list[list[str]] = [[] for _ in range(dist.get_world_size())]
        dist.all_gather_object(shares, damaged_files(path, share))
        damaged = sorted(name for names in shares for name in names)
        if not damaged:
            return path
        say(f"checkpoint {path}: {', '.join(damaged)} is not what was written (checksum); taking the checkpoint before")
    if found:
        what = f"all {len(found)} checkpoints are" if len(found) > 1 else f"{found[0].name}, the only checkpoint, is"
        raise CheckpointError(f"{found[0].parent}: {what} damaged; restore one, or choose another {key}")
    return None


def load_weights(path: Path, model: ModelConfig, chunks: Sequence[CausalLM]) -> None:
    """Load the weights of ``path`` into the chunks; a collective of all ranks.

    Raises:
        CheckpointError: the checkpoint is torn or of another architecture.
    """
    check_architecture(path, model)
    _load_weights_into(chunks, _load(path, _sharded_weights(chunks)))


def load_training_state(
    path: Path, recipe: RunConfig, chunks: Sequence[CausalLM], optimizer: MegatronOptimizer
) -> dict[str, float]:
    """Load weights and optimizer of ``path`` and return its counters; a collective of all ranks.

    Raises:
        CheckpointError: the checkpoint is torn, of another architecture, or without an optimizer of the recipe's kind.
    """
    check_architecture(path, recipe.model)
    _check_optimizer(path, recipe)
    content = _sharded_weights(chunks)
    content["optimizer"] = optimizer.sharded_state_dict(content, is_loading=True, metadata=CONTENT_METADATA)
    loaded = _load(path, content)
    _load_weights_into(chunks, loaded)
    optimizer.load_state_dict(loaded["optimizer"])
    return loaded["counters"]


def _check_optimizer(path: Path, recipe: RunConfig) -> None:
    """megatron-core's three optimizer classes store their state in three forms, which do not read one another's."""
    stored = read_tables(path)
    if not {"parallel", "training"} <= stored.keys():
        raise CheckpointError(f"checkpoint {path}: it holds weights only; start a new run.folder with it as checkpoint.initial")
    for section, field in (("parallel", "use_distributed_optimizer"), ("training", "precision")):
        before, now = stored[section][field], getattr(getattr(recipe, section), field)
        if before != now:
            raise CheckpointError(
                f"checkpoint {path}: saved with {section}.{field} = {before!r}, the recipe says {now!r}; resume with the value "
                "it was saved with, or start a new run.folder with it as checkpoint.initial"
            )


def check_architecture(path: Path, model: ModelConfig) -> None:
    """Compare the [model] table stored with a checkpoint with the recipe's.

    Raises:
        CheckpointError: there is none, or a field that gives a weight its shape or meaning differs.
    """
    stored = read_model_table(path)
    for field, value in asdict(model).items():
        if field not in IRRELEVANT_FIELDS and field in stored and stored[field] != value:
            raise CheckpointError(
                f"checkpoint {path}: it has model.{field} = {stored[field]!r}, the recipe {value!r}; "
                "use the recipe of the checkpoint's architecture or another checkpoint"
            )


def _sharded_weights(chunks: Sequence[CausalLM]) -> dict[str, Any]:
    names = ["model"] if len(chunks) == 1 else [f"model{number}" for number in range(len(chunks))]
    return {name: chunk.sharded_state_dict(metadata=dict(CONTENT_METADATA)) for name, chunk in zip(names, chunks, strict=True)}


def _load_weights_into(chunks: Sequence[CausalLM], loaded: dict[str, Any]) -> None:
    states = [loaded["model"]] if len(chunks) == 1 else [loaded[f"model{number}"] for number in range(len(chunks))]
    for chunk, state in zip(chunks, states, strict=True):
        chunk.load_state_dict(state, strict=True)


def _load(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    try:
        return dist_checkpointing.load(content, str(path))
    except (CheckpointException, CheckpointingException, OSError, RuntimeError, KeyError, EOFError) as error:
        raise CheckpointError(f"checkpoint {path}: it cannot be read: {_reason(error)}; use an older one") from error


def _reason(error: BaseException) -> str:
    """Return the first line of what the ranks' errors say."""
    if isinstance(error, CheckpointException) and error.failures:
        rank, (inner, _trace) = next(iter(error.failures.items()))
        return f"rank {rank}: {_reason(inner)}"
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _fsync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        if path.is_dir() and path != folder:
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
