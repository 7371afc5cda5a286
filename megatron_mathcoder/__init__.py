"""MathCoder on megatron-core: everything that touches tensors.

This file imports nothing, so that ``import megatron_mathcoder.config`` stays free of torch.
"""

__version__ = "0.1.0"
