"""``mathcoder plan``: what a recipe needs and takes on GPUs that need not be here.

Decides: the arguments, and what to say when no layout is allowed or none fits.
Does not: import torch, or start anything.
"""

import argparse
import json
from dataclasses import replace

from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.gpus import GPUS, gpu_named
from megatron_mathcoder.config.loader import load_config
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.planning.layouts import Layout, allowed_layouts, cost, gib, try_layouts
from megatron_mathcoder.planning.report import Plan, as_json, as_text
from megatron_mathcoder.planning.run_length import run_steps
from megatron_mathcoder.planning.speed import USUAL_HEADROOM, USUAL_MFU, USUAL_WRITE_BYTES_PER_SECOND, Machine

LARGEST_SEARCH = 64
"""Times as many GPUs as asked for, at most, that a remedy may name."""
NEAR_NODES = 16
"""How far from the number of GPUs asked for another one is looked for."""


def run(argv: list[str]) -> int:
    """Run ``mathcoder plan``."""
    parser = argparse.ArgumentParser(
        prog="mathcoder plan",
        description="Say, without a GPU, what a recipe needs on one: peak memory by term, tokens per second, days, checkpoint "
        "size, and every layout that fits, best first. Speed is an estimate from an assumed share of the GPU's peak (--mfu).",
    )
    parser.add_argument("recipe", help="the run's TOML file")
    parser.add_argument("--gpus", type=int, required=True, help="number of GPUs, one rank each")
    parser.add_argument("--gpu", required=True, help=f"kind of GPU: {', '.join(GPUS)}")
    parser.add_argument("--gpus-per-node", type=int, default=8, help="GPUs connected by NVLink (default 8)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="replace one key of the recipe")
    parser.add_argument(
        "--mfu", type=float, default=USUAL_MFU, help="share of the peak reached while computing (default %(default)s)"
    )
    parser.add_argument(
        "--headroom", type=float, default=USUAL_HEADROOM, help="share of the memory to keep free (default %(default)s)"
    )
    parser.add_argument(
        "--write-gbs",
        type=float,
        default=USUAL_WRITE_BYTES_PER_SECOND / 1e9,
        help="GB/s at which a checkpoint is written (default %(default)g)",
    )
    parser.add_argument("--epoch-tokens", type=float, default=0.0, help="training tokens of one epoch, e.g. 19.2e9")
    parser.add_argument("--top", type=int, default=10, help="layouts to show (default 10)")
    parser.add_argument("--json", action="store_true", help="print JSON, in bytes and seconds")
    arguments = parser.parse_args(argv)
    plan = make_plan(arguments.recipe, load_config(arguments.recipe, arguments.set), _machine(arguments), arguments.epoch_tokens)
    print(json.dumps(as_json(plan, arguments.top), indent=2) if arguments.json else as_text(plan, arguments.top))
    return 0


def _machine(arguments: argparse.Namespace) -> Machine:
    """Return the GPUs that the arguments describe.

    Raises:
        ConfigError: an argument is out of its range, or the GPUs do not make whole nodes.
    """
    gpus, per_node = arguments.gpus, arguments.gpus_per_node
    for option, value in (("--gpus", gpus), ("--gpus-per-node", per_node), ("--top", arguments.top)):
        if value < 1:
            raise ConfigError(f"{option} {value}: must be at least 1")
    if gpus > per_node and gpus % per_node:
        nearest = round(gpus / per_node) * per_node
        raise ConfigError(f"--gpus {gpus}: must be whole nodes of {per_node} (--gpus-per-node); the nearest is {nearest}")
    if not 0 < arguments.mfu <= 1:
        raise ConfigError(f"--mfu {arguments.mfu}: must be above 0 and at most 1; {USUAL_MFU} is usual")
    if not 0 <= arguments.headroom < 1:
        raise ConfigError(f"--headroom {arguments.headroom}: must be at least 0 and below 1; {USUAL_HEADROOM} is the default")
    if not arguments.write_gbs > 0:
        raise ConfigError(f"--write-gbs {arguments.write_gbs}: must be above 0")
    if not arguments.epoch_tokens >= 0:
        raise ConfigError(f"--epoch-tokens {arguments.epoch_tokens}: must be at least 0; 0 counts the blend's files")
    return Machine(
        gpu=gpu_named(arguments.gpu),
        gpus=gpus,
        gpus_per_node=per_node,
        mfu=arguments.mfu,
        headroom=arguments.headroom,
        write_bytes_per_second=arguments.write_gbs * 1e9,
    )


def make_plan(recipe: str, config: RunConfig, machine: Machine, epoch_tokens: float = 0.0) -> Plan:
    """Return the plan of ``config`` on ``machine``.

    Raises:
        ConfigError: no layout is allowed on this many GPUs, or none fits; the message names the smallest change that helps.
    """
    own, refusal = _own_layout(config, machine)
    layouts, refused = allowed_layouts(config, machine)
    if not layouts:
        raise ConfigError(f"--gpus {machine.gpus}: no layout of {recipe} is allowed; {refusal}{_allowed_count(config, machine)}")
    plan = Plan(
        recipe=recipe,
        config=config,
        machine=machine,
        steps=run_steps(config, epoch_tokens),
        own=own,
        own_refusal=refusal,
        layouts=layouts,
        refused=refused,
    )
    if not plan.fitting:
        raise ConfigError(_nothing_fits(config, machine, layouts))
    return plan


def _own_layout(config: RunConfig, machine: Machine) -> tuple[Layout | None, str]:
    try:
        return cost(config, machine), ""
    except ConfigError as error:
        return None, str(error)


def _allowed_count(config: RunConfig, machine: Machine) -> str:
    """Return the nearest number of GPUs for which a layout is allowed, as a remedy; "" where it is far away."""
    for distance in range(1, min(machine.gpus, NEAR_NODES * machine.gpus_per_node) + 1):
        for gpus in (machine.gpus - distance, machine.gpus + distance):
            whole_nodes = gpus <= machine.gpus_per_node or gpus % machine.gpus_per_node == 0
            if gpus > 0 and whole_nodes and any(try_layouts(config, replace(machine, gpus=gpus), {})):
                return f"; --gpus {gpus} is the nearest number that has one"
    return ""


def _nothing_fits(config: RunConfig, machine: Machine, layouts: list[Layout]) -> str:
    """Return the error of a model too large for the GPUs: what the smallest layout needs, and the smallest changes."""
    smallest = min(layouts, key=lambda layout: layout.memory.peak)
    remedies = [remedy for remedy in (_more_gpus(config, machine), _larger_gpu(config, machine)) if remedy]
    return (
        f"nothing fits on {machine.gpus} × {machine.gpu.name}: the smallest layout ({smallest.name}) needs "
        f"{gib(smallest.memory.peak)} of {gib(machine.usable_bytes)} a GPU; use "
        f"{' or '.join(remedies) or 'a smaller model or shorter samples'}"
    )


def _more_gpus(config: RunConfig, machine: Machine) -> str:
    gpus = machine.gpus * 2
    while gpus <= machine.gpus * LARGEST_SEARCH:
        more = replace(machine, gpus=gpus)
        if any(layout.fits(more) for layout in try_layouts(config, more, {})):
            return f"--gpus {gpus}"
        gpus *= 2
    return ""


def _larger_gpu(config: RunConfig, machine: Machine) -> str:
    for gpu in sorted(GPUS.values(), key=lambda gpu: gpu.memory_bytes):
        larger = replace(machine, gpu=gpu)
        if gpu.memory_bytes > machine.gpu.memory_bytes and any(layout.fits(larger) for layout in try_layouts(config, larger, {})):
            return f"--gpu {gpu.name}"
    return ""
