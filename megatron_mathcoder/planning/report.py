"""A plan as text and as JSON.

Decides: what is shown, in which order and in which units. Does not: compute anything but sums and unit conversions.
"""

from dataclasses import asdict, dataclass
from typing import Any

from megatron_mathcoder.config.architectures import parameter_count
from megatron_mathcoder.config.batch import global_batch_size
from megatron_mathcoder.config.flops import training_flops_per_token
from megatron_mathcoder.config.schema import ParallelSection, RunConfig
from megatron_mathcoder.planning.layouts import Layout, gib, why_not
from megatron_mathcoder.planning.run_length import checkpoint_bytes, saves
from megatron_mathcoder.planning.speed import LINK_EFFICIENCY, Machine

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a report says."""

    recipe: str
    config: RunConfig
    machine: Machine
    steps: int
    """0 = not known."""
    own: Layout | None
    """The recipe's own layout, if the rules allow it on these GPUs."""
    own_refusal: str
    layouts: list[Layout]
    """All that the rules allow, fastest first."""
    refused: dict[str, list[str]]
    """Why the others are not allowed: messages by key."""

    @property
    def fitting(self) -> list[Layout]:
        """Layouts that fit, fastest first."""
        return [layout for layout in self.layouts if layout.fits(self.machine)]

    @property
    def near_misses(self) -> list[Layout]:
        """Layouts that do not fit and would be faster than the fastest that does, those that miss by least first.

        Of those that divide the model alike only the nearest is named.
        """
        limit = self.fitting[0].step.total
        missing = [each for each in self.layouts if not each.fits(self.machine) and each.step.total < limit]
        nearest: dict[ParallelSection, Layout] = {}
        for layout in sorted(missing, key=lambda layout: layout.memory.peak):
            nearest.setdefault(layout.config.parallel, layout)
        return list(nearest.values())

    @property
    def shown(self) -> Layout:
        """The layout that is broken down: the recipe's own, else the fastest that fits."""
        return self.own or self.fitting[0]

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one optimizer step."""
        return global_batch_size(self.config.training, self.config.dataset) * self.config.dataset.seq_length


def tokens_per_second(plan: Plan, layout: Layout) -> float:
    """Return the tokens of all GPUs a second."""
    return plan.tokens_per_step / layout.step.total


def model_flops_utilisation(plan: Plan, layout: Layout) -> float:
    """Return the share of the peak that a whole step spends on the model's own arithmetic."""
    flops = training_flops_per_token(plan.config.model, plan.config.dataset.seq_length)
    return tokens_per_second(plan, layout) * flops / (plan.machine.gpus * plan.machine.gpu.peak_flops)


def save_seconds(plan: Plan, layout: Layout) -> float:
    """Return the seconds of one save, in which training waits."""
    return checkpoint_bytes(layout.config) / plan.machine.write_bytes_per_second


def run_days(plan: Plan, layout: Layout) -> float:
    """Return the days of steps and saves; 0 when the number of steps is not known."""
    return (
        (plan.steps * layout.step.total + saves(plan.config, plan.steps) * save_seconds(plan, layout)) / DAY
        if plan.steps
        else 0.0
    )


def as_text(plan: Plan, top: int) -> str:
    """Return the plan for a terminal."""
    return "\n".join([*_heading(plan), "", *_breakdown(plan), "", *_table(plan, top), *_near_misses(plan, top), *_refused(plan)])


def _heading(plan: Plan) -> list[str]:
    config, machine, gpu = plan.config, plan.machine, plan.machine.gpu
    memory = f"{gib(gpu.memory_bytes)} each, {machine.headroom:.0%} kept free (--headroom)"
    steps = f"{plan.steps:,} steps" if plan.steps else "steps not known: give --epoch-tokens, the blend's files are not here"
    lines = [
        f"{plan.recipe}: {config.model.architecture}, {parameter_count(config.model):,} parameters, {config.training.precision}",
        f"{plan.tokens_per_step:,} tokens a step in samples of {config.dataset.seq_length}; {steps}",
        f"{machine.gpus} × {gpu.name}, {machine.gpus_per_node} a node; {memory}",
        (
            f"assumed: {machine.mfu:.0%} of {gpu.peak_flops / 1e12:.0f} TFLOP/s while computing (--mfu), large collectives at "
            f"{LINK_EFFICIENCY:.0%} of their link"
        ),
    ]
    if plan.own_refusal:
        lines.append(f"the recipe's own layout is not allowed here: {plan.own_refusal}")
    return lines


