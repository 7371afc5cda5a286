"""``mathcoder doctor``: what this machine can do, and what to do about what it cannot.

Decides: which packages each capability needs and the remedy when one is missing.
Does not: change anything, use the network, or import a package other than torch and psutil (versions come from metadata).
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from megatron_mathcoder import __version__
from megatron_mathcoder.platforms.apex import find_apex

REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "": (
        "aiohttp>=3.12",
        "mpmath>=1.3",
        "fasttext-numpy2>=0.10.4",
        "gigatoken>=0.10",
        "numpy>=2",
        "orjson>=3.10",
        "pyarrow>=17",
        "rensa>=0.5",
        "sentencepiece>=0.2",
        "tiktoken>=0.8",
        "tokenizers>=0.21",
        "tqdm>=4.66",
        "xxhash>=3.5",
        "zstandard>=0.23",
    ),
    "train": ("torch>=2.11", "megatron-core==0.16.1", "psutil>=5.9", "matplotlib>=3.9", "tensorboard>=2.18"),
    "convert": (),
    "eval": ("torch>=2.11", "transformers>=5", "math-verify==0.9.0", "antlr4-python3-runtime==4.13.2", "datasets>=4"),
    "data": ("pypdfium2>=5", "resiliparse>=2", "mpmath>=1.3", "networkx>=3", "sympy>=1.13"),
}
"""pyproject.toml's requirements by extra ("" = always), repeated here because a tree that was never installed has no metadata."""

OPTIONAL_PACKAGES = ("transformer-engine", "triton", "liger-kernel", "flash-attn", "vllm")
"""Packages that make something faster or possible, and that nothing above needs."""

EXTERNAL_TIMEOUT_SECONDS = 10
"""How long ``sbatch --version`` or ``nvidia-smi`` may take before it counts as not answering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One thing this project does, and whether this machine can do it."""

    name: str
    can: bool
    remedy: str = ""
    """What is missing and how to get it; "" where nothing is."""


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """``"2.13.0+cpu"`` → ``(2, 13, 0)``; a pre-release counts as its release."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"[^\d.]", version)[0]))


def unmet(requirement: str) -> str | None:
    """Return why ``name>=version`` or ``name==version`` is not met by what is installed, or None when it is."""
    name, operator, wanted = re.fullmatch(r"([\w-]+)(>=|==)([\d.]+)", requirement).groups()  # type: ignore[union-attr]
    installed = _version(name)
    if installed is None:
        return f"{name} is missing"
    met = _release(installed) >= _release(wanted) if operator == ">=" else _release(installed) == _release(wanted)
    return None if met else f"{name} is {installed}, not {operator}{wanted}"


def _first_line(command: Sequence[str]) -> str | None:
    """Return the first line a command prints, or None when it is absent, fails or does not answer."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=EXTERNAL_TIMEOUT_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip().partition("\n")[0] or None


def inspect_host() -> dict[str, Any]:
    """Return system, Python, cores this process may use, memory and free disk (bytes)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        import psutil

        available = psutil.virtual_memory().available
    except ImportError:
        pass
    limit_file = Path("/sys/fs/cgroup/memory.max")
    limit = limit_file.read_text().strip() if limit_file.is_file() else "max"
    if limit.isdigit():
        memory, available = min(memory, int(limit)), min(available, int(limit))
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cpu_cores": cores,
        "memory_bytes": memory,
        "memory_available_bytes": available,
        "disk_free_bytes": shutil.disk_usage(Path.cwd()).free,
        "folder": str(Path.cwd()),
    }


def inspect_torch() -> dict[str, Any]:
    """Return torch's version, the CUDA it was built for, and the GPUs it sees; never raises."""
    facts: dict[str, Any] = {"version": _version("torch"), "loads": False, "cuda": None, "gpus": [], "problem": None}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import torch

            facts.update(version=torch.__version__, loads=True, cuda=torch.version.cuda)
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        # A driver that is too old is said in a warning, and torch then sees no GPU.
        facts["problem"] = next((str(w.message).partition("\n")[0] for w in caught if "CUDA" in str(w.message)), None)
        for index in range(count):
            properties = torch.cuda.get_device_properties(index)
            gpu = {"name": properties.name, "memory_bytes": properties.total_memory, "bf16": properties.major >= 8}
            facts["gpus"].append(gpu)
    except ModuleNotFoundError as error:
        facts["problem"] = None if error.name == "torch" else str(error)
    except (ImportError, OSError, RuntimeError) as error:
        # A torch whose shared libraries do not load, or a driver that fails: that is the finding.
        facts["problem"] = str(error).partition("\n")[0]
    return facts


def _gpu_remedy(torch_facts: dict[str, Any], driver_gpu: str | None) -> str:
    """Return why torch sees no GPU and what to do; "" when it sees one."""
    if torch_facts["gpus"]:
        return ""
    if driver_gpu is None:
        return "nvidia-smi shows no GPU: run on a machine with an NVIDIA GPU and driver, or train with --set platform.name=cpu"
    if torch_facts["loads"] and torch_facts["cuda"] is None:
        return f"this machine has {driver_gpu}, but torch {torch_facts['version']} is a CPU build: install torch's CUDA build"
    return f"this machine has {driver_gpu}, but torch cannot use it: {torch_facts['problem'] or 'torch is not installed'}"


