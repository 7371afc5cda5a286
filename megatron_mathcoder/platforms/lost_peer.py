"""Telling that another rank, its node or the link to it has gone, from what a collective raises.

Decides: which errors of torch.distributed mean that, by the words of gloo and NCCL, since torch gives most of them no class.
Does not: end the run; the trainer says what happened, and the launcher starts the job again.
"""

import torch.distributed as dist

from megatron_mathcoder.platforms.ranks import START_SECONDS

WAITED = ("timed out", "timeout")
LOST = ("connection closed", "connection reset", "connection refused", "socket closed", "broken pipe", "remote process exited")
"""Parts of messages, in lower case."""


def lost_peer(error: RuntimeError, timeout_minutes: float) -> str:
    """Return what happened to the ranks' connection, or "" for an error that has nothing to do with it."""
    text = str(error).lower()
    of_the_network = isinstance(error, dist.DistError) or "gloo" in text or "nccl" in text
    if not of_the_network:
        return ""
    if "client socket" in text:  # of the store through which the ranks meet
        return f"could not reach rank 0 within {START_SECONDS:g} s of its start"
    if any(words in text for words in WAITED):
        return f"waited {timeout_minutes * 60:g} s for another rank (parallel.distributed_timeout_minutes = {timeout_minutes:g})"
    return "lost the connection to another rank" if any(words in text for words in LOST) else ""
