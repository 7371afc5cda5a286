"""Do a checkpoint and a Hugging Face folder compute the same logits? Run by ``mathcoder verify-hf --logits``.

Decides: what "the same" means: Megatron's fp32 logits are as near to the exact ones as transformers' own fp32 logits are, within
a factor of 2. Does not: compare bytes (``checkpoints_convert/verify.py``).

``python -m megatron_mathcoder.inference.compare_logits HF_DIR CKPT``: a process of its own, since the converters import no torch.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from megatron_mathcoder.config.architecture_file import read_architecture
from megatron_mathcoder.config.errors import MathCoderError
from megatron_mathcoder.config.schema import ModelConfig, ParallelSection, PlatformSection, TrainingSection

if TYPE_CHECKING:
    from torch import Tensor

FACTOR = 2.0
LARGEST_EXACT = 2_000_000_000
"""Parameters up to which transformers computes in fp64 too; beyond, its fp32 logits are the reference."""
RELATIVE_BAR = 1e-4
"""Of the logits' standard deviation, where there are no fp64 logits to tell the noise."""
BATCH, LENGTH = 2, 64


def run(argv: list[str]) -> int:
    """Compare and print one line; returns 1 when the logits differ."""
    hf_dir, checkpoint = map(Path, argv)
    error, bar = compare(hf_dir, checkpoint)
    print(f"logits: largest error {error:.2e}, allowed {bar:.2e}: {'equal' if error <= bar else 'DIFFERENT'}")
    return 0 if error <= bar else 1


def compare(hf_dir: Path, checkpoint: Path) -> tuple[float, float]:
    """Return the largest absolute error of Megatron's logits, and what is allowed."""
    import torch
    from transformers import AutoModelForCausalLM

    model = read_architecture(checkpoint)
    length = min(LENGTH, model.max_position_embeddings)
    tokens = torch.randint(model.vocab_size, (BATCH, length), generator=torch.Generator().manual_seed(0))
    # transformers first: under the platform's stand-ins for torch.cuda it would leave its rotary frequencies unwritten.
    reference = AutoModelForCausalLM.from_pretrained(hf_dir, dtype=torch.float32)
    with torch.no_grad():
        own = reference(tokens).logits
        if sum(parameter.numel() for parameter in reference.parameters()) > LARGEST_EXACT:
            exact, allowed = own, RELATIVE_BAR * own.std().item()
        else:
            exact = reference.double()(tokens).logits
            allowed = FACTOR * (own - exact).abs().max().item()
    del reference
    return (megatron_logits(model, checkpoint, tokens) - exact).abs().max().item(), allowed


def megatron_logits(model: ModelConfig, checkpoint: Path, tokens: "Tensor") -> "Tensor":
    """fp32 logits [batch, sequence, vocabulary] of the checkpoint on the CPU for ``tokens`` [batch, sequence]."""
    from megatron_mathcoder.platforms.ranks import Rank
    from megatron_mathcoder.platforms.select import select_platform

    parallel, rank = ParallelSection(), Rank(rank=0, local_rank=0, world_size=1, init_method="")
    platform = select_platform(PlatformSection(name="cpu"), parallel, rank)

    # These import megatron-core, which must find the platform prepared.
    import torch

    from megatron_mathcoder.checkpoint import load_weights
    from megatron_mathcoder.kernels.kernel_set import torch_kernels
    from megatron_mathcoder.model.gpt import build_chunks
    from megatron_mathcoder.model.transformer_config import build_transformer_config
    from megatron_mathcoder.parallel import process_groups

    training = TrainingSection(micro_batch_size=BATCH, precision="fp32")
    with process_groups(platform, parallel, rank, seed=0) as groups, torch.no_grad():
        transformer = build_transformer_config(model, parallel, training, initialize=False)
        (module,) = build_chunks(model, transformer, groups, torch_kernels(), platform.device)
        load_weights(checkpoint, model, [module])
        positions = torch.arange(tokens.shape[1]).expand_as(tokens)
        logits: Tensor = module.eval()(tokens, positions, None)
        return logits[..., : model.vocab_size].float()


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[1:]))
    except MathCoderError as error:
        sys.exit(f"mathcoder verify-hf: {error}")
