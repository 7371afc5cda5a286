"""Triton's interpreter stands in for the GPU. triton reads this once, when it is imported."""

import os

os.environ["TRITON_INTERPRET"] = "1"
