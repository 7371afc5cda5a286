"""Machine code for a GPU that is not here: a driver that lets Triton compile kernels where they are launched, and starts none.

Decides: what the device says of itself (an architecture's limits), and what is read from the code: registers, spilled bytes, how
wide each access to memory is, how much of the device one kernel fills.
Does not: launch kernels; whoever uses this calls the code that does, on CPU tensors. Outputs then hold what memory held.
"""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
from triton.backends.compiler import GPUTarget

CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
ACCESS = re.compile(r"\b(ld|st)\.global(?:\.[\w:]+?)*?(?:\.v(\d))?\.[bfsu](\d+) ")
WIDE = 16
"""Bytes: the widest access of a thread."""
REGISTERS, WARPS, MOST_PROGRAMS, LANES = 65536, 64, 32, 32
SHARED = {80: 166912, 90: 232448, 100: 232448}
"""Of a multiprocessor (CUDA C++ Programming Guide, compute capabilities); of shared memory what one program may take."""
LARGEST_GRID = (2**31 - 1, 65535, 65535)
SCALARS = {
    "norm.forward": 1,  # 1/rms
    "norm.backward": 1,
    "norm.sum": 1,  # a thread's sum
    "rotary.rotate": 0,
    "swiglu.forward": 0,
    "swiglu.backward": 0,
    "softmax.statistics": 4,  # label, its logit; both results
    "softmax.gradient": 3,  # label, logarithm of the sum, scale
    "adamw.adamw": 7,  # six numbers of the table; beside an fp32 master four bf16 weights are 8 bytes
}
"""Accesses of a kernel that are of one number by nature, and so narrow."""


class Kernel(NamedTuple):
    """One specialisation of a kernel, compiled."""

    name: str
    dtype: str
    """Of the first pointer, in Triton's letters."""
    constants: dict[str, Any]
    warps: int
    registers: int
    """Of a thread."""
    spilled: int
    """Bytes of a thread's stack."""
    shared: int
    """Bytes of a program."""
    loads: list[int]
    """Bytes of each access of a thread to global memory; those of a loop once."""
    stores: list[int]
    programs: int
    """That a multiprocessor holds at a time."""

    @property
    def narrow(self) -> int:
        """Accesses that are not as wide as they could be."""
        return sum(each < WIDE for each in self.loads + self.stores)

    @property
    def bytes_in_flight(self) -> int:
        """What all threads of a multiprocessor ask for before the first has to wait."""
        return self.programs * self.warps * LANES * sum(self.loads)


class Compiler:
    """Triton's driver for one architecture: 80 (A100), 90 (H100, H200) or 100 (B200)."""

    def __init__(self, architecture: int) -> None:
        """Take the place of the driver that Triton would look for."""
        self.architecture = architecture
        self.kernels: list[Kernel] = []
        """Every specialisation that was launched."""
        self.utils = self
        triton.runtime.driver.set_active(self)
        triton.knobs.runtime.kernel_load_end_hook = self._loaded

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.architecture, LANES)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, _device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_device_properties(self, _device: int) -> dict[str, int]:
        return {"max_shared_mem": SHARED[self.architecture]}

    def launcher_cls(self, source: Any, metadata: Any) -> Any:
        """Remember what is about to be loaded; return what will be called in place of a launch."""
        self._source, self._metadata = source, metadata
        return _start_nothing

    def load_binary(self, _name: str, code: bytes, _shared: int, _device: int) -> tuple[str, str, int, int, int]:
        """Return module, function, registers, spilled bytes and the most threads a program may have."""
        self._registers, self._spilled = _usage(code)
        return "module", "function", self._registers, self._spilled, REGISTERS // self._registers

    def _loaded(self, _module: str, _function: str, name: str, files: dict[str, str], _hash: str) -> None:
        source, warps, shared = self._source, self._metadata.num_warps, self._metadata.shared
        widths: dict[str, list[int]] = {"ld": [], "st": []}
        for kind, vector, bits in ACCESS.findall(Path(files[f"{name}.ptx"]).read_text()):
            widths[kind].append(int(vector or 1) * int(bits) // 8)
        kernel = Kernel(
            name=f"{source.fn.__module__.rsplit('triton_', 1)[-1]}.{name.removeprefix('_').removesuffix('_kernel')}",
            dtype=next(each for each in source.signature.values() if str(each).startswith("*"))[1:],
            constants={source.fn.arg_names[path[0]]: value for path, value in source.constants.items()},
            warps=warps,
            registers=self._registers,
            spilled=self._spilled,
            shared=shared,
            loads=widths["ld"],
            stores=widths["st"],
            programs=self._resident(warps, shared),
        )
        self.kernels.append(kernel)

    def _resident(self, warps: int, shared: int) -> int:
        of_warp = -(-self._registers * LANES // 256) * 256  # registers are given out in portions
        of_program = shared + 1024
        return min(REGISTERS // of_warp // warps, SHARED[self.architecture] // of_program, WARPS // warps, MOST_PROGRAMS)


def _start_nothing(*grid_and_arguments: Any) -> None:
    """Stand for a launch, which the hardware would refuse with such a grid, or memory of another device."""
    sizes = grid_and_arguments[:3]
    assert all(0 < size <= limit for size, limit in zip(sizes, LARGEST_GRID, strict=True)), f"a grid of {sizes}"
    devices = {each.device for each in grid_and_arguments if isinstance(each, torch.Tensor)}
    assert len(devices) == 1, f"a launch with memory of {devices}"


def _usage(code: bytes) -> tuple[int, int]:
    """Return registers and stack bytes of a thread."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        said = subprocess.run([CUOBJDUMP, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = {key: int(value) for key, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", said)}
    return found["REG"], found["STACK"] + found["LOCAL"]
