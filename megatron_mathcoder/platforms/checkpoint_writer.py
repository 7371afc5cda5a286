"""Let megatron-core's checkpoint writer hand its results over inside this process.

Decides: the queue between the writer and the rank that waits for it. A save is synchronous here, so both are one process and
a plain queue does.
Does not: change what is written.

Why a patch: megatron-core 0.16.1 makes that queue in a manager process, started by spawn at the first save. It imports the main
module again (seconds), holds about 200 MB, hangs a script without an ``if __name__ == "__main__"`` guard, and outlives a rank
that is killed, once per killed rank.
"""

import queue


def keep_results_in_process() -> None:
    """Replace the manager's queue, before the first save."""
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    filesystem_async._results_queue = queue.Queue()
