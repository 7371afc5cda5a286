"""Triton's interpreter stands in for the GPU; it must be on before a kernel is defined, so nothing here imports one first."""

import os

os.environ["TRITON_INTERPRET"] = "1"
