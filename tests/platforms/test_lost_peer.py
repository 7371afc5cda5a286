"""Which errors of a collective mean that another rank has gone."""

import pytest
import torch.distributed as dist

from megatron_mathcoder.platforms.lost_peer import lost_peer

# As seen on two nodes when a rank is killed, stopped, or its cable is pulled.
GLOO = "[../third_party/gloo/gloo/transport/tcp/"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError(f"{GLOO}pair.cc:534] Connection closed by peer [10.78.1.2]:4711"), "lost the connection to another rank"),
        (RuntimeError(f"{GLOO}pair.cc:547] Read error [10.78.1.2]:4711: Connection reset by peer"), "lost the connection"),
        (
            RuntimeError(f"{GLOO}unbound_buffer.cc:81] Timed out waiting 30000ms for recv operation to complete"),
            "waited 30 s for another rank (parallel.distributed_timeout_minutes = 0.5)",
        ),
        (dist.DistBackendError("NCCL communicator was aborted: watchdog caught collective operation timeout"), "waited 30 s"),
        (dist.DistBackendError("ncclRemoteError: remote process exited or there was a network error"), "lost the connection"),
        (
            dist.DistNetworkError("The client socket has timed out after 600000ms while trying to connect to (n1, 20017)."),
            "could not reach rank 0 within 600 s of its start",
        ),
    ],
)
def test_a_lost_rank_is_told_in_words(error: RuntimeError, said: str) -> None:
    assert lost_peer(error, 0.5).startswith(said)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x3 and 4x5)"),
        RuntimeError("DataLoader timed out"),
        RuntimeError(f"{GLOO}pair.cc:1] op.preamble.length <= op.nbytes. 8 vs 4"),
        dist.DistBackendError("ncclInvalidUsage: duplicate GPU detected"),
    ],
)
def test_other_errors_are_left_alone(error: RuntimeError) -> None:
    assert lost_peer(error, 0.5) == ""
