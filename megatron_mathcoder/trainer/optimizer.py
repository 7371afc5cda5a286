"""AdamW and its schedule, in megatron-core's optimizer classes.

Decides: which tensors the fused update is given and in which form they are kept, that a gradient is read twice a step (for the
norm, and by the update that clips it), and the fields of megatron-core's optimizer config.
Does not: compute the update (``kernels/``), or divide it among ranks; megatron-core's ``DistributedOptimizer`` does.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, get_megatron_optimizer
from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_mathcoder.config.schema import OptimizerSection, ParallelSection, TrainingSection
from megatron_mathcoder.kernels.adamw import Parameter, Update, adamw_, join_master, split_master
from megatron_mathcoder.kernels.kernel_set import KernelSet
from megatron_mathcoder.model.transformer_config import DTYPES
from megatron_mathcoder.platforms.adam_registration import register_adam

CLIP_EPS = 1e-6
"""Added to the norm that gradients are divided by, as torch's ``clip_grad_norm_`` and megatron-core do."""


class FusedAdam(torch.optim.Optimizer):
    """AdamW by the kernel set's fused update, on CPU and on GPU.

    ``step`` is one integer in each parameter group, as in apex's and Transformer Engine's FusedAdam, so that it survives a
    checkpoint that is divided in another way. A bf16 parameter has its master here (megatron-core then asks
    ``get_unscaled_state`` for it, and gives its gradient as ``decoupled_grad``); an fp32 one is its own.
    """

    gradient_scale = 1.0
    """Multiplies the gradients of the next step where they are read."""

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
        self._update: Callable[[Sequence[Parameter], Update], None] = adamw_

    def prepare(self, update: Callable[[Sequence[Parameter], Update], None], compact: bool) -> None:
        """Take the update to run, and make the state of every parameter: of 12 bytes a parameter if ``compact``."""
        self._update = update
        for group in self.param_groups:
            for parameter in group["params"]:
                has_master = parameter.dtype == torch.bfloat16
                dtype = torch.bfloat16 if compact and has_master else torch.float32
                state = {name: torch.zeros_like(parameter, dtype=dtype) for name in ("exp_avg", "exp_avg_sq")}
                if has_master:
                    state["master_param"] = torch.zeros_like(parameter, dtype=torch.int16) if compact else parameter.float()
                self.state[parameter] = state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Gradients must be fp32."""
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            parameters = [self._parts(parameter) for parameter in group["params"] if _gradient(parameter) is not None]
            if parameters:
                beta1, beta2 = group["betas"]
                numbers = {name: group[name] for name in ("step", "lr", "weight_decay", "eps")}
                self._update(parameters, Update(beta1=beta1, beta2=beta2, gradient_scale=self.gradient_scale, **numbers))
        self.gradient_scale = 1.0

    def _parts(self, parameter: Tensor) -> Parameter:
        state, gradient = self.state[parameter], _gradient(parameter)
        assert gradient is not None
        return Parameter(parameter, state.get("master_param"), state["exp_avg"], state["exp_avg_sq"], gradient)

    @torch.no_grad()
    def get_unscaled_state(self, parameter: Tensor, name: str) -> Tensor:
        """Return ``exp_avg``, ``exp_avg_sq`` or ``master_param`` of a parameter, fp32: what a checkpoint holds in either form."""
        stored: Tensor = self.state[parameter][name]
        return join_master(parameter, stored) if stored.dtype == torch.int16 else stored.float()

    @torch.no_grad()
    def set_scaled_state(self, parameter: Tensor, name: str, value: Tensor) -> None:
        """Take what ``get_unscaled_state`` returned, in this form or the other; with a master the weight is set too."""
        stored = self.state[parameter][name]
        if name != "master_param":
            stored.copy_(value)
        elif stored.dtype == torch.int16:
            weight, remainder = split_master(value.to(stored.device))
            parameter.copy_(weight)
            stored.copy_(remainder)
        else:
            stored.copy_(value)
            parameter.copy_(value)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take groups and state as they are; torch would give the state the parameter's dtype."""
        ordered = [parameter for group in self.param_groups for parameter in group["params"]]
        for group, loaded in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({name: value for name, value in loaded.items() if name != "params"})
        for number, state in state_dict["state"].items():
            self.state[ordered[number]] = state


def _gradient(parameter: Tensor) -> Tensor | None:
    """Return a parameter's fp32 gradient; a bf16 one has it beside ``grad``, which must be of the parameter's dtype."""
    gradient: Tensor | None = getattr(parameter, "decoupled_grad", None)
    return parameter.grad if gradient is None else gradient


def build_optimizer(
    section: OptimizerSection,
    training: TrainingSection,
    parallel: ParallelSection,
    chunks: list[DistributedDataParallel],
    groups: ProcessGroupCollection,
    kernels: KernelSet,
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
    # Set here, since the constructor refuses it without Transformer Engine: masters are Adam's, gradients its decoupled_grad.
    config.use_precision_aware_optimizer_no_fp8_or_ds_fp8 = config.bf16 and config.use_distributed_optimizer
    optimizer = get_megatron_optimizer(config, chunks, use_gloo_process_groups=False, pg_collection=groups)
    for each in _with_parameters(optimizer):
        each.optimizer.prepare(kernels.adamw_, section.use_precision_aware_optimizer)
    return optimizer


def gradient_norm(optimizer: MegatronOptimizer, device: torch.device) -> Tensor:
    """Return the norm of the prepared gradients of all ranks, fp32 [], each read once, without waiting for it; a collective.

    Which of them count, when several ranks hold the same weight, is megatron-core's knowledge. Its own norm waits for the GPU
    after every tensor where there is no apex.
    """
    gradients = [each for part in optimizer.chained_optimizers for each in part.get_main_grads_for_grad_norm()]
    norms = torch._foreach_norm(gradients) if gradients else [torch.zeros((), device=device)]
    square = torch.stack(list(norms)).square().sum()
    dist.all_reduce(square, group=optimizer.get_grad_stats_parallel_group())
    return square.sqrt()


def scale_gradients(optimizer: MegatronOptimizer, grad_norm: float, num_tokens: float) -> None:
    """Have the next step divide the gradients by the tokens they are sums over, and clip them, where it reads them.

    ``grad_norm`` is that of the divided gradients; they are scaled down to the recipe's.
    """
    for each in _with_parameters(optimizer):
        clip = each.config.clip_grad / (grad_norm + CLIP_EPS) if each.config.clip_grad > 0.0 else 1.0
        each.optimizer.gradient_scale = min(1.0, clip) / num_tokens


def _with_parameters(optimizer: MegatronOptimizer) -> list[MegatronOptimizer]:
    """Return the optimizers of this rank that hold something; a stub has none."""
    return [each for each in optimizer.chained_optimizers if not getattr(each, "is_stub_optimizer", False)]


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
