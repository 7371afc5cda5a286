"""AdamW and its schedule, in megatron-core's optimizer classes.

Decides: the update rule (one fused call of torch per parameter group) and the fields of megatron-core's optimizer config.
Does not: shard or keep master weights; megatron-core's ``DistributedOptimizer`` and ``Float16Optimizer`` do.
"""

from collections.abc import Iterable
from typing import Any

import torch
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, get_megatron_optimizer
from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32
from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler
from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_mathcoder.config.schema import OptimizerSection, ParallelSection, TrainingSection
from megatron_mathcoder.model.transformer_config import DTYPES
from megatron_mathcoder.platforms.adam_registration import register_adam


class FusedAdam(torch.optim.Optimizer):
    """AdamW (Loshchilov & Hutter 2019, algorithm 2) by torch's fused multi-tensor kernel, on CPU and on GPU.

    ``step`` is one integer in each parameter group, as in apex's and Transformer Engine's FusedAdam, so that it survives a
    checkpoint that is divided in another way. Moments are fp32 and have the parameter's shape.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        adam_w_mode: bool = True,
    ) -> None:
        """Take megatron-core's arguments; only decoupled weight decay is offered."""
        if not adam_w_mode:
            raise ValueError("adam_w_mode = False: FusedAdam has decoupled weight decay only")
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Gradients must be fp32, as the parameters are."""
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            self._update(group, [parameter for parameter in group["params"] if parameter.grad is not None])

    def _update(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        if not parameters:
            return
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["exp_avg"] = torch.zeros_like(parameter, dtype=torch.float32)
                state["exp_avg_sq"] = torch.zeros_like(parameter, dtype=torch.float32)
        step = torch.tensor(float(group["step"]), device=parameters[0].device)
        torch._fused_adamw_(
            parameters,
            [parameter.grad for parameter in parameters],  # type: ignore[misc]
            [self.state[parameter]["exp_avg"] for parameter in parameters],
            [self.state[parameter]["exp_avg_sq"] for parameter in parameters],
            [],
            [step] * len(parameters),
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


def build_optimizer(
    section: OptimizerSection,
    training: TrainingSection,
    parallel: ParallelSection,
    chunks: list[DistributedDataParallel],
    groups: ProcessGroupCollection,
) -> MegatronOptimizer:
    """Build megatron-core's optimizer over the chunks' parameters, with our Adam inside."""
    register_adam(FusedAdam)
    config = OptimizerConfig(
        optimizer="adam",
        lr=section.lr,
        min_lr=section.min_lr,
        weight_decay=section.weight_decay,
        adam_beta1=section.adam_beta1,
        adam_beta2=section.adam_beta2,
        adam_eps=section.adam_eps,
        decoupled_weight_decay=True,
        clip_grad=section.clip_grad,
        bf16=training.precision == "bf16",
        fp16=False,
        params_dtype=DTYPES[training.precision],
        use_distributed_optimizer=parallel.use_distributed_optimizer,
        overlap_param_gather=parallel.overlap_param_gather,
        log_num_zeros_in_grad=False,
    )
    return get_megatron_optimizer(config, chunks, use_gloo_process_groups=False, pg_collection=groups)


def clip_gradients(optimizer: MegatronOptimizer, grad_norm: float) -> None:
    """Scale the prepared gradients down to the recipe's norm, as ``ChainedOptimizer.step`` does between its two halves.

    megatron-core has no call for this half alone, and its ``step`` changes the weights whatever the norm is.
    """
    for each in optimizer.chained_optimizers:
        parameters = [] if getattr(each, "is_stub_optimizer", False) else each.get_parameters()
        if parameters and each.config.clip_grad > 0.0:
            clip_grad_by_total_norm_fp32(parameters, max_norm=each.config.clip_grad, total_norm=grad_norm)


def set_schedule(section: OptimizerSection, optimizer: MegatronOptimizer, scheduler: OptimizerParamScheduler, step: int) -> None:
    """Put the schedule to where it stands after ``step`` steps, and the recipe's numbers into the parameter groups.

    megatron-core keeps those numbers in the optimizer's state and prefers the ones that came with a checkpoint: a learning rate
    that was changed for the rest of a run would have no effect, and no error. Weight decay is set at every step of the schedule.
    """
    for group in optimizer.param_groups:
        group["max_lr"] = section.lr
        group["min_lr"] = section.min_lr
        group["betas"] = (section.adam_beta1, section.adam_beta2)
        group["eps"] = section.adam_eps
    scheduler.num_steps = 0
    scheduler.step(increment=step)


def build_scheduler(section: OptimizerSection, optimizer: MegatronOptimizer, total_steps: int) -> OptimizerParamScheduler:
    """Build the learning-rate schedule, counted in optimizer steps.

    The recipe is its only source: what a checkpoint says of the schedule, except where it stood, is not used.
    """
    return OptimizerParamScheduler(
        optimizer,
        init_lr=0.0,
        max_lr=section.lr,
        min_lr=section.min_lr,
        lr_warmup_steps=section.lr_warmup_steps,
        lr_decay_steps=section.lr_decay_steps or total_steps,
        lr_decay_style=section.lr_decay_style,
        start_wd=section.weight_decay,
        end_wd=section.weight_decay,
        wd_incr_steps=total_steps,
        wd_incr_style="constant",
        use_checkpoint_opt_param_scheduler=False,
        override_opt_param_scheduler=True,
        wsd_decay_steps=section.wsd_decay_steps or None,
        lr_wsd_decay_style=section.lr_wsd_decay_style if section.lr_decay_style == "WSD" else None,
    )
