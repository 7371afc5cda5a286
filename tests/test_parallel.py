"""How ranks meet."""

import socket

import pytest

from megatron_mathcoder.config.errors import PlatformError
from megatron_mathcoder.config.schema import ParallelSection
from megatron_mathcoder.parallel import process_groups
from megatron_mathcoder.platforms.cpu import CpuPlatform
from megatron_mathcoder.platforms.ranks import Rank


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(PlatformError, match=rf"{address}: rank 0 cannot listen there, .* set MASTER_PORT to a free one"),
            process_groups(CpuPlatform(), ParallelSection(), Rank(0, 0, 2, address), seed=1),
        ):
            pass