def _capability(name: str, extras: Sequence[str], others: Sequence[str] = ()) -> Capability:
    """Return whether the requirements of ``extras`` are met; ``others`` are further reasons against, "" for none."""
    missing = list(dict.fromkeys(filter(None, (unmet(r) for extra in ("", *extras) for r in REQUIREMENTS[extra]))))
    wanted = f"'.[{','.join(extras)}]'" if extras else "."
    reasons = [f"{', '.join(missing)}: pip install -c constraints.txt -e {wanted}"] if missing else []
    reasons += filter(None, others)
    return Capability(name=name, can=not reasons, remedy="; ".join(reasons))


def examine() -> dict[str, Any]:
    """Return everything the doctor knows, as plain JSON values."""
    torch_facts, apex = inspect_torch(), find_apex()
    driver_gpu = _first_line(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    slurm = _first_line(["sbatch", "--version"])
    against_training = [f"wrong apex: {apex.remedy}" if apex.kind == "wrong" else ""]
    if torch_facts["version"] and not torch_facts["loads"]:
        against_training.append(f"torch does not load: {torch_facts['problem']}")
    capabilities = [
        _capability("prepare and tokenize data", []),
        _capability("read web pages and PDFs, translate and execute", ["data"]),
        _capability("train on CPU", ["train"], against_training),
        _capability("train on GPU", ["train"], [*against_training, _gpu_remedy(torch_facts, driver_gpu)]),
        _capability("import from and export to Hugging Face", ["convert"]),
        _capability("generate with an exported model, evaluate, grade", ["eval"]),
        Capability(
            name="submit to Slurm", can=slurm is not None, remedy="" if slurm else "no answer from sbatch: use a login node"
        ),
    ]
    names = [re.split("[>=]", r)[0] for requirements in REQUIREMENTS.values() for r in requirements]
    return {
        "mathcoder": __version__,
        "host": inspect_host(),
        "torch": torch_facts,
        "slurm": slurm,
        "apex": asdict(apex),
        "packages": {name: _version(name) for name in dict.fromkeys([*names, *OPTIONAL_PACKAGES])},
        "capabilities": [asdict(capability) for capability in capabilities],
    }


def render(report: dict[str, Any]) -> str:
    """Return the report as text for a terminal."""
    host, torch_facts, apex = report["host"], report["torch"], report["apex"]
    gib = {key: f"{value / 2**30:.1f} GiB" for key, value in host.items() if key.endswith("_bytes")}
    build = f"built for CUDA {torch_facts['cuda']}" if torch_facts["cuda"] else "built without CUDA"
    build = build if torch_facts["loads"] else "does not load"
    gpus = [f"{g['name']}, {g['memory_bytes'] / 2**30:.0f} GiB, bf16 {'yes' if g['bf16'] else 'no'}" for g in torch_facts["gpus"]]
    apex_words = {"none": "not installed (not needed)", "nvidia": "NVIDIA's", "wrong": f"WRONG ONE at {apex['location']}"}
    rows = [
        ("system", f"{host['system']}, Python {host['python']}"),
        ("cpu", f"{host['cpu_cores']} cores"),
        ("memory", f"{gib['memory_bytes']}, {gib['memory_available_bytes']} available"),
        ("disk", f"{gib['disk_free_bytes']} free in {host['folder']}"),
        ("torch", f"{torch_facts['version']}, {build}" if torch_facts["version"] else "not installed"),
        *([("torch says", torch_facts["problem"])] if torch_facts["problem"] else []),
        *[("gpu", gpu) for gpu in gpus or ["none that torch sees"]],
        ("slurm", report["slurm"] or "no answer from sbatch"),
        ("apex", apex_words[apex["kind"]]),
        *[(name, version or "not installed") for name, version in report["packages"].items() if name != "torch"],
    ]
    lines = [f"mathcoder {report['mathcoder']}", *[f"  {name:<19} {value}" for name, value in rows], "", "this machine"]
    for capability in report["capabilities"]:
        lines.append(f"  {'can   ' if capability['can'] else 'cannot'} {capability['name']}")
        if capability["remedy"]:
            lines.append(f"         {capability['remedy']}")
    return "\n".join(lines)


def run(argv: list[str]) -> int:
    """Print what this machine can do. Returns 1 when the wrong ``apex`` is installed, else 0."""
    parser = argparse.ArgumentParser(
        prog="mathcoder doctor", description="Say what this machine can do, and what to install for what it cannot."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    arguments = parser.parse_args(argv)
    report = examine()
    print(json.dumps(report, indent=2) if arguments.json else render(report))
    return 1 if report["apex"]["kind"] == "wrong" else 0
