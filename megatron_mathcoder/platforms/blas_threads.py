"""How many threads numpy's BLAS starts, which it asks of the environment when it is loaded.

Decides: one, for processes that multiply no matrices. Otherwise each starts a thread a core: 64 workers of a node with 64 cores
start 4,096, and the limit of processes ends the run; each spins a tenth of a second before it sleeps.
Does not: undo what a person has set, or touch torch's threads (``local_ranks.py``).
"""

import os


def begin_with_one() -> None:
    """Have numpy, which must not be loaded yet, start no threads here and in child processes."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
