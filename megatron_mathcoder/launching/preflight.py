"""What is checked before a training job is submitted, so that it does not fail an hour after it has started.

Decides: the checks, their order, and the line each prints.
Does not: submit anything. Each check returns its line or raises the error that keeps the job from being submitted.
"""

import math
from pathlib import Path
from statistics import median

from megatron_mathcoder.config.errors import ConfigError, DataError, LaunchError
from megatron_mathcoder.config.gpus import gpu_named
from megatron_mathcoder.config.loader import load_run_file
from megatron_mathcoder.config.resume_rules import check_resume
from megatron_mathcoder.config.rules import check_steps, check_world_size
from megatron_mathcoder.config.run_folder import (
    METRICS_FILE,
    RUN_FILE,
    checkpoint_step,
    find_checkpoint,
    newest_checkpoint,
    read_rows,
)
from megatron_mathcoder.config.run_folder_rules import check_run_folder, free_bytes
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.launching.site import Site, seconds
from megatron_mathcoder.planning.layouts import cost, gib
from megatron_mathcoder.planning.run_length import checkpoint_bytes, run_steps, saves
from megatron_mathcoder.planning.speed import USUAL_WRITE_BYTES_PER_SECOND, Machine

SIGNAL_MARGIN_SECONDS = 60
"""Slurm looks at its clock about once a minute, and a step must end before the save begins."""


def check_recipe(config: RunConfig, ranks: int, waits_for_others: bool) -> str:
    """Check what `mathcoder train` would refuse: rules, data, a changed recipe. ``waits_for_others``: inputs may come later.

    Raises:
        MathCoderError: the first thing that is wrong.
    """
    check_world_size(config, ranks)
    folder = Path(config.run.folder)
    missing = _missing_inputs(config)
    if missing and not waits_for_others:
        raise DataError(f"{missing}: make it first, or name the job that makes it: --after JOB")
    steps = 0 if missing else run_steps(config)
    if steps:
        check_steps(config, steps)
    newest = newest_checkpoint(folder)
    if newest is not None:
        check_resume(newest, load_run_file(newest / RUN_FILE), config, steps)
        if steps and checkpoint_step(newest) >= steps:
            raise ConfigError(f"{folder}: finished at step {checkpoint_step(newest)} of {steps}; raise the run's length to go on")
    length = f"{steps:,} steps" if steps else "steps not known before its data is there"
    begin = f", goes on from step {checkpoint_step(newest):,}" if newest is not None else ""
    return f"{config.model.architecture} on {ranks} ranks, {length}{begin}{f'; {missing} yet' if missing else ''}"


def _missing_inputs(config: RunConfig) -> str:
    for part in config.dataset.blend:
        for ending in (".idx", ".bin"):
            if not Path(part.prefix + ending).is_file():
                return f"dataset {part.prefix}: {part.prefix}{ending} is missing"
    if config.checkpoint.initial and newest_checkpoint(Path(config.run.folder)) is None:
        if not Path(config.checkpoint.initial).exists():
            return f"checkpoint.initial = {config.checkpoint.initial!r} is missing"
        find_checkpoint(Path(config.checkpoint.initial))
    return ""


def check_disk(config: RunConfig) -> str:
    """Check the run folder, and that two checkpoints have room: one that is kept while the next is written.

    Raises:
        MathCoderError: they have not, or the folder cannot be written.
    """
    folder = Path(config.run.folder)
    check_run_folder(folder, config)
    free, needed = free_bytes(folder), 2 * checkpoint_bytes(config)
    said = f"two checkpoints take {needed / 1e9:.3g} GB, {free / 1e9:.3g} GB are free for them in {folder}"
    if free < needed:
        raise LaunchError(f'run.folder = "{folder}": {said}; free space or choose another folder')
    return said


def check_memory(config: RunConfig, site: Site, nodes: int) -> str:
    """Check the planned memory of the recipe's layout against the site's GPU.

    Raises:
        LaunchError: it does not fit, or the site names no GPU for a recipe that needs one.
    """
    if config.platform.name == "cpu":
        return "not planned: platform.name is cpu"
    if not site.gpu:
        raise LaunchError(
            f'platform.name = "{config.platform.name}": {site.file} names no GPU; set GPU there, or platform.name = "cpu"'
        )
    machine = machine_of(site, nodes)
    layout = cost(config, machine)
    said = f"{gib(layout.memory.peak)} of {gib(machine.usable_bytes)} on each {site.gpu}, by mathcoder plan"
    if not layout.fits(machine):
        raise LaunchError(
            f"the recipe's layout does not fit: {said}; mathcoder plan --gpus {machine.gpus} --gpu {site.gpu} names those that do"
        )
    return said


def machine_of(site: Site, nodes: int) -> Machine:
    """Return the GPUs of a job, with the planner's usual assumptions."""
    return Machine(gpu=gpu_named(site.gpu), gpus=nodes * site.ranks_per_node, gpus_per_node=site.ranks_per_node)


def signal_lead(config: RunConfig, site: Site) -> int:
    """Return the seconds between USR1 and the time limit: the site's, or two saves and a margin if that is more."""
    save = checkpoint_bytes(config) / USUAL_WRITE_BYTES_PER_SECOND
    return max(site.signal_seconds, math.ceil(2 * save) + SIGNAL_MARGIN_SECONDS)


def check_time(config: RunConfig, site: Site, nodes: int, lead: int) -> str:
    """Compare the planned steps with the time limit.

    Raises:
        LaunchError: the limit leaves no time before the signal.
    """
    limit = seconds(site.time_limit, "--time")
    if limit <= lead:
        raise LaunchError(f"--time {site.time_limit}: the signal to save comes {lead} s before the end; allow more than {lead} s")
    steps = 0 if _missing_inputs(config) else run_steps(config)
    if not steps:
        return f"a limit of {site.time_limit}; the run's length is not known"
    step, source = seconds_of_a_step(config, site, nodes)
    if not step:
        return f"a limit of {site.time_limit}; how long one of {steps:,} steps takes is not known before the first"
    total = steps * step + saves(config, steps) * checkpoint_bytes(config) / USUAL_WRITE_BYTES_PER_SECOND
    jobs = math.ceil(total / (limit - lead))
    many = f"{jobs} times the limit, requeued each time" if jobs > 1 else "within the limit"
    return f"{steps:,} steps of {step:.3g} s ({source}) are {total / 3600:.3g} h; the limit is {site.time_limit}: {many}"


def seconds_of_a_step(config: RunConfig, site: Site, nodes: int) -> tuple[float, str]:
    """Return the seconds of a step and where they are from: the run's own metrics, else the plan; 0 where neither knows."""
    rows = read_rows(Path(config.run.folder) / METRICS_FILE, ["seconds"])[-50:]
    if rows:
        return median(row["seconds"] for row in rows), "measured in this run"
    if site.gpu and config.platform.name != "cpu":
        return cost(config, machine_of(site, nodes)).step.total, "planned"
    return 0.0, ""
