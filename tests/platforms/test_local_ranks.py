"""More local ranks than GPUs are refused by every rank, so that the one with the terminal says it."""

import pytest

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.config.schema import ParallelSection, PlatformSection
from megatron_mathcoder.platforms.local_ranks import local_ranks_have_gpus
from megatron_mathcoder.platforms.ranks import Rank


def test_each_local_rank_needs_a_gpu() -> None:
    assert local_ranks_have_gpus(8, 8) == ""
    assert local_ranks_have_gpus(8, 4) == (
        "parallel.processes = 8: torch sees 4 GPUs, each rank needs one; lower it, or set platform.name to cpu"
    )


def test_the_first_rank_refuses_too_although_it_has_a_gpu() -> None:
    import torch

    from megatron_mathcoder.platforms.select import select_platform

    gpus = torch.cuda.device_count()
    with pytest.raises(PlatformError, match=rf"parallel\.processes = {gpus + 1}: torch sees {gpus} GPUs"):
        select_platform(PlatformSection(name="cuda"), ParallelSection(processes=gpus + 1), Rank(0, 0, gpus + 1, ""))
