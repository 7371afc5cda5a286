"""Training steps at their real size on GPUs that are not here: ``python -m tests.gpu.whole_step 8B --ranks 8 --set …``.

Decides: that tensors have a size and no memory (torch's device ``meta``), that Triton compiles each launch and starts nothing
(``tests/kernels/machine_code.py``), and that collectives do nothing: this is the first rank, and there is no other. What its
tensors would hold is counted.
Does not: compute. A number that is asked of a tensor is 1, so the loss says nothing.
Prints bytes held and planned, how often the second step would wait for a GPU, calls of the attention kernel, and what the
compiler made of each kernel, as JSON.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
import weakref
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.testing._internal.distributed.fake_pg  # registers the backend "fake", groups without other ranks
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from megatron_mathcoder.config.batch import model_parallel_size
from megatron_mathcoder.kernels import kernel_set
from megatron_mathcoder.platforms import cuda_standin, select
from megatron_mathcoder.platforms.cpu import CpuPlatform

DEVICE = torch.device("meta")
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
WAITS: Counter[str] = Counter()
"""How often the CPU would wait for a GPU: for a number of a tensor, or for a copy that is not queued."""


class MetaPlatform(CpuPlatform):
    """A GPU as far as choices go."""

    collective_backend = "fake"
    runs_triton = True
    sends_from_queue = True
    device = DEVICE
    has_flash_attention = True


class Held(TorchDispatchMode):
    """Counts operators, the bytes of all memory that tensors made under it hold, and copies for which a GPU would be waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.calls: Counter[str] = Counter()
        self._seen = WeakIdKeyDictionary()

    def __torch_dispatch__(self, function: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        self.calls[str(function)] += 1
        if function in COPIES and _waited_for(*args, made, **(kwargs or {})):
            WAITS["copy"] += 1
        for each in tree_leaves(made):
            if isinstance(each, Tensor) and each.is_meta:
                self._add(each.untyped_storage())
        self.peak = max(self.peak, self.now)
        return made

    def _add(self, memory: torch.UntypedStorage) -> None:
        if memory not in self._seen:
            self._seen[memory] = True
            self.now += memory.nbytes()
            weakref.finalize(memory, self._remove, memory.nbytes())

    def _remove(self, size: int) -> None:
        self.now -= size


def _waited_for(*tensors: Any, non_blocking: bool = False, **_options: Any) -> bool:
    """Whether a copy, of these arguments and this result, is one between devices that holds the CPU."""
    devices = {each.device for each in tensors if isinstance(each, Tensor)}
    return len(devices) > 1 and not (non_blocking or any(each is True for each in tensors))


def _counted(name: str, answer: Any) -> Any:
    """Return a method of ``Tensor`` that answers for tensors without memory, and counts how often a number was asked of them."""
    real = getattr(Tensor, name)

    def method(tensor: Tensor) -> Any:
        if not tensor.is_meta:
            return real(tensor)
        if name != "data_ptr":
            WAITS[name] += 1
        return answer(tensor)

    return method


def _counted_factory(real: Any) -> Any:
    """Return ``torch.tensor``, which copies numbers to a GPU and waits until they are there."""

    def factory(*arguments: Any, **options: Any) -> Tensor:
        made: Tensor = real(*arguments, **options)
        if made.is_meta:
            WAITS["tensor"] += 1
        return made

    return factory


def answer_for_meta() -> None:
    """Answer what has no answer without memory, and let megatron-core take ``meta`` for its GPU."""
    cuda_standin._CPU = DEVICE
    for name, answer in tuple(cuda_standin._CUDA_TYPE_NAMES.items()):
        cuda_standin._CUDA_TYPE_NAMES[name.replace("torch.", "torch.meta.")] = answer
    answers = {
        "item": lambda _tensor: 1.0,
        "tolist": lambda tensor: torch.ones(tensor.shape).tolist(),
        "__bool__": lambda _tensor: True,
        # Memory of a GPU begins on multiples of 512 bytes.
        "data_ptr": lambda tensor: tensor.storage_offset() * tensor.element_size(),
    }
    torch.tensor = _counted_factory(torch.tensor)
    for name, answer in answers.items():
        setattr(Tensor, name, _counted(name, answer))
    kernel_set._accumulate_in_fp32_ = add_in_fp32
    select.select_platform = meta_platform


class Done:
    """The handle of a collective."""

    def wait(self) -> None:
        """Return at once."""


def answer_for_other_ranks(ranks: int) -> None:
    """Let the first of ``ranks`` find a group of them, of which nobody answers or has to be waited for."""

    def nothing(*_arguments: Any, async_op: bool = False, **_options: Any) -> Done | None:
        return Done() if async_op else None

    def mine_is_everyones(objects: list[Any], mine: Any, **_options: Any) -> None:
        objects[:] = [mine] * len(objects)

    start = dist.init_process_group
    dist.init_process_group = lambda backend, store, **_options: start(backend, store=store, rank=0, world_size=ranks)
    for name in ("all_reduce", "broadcast", "all_gather_into_tensor", "reduce_scatter_tensor"):
        setattr(dist, name, nothing)
    dist.all_gather_object = mine_is_everyones
    dist.batch_isend_irecv = lambda operations: [Done() for _ in operations]


def add_in_fp32(main_grad: Tensor, output_gradient: Tensor, layer_input: Tensor) -> None:
    """Check what the product with an fp32 sum asks of its arguments: it is CUDA's, and has no form for ``meta``."""
    assert main_grad.dtype == torch.float32
    assert output_gradient.dtype == layer_input.dtype == torch.bfloat16
    assert main_grad.device == output_gradient.device == layer_input.device == DEVICE
    assert main_grad.is_contiguous()
    assert main_grad.shape == (output_gradient.shape[1], layer_input.shape[1])
    assert output_gradient.shape[0] == layer_input.shape[0]


def meta_platform(*_arguments: Any) -> MetaPlatform:
    platform = MetaPlatform()
    platform.prepare(0, tensor_parallel=False)
    for module in ("megatron.core.models.gpt", "megatron.core.optimizer"):
        importlib.import_module(module)
    return platform


def take_steps(model: str, ranks: int, overrides: list[str]) -> dict[str, Any]:
    """Take two steps of one of the benchmark's models, each of two micro-batches a rank; return what is printed."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    import gpu_models
    from bench_gpu import Bench
    from training_steps import num_microbatches, our_step

    from megatron_mathcoder.planning.memory import stage_memory
    from tests.kernels.machine_code import Compiler

    compiler = Compiler(90)
    answer_for_meta()
    answer_for_other_ranks(ranks)
    shape = {"1.2B": gpu_models.SMALL, "8B": gpu_models.LARGE}[model]
    config = gpu_models.recipe(Bench("cpu", False, Path()), shape, *overrides)
    after = []
    data_parallel = ranks // model_parallel_size(config.parallel)
    with ExitStack() as stack, Held() as held:
        step = our_step(config, stack)
        for _ in range(2):
            WAITS.clear()
            step()
            after.append(held.now)
        attention = sum(count for name, count in held.calls.items() if name.startswith("torch_attn._varlen_attn."))
    return {
        "held": held.peak,
        "after_each_step": after,
        "waits": dict(WAITS),
        "planned": stage_memory(config, data_parallel, num_microbatches(config), stage=0).peak,
        "attention_calls": attention,
        "kernels": [each._asdict() for each in compiler.kernels],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="training steps at their real size, without a GPU")
    parser.add_argument("model", choices=("1.2B", "8B"))
    parser.add_argument("--ranks", type=int, default=1, help="of the run")
    parser.add_argument("--set", action="append", default=[], metavar="key=value")
    options = parser.parse_args()
    os.environ.pop("TRITON_INTERPRET", None)  # read when triton is imported
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TRITON_CACHE_DIR"] = cache
        print(json.dumps(take_steps(options.model, options.ranks, options.set)))


if __name__ == "__main__":
    main()
