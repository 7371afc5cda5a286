"""Tell megatron-core which Adam to build.

Decides: that ``get_megatron_optimizer`` builds the class it is given, with the contract of apex's and Transformer Engine's
FusedAdam: ``step`` is one integer in the parameter group.
Does not: implement Adam.

Why a patch: megatron-core 0.16.1 has no argument for it. Without TE or apex it falls back to ``torch.optim.AdamW``, whose
per-parameter ``step`` makes a distributed-optimizer checkpoint unreadable in a fresh process (``assert len(steps) == 1``
in ``optimizer/distrib_optimizer.py``).
"""

import torch


def register_adam(adam_class: type[torch.optim.Optimizer]) -> None:
    """Make ``adam_class(params, lr, weight_decay, betas, eps, adam_w_mode)`` the Adam of megatron-core."""
    import megatron.core.optimizer as factory
    from megatron.core.optimizer import distrib_optimizer

    factory.Adam = adam_class
    factory.USING_PYTORCH_OPTIMIZER = False
    distrib_optimizer.Adam = adam_class
    distrib_optimizer.HAVE_APEX_OR_TE = True
    distrib_optimizer.USING_APEX_OPTIMIZER = True
