"""Tiny models on CPU ranks, built as the trainer builds them, and what they really hold."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from megatron_mathcoder.config.batch import model_parallel_size
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.platforms.ranks import Rank
from tests.multiprocess import run_ranks
from tests.trainer.runs import RECIPE, SMALL


def tiny(*overrides: str) -> RunConfig:
    """Return the tiny recipe cut down; no dataset is opened."""
    unused = ["run.folder=unused", "dataset.blend.0.prefix=unused", "dataset.tokenizer="]
    return load_config(RECIPE, [*SMALL, *unused, "platform.kernels=torch", *overrides])


def held_bytes(config: RunConfig, data_parallel: int, num_microbatches: int = 1, varlen: bool = False) -> list[dict[str, Any]]:
    """Train one step on the ranks of ``config`` and return what each holds; the keys are those of ``_measure``.

    ``varlen`` computes attention for all documents at once, by a kernel that keeps what torch's keeps.
    """
    return run_ranks(_measure, model_parallel_size(config.parallel) * data_parallel, config, num_microbatches, varlen)


def kernel_that_keeps_what_torch_keeps(query: Any, key: Any, value: Any, **arguments: Any) -> Any:
    """Stand for ``varlen_attn``, which is a GPU's: no attention, but the tensors it saves (torch/nn/attention/varlen.py)."""
    import torch

    class Kernel(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, query: Any, key: Any, value: Any) -> Any:
            output = query.clone()
            normaliser = torch.zeros(query.shape[1], query.shape[0])
            context.save_for_backward(query, key, value, arguments["cu_seq_q"], arguments["cu_seq_k"], output, normaliser)
            return output

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            _query, key, value, *_rest = context.saved_tensors
            return gradient, torch.zeros_like(key), torch.zeros_like(value)

    return Kernel.apply(query, key, value)


def _measure(rank: Rank, config: RunConfig, num_microbatches: int, varlen: bool) -> dict[str, Any]:
    import torch

    from megatron_mathcoder.kernels.kernel_set import torch_kernels, triton_kernels
    from megatron_mathcoder.model.gpt import build_chunks, wrap_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups, sequence_chunks
    from megatron_mathcoder.platforms.select import select_platform
    from megatron_mathcoder.trainer.optimizer import build_optimizer
    from megatron_mathcoder.trainer.step import StepRunner

    torch.set_num_threads(1)
    platform = select_platform(config.platform, config.parallel, rank)
    with process_groups(platform, config.parallel, rank, config.run.seed) as groups:
        transformer = build_transformer_config(config.model, config.parallel, config.training)
        # Triton's run under the interpreter (tests/conftest.py).
        kernels = triton_kernels() if config.platform.kernels == "triton" else torch_kernels()
        kernels = replace(kernels, varlen_attention=kernel_that_keeps_what_torch_keeps if varlen else None)
        built = build_chunks(config.model, transformer, groups, kernels, platform.device)
        chunks = wrap_chunks(built, transformer, config.parallel, groups, kernels)
        optimizer = build_optimizer(config.optimizer, config.training, config.parallel, chunks, groups, kernels)
        runner = StepRunner(chunks, transformer, groups, platform, config.dataset, config.training)
        saved = SavedBytes(parameter for chunk in chunks for parameter in chunk.parameters())
        # Autograd gives a hook's weight back as an alias, without the marks that megatron-core asks for when it overlaps.
        hooks = torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda ticket: ticket.tensor)
        with nullcontext() if config.parallel.overlap_grad_reduce else hooks:
            result = runner.train(
                lambda: _batches(config, num_microbatches, sequence_chunks(config.dataset.seq_length, groups.cp)),
                num_microbatches,
                optimizer,
                lambda loss, grad_norm: "",
            )
        return {
            "stage": groups.pp.rank(),
            "data_parallel_rank": groups.dp_cp.rank(),
            "context_rank": groups.cp.rank(),
            "weights": _storages(parameter for chunk in chunks for parameter in chunk.parameters()),
            "gradients": _storages(parameter.main_grad for chunk in chunks for parameter in chunk.parameters()),
            "optimizer": _optimizer_bytes(optimizer, chunks),
            "saved": saved.peak,  # 0 where it was not counted
            "loss": result.loss,
            "grad_norm": result.grad_norm,
        }


def _batches(config: RunConfig, count: int, chunks: list[tuple[int, int]]) -> Iterator[Any]:
    import torch

    from megatron_mathcoder.dataset.batch import MicroBatch

    shape = (config.training.micro_batch_size, config.dataset.seq_length)
    for _ in range(count):
        ids = torch.randint(0, config.model.vocab_size, shape)
        positions = torch.arange(shape[1]).expand(shape).contiguous()
        # Documents end at another place in each sample, as in real batches.
        packed = config.dataset.document_mask
        starts = tuple((0, 5 + sample) if packed else (0,) for sample in range(shape[0]))
        share = [torch.cat([each[:, a:b] for a, b in chunks], dim=1) for each in (ids, ids, torch.ones(shape), positions)]
        yield MicroBatch(*(each.clone() for each in share), starts)


def _storages(tensors: Iterator[Any]) -> int:
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def _optimizer_bytes(optimizer: Any, chunks: list[Any]) -> int:
    """Bytes of moments and of masters: the tensors Adam steps, unless they are the model's own."""
    own = {parameter.untyped_storage().data_ptr() for chunk in chunks for parameter in chunk.parameters()}
    total = 0
    for each in optimizer.chained_optimizers:
        for group in each.optimizer.param_groups:
            for master in group["params"]:
                total += sum(moment.nbytes for moment in each.optimizer.state[master].values())
                total += 0 if master.untyped_storage().data_ptr() in own else master.nbytes
    return total


class SavedBytes:
    """Counts the storages that autograd holds, each once, as they are saved and released; ``peak`` is the most at a time."""

    def __init__(self, parameters: Iterator[Any]) -> None:
        self._own = {parameter.untyped_storage().data_ptr() for parameter in parameters}
        self._holders: Counter[int] = Counter()
        self._bytes = 0
        self.peak = 0

    def pack(self, tensor: Any) -> "Ticket":
        return Ticket(self, tensor)

    def add(self, tensor: Any) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() in self._own:
            return
        self._holders[storage.data_ptr()] += 1
        if self._holders[storage.data_ptr()] == 1:
            self._bytes += storage.nbytes()
            self.peak = max(self.peak, self._bytes)

    def remove(self, tensor: Any) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() in self._own:
            return
        self._holders[storage.data_ptr()] -= 1
        if self._holders[storage.data_ptr()] == 0:
            self._bytes -= storage.nbytes()


class Ticket:
    """One saved tensor; autograd drops it when the backward pass is done with it."""

    def __init__(self, counter: SavedBytes, tensor: Any) -> None:
        self._counter, self.tensor = counter, tensor
        counter.add(tensor)

    def __del__(self) -> None:
        self._counter.remove(self.tensor)
