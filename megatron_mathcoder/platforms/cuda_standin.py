"""What megatron-core expects of ``torch.cuda``, answered on a CPU.

Decides: nothing about training. megatron-core 0.16.1 asks ``torch.cuda`` for devices, streams and generators, writes
``device="cuda"`` in factories, and compares ``Tensor.type()`` with CUDA names even where it computes nothing on a GPU;
here each of those questions gets the CPU's answer, so one code path trains on both.
Does not: pretend that a GPU exists: ``torch.cuda.is_available()`` stays False.

Of the project's patches this is the largest; ARCHITECTURE.md lists the other three. Proven call sites, 0.16.1:
``optimizer/optimizer.py``, ``optimizer/distrib_optimizer.py``, ``optimizer/clip_grads.py``, ``core/utils.py``,
``pipeline_parallel/schedules.py``, ``pipeline_parallel/p2p_communication.py``, ``tensor_parallel/{mappings,layers,random}.py``,
``models/common/embeddings/rotary_pos_embedding.py``, ``dist_checkpointing/strategies/*``.
"""

import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch

_CPU = torch.device("cpu")
_FACTORIES = ("empty", "empty_like", "full", "ones", "tensor", "zeros", "zeros_like")
_CUDA_TYPE_NAMES = {
    "torch.FloatTensor": "torch.cuda.FloatTensor",
    "torch.HalfTensor": "torch.cuda.HalfTensor",
    "torch.BFloat16Tensor": "torch.cuda.BFloat16Tensor",
}


class _Inert:
    """A stream or an event on a device that queues nothing: every method does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None


@contextlib.contextmanager
def _inert_stream(_stream: object) -> Iterator[None]:
    yield


def _nothing(*args: object, **kwargs: object) -> None:
    return None


def _on_cpu(factory: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Wrap a tensor factory so that ``device="cuda"`` means the CPU."""

    @functools.wraps(factory)
    def wrapper(*args: Any, **kwargs: Any) -> torch.Tensor:
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            kwargs["device"] = _CPU
        return factory(*args, **kwargs)

    return wrapper


def _uncompiled(function: Callable[..., Any] | None = None, **_options: object) -> Callable[..., Any]:
    """Stand for ``torch.compile``: inductor asks for CUDA device properties once ``current_device`` is answered."""
    return function if function is not None else (lambda inner: inner)


def _tensor_type(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def wrapper(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        result = original(tensor, *args, **kwargs)
        return _CUDA_TYPE_NAMES.get(result, result) if isinstance(result, str) else result

    return wrapper


@functools.cache
def install() -> None:
    """Put the stand-in in place, once per process.

    Raises:
        RuntimeError: megatron-core is already imported, and has kept what it found (a defect of the caller).
    """
    if "megatron.core" in sys.modules:
        raise RuntimeError("megatron-core was imported before the CPU platform was prepared; import it after select_platform")
    # torch.optim loads it at first use, and while loading it refuses functions of torch.cuda that are not torch's own.
    importlib.import_module("torch._dynamo")
    cuda = torch.cuda
    answers: dict[str, Any] = {
        "current_device": lambda: _CPU,
        "set_device": _nothing,
        "synchronize": _nothing,
        "empty_cache": _nothing,
        "Stream": _Inert,
        "Event": _Inert,
        "stream": _inert_stream,
        "current_stream": _Inert,
        "default_stream": _Inert,
        "manual_seed": torch.manual_seed,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: torch.set_rng_state(state),
    }
    for name, answer in answers.items():
        setattr(cuda, name, answer)
    for name in _FACTORIES:
        setattr(torch, name, _on_cpu(getattr(torch, name)))
    for owner in (torch.Tensor, torch.nn.Module):
        owner.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]
    torch.Tensor.type = _tensor_type(torch.Tensor.type)  # type: ignore[method-assign]
    torch.compile = _uncompiled  # type: ignore[assignment]
    _answer_generators()


def _answer_generators() -> None:
    """megatron-core keeps its own functions for generator states; imported here, after ``torch.compile`` was answered."""
    from megatron.core.tensor_parallel import random

    random._get_cuda_rng_state = lambda device="cuda", clone=False, graph_safe=False: torch.get_rng_state()
    random._set_cuda_rng_state = lambda new_state, device=-1, graph_safe=False: torch.set_rng_state(new_state)
