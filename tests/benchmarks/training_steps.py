"""Training steps to be timed beside each other: ours, and Hugging Face's, of the same architecture on the same random tokens.

Decides: that both train as their own users do (our trainer's parts; ``LlamaForCausalLM`` with SDPA and torch's fused AdamW), in
the recipe's precision and micro-batches.
Does not: time anything.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.schema import RunConfig

if TYPE_CHECKING:
    from megatron_mathcoder.kernels.kernel_set import KernelSet

Step = Callable[[], float]
"""Trains one step and returns its loss."""


def num_microbatches(config: RunConfig) -> int:
    return global_batch_size(config.training, config.dataset) // config.training.micro_batch_size


def our_step(
    config: RunConfig, stack: ExitStack, change: "Callable[[KernelSet], KernelSet] | None" = None, documents: int = 1
) -> Step:
    """Return a step as ``mathcoder train`` takes it on one rank.

    ``change`` replaces kernels of the chosen set; a sample is of so many ``documents`` of one length.
    """
    from megatron_mathcoder.platforms.ranks import Rank
    from megatron_mathcoder.platforms.select import select_platform

    rank = Rank(rank=0, local_rank=0, world_size=1, init_method="")
    platform = select_platform(config.platform, config.parallel, rank)

    import torch

    from megatron_mathcoder.dataset.batch import MicroBatch
    from megatron_mathcoder.kernels.kernel_set import choose_kernels
    from megatron_mathcoder.model.gpt import build_chunks, wrap_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups, sequence_chunks
    from megatron_mathcoder.trainer.optimizer import build_optimizer
    from megatron_mathcoder.trainer.step import StepRunner

    groups = stack.enter_context(process_groups(platform, config.parallel, rank, config.run.seed))
    transformer = build_transformer_config(config.model, config.parallel, config.training, initialize=False)
    kernels = choose_kernels(config.platform, platform, config.training.precision)
    kernels = change(kernels) if change else kernels
    built = build_chunks(config.model, transformer, groups, kernels, platform.device)
    draw_weights(built[0], config)
    chunks = wrap_chunks(built, transformer, config.parallel, groups, kernels)
    optimizer = build_optimizer(config.optimizer, config.training, config.parallel, chunks, groups, kernels)
    for group in optimizer.param_groups:
        group["lr"] = config.optimizer.lr
    runner = StepRunner(chunks, transformer, groups, platform, config.dataset, config.training)
    ids = token_batches(config, platform.device)
    whole, length = config.dataset.seq_length, config.dataset.seq_length // documents
    ranges = [torch.arange(begin, end, device=platform.device) for begin, end in sequence_chunks(whole, groups.cp)]
    here = torch.cat(ranges)

    def batches() -> Iterator[MicroBatch]:
        for _ in range(num_microbatches(config)):
            tokens = next(ids)
            mask = torch.ones(len(tokens), len(here), device=platform.device)
            positions = (here % length).expand_as(mask)
            starts = (tuple(range(0, whole, length)),) * len(tokens)
            yield MicroBatch(tokens[:, here], tokens[:, here + 1], mask, positions, starts)

    return lambda: runner.train(batches, num_microbatches(config), optimizer, lambda loss, grad_norm: "").loss


def hugging_face_step(config: RunConfig, _stack: ExitStack, device: Any = "cpu", compiled: bool = False) -> Step:
    """Return a step of ``LlamaForCausalLM``. In bf16 weights and moments are bf16 alone: its fastest form, without a master."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from megatron_mathcoder.model.transformer_config import DTYPES

    model = config.model
    shape = LlamaConfig(
        vocab_size=model.vocab_size,
        hidden_size=model.hidden_size,
        intermediate_size=model.ffn_hidden_size,
        num_hidden_layers=model.num_layers,
        num_attention_heads=model.num_attention_heads,
        num_key_value_heads=model.num_query_groups,
        head_dim=model.kv_channels,
        max_position_embeddings=model.max_position_embeddings,
        rms_norm_eps=model.layernorm_epsilon,
        tie_word_embeddings=model.share_embeddings_and_output_weights,
        use_cache=False,
        attn_implementation="sdpa",
    )
    with torch.device(device):  # weights are drawn there: on a CPU 8e9 take minutes
        network = LlamaForCausalLM(shape).to(DTYPES[config.training.precision])
    section = config.optimizer
    betas = (section.adam_beta1, section.adam_beta2)
    optimizer = torch.optim.AdamW(
        network.parameters(), section.lr, betas, section.adam_eps, weight_decay=section.weight_decay, fused=True
    )
    ids = token_batches(config, device)
    forward = torch.compile(network) if compiled else network

    def step() -> float:
        optimizer.zero_grad()
        total = 0.0
        for _ in range(num_microbatches(config)):
            tokens = next(ids)
            labels = tokens[:, 1:].contiguous()
            # Shifted before, as ours are: Hugging Face would shift labels itself and lose the last token.
            loss = forward(input_ids=tokens[:, :-1], labels=labels, shift_labels=labels).loss / num_microbatches(config)
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(network.parameters(), section.clip_grad)
        optimizer.step()
        return float(total)

    return step


def draw_weights(network: Any, config: RunConfig) -> None:
    """Draw every matrix on its own device: 8e9 numbers take minutes on a CPU."""
    import torch

    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, config.model.init_method_std)
            else:
                parameter.fill_(1.0)


def token_batches(config: RunConfig, device: Any) -> Iterator[Any]:
    """Yield the same random token ids [micro_batch_size, seq_length + 1] to all, without waiting for a GPU."""
    import torch

    from megatron_mathcoder.platforms.transfer import to_device

    generator = torch.Generator().manual_seed(1)
    shape = (config.training.micro_batch_size, config.dataset.seq_length + 1)
    while True:
        yield to_device(torch.randint(config.model.vocab_size, shape, generator=generator), torch.device(device))
