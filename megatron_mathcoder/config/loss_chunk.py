"""How many tokens' logits the loss holds at a time.

Decides: the size of a chunk of logits, which the kernels obey and the planner counts.
Does not: compute anything with them (``kernels/linear_cross_entropy.py``).
"""

CHUNK_LOGITS = 2**27
"""Logits of one chunk: 256 MiB in bf16."""


def chunk_tokens(columns: int, chunk_logits: int = CHUNK_LOGITS) -> int:
    """Return the tokens of a chunk for ``columns`` logits a token on this rank; at least 1."""
    return max(1, chunk_logits // columns)