def _breakdown(plan: Plan) -> list[str]:
    layout, memory, step = plan.shown, plan.shown.memory, plan.shown.step
    whose = "the recipe's layout" if plan.own else "the fastest layout that fits"
    fits = "fits" if layout.fits(plan.machine) else f"DOES NOT FIT, {why_not(layout, plan.machine, plan.layouts)}"
    optimizer = "divided among DP ranks" if layout.config.parallel.use_distributed_optimizer else "whole on every DP rank"
    form = "6 bytes a weight" if layout.config.optimizer.use_precision_aware_optimizer else "fp32"
    rows = [
        ("weights", memory.weights, layout.config.training.precision),
        ("gradients", memory.gradients, "fp32"),
        ("optimizer", memory.optimizer, f"moments and masters, {form}, {optimizer}"),
        ("activations", memory.activations, f"saved for the backward pass, recompute {layout.config.training.recompute}"),
        ("communication", memory.communication, "gathered sequences, keys and values, stages' messages"),
        ("logits and loss", memory.logits, "either these"),
        ("one layer's backward", memory.recomputed + memory.workspace, "or this: what is recomputed, and gradients"),
        ("peak", memory.peak, f"{memory.peak / plan.machine.usable_bytes:.0%} of {gib(plan.machine.usable_bytes)}: {fits}"),
    ]
    losses = {
        "recompute": step.recompute,
        "pipeline bubble": step.bubble,
        "tensor parallel": step.tensor_parallel,
        "pipeline messages": step.pipeline_parallel,
        "context parallel": step.context_parallel,
        "data parallel": step.data_parallel,
    }
    lost = ", ".join(f"{name} {seconds / step.total:.1%}" for name, seconds in losses.items() if seconds) or "nothing"
    rate, utilisation = tokens_per_second(plan, layout), model_flops_utilisation(plan, layout)
    size, seconds = checkpoint_bytes(layout.config), save_seconds(plan, layout)
    written = plan.machine.write_bytes_per_second / 1e9
    return [
        f"{whose}: {layout.name} ({layout.num_microbatches} micro-batches)",
        f"memory of the fullest rank (pipeline stage {memory.stage}):",
        *(f"  {name:<21} {gib(count):>10}  {note}" for name, count, note in rows),
        f"speed: {step.total:.2f} s a step, {rate:,.0f} tokens/s, MFU {utilisation:.1%}{_days(plan, layout)}",
        f"  time beside the model's own arithmetic: {lost}",
        f"checkpoint: {size / 1e9:.1f} GB, {seconds:.0f} s a save at {written:g} GB/s (--write-gbs){_saves(plan, seconds)}",
    ]


def _days(plan: Plan, layout: Layout) -> str:
    return f", {run_days(plan, layout):.1f} days with saves" if plan.steps else ""


def _saves(plan: Plan, seconds: float) -> str:
    count = saves(plan.config, plan.steps)
    return f", {count} in the run: {count * seconds / 3600:.1f} h" if plan.steps else ""


def _table(plan: Plan, top: int) -> list[str]:
    fitting = plan.fitting
    lines = [
        f"{len(fitting)} of {len(plan.layouts)} allowed layouts fit; the fastest {min(top, len(fitting))}:",
        f"  {'tokens/s':>10} {'MFU':>6} {'days':>6} {'peak':>10}  layout",
    ]
    for layout in fitting[:top]:
        days = f"{run_days(plan, layout):.1f}" if plan.steps else "?"
        mark = "  (the recipe's)" if plan.own and layout.config == plan.own.config else ""
        lines.append(
            f"  {tokens_per_second(plan, layout):>10,.0f} {model_flops_utilisation(plan, layout):>6.1%} {days:>6} "
            f"{gib(layout.memory.peak):>10}  {layout.name}{mark}"
        )
    return lines


def _near_misses(plan: Plan, top: int) -> list[str]:
    missing = plan.near_misses
    if not missing:
        return []
    return [
        "",
        f"faster if they did fit, the nearest of each division of the model ({min(top, len(missing))} of {len(missing)}):",
        *(
            f"  {tokens_per_second(plan, layout):>10,.0f} tokens/s  {layout.name}: {why_not(layout, plan.machine, plan.layouts)}"
            for layout in missing[:top]
        ),
    ]


def _refused(plan: Plan) -> list[str]:
    if not plan.refused:
        return []
    lines = ["", f"{sum(map(len, plan.refused.values()))} are not allowed; one example for each key:"]
    return [*lines, *(f"  {len(messages):>5} × {messages[0]}" for messages in plan.refused.values())]


def as_json(plan: Plan, top: int) -> dict[str, Any]:
    """Return the plan for programs: bytes, seconds, tokens; null for what is not known."""
    return {
        "recipe": plan.recipe,
        "architecture": plan.config.model.architecture,
        "parameters": parameter_count(plan.config.model),
        "tokens_per_step": plan.tokens_per_step,
        "steps": plan.steps or None,
        "machine": {**asdict(plan.machine), "usable_bytes": plan.machine.usable_bytes},
        "own_layout": _layout_json(plan, plan.own) if plan.own else None,
        "own_refusal": plan.own_refusal or None,
        "fitting": [_layout_json(plan, layout) for layout in plan.fitting[:top]],
        "near_misses": [
            {**_layout_json(plan, layout), "reason": why_not(layout, plan.machine, plan.layouts)}
            for layout in plan.near_misses[:top]
        ],
        "counts": {"allowed": len(plan.layouts), "fitting": len(plan.fitting)},
        "refused": {key: {"count": len(messages), "example": messages[0]} for key, messages in plan.refused.items()},
    }


def _layout_json(plan: Plan, layout: Layout) -> dict[str, Any]:
    parallel, training = layout.config.parallel, layout.config.training
    return {
        "tensor_model_parallel_size": parallel.tensor_model_parallel_size,
        "sequence_parallel": parallel.sequence_parallel,
        "pipeline_model_parallel_size": parallel.pipeline_model_parallel_size,
        "virtual_pipeline_model_parallel_size": parallel.virtual_pipeline_model_parallel_size,
        "context_parallel_size": parallel.context_parallel_size,
        "data_parallel_size": layout.data_parallel,
        "micro_batch_size": training.micro_batch_size,
        "num_microbatches": layout.num_microbatches,
        "recompute": training.recompute,
        "memory_bytes": {**asdict(layout.memory), "peak": layout.memory.peak},
        "fits": layout.fits(plan.machine),
        "step_seconds": {**asdict(layout.step), "total": layout.step.total},
        "tokens_per_second": tokens_per_second(plan, layout),
        "mfu": model_flops_utilisation(plan, layout),
        "days": run_days(plan, layout) or None,
        "checkpoint_bytes": checkpoint_bytes(layout.config),
        "save_seconds": save_seconds(plan, layout),
    }
