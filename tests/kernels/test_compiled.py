"""What Triton's compiler makes of the kernels for a real GPU, without one: that it makes them, and what would cost speed."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.repository import ROOT

pytest.importorskip("triton")
from tests.kernels.machine_code import SCALARS, Kernel

SATURATING = 32 * 1024
"""Bytes that a multiprocessor must have asked for at any time: 4.8 TB/s over 132 of them, 0.7 µs each, are 25 KiB."""


def compiled(architecture: int) -> list[Kernel]:
    """Compile in a process of its own, since here triton interprets."""
    command = [sys.executable, "-m", "tests.kernels.compile_all", "--json", "--architecture", str(architecture)]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert finished.returncode == 0, finished.stderr
    return [Kernel(**each) for each in json.loads(finished.stdout)]


@pytest.fixture(scope="module")
def hopper() -> list[Kernel]:
    return compiled(90)


def test_every_kernel_is_compiled(hopper):
    sources = (ROOT / "megatron_mathcoder" / "kernels").glob("triton_*.py")
    written = {
        f"{path.stem.removeprefix('triton_')}.{name}"
        for path in sources
        for name in re.findall(r"^def _(\w+)_kernel\(", path.read_text(), re.MULTILINE)
    }
    assert {each.name for each in hopper} == written == set(SCALARS)


def rests(kernel: Kernel) -> int:
    """Return the bytes that a thread may spill: of a row of 8,192 fp32 numbers, which no GPU trains, some do not fit."""
    return 48 if (kernel.name, kernel.dtype, kernel.constants.get("BLOCK")) == ("norm.backward", "fp32", 8192) else 0


def test_no_register_is_spilled(hopper):
    assert [each for each in hopper if each.spilled > rests(each)] == []


def test_memory_is_read_and_written_in_the_widest_accesses(hopper):
    """All but what begins or ends between multiples of 16."""
    assert [each for each in hopper if each.constants.get("ALIGNED", True) and each.narrow > SCALARS[each.name]] == []


def test_an_unaligned_update_is_seen_as_narrow(hopper):
    """The counting counts."""
    apart = [each for each in hopper if not each.constants.get("ALIGNED", True)]
    assert len(apart) == 3
    assert all(each.narrow > 30 for each in apart)


def test_enough_is_asked_for_to_keep_memory_busy(hopper):
    assert [each for each in hopper if each.bytes_in_flight < SATURATING] == []


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [80, 100])
def test_other_architectures(architecture):
    kernels = compiled(architecture)
    assert {each.name for each in kernels} == set(SCALARS)
    # Four registers, where a program more on a multiprocessor is worth more.
    assert [each for each in kernels if each.spilled > 16 + rests(each)] == []
    assert all(each.narrow <= SCALARS[each.name] for each in kernels if each.constants.get("ALIGNED", True))
